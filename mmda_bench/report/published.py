"""The paper's own numbers: weighted F1 in percent, mean of three runs, for anchors A, L, V and their average.

Tables 1 and 2 of the A3D2 paper. They are reference rows: shown beside ours, never tested against them, as neither the
predictions nor the spread over runs were published. Averages are as printed: that of LUHP on MIntRec is not the mean
of its three columns, which is 56.95.
"""

from dataclasses import dataclass

from mmda_bench.protocol import Protocol
from mmda_bench.report.tables import COLUMNS, Board, Row

PUBLISHED: dict[str, dict[str, tuple[float, float, float, float]]] = {
    "iemocap": {
        "dt": (54.15, 58.67, 57.59, 56.80),
        "dann": (62.20, 65.17, 63.38, 63.58),
        "cdan": (58.30, 64.51, 68.26, 63.69),
        "mada": (62.08, 62.07, 64.14, 62.76),
        "daln": (61.83, 70.25, 64.97, 65.68),
        "pcl": (61.96, 61.88, 61.43, 61.76),
        "fdd": (61.59, 64.60, 59.67, 61.95),
        "luhp": (64.75, 60.59, 60.69, 62.01),
        "dada": (62.82, 64.40, 65.34, 64.19),
        "a3d2[-add]": (62.73, 66.87, 68.87, 66.16),
        "a3d2[-aa]": (63.95, 63.55, 69.48, 65.66),
        "a3d2": (65.15, 70.84, 69.20, 68.40),
    },
    "mintrec": {
        "dt": (47.84, 61.42, 44.66, 51.31),
        "dann": (49.10, 64.32, 49.89, 54.44),
        "cdan": (51.63, 63.24, 53.05, 55.97),
        "mada": (50.74, 64.57, 48.30, 54.54),
        "daln": (24.47, 28.29, 24.39, 25.72),
        "pcl": (52.25, 65.42, 49.26, 55.64),
        "fdd": (51.28, 59.49, 47.96, 52.91),
        "luhp": (53.61, 63.38, 53.87, 56.59),
        "dada": (52.49, 66.37, 52.80, 57.22),
        "a3d2": (54.46, 66.08, 53.96, 58.17),
    },
}


@dataclass(frozen=True)
class Comparison:
    """``ours`` and ``covered`` are None where our column is not complete or has no interval."""

    published: float
    ours: float | None
    covered: bool | None

    @property
    def difference(self) -> float | None:
        return None if self.ours is None else self.ours - self.published


def comparable(board: Board) -> bool:
    """Whether something is published for this corpus, the whole of it, and the board follows the paper's protocol.

    Whose weights the backbone had cannot be known; their digest is in the signature.
    """
    ours, paper = board.protocol, Protocol(backbone="paper")
    fields = ("backbone", "shift", "severity", "epochs", "batch", "beta")
    whole = f"|{board.dataset}:v1|" in board.signature
    return whole and board.dataset in PUBLISHED and all(getattr(ours, name) == getattr(paper, name) for name in fields)


def against_published(board: Board) -> dict[str, dict[str, Comparison]]:
    """By row and column; empty where nothing comparable is published."""
    known = PUBLISHED[board.dataset] if comparable(board) else {}
    return {row.label: _compare(row, known[row.label]) for row in board.lines if row.label in known}


def _compare(row: Row, published: tuple[float, ...]) -> dict[str, Comparison]:
    result = {}
    for column, value in zip(COLUMNS, published, strict=True):
        score, limits = row.scores[column], row.intervals.get(column)
        ours = score.mean if score.complete else None
        result[column] = Comparison(value, ours, limits[0] <= value <= limits[1] if limits else None)
    return result
