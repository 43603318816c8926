"""Writes the leaderboards: tables, figures and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmda_bench.report import ranks
from mmda_bench.report.figures import domains, gallery
from mmda_bench.report.formats import latex, markdown, page
from mmda_bench.report.load import load_boards
from mmda_bench.report.rows import Board
from mmda_bench.store import Damaged, Store, write_bytes, write_text

TABLES = "tables"  # the folder of single tables for papers


def write_leaderboards(
    store: Store,
    results: Path | None = None,
    *,
    loaded: tuple[list[Board], list[Damaged]] | None = None,
    if_changed: bool = False,
) -> list[Path]:
    """Write leaderboard.md, .tex, .csv and .json, tables/, index.html and figures/ into ``results`` (the store's folder
    unless given); the paths of all but the single tables and the figures. ``loaded``: what :func:`load_boards` gave, if
    it was called before. ``if_changed``: not where these tables lie there already, with a page made after them; drawing
    takes long."""
    boards, damaged = loaded or load_boards(store)
    folder = results or store.results
    texts = {
        "leaderboard.md": markdown.markdown(boards, damaged),
        "leaderboard.tex": latex.latex(boards),
        "leaderboard.csv": markdown.csv_text(boards),
        "leaderboard.json": markdown.json_text(boards, damaged),
    }
    paths = [folder / name for name in (*texts, "index.html")]
    single = {f"{TABLES}/{name}.tex": text for name, text in latex.files(boards).items()}
    texts |= single
    if if_changed and _lie_there(texts, folder):
        return paths
    for name, text in texts.items():  # before the figures, which take longer and may be interrupted
        write_text(folder / name, text)
    for left_over in (folder / TABLES).glob("*.tex"):
        if f"{TABLES}/{left_over.name}" not in single:
            left_over.unlink(missing_ok=True)
    coordinates = domains.Coordinates(store.results / gallery.TSNE)
    plates = gallery.draw(boards, store, coordinates)
    pictures = gallery.files(plates, coordinates)
    for path, content in pictures.items():
        write_bytes(folder / path, content)
    for left_over in gallery.stale(folder, pictures):
        left_over.unlink(missing_ok=True)
    write_text(folder / "index.html", page.page(boards, damaged, plates, store))
    return paths


def _lie_there(texts: Mapping[str, str], folder: Path) -> bool:
    """Whether ``folder`` holds these tables and a page that is not older."""
    try:
        tables = {folder / name: (folder / name).read_text("utf-8") for name in texts}
        newest = max(path.stat().st_mtime_ns for path in tables)
        return list(tables.values()) == list(texts.values()) and (folder / "index.html").stat().st_mtime_ns >= newest
    except (OSError, ValueError):
        return False


def print_out(boards: Sequence[Board], *, signature: str | None = None) -> str:
    """Table 1 of every board, or of the one with this signature (without seeds), for a terminal."""
    shown = [board for board in boards if signature in (None, board.records_signature)]
    return "\n\n".join(f"{board.title}\n\n{markdown.markdown_main(board)}" for board in shown) or "No record yet."


def critical_difference(store: Store) -> str:
    """Mean ranks by Friedman and Nemenyi, in text."""
    return ranks.text(load_boards(store, tests=False)[0])
