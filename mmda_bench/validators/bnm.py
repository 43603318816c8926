"""Nuclear norm: large if predictions are confident and their rows diverse."""

import numpy as np

from mmda_bench.registry import register_validator


@register_validator(
    "bnm",
    title="BNM",
    paper="Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization, CVPR 2020",
)
def bnm(*, target_probs: np.ndarray) -> float:
    """‖P‖_* / n, the sum of the singular values over the number of utterances, in (0, 1]. It expects balanced classes.

    ``target_probs``: P, (n, K). The divisor is the paper's; the released code divides by min(n, K). A collapse to one
    class gives 1/√n, balanced and certain predictions √(K/n). It must not choose the settings of the method ``bnm``.

    >>> round(bnm(target_probs=np.eye(4)), 6)
    1.0
    """
    P = np.asarray(target_probs, np.float64)
    return float(np.linalg.svd(P, compute_uv=False).sum() / len(P))
