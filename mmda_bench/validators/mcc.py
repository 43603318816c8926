"""Class confusion: how often two classes are likely for the same utterance."""

import numpy as np
from scipy.special import entr, log_softmax, softmax

from mmda_bench.registry import register_validator

TEMPERATURE = 2.5  # published


@register_validator(
    "mcc",
    title="−MCC",
    paper="Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020",
    ours="over all target utterances at once, not by batches",
)
def mcc(*, target_logits: np.ndarray) -> float:
    """−(1/K) Σ_{i≠j} C_ij, C the class confusion at the published temperature 2.5, in [−(K − 1)/K, 0].

    ``target_logits``: (n, K). A collapse has the least value. It must not choose the settings of the method ``mcc``.
    The terms of C are those of :func:`class_confusion`.

    >>> round(mcc(target_logits=np.zeros((6, 4))), 6)
    -0.75
    """
    return -class_confusion(target_logits, temperature=TEMPERATURE)


def class_confusion(logits: np.ndarray, *, temperature: float) -> float:
    """(1/K) Σ_{i≠j} C_ij, in [0, (K − 1)/K], of logits (n, K).

    C = (w P_T)ᵀ P_T with rows divided by their sums, P_T = softmax(y/T), w = n(1 + e^{−H(P_T)}) over the sum of its
    numerators. Row i of C is the mean of P_T with weights w_u P_T,ui: these are computed from logarithms, so that a
    class which nobody predicts has its row as well.

    >>> round(class_confusion(np.zeros((6, 4)), temperature=1.0), 6)
    0.75
    """
    scaled = np.asarray(logits, np.float64) / temperature
    P = softmax(scaled, axis=1)
    certainty = 1 + np.exp(-entr(P).sum(axis=1))  # its scale cancels in the rows of C
    weights = softmax(log_softmax(scaled, axis=1) + np.log(certainty)[:, None], axis=0)
    confusion = weights.T @ P
    return float((confusion.sum() - np.trace(confusion)) / len(confusion))
