"""MaNo: the norm of normalised logits, which grows with confidence."""

import numpy as np
from scipy.special import log_softmax, softmax

from mmda_bench.registry import register_validator

THRESHOLD = 5.0  # published
ORDER = 4  # published


@register_validator(
    "mano",
    title="MaNo",
    paper="Xie et al., MaNo: Exploiting Matrix Norm for Unsupervised Accuracy Estimation, NeurIPS 2024",
    ours="a row of equal logits is uniform",
)
def mano(*, target_logits: np.ndarray) -> float:
    """(mean_ik S_ik⁴)^{1/4}, in [1/K, K^{−1/4}]. A collapse that is certain has the greatest value.

    ``target_logits``: y, (n, K); they are left as they were. S is the softmax where −mean log softmax(y) > 5, else
    :func:`taylor`.

    >>> mano(target_logits=np.zeros((3, 4)))
    0.25
    """
    y = np.asarray(target_logits, np.float64)
    uncalibrated = -log_softmax(y, axis=1).mean() > THRESHOLD
    return matrix_norm(softmax(y, axis=1) if uncalibrated else taylor(y))


def taylor(logits: np.ndarray) -> np.ndarray:
    """Rows of 1 + y + y²/2, less the least of the row, over their sum: (n, K), of logits (n, K).

    >>> taylor(np.array([[0.0, 2.0], [3.0, 3.0]]))
    array([[0. , 1. ],
           [0.5, 0.5]])
    """
    series = 1 + logits + logits**2 / 2
    series -= series.min(axis=1, keepdims=True)
    sums = series.sum(axis=1, keepdims=True)
    return np.where(sums > 0, series / np.where(sums > 0, sums, 1), 1 / logits.shape[1])


def matrix_norm(S: np.ndarray) -> float:
    """(mean S⁴)^{1/4} of a matrix (n, K).

    >>> matrix_norm(np.full((2, 4), 0.25))
    0.25
    """
    return float((S**ORDER).mean() ** (1 / ORDER))
