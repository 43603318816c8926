"""Leaderboards as the command line shows them: written, and Table 1 printed or drawn."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from mmda_bench.cli.output import hint, is_terminal, say, tell
from mmda_bench.store import Store

if TYPE_CHECKING:
    from mmda_bench.report.rows import Board


def write_and_print(
    store: Store, *, signatures: Sequence[str | None] = (None,), as_json: bool = False, if_changed: bool = False
) -> None:
    """Write the leaderboards, or only if they have changed, and print Table 1, of everything or of some signatures."""

    hint(f"Reading the records in {store.results} ...")
    from mmda_bench import report

    kept = report.Kept(store)
    if paths := report.up_to_date(kept) if if_changed else []:
        boards = [board for one in signatures for board in report.load_boards(store, signature=one, kept=kept)[0]]
    else:
        boards, damaged = report.load_boards(store, kept=kept)
        paths = report.write_leaderboards(store, loaded=(boards, damaged), kept=kept)
        kept.clear()
    if as_json:
        typer.echo(next(path for path in paths if path.suffix == ".json").read_text("utf-8"), nl=False)
        return
    show_boards(boards, signatures=signatures)
    tell(f"Leaderboards: {', '.join(str(path) for path in paths)}")


def show_boards(boards: "Sequence[Board]", *, signatures: Sequence[str | None] = (None,)) -> None:
    """Table 1 of some boards: drawn on a terminal, elsewhere as Markdown with all that is to be said of it."""
    if is_terminal(sys.stdout):
        from mmda_bench.cli import terminal

        terminal.show(boards, signatures=signatures)
        return
    from mmda_bench import report

    say("\n\n".join(report.print_out(boards, signature=signature) for signature in signatures))
