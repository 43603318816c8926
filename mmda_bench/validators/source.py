"""Source F1: what everybody has, and blind to the target."""

import numpy as np
from sklearn.metrics import f1_score

from mmda_bench.registry import register_validator


@register_validator(
    "source",
    title="Source F1",
    paper="Gulrajani and Lopez-Paz, In Search of Lost Domain Generalization, ICLR 2021",
    ours="weighted F1, the metric of the tables, in place of accuracy",
)
def source(*, source_probs: np.ndarray, source_labels: np.ndarray) -> float:
    """Weighted F1 of argmax P_s against the labels of source validation, in [0, 1]. Blind to the target.

    ``source_probs``: (m, K); ``source_labels``: (m,). A class that is never predicted has F1 0.

    >>> source(source_probs=np.eye(3), source_labels=np.arange(3))
    1.0
    """
    every = range(source_probs.shape[1])
    predicted = source_probs.argmax(axis=1)
    return float(f1_score(source_labels, predicted, labels=[*every], average="weighted", zero_division=0))
