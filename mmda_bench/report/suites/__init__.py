"""What several boards say together: missing modalities, an anchor told wrongly, corruptions at their severities."""

from mmda_bench.report.rows import Board
from mmda_bench.report.suites.base import Line, Suite, with_families
from mmda_bench.report.suites.corrupted import ERRORS, corrupted
from mmda_bench.report.suites.missing import missing, missing_rates
from mmda_bench.report.suites.told import told

__all__ = ["ERRORS", "Line", "Suite", "suites", "with_families"]


def suites(board: Board) -> list[Suite]:
    """The tables of a family, from its head; none for a board that is not one."""
    if not board.family:
        return []
    made = [suite for make in (missing, missing_rates, told, corrupted) for suite in make(board)]
    return [suite for suite in made if suite.lines]
