"""The paper's own numbers: weighted F1 in percent, mean of three runs, for anchors A, L, V and their average.

Tables 1 and 2 of the A3D2 paper. They are reference rows: shown beside ours, never tested against them, as neither the
predictions nor the spread over runs were published. Averages are as printed: that of LUHP on MIntRec is not the mean
of its three columns, which is 56.95.
"""

from dataclasses import dataclass

from mmda_bench.protocol import Protocol
from mmda_bench.published import PUBLISHED
from mmda_bench.report.rows import COLUMNS, Board, Row


@dataclass(frozen=True)
class Published:
    """``ours`` and ``covered`` are None where our column is not complete or has no interval."""

    published: float
    ours: float | None
    covered: bool | None

    @property
    def difference(self) -> float | None:
        return None if self.ours is None else self.ours - self.published


def comparable(board: Board) -> bool:
    """Whether something is published for this corpus, the whole of it, and the board follows the paper's protocol.

    Never where the corpus is synthetic, whatever its name and version.

    Whose weights the backbone had cannot be known; their digest is in the signature.
    """
    ours, paper = board.protocol, Protocol(backbone="paper")
    fields = ("select", "backbone", "shift", "severity", "heads", "epochs", "batch", "beta")
    whole = f"|{board.dataset}:v1|" in board.signature
    people = not board.synthetic
    return (
        people
        and whole
        and board.dataset in PUBLISHED
        and all(getattr(ours, name) == getattr(paper, name) for name in fields)
    )


def against_published(board: Board) -> dict[str, dict[str, Published]]:
    """By row and column; empty where nothing comparable is published."""
    known = PUBLISHED[board.dataset] if comparable(board) else {}
    return {row.label: _compare(row, known[row.label]) for row in board.lines if row.label in known}


def _compare(row: Row, published: tuple[float, ...]) -> dict[str, Published]:
    result = {}
    for column, value in zip(COLUMNS, published, strict=True):
        score, limits = row.scores[column], row.intervals.get(column)
        ours = score.mean if score.complete else None
        result[column] = Published(value, ours, limits[0] <= value <= limits[1] if limits else None)
    return result
