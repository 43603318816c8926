"""How far a method's own confidence can be trusted, from stored probabilities. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from mmda_bench.metrics import error_detection, expected_calibration_error
from mmda_bench.report.reference_rows import answers
from mmda_bench.report.rows import AVERAGE, SOURCE_BOUND, Board, Row
from mmda_bench.report.significance import Predictions


def with_trust(board: Board, predictions: Predictions) -> Board:
    """The board with both measures in percent: means over seeds, and over the scenarios in the average column."""

    def added(rows: Sequence[Row]) -> list[Row]:
        return [replace(row, trust=_trust(row, predictions)) for row in rows]

    return replace(
        board,
        rows=added(board.rows),
        external=added(board.external),
        references=[
            row if row.title == SOURCE_BOUND else replace(row, trust=_trust(row, predictions))
            for row in board.references
        ],
        ablation={method: added(rows) for method, rows in board.ablation.items()},
    )


def _trust(row: Row, predictions: Predictions) -> Mapping[str, tuple[float, float]]:
    """Only of complete columns whose predictions are all stored."""
    found: dict[str, tuple[float, float]] = {}
    for anchor in row.anchors:
        if not row.scores[anchor].complete:
            continue
        records = [record for record in row.records if record["key"]["anchor"] == anchor]
        stored = [(record, arrays) for record in records if (arrays := predictions(record)) is not None]
        answered = [(answers(record, arrays), arrays["target_test/labels"]) for record, arrays in stored]
        pairs = [(p, y) for p, y in answered if p is not None]
        areas = [area for p, y in pairs if (area := error_detection(p, y)) is not None]
        if records and len(areas) == len(records):
            found[anchor] = (100 * fmean(expected_calibration_error(p, y) for p, y in pairs), 100 * fmean(areas))
    if len(found) == len(row.anchors):
        found[AVERAGE] = (fmean(f[0] for f in found.values()), fmean(f[1] for f in found.values()))
    return found
