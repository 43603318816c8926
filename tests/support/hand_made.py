"""Cells and records made by hand, for the tests of what reads and writes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from slow_f1 import f1_by_class, weighted_f1

from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import METHODS
from mmda_bench.store import Record, unfinished


def make_cell(
    method: str = "dt", anchor: str = "A", seed: int = 0, *, off: tuple[str, ...] = (), epochs: int = 8, **params: Any
) -> Cell:
    entry = METHODS.entries().get(method)
    resolved = entry.settings(params) if entry else params
    protocol = Protocol(backbone="tiny", epochs=epochs)
    return Cell(
        method=method,
        params=resolved,
        off=off,
        dataset="avatars",
        version="v1",
        anchor=anchor,
        seed=seed,
        protocol=protocol,
    )


def make_record(cell: Cell, f1: float = 0.5, *, source: float = 0.9, **changes: Any) -> Record:
    """A record of a cell that went well, unless ``changes`` say otherwise."""
    scores: Mapping[str, Any] = {"target_test": {"weighted_f1": f1}, "source_test": {"weighted_f1": source}}
    times = {"setup_s": 0.5, "train_s": 6.0, "evaluate_s": 0.5, "total_s": 7.0}
    record = unfinished(cell, status="ok", reason="") | {"metrics": scores, "times": times, "memory_mb": 512.0}
    return record | {"reason": None} | changes


def make_outputs(labels: np.ndarray, predicted: np.ndarray, *, classes: int = 4, confidence: float = 0.7) -> dict:
    """What ``run_cell`` leaves beside a record: every prediction with the same confidence. Both domains are alike."""
    probabilities = np.full((len(labels), classes), (1 - confidence) / (classes - 1), np.float16)
    probabilities[np.arange(len(labels)), predicted] = confidence
    ids = np.array([f"u{i:04d}" for i in range(len(labels))])
    arrays = {"ids": ids, "labels": labels.astype(np.int16), "probabilities": probabilities}
    return {f"{half}_test/{name}": array for half in ("source", "target") for name, array in arrays.items()}


def erring(rng: np.random.Generator, labels: np.ndarray, accuracy: float, *, classes: int = 4) -> np.ndarray:
    """Predictions that are wrong, to any other class, at utterances drawn one by one."""
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    return np.where(rng.random(len(labels)) < accuracy, labels, wrong)


def scored_record(cell: Cell, labels: np.ndarray, predicted: np.ndarray, *, classes: int = 4) -> Record:
    """A record whose scores are those of the predictions."""
    names = [f"class {i}" for i in range(classes)]
    weighted = float(weighted_f1(labels, predicted, classes=classes))
    record = make_record(cell, weighted, source=weighted, dataset={"fingerprint": "f", "classes": names, "skipped": []})
    record["metrics"]["target_test"]["per_class_f1"] = [
        float(value) for value in f1_by_class(labels, predicted, classes=classes)
    ]
    return record
