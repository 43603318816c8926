"""Entropy: confident predictions are good, even if all are the same."""

import numpy as np
from scipy.special import entr

from mmda_bench.registry import register_validator


@register_validator(
    "entropy",
    title="−Entropy",
    paper="Morerio et al., Minimal-Entropy Correlation Alignment, ICLR 2018",
)
def entropy(*, target_probs: np.ndarray) -> float:
    """−(1/n) Σ_i H(P_i), natural logarithm, in [−log K, 0]. A collapse to one class is perfect.

    ``target_probs``: P, (n, K).

    >>> entropy(target_probs=np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    >>> round(entropy(target_probs=np.full((5, 2), 0.5)), 4)
    -0.6931
    """
    return 0.0 - float(entr(np.asarray(target_probs, np.float64)).sum(axis=1).mean())
