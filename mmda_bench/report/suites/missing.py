"""Tables of missing modalities: the six subsets in each regime, and rates. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from mmda_bench.report.rows import Board
from mmda_bench.report.suites.base import (
    MISSING,
    Suite,
    lines_over,
    mean_of,
    shared_anchors,
    siblings,
    what_is_averaged,
)

SUBSETS = ("A", "L", "V", "AL", "AV", "LV")  # the six of MMIN (Zhao et al., ACL 2021), named by what is missing
PLACES = {"test": "in the test set of the target", "target": "in all of the target, training included"}
NOTHING, MEAN = "none", "mean of six"


def missing(board: Board) -> Iterator[Suite]:
    """A table for each regime: columns say what the utterances lack."""
    for where, place in PLACES.items():
        found = [b for b in siblings(board, MISSING) if (b.protocol.missing_in, b.protocol.missing_rate) == (where, 1)]
        lacking = {b.protocol.missing: b for b in found if b.protocol.missing}
        boards = {subset: lacking[subset] for subset in SUBSETS if subset in lacking}
        if not boards:
            continue
        whole = board if not board.protocol.missing else None
        boards = ({NOTHING: whole} if whole else {}) | boards
        anchors = shared_anchors(boards.values())
        lines = [
            line for line in lines_over(boards, anchors) if any(line.scores[s].seeds for s in boards if s in lacking)
        ]
        columns = [*boards]
        if set(SUBSETS) <= set(boards):
            columns.append(MEAN)
            lines = [
                replace(line, scores={**line.scores, MEAN: mean_of([line.scores[s] for s in SUBSETS])})
                for line in lines
            ]
        yield Suite(
            f"missing:{where}",
            f"Missing modalities {place}: weighted F1 by what is missing",
            columns,
            lines,
            f"{what_is_averaged(anchors)} Columns: the modalities that the utterances lack.",
            curves={f"missing {place}": {name: float(x) for x, name in enumerate(boards)}},
        )


def missing_rates(board: Board) -> Iterator[Suite]:
    """The same modalities missing at several rates: columns are the rates."""
    groups: dict[tuple[str, str], dict[float, Board]] = defaultdict(dict)
    for one in siblings(board, MISSING):
        if one.protocol.missing:
            groups[one.protocol.missing, one.protocol.missing_in][one.protocol.missing_rate] = one
    for (lacking, where), by_rate in sorted(groups.items()):
        if set(by_rate) == {1.0}:
            continue
        rates = ({} if board.protocol.missing else {0.0: board}) | dict(sorted(by_rate.items()))
        boards = {f"{rate:g}": one for rate, one in rates.items()}
        anchors = shared_anchors(boards.values())
        yield Suite(
            f"missing-rate:{lacking}@{where}",
            f"{lacking} missing {PLACES[where]}: weighted F1 by rate",
            [*boards],
            lines_over(boards, anchors),
            f"{what_is_averaged(anchors)} Columns: how likely each of {', '.join(lacking)} is missing, drawn by "
            "utterance; at least one modality always stays.",
            curves={f"rate of missing {lacking}, {where}": {name: float(name) for name in boards}},
        )
