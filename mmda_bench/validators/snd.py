"""Soft neighbourhood density: every utterance has many neighbours that are predicted alike."""

import numpy as np
from scipy.special import entr, softmax

from mmda_bench.registry import register_validator

TEMPERATURE = 0.05  # published
ROWS = 1024  # at once: bounds the memory


@register_validator(
    "snd",
    title="SND",
    paper="Saito et al., Tune it the Right Way: Soft Neighborhood Density, ICCV 2021",
)
def snd(*, target_probs: np.ndarray) -> float:
    """Mean entropy of the rows of softmax(X Xᵀ / .05) without the diagonal, in [0, log(n − 1)].

    ``target_probs``: P, (n, K); X: its rows at l2 norm 1. A collapse has the greatest value. One utterance has no
    neighbours: 0.

    >>> round(snd(target_probs=np.full((5, 2), 0.5)), 4)  # log 4
    1.3863
    """
    P = np.asarray(target_probs, np.float64)
    if len(P) == 1:
        return 0.0
    X = P / np.linalg.norm(P, axis=1, keepdims=True)
    total = 0.0
    for first in range(0, len(X), ROWS):
        similar = X[first : first + ROWS] @ X.T / TEMPERATURE
        rows = np.arange(len(similar))
        similar[rows, first + rows] = -np.inf  # no neighbour of itself
        total += float(entr(softmax(similar, axis=1)).sum())
    return total / len(X)
