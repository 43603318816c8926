"""Writes the leaderboards: tables, figures and the page."""

from collections.abc import Sequence
from pathlib import Path

from mmda_bench.report import ranks, replication
from mmda_bench.report.drawn import Drawn, inputs
from mmda_bench.report.figures import domains, gallery
from mmda_bench.report.formats import latex, markdown, page
from mmda_bench.report.kept import Kept
from mmda_bench.report.load import load_boards
from mmda_bench.report.rows import Board
from mmda_bench.store import Damaged, Store, write_bytes

NAMES = ("leaderboard.md", "leaderboard.tex", "leaderboard.csv", "leaderboard.json", "index.html")
TABLES = "tables"  # the folder of single tables for papers


def write_leaderboards(
    store: Store,
    results: Path | None = None,
    *,
    loaded: tuple[list[Board], list[Damaged]] | None = None,
    kept: Kept | None = None,
) -> list[Path]:
    """Write leaderboard.md, .tex, .csv and .json, tables/, index.html, figures/ and, where A3D2 ran, a3d2.md into
    ``results`` (the store's folder unless given); the paths of the first four and of the page. ``loaded``: what
    :func:`load_boards` gave, if it was called before. ``kept``: says what they were loaded from, so that
    :func:`up_to_date` can tell later. Figures that lie there and show the same are not drawn again."""
    boards, damaged = loaded or load_boards(store, kept=kept)
    folder = results or store.results
    drawn = Drawn(folder)
    files = {
        "leaderboard.md": markdown.markdown(boards, damaged).encode(),
        "leaderboard.tex": latex.latex(boards).encode(),
        "leaderboard.csv": markdown.csv_text(boards).encode(),
        "leaderboard.json": markdown.json_text(boards, damaged).encode(),
    }
    if about := replication.replication(boards):
        files[replication.FILE] = about.encode()
    single = {f"{TABLES}/{name}.tex": text.encode() for name, text in latex.files(boards).items()}
    files |= single
    for name, content in files.items():  # before the figures, which take longer and may be interrupted
        write_bytes(folder / name, content)
    for left_over in (folder / TABLES).glob("*.tex"):
        if f"{TABLES}/{left_over.name}" not in single:
            left_over.unlink(missing_ok=True)
    coordinates = domains.Coordinates(store.results / gallery.TSNE)
    plates = gallery.draw(boards, store, coordinates, drawn)
    pictures = gallery.files(plates, coordinates)
    for path, content in pictures.items():
        write_bytes(folder / path, content)
    for left_over in gallery.stale(folder, pictures):
        left_over.unlink(missing_ok=True)
    files["index.html"] = page.page(boards, damaged, plates, store).encode()
    write_bytes(folder / "index.html", files["index.html"])
    drawn.write("" if kept is None else inputs(kept), {**files, **pictures})
    return [folder / name for name in NAMES]


def up_to_date(kept: Kept) -> list[Path]:
    """The paths of the leaderboards beside a store, if they were made from what lies there now; otherwise none."""
    folder = kept.store.results
    return [folder / name for name in NAMES] if Drawn(folder).fresh(inputs(kept)) else []


def print_out(boards: Sequence[Board], *, signature: str | None = None) -> str:
    """Table 1 of every board, or of the one with this signature (without seeds), for a terminal."""
    shown = [board for board in boards if signature in (None, board.records_signature)]
    return "\n\n".join(f"{board.title}\n\n{markdown.markdown_main(board)}" for board in shown) or "No record yet."


def critical_difference(store: Store) -> str:
    """Mean ranks by Friedman and Nemenyi, in text."""
    return ranks.text(load_boards(store, tests=False)[0])
