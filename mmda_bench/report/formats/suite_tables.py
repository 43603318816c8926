"""The tables of a family of boards as text."""

from collections.abc import Iterator

from mmda_bench.report.formats.captions import score_text
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.rows import BASELINE, Board, Score
from mmda_bench.report.suites import ERRORS, Line, Suite, suites

MOST_ACROSS = 12  # methods side by side that can still be read


def suite_tables(board: Board) -> Iterator[Table]:
    """Of the head of a family, in reading order; none of another board."""
    for suite in suites(board):
        yield _across(suite) if suite.across else _down(suite)


def _text(line: Line, column: str) -> TextCell:
    return TextCell(score_text(line.scores.get(column, Score({}, 0))))


def _down(suite: Suite) -> Table:
    rows = [[TextCell(line.title), *(_text(line, column) for column in suite.columns)] for line in suite.lines]
    return Table(suite.name, suite.title, ["method", *suite.columns], rows, suite.caption)


def _across(suite: Suite) -> Table:
    """With methods in the columns: of many those that score highest over all of the suite."""
    chosen = leading(suite, MOST_ACROSS)
    shown = [line for line in suite.lines if line.label in chosen]
    left_out = len(suite.lines) - len(shown)
    caption = f"{suite.caption} {left_out} other rows are in the CSV." if left_out else suite.caption
    rows = [[TextCell(column), *(_text(line, column) for line in shown)] for column in suite.columns]
    return Table(suite.name, suite.title, ["corruption", *(line.title for line in shown)], rows, caption)


def leading(suite: Suite, most: int) -> set[str]:
    """The labels of the lines to show of many: DT, which the others are held against, and those with the best means."""
    better = -1 if suite.name != ERRORS else 1

    def mean(line: Line) -> float:
        values = [score.mean for score in line.scores.values() if score.mean is not None]
        return sum(values) / len(values) if values else 0.0

    order = sorted(suite.lines, key=lambda line: (line.label != BASELINE, better * mean(line)))
    return {line.label for line in order[:most]}
