"""How far a method's own confidence can be trusted, from stored probabilities. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from mmda_bench.dataset import MODALITIES
from mmda_bench.metrics import error_detection, expected_calibration_error
from mmda_bench.report.boards import AVERAGE, Board, Row
from mmda_bench.report.significance import Predictions


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
