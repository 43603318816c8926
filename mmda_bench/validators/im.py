"""Information maximisation: confident predictions that cover the classes evenly."""

import numpy as np
from scipy.special import entr

from mmda_bench.registry import register_validator


@register_validator(
    "im",
    title="IM",
    paper="Shi and Sha, Information-Theoretical Learning of Discriminative Clusters, ICML 2012",
)
def im(*, target_probs: np.ndarray) -> float:
    """H(p̄) − (1/n) Σ_i H(P_i), p̄ the mean row, no epsilon, in [0, log K]. It expects balanced classes.

    ``target_probs``: P, (n, K). It is the mutual information of utterance and class, 0 for a collapse and for constant
    predictions. The first term of the loss of SHOT has it too, so that it must not choose the settings of ``im``.

    >>> im(target_probs=np.array([[1.0, 0.0], [1.0, 0.0]]))
    0.0
    """
    P = np.asarray(target_probs, np.float64)
    return float(entr(P.mean(axis=0)).sum() - entr(P).sum(axis=1).mean())
