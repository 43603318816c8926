"""Scores of one evaluated split, from labels and probabilities."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from mmda_bench.dataset import MODALITIES
from mmda_bench.functional import category_distance


def scores(labels: np.ndarray, predicted: np.ndarray, *, classes: int) -> dict[str, Any]:
    """Weighted F1 (the paper's metric), accuracy, F1 and support per class, confusion (rows: true). All in [0, 1].

    ``labels``, ``predicted``: (N,) class indices. A class that is never predicted has F1 0.
    """
    every = list(range(classes))
    return {
        "weighted_f1": float(f1_score(labels, predicted, labels=every, average="weighted", zero_division=0)),
        "accuracy": float(accuracy_score(labels, predicted)),
        "per_class_f1": f1_score(labels, predicted, labels=every, average=None, zero_division=0).tolist(),
        "support": np.bincount(labels, minlength=classes).tolist(),
        "confusion": confusion_matrix(labels, predicted, labels=every).tolist(),
    }


def evaluate(labels: np.ndarray, probabilities: np.ndarray, head_logits: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """:func:`scores` of the method's prediction, and the weighted F1 of every head alone under ``heads``."""
    classes = probabilities.shape[1]
    result = scores(labels, probabilities.argmax(1), classes=classes)
    heads = {m: scores(labels, logits.argmax(1), classes=classes) for m, logits in head_logits.items()}
    result["heads"] = {m: head["weighted_f1"] for m, head in heads.items()}
    return result


def distances(outputs: Mapping[str, np.ndarray], *, classes: int) -> dict[str, float]:
    """The paper's D_m of every modality, between source and target test, from the arrays that a cell stores."""

    def of(modality: str) -> float:
        halves = ("source_test", "target_test")
        (z_s, y_s), (z_t, y_t) = (
            (torch.from_numpy(outputs[f"{h}/z_{modality}"]).float(), torch.from_numpy(outputs[f"{h}/labels"]).long())
            for h in halves
        )
        return category_distance(z_s, y_s, z_t, y_t, classes).item()

    return {m: of(m) for m in MODALITIES}
