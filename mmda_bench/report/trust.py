"""How far a method's own confidence can be trusted, from stored probabilities. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.report.significance import Predictions
from mmda_bench.report.tables import AVERAGE, Board, Row

BINS = 15


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, *, bins: int = BINS) -> float:
    """Σ over bins of (n_bin/N) |accuracy − mean confidence|, in [0, 1]; confidence is the largest probability.

    ``probabilities``: (N, C); ``labels``: (N,). Bins of equal width, upper limits included (Guo et al., 2017).
    """
    confidence = probabilities.max(1).astype(np.float64)
    excess = (probabilities.argmax(1) == labels) - confidence
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(index, excess, minlength=bins)).sum() / len(labels))


def error_detection(probabilities: np.ndarray, labels: np.ndarray) -> float | None:
    """Area under the ROC curve of confidence for telling right from wrong predictions, in [0, 1]; 0.5 is chance.

    The chance that a right prediction is more confident than a wrong one. None when all are right or all are wrong.
    """
    from sklearn.metrics import roc_auc_score

    right = probabilities.argmax(1) == labels
    if right.all() or not right.any():
        return None
    return float(roc_auc_score(right, probabilities.max(1).astype(np.float64)))


def with_trust(board: Board, predictions: Predictions) -> Board:
    """The board with both measures in percent: means over seeds, and over the scenarios in the average column."""

    def added(rows: Sequence[Row]) -> list[Row]:
        return [replace(row, trust=_trust(row, predictions)) for row in rows]

    return replace(
        board,
        rows=added(board.rows),
        external=added(board.external),
        ablation={method: added(rows) for method, rows in board.ablation.items()},
    )


def _trust(row: Row, predictions: Predictions) -> Mapping[str, tuple[float, float]]:
    """Only of complete columns whose predictions are all stored."""
    found: dict[str, tuple[float, float]] = {}
    for anchor in MODALITIES:
        if not row.scores[anchor].complete:
            continue
        arrays = [predictions(record) for record in row.records if record["key"]["anchor"] == anchor]
        pairs = [(a["target_test/probabilities"], a["target_test/labels"]) for a in arrays if a is not None]
        areas = [area for p, y in pairs if (area := error_detection(p, y)) is not None]
        if arrays and len(areas) == len(arrays):
            found[anchor] = (100 * fmean(expected_calibration_error(p, y) for p, y in pairs), 100 * fmean(areas))
    if len(found) == len(MODALITIES):
        found[AVERAGE] = (fmean(f[0] for f in found.values()), fmean(f[1] for f in found.values()))
    return found
