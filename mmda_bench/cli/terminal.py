"""Leaderboards on a terminal: Table 1 and the references, no row wider than the window. What they say of themselves,
and the columns that do not fit, stand in the files."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from mmda_bench.report.formats.captions import not_comparable
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.formats.latex import legend
from mmda_bench.report.formats.tables import references, table_1
from mmda_bench.report.rows import AVERAGE, Board
from mmda_bench.report.steadiness import MARK

if TYPE_CHECKING:
    from mmda_bench.report.choice import Chosen

__all__ = ["TextCell", "fitting", "grid", "show", "show_chosen"]

LEAST_NAME = 12  # characters of the name of a row, before columns are left out
BETWEEN = 2  # characters between two columns


def show(
    boards: Sequence[Board], *, signatures: Sequence[str | None] = (None,), console: Console | None = None
) -> None:
    """Print the boards, or those of some signatures (without seeds)."""
    screen = console or Console(highlight=False)
    wanted = [board for board in boards if None in signatures or board.records_signature in signatures]
    if not wanted:
        screen.print("No record yet.")
    for board in wanted:
        _show(board, [table for table in (table_1(board), references(board)) if table.rows], screen)


def show_chosen(found: "Sequence[Chosen]", *, console: Console | None = None) -> None:
    """Print tables that were asked for by name."""
    screen = console or Console(highlight=False)
    for one in found:
        _show(one.board, [one.table], screen)


def _show(board: Board, tables: Sequence[Table], screen: Console) -> None:
    screen.print(Text(f"\n{board.title}", style="bold"))
    for table in tables:
        _draw(board, table, screen)
    screen.print(Text(board.signature, style="dim"), soft_wrap=True)


def _draw(board: Board, table: Table, screen: Console) -> None:
    shown = fitting(table, screen.width)
    screen.print(Text(table.heading, style="italic", no_wrap=True, overflow="ellipsis"))
    screen.print(grid(shown, screen.width))
    if words := legend(board, table):
        screen.print(Text(words, style="red" if not_comparable(board) else "dim"))
    if left_out := [name for name in table.header if name not in shown.header]:
        screen.print(Text(f"No room here for {', '.join(left_out)}: see the files.", style="dim"))


def fitting(table: Table, width: int) -> Table:
    """``table`` without the columns that do not fit beside names of :data:`LEAST_NAME` characters: the last ones go
    first, the average never.

    >>> cells = [TextCell(text) for text in ("DANN", "73.69", "50.58", "62.14", "12.5")]
    >>> fitting(Table("main", "Table 1", ["method", "A", "L", "ave.", "train s"], [cells]), 22).header
    ['method', 'A', 'ave.']
    """
    kept = list(range(len(table.header)))
    while len(kept) > 2 and sum(_widths(table, kept)) + BETWEEN * (len(kept) - 1) > width:
        kept.remove(next(i for i in reversed(kept) if table.header[i] != AVERAGE))
    rows = [[row[i] for i in kept] for row in table.rows]
    return replace(table, header=[table.header[i] for i in kept], rows=rows)


def _widths(table: Table, columns: Sequence[int]) -> list[int]:
    """Characters that each column takes; the names of rows, which may be cut, the fewest that they need."""
    wide = [max(len(table.header[i]), *(len(row[i].text) for row in table.rows)) for i in columns]
    return [min(wide[0], LEAST_NAME), *wide[1:]]


def grid(table: Table, width: int) -> Grid:
    """As rich draws it: bold as in the files, the names cut where the window is narrow, and nothing else. Brackets in
    a head are no markup."""
    drawn = Grid(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, BETWEEN - 1, 0, 0), show_edge=False)
    _, *least = _widths(table, range(len(table.header)))
    room = max(LEAST_NAME, width - sum(least) - BETWEEN * len(least))
    drawn.add_column(Text(table.header[0]), no_wrap=True)
    for name, wide in zip(table.header[1:], least, strict=True):
        drawn.add_column(Text(name), justify="right", no_wrap=True, min_width=wide)
    for first, *cells in table.rows:
        named = first._replace(text=cut(first.text, room))
        drawn.add_row(*(Text(cell.text, style="bold" if cell.bold else "") for cell in (named, *cells)))
    return drawn


def cut(name: str, room: int) -> str:
    """``name`` in at most ``room`` characters; the sign of a row that is not steady stays.

    >>> cut("A3D2[detach=True] †", 12), cut("DANN", 12)
    ('A3D2[deta… †', 'DANN')
    """
    if len(name) <= room:
        return name
    sign = f" {MARK}" if name.endswith(MARK) else ""
    return f"{name[: room - 1 - len(sign)]}…{sign}"
