"""Corr-C: how near the correlations between classes are to those of certain and balanced predictions."""

import numpy as np

from mmda_bench.registry import register_validator


@register_validator(
    "corr-c",
    title="Corr-C",
    paper="Tu et al., What Does Softmax Probability Tell Us about Classifiers Ranking?, TMLR 2024",
    ours="without the constant factor 1/√K of the paper's cosine",
)
def corr_c(*, target_probs: np.ndarray) -> float:
    """tr(PᵀP) / ‖PᵀP‖_F, in [1, √K]. A collapse has the least value. It expects balanced classes.

    ``target_probs``: P, (n, K), rows that are not all zero.

    >>> corr_c(target_probs=np.eye(4))
    2.0
    """
    P = np.asarray(target_probs, np.float64)
    between = P.T @ P
    return float(np.trace(between) / np.linalg.norm(between))
