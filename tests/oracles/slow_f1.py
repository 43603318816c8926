"""Weighted F1 by counting, in a hundredth of the time that scikit-learn takes for so few utterances."""

from collections.abc import Sequence

import numpy as np


def f1_by_class(labels: np.ndarray, predicted: Sequence[int] | np.ndarray, *, classes: int) -> list[float]:
    """2·hits over all that are of a class or are called it; 0 for a class that nothing is of."""
    found = []
    for one in range(classes):
        true, said = labels == one, np.asarray(predicted) == one
        found.append(2 * (true & said).sum() / (true.sum() + said.sum()) if true.any() else 0.0)
    return found


def weighted_f1(labels: np.ndarray, predicted: Sequence[int] | np.ndarray, *, classes: int) -> float:
    """The F1 of every class, weighted by how many are of it."""
    by_class = f1_by_class(labels, predicted, classes=classes)
    return sum((labels == one).sum() * value for one, value in enumerate(by_class)) / len(labels)
