"""Families of boards, and the means over scenarios that their tables are made of. Pure.

Boards of one corpus and version whose protocols differ in conditions alone (what is missing, what the methods are told,
which corruption) are a family. Its head, the board without any, shows the tables of the family; of the others little
more than Table 1 is shown.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

from mmda_bench.protocol import CORRUPT, NATURAL, UNSHIFTED, Protocol
from mmda_bench.report.reference_rows import TITLES
from mmda_bench.report.rows import Board, Row, Score

CONDITIONS = ("shift", "missing", "missing_in", "missing_rate", "told_anchor")
MISSING = ("missing", "missing_in", "missing_rate")


@dataclass(frozen=True)
class Line:
    """A method or reference in a suite: its scores by column, in percent."""

    label: str
    title: str
    scores: Mapping[str, Score]


@dataclass(frozen=True)
class Suite:
    """A table over the boards of a family. ``name``: in CSV and JSON; ``across``: methods stand in its columns.

    ``curves``: what a figure shows, by panel: column → place on the horizontal axis.
    """

    name: str
    title: str
    columns: Sequence[str]
    lines: Sequence[Line]
    caption: str
    across: bool = False
    curves: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def with_families(boards: Sequence[Board]) -> list[Board]:
    """The same boards in the same order; the head of each family of several has its members, and they are brief."""
    groups: dict[tuple[str, str, Protocol], list[Board]] = defaultdict(list)
    for board in boards:
        groups[_family(board)].append(board)
    families = [sorted(group, key=lambda one: bool(conditions(one))) for group in groups.values() if len(group) > 1]
    heads = {family[0].signature: tuple(family) for family in families}
    members = {one.signature for family in families for one in family[1:]}
    return [replace(board, family=heads.get(board.signature, ()), brief=board.signature in members) for board in boards]


def _family(board: Board) -> tuple[str, str, Protocol]:
    """What the boards of a family share: corpus, its version, and the rest of the protocol."""
    mine = conditions(board)
    plain = {name: getattr(Protocol, name) for name in mine}
    if "shift" in plain and NATURAL in board.scored:
        plain["shift"] = UNSHIFTED
    return board.dataset, board.corpus, replace(board.protocol, **plain)


def conditions(board: Board) -> dict[str, object]:
    """The fields of the protocol in which a board differs from the head of its family."""
    values = {name: getattr(board.protocol, name) for name in CONDITIONS}
    if not board.protocol.shift.startswith(CORRUPT):
        del values["shift"]
    return {name: value for name, value in values.items() if value != getattr(Protocol, name)}


def siblings(board: Board, names: Iterable[str]) -> list[Board]:
    """The members of its family that differ from the head ``board`` in the fields ``names`` alone, itself included."""
    apart = set(names)

    def others(one: Board) -> dict[str, object]:
        return {name: value for name, value in conditions(one).items() if name not in apart}

    return [one for one in board.family if others(one) == others(board)]


def rows_of(board: Board) -> dict[str, Row]:
    """Methods and label-free references by label."""
    return {row.label: row for row in (*board.lines, *(r for r in board.references if r.label in TITLES))}


def titles_of(boards: Iterable[Board]) -> dict[str, str]:
    """Of every row of some board, as the tables have it: by label."""
    return {
        label: f"{row.title} (reference)" if label in TITLES else row.title
        for board in boards
        for label, row in rows_of(board).items()
    }


def shared_anchors(boards: Iterable[Board]) -> list[str]:
    """The anchors at which every board has some complete score: a mean over them is over the same scenarios."""
    everywhere = list(boards)
    return [m for m in everywhere[0].anchors if all(any(r.scores[m].complete for r in b.rows) for b in everywhere)]


def over_anchors(board: Board, label: str, anchors: Sequence[str]) -> Score:
    """The mean over ``anchors`` seed by seed; without values where a cell is lacking."""
    row = rows_of(board).get(label)
    if row is None or not anchors or not all(row.scores[m].complete for m in anchors):
        return Score({}, len(board.seeds))
    return Score({s: fmean(row.scores[m].seeds[s] for m in anchors) for s in board.seeds}, len(board.seeds))


def mean_of(scores: Sequence[Score]) -> Score:
    """Over the seeds that all scores have; without values where one has none."""
    seeds = sorted(set.intersection(*(set(score.seeds) for score in scores))) if scores else []
    return Score({s: fmean(score.seeds[s] for score in scores) for s in seeds}, len(seeds))


def lines_over(boards: Mapping[str, Board], anchors: Sequence[str]) -> list[Line]:
    """A line for every row that has a score in some board; columns by the names of ``boards``."""
    made = [
        Line(label, title, {column: over_anchors(board, label, anchors) for column, board in boards.items()})
        for label, title in titles_of(boards.values()).items()
    ]
    return [line for line in made if any(score.seeds for score in line.scores.values())]


def of_seeds(score: Score, seeds: Iterable[int]) -> Score:
    """The same over those of ``seeds`` alone that it has."""
    kept = {seed: score.seeds[seed] for seed in sorted(seeds) if seed in score.seeds}
    return Score(kept, len(kept))


def on_shared_seeds(line: Line) -> Line:
    """The scores of a line over the seeds that all of them have, so that columns differ in their condition alone."""
    filled = {name: score for name, score in line.scores.items() if score.seeds}
    shared = set.intersection(*(set(score.seeds) for score in filled.values())) if filled else set()
    if not shared:
        return line
    return replace(line, scores={**line.scores, **{name: of_seeds(score, shared) for name, score in filled.items()}})


def what_is_averaged(anchors: Sequence[str]) -> str:
    """The first sentence of a caption."""
    over = f"mean over the anchors {', '.join(anchors)}" if len(anchors) > 1 else f"anchor {''.join(anchors)}"
    return f"Percent, {over}, ± standard deviation over the seeds that all columns have."
