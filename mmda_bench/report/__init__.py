"""Reports: pure functions of the store, and one place that writes their files."""

from pathlib import Path

from mmda_bench.report import formats
from mmda_bench.report.tables import make_boards
from mmda_bench.store import Store, write_text


def write_leaderboards(store: Store, results: Path | None = None) -> list[Path]:
    """Write leaderboard.md, .tex, .csv and .json into ``results`` (the store's folder unless given); their paths."""
    records, damaged = store.records()
    boards = make_boards(records)
    texts = {
        "leaderboard.md": formats.markdown(boards, damaged),
        "leaderboard.tex": formats.latex(boards),
        "leaderboard.csv": formats.csv_text(boards),
        "leaderboard.json": formats.json_text(boards, damaged),
    }
    folder = results or store.results
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def print_out(store: Store, *, signature: str | None = None) -> str:
    """Table 1 of every board, or of the one with this signature (without seeds), for a terminal."""
    records = [record for record in store.records()[0] if signature in (None, record["signature"])]
    boards = make_boards(records)
    return "\n\n".join(f"{board.title}\n\n{formats.markdown_main(board)}" for board in boards) or "No record yet."
