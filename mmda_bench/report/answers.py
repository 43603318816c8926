"""What the front door answers: stored cells, leaderboards and comparisons, each with a pandas frame."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mmda_bench.errors import UsageError
from mmda_bench.protocol import Cell
from mmda_bench.store import Damaged, Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

    from mmda_bench.report.compare import Comparison
    from mmda_bench.report.rows import Board


class Results:
    """Stored cells. ``cells``: those that were asked for, in order; None for all that the store holds.

    >>> from mmda_bench import results
    >>> set(results("results").frame["status"])
    {'ok'}
    """

    def __init__(self, store: Store, cells: Sequence[Cell] | None = None) -> None:
        self.store, self.cells = store, cells
        self.damaged: list[Damaged] = []
        if cells is None:
            self.records, self.damaged = store.records()
        else:
            self.records = [record for cell in cells if (record := store.read(cell)) is not None]

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A row a cell; see :func:`mmda_bench.report.frames.results_frame`."""
        from mmda_bench.report.frames import results_frame

        return results_frame(self.records)

    @property
    def failed(self) -> "pd.DataFrame":
        """The rows of the cells that ended without a score, with the reason."""
        return self.frame[self.frame["status"] != "ok"]

    @property
    def missing(self) -> list[Cell]:
        """The cells that were asked for and have no record."""
        there = {record["hash"] for record in self.records}
        return [cell for cell in self.cells or () if cell.hash not in there]

    def predictions(self, hash_: str) -> "dict[str, np.ndarray]":
        """``<domain>_test/ids``, ``/labels`` (N,) and ``/probabilities`` (N, C) of one cell. Raises UsageError."""
        for record in self.records:
            if record["hash"] == hash_ and (arrays := self.store.predictions(record)) is not None:
                return arrays
        raise UsageError(f"no predictions of a cell {hash_!r} in {self.store.results}; see the column hash of .frame")

    def __len__(self) -> int:
        return len(self.records)

    def _repr_html_(self) -> str:
        return str(self.frame.to_html())


class Leaderboard:
    """The boards of a store: Table 1, intervals, the bold set.

    >>> from mmda_bench import leaderboard
    >>> leaderboard("results", dataset="avatars").frame["dataset"].unique().tolist()
    ['avatars']
    """

    def __init__(self, store: Store, boards: "list[Board]", damaged: list[Damaged]) -> None:
        self.store, self.boards, self.damaged = store, boards, damaged

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """A row per method and column, in percent; see :func:`mmda_bench.report.frames.leaderboard_frame`."""
        from mmda_bench.report.frames import leaderboard_frame

        return leaderboard_frame(self.boards)

    def figure(self, kind: str = "f1", *, board: int = 0) -> "Figure":
        """A matplotlib figure of one board: "f1", "cost", "severity", "distance", "tsne", "confusion", "curves" or
        "balance".

        Raises :class:`UsageError` for another kind, and when the store lacks what the figure shows.
        """
        from mmda_bench.report.figures import gallery

        return gallery.figure(self.boards, self.store, kind, board=board)

    def write(self, folder: str | Path | None = None) -> list[Path]:
        """Write all tables, figures and the page into ``folder``, or beside the records; the paths of the tables."""
        from mmda_bench.report import write_leaderboards

        loaded = (self.boards, self.damaged)
        return write_leaderboards(self.store, None if folder is None else Path(folder), loaded=loaded)

    def _repr_html_(self) -> str:
        return str(self.frame.to_html())


class Compared:
    """Paired differences of two rows, first minus second, in every scenario that has both."""

    def __init__(self, comparisons: "list[Comparison]") -> None:
        self.comparisons = comparisons

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """See :func:`mmda_bench.report.frames.comparison_frame`."""
        from mmda_bench.report.frames import comparison_frame

        return comparison_frame(self.comparisons)

    def _repr_html_(self) -> str:
        return str(self.frame.to_html())
