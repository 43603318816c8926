"""What several boards say together: missing modalities, an anchor told wrongly, corruptions at their severities."""

from dataclasses import replace

from mmda_bench.report.rows import Board
from mmda_bench.report.suites.base import Line, Suite, on_shared_seeds, with_families
from mmda_bench.report.suites.corrupted import ERRORS, corrupted
from mmda_bench.report.suites.missing import missing, missing_rates
from mmda_bench.report.suites.told import told

__all__ = ["ERRORS", "Line", "Suite", "suites", "with_families"]


def suites(board: Board) -> list[Suite]:
    """The tables of a family, from its head; none for a board that is not one."""
    if not board.family:
        return []
    made = [suite for make in (missing, missing_rates, told, corrupted) for suite in make(board) if suite.lines]
    return [replace(suite, lines=[on_shared_seeds(line) for line in suite.lines]) for suite in made]
