"""Scores of one evaluated split, from labels and probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmda_bench.dataset import MODALITIES


def scores(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> dict[str, Any]:
    """Weighted F1 (the paper's metric), accuracy, F1 and support per class, confusion (rows: true). All in [0, 1].

    ``labels``, ``predicted``: (N,) class indices. A class that is never predicted has F1 0.

    >>> scores(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)["confusion"]
    [[1, 1], [0, 1]]
    """
    from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

    every = list(range(classes))
    return {
        "weighted_f1": weighted_f1(labels, predicted, classes=classes),
        "accuracy": float(accuracy_score(labels, predicted)),
        "per_class_f1": f1_score(labels, predicted, labels=every, average=None, zero_division=0).tolist(),
        "support": np.bincount(labels, minlength=classes).tolist(),
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def weighted_f1(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> float:
    """The paper's metric, in [0, 1]: F1 of every class, weighted by its support.

    ``labels``, ``predicted``: (N,) class indices.

    >>> weighted_f1(np.array([0, 0, 1]), np.array([0, 1, 1]), classes=2)
    0.6666666666666666
    """
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predicted, labels=list(range(classes)), average="weighted", zero_division=0))


def evaluate(labels: np.ndarray, probabilities: np.ndarray, heads: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """:func:`scores` of the method's prediction, and the weighted F1 of every head alone under ``heads``.

    ``labels``: (N,) class indices. ``probabilities``: (N, C). ``heads``: (N, C) probabilities or logits by head.

    >>> evaluate(np.array([0, 1]), np.eye(2), {"A": np.eye(2)[::-1]})["heads"]
    {'A': 0.0}
    """
    classes = probabilities.shape[1]
    result = scores(labels, probabilities.argmax(1), classes=classes)
    result["heads"] = {m: weighted_f1(labels, head.argmax(1), classes=classes) for m, head in heads.items()}
    return result


def distances(outputs: Mapping[str, np.ndarray], *, classes: int) -> dict[str, float]:
    """The paper's D_m of every modality, between source and target test, from the arrays that a cell stores.

    ``outputs``: ``<domain>_test/z_<modality>`` (N, d) and ``<domain>_test/labels`` (N,). Each distance is ≥ 0.

    >>> half = {"labels": np.array([0, 1]), **{f"z_{m}": np.eye(2) for m in MODALITIES}}
    >>> both = {f"{domain}_test/{name}": array for domain in ("source", "target") for name, array in half.items()}
    >>> distances(both, classes=2)
    {'A': 0.0, 'L': 0.0, 'V': 0.0}
    """
    import torch  # here, and not above: tables are read and written without it

    from mmda_bench.functional.objective import category_distance

    def of(modality: str) -> float:
        parts = ("source_test", "target_test")
        (z_s, y_s), (z_t, y_t) = (
            (torch.from_numpy(outputs[f"{h}/z_{modality}"]).float(), torch.from_numpy(outputs[f"{h}/labels"]).long())
            for h in parts
        )
        return category_distance(z_s, y_s, z_t, y_t, classes).item()

    return {m: of(m) for m in MODALITIES}


BINS = 15


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS) -> float:
    """Σ over bins of (n_bin/N) |accuracy − mean confidence|, in [0, 1]; confidence is the largest probability.

    ``probabilities``: (N, C); ``labels``: (N,). Bins of equal width, upper limits included (Guo et al., 2017).

    >>> round(expected_calibration_error(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1])), 4)
    0.4
    """
    confidence = probabilities.max(1).astype(np.float64)
    excess = (probabilities.argmax(1) == labels) - confidence
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(index, excess, minlength=bins)).sum() / len(labels))


def error_detection(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve of confidence for telling right from wrong predictions, in [0, 1]; 0.5 is chance.

    The chance that a right prediction is more confident than a wrong one. None when all are right or all are wrong.

    ``probabilities``: (N, C); ``labels``: (N,).

    >>> error_detection(np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 1]))
    1.0
    """
    from sklearn.metrics import roc_auc_score

    right = probabilities.argmax(1) == labels
    if right.all() or not right.any():
        return None
    return float(roc_auc_score(right, probabilities.max(1).astype(np.float64)))
