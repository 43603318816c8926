"""Reports: pure functions of the store, and one place that writes their files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmda_bench import external
from mmda_bench.report import alignment, formats, gallery, latex, page, ranks
from mmda_bench.report.significance import Predictions, with_tests
from mmda_bench.report.tables import Board, make_boards
from mmda_bench.report.trust import with_trust
from mmda_bench.soundness import submission_fault
from mmda_bench.store import Damaged, Record, Store, write_bytes, write_text

if TYPE_CHECKING:
    import numpy as np


def write_leaderboards(
    store: Store,
    results: Path | None = None,
    *,
    loaded: tuple[list[Board], list[Damaged]] | None = None,
    if_changed: bool = False,
) -> list[Path]:
    """Write leaderboard.md, .tex, .csv and .json, index.html and figures/ into ``results`` (the store's folder unless
    given); the paths of all but the figures. ``loaded``: what :func:`load_boards` gave, if it was called before.
    ``if_changed``: not where these tables lie there already, with a page made after them; drawing takes long."""
    boards, damaged = loaded or load_boards(store)
    folder = results or store.results
    texts = {
        "leaderboard.md": formats.markdown(boards, damaged),
        "leaderboard.tex": latex.latex(boards),
        "leaderboard.csv": formats.csv_text(boards),
        "leaderboard.json": formats.json_text(boards, damaged),
    }
    paths = [folder / name for name in (*texts, "index.html")]
    if if_changed and _lie_there(texts, folder):
        return paths
    for name, text in texts.items():  # before the figures, which take longer and may be interrupted
        write_text(folder / name, text)
    coordinates = alignment.Coordinates(store.results / gallery.TSNE)
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


def load_boards(store: Store, *, tests: bool = True, signature: str | None = None) -> tuple[list[Board], list[Damaged]]:
    """The boards of a store, and what in it cannot be read. ``signature`` (without seeds): only that one.

    ``tests``: with intervals, bold sets and trust, which takes seconds, from the predictions that are stored.
    """
    records, damaged = store.records()
    submitted, refused = external.read_all(store)
    known = {record["signature"] for record in records if record["status"] != "interrupted"}
    faults = [_fault_of_submission(record, known) for record in submitted]
    refused += [
        Damaged(store.relative(external.folder(store, record) / "record.json"), fault)
        for record, fault in zip(submitted, faults, strict=True)
        if fault
    ]
    submitted = [record for record, fault in zip(submitted, faults, strict=True) if not fault]
    chosen = [record for record in records if signature in (None, record["signature"])]
    boards = make_boards(chosen, submitted)
    if tests:
        predictions = read_predictions(store)
        boards = [with_trust(with_tests(board, predictions), predictions) for board in boards]
    return boards, [*damaged, *refused]


def _fault_of_submission(record: Record, known: set[str]) -> str:
    """Why a submission is not shown, or ''. ``known``: signatures of stored cells."""
    return submission_fault(record) or ("" if record["signature"] in known else "no stored cell has its signature")


def read_predictions(store: Store) -> Predictions:
    """Stored predictions by record, submitted ones too; each file is read once."""
    kept: dict[tuple[str, str], Mapping[str, np.ndarray] | None] = {}

    def read(record: Record) -> "Mapping[str, np.ndarray] | None":
        name = (record["key"]["dataset"], record["hash"])
        if name not in kept:
            arrays = external.predictions(store, record) if external.is_external(record) else store.predictions(record)
            kept[name] = arrays if arrays is not None and _whole(arrays) else None
        return kept[name]

    return read


def _whole(arrays: "Mapping[str, np.ndarray]") -> bool:
    """Whether the arrays of the target test set are there and fit each other."""
    parts = [arrays.get(f"target_test/{name}") for name in ("ids", "labels", "probabilities")]
    return all(part is not None for part in parts) and len({len(part) for part in parts if part is not None}) == 1


def print_out(boards: Sequence[Board], *, signature: str | None = None) -> str:
    """Table 1 of every board, or of the one with this signature (without seeds), for a terminal."""
    shown = [board for board in boards if signature in (None, board.records_signature)]
    return "\n\n".join(f"{board.title}\n\n{formats.markdown_main(board)}" for board in shown) or "No record yet."


def critical_difference(store: Store) -> str:
    """Mean ranks by Friedman and Nemenyi, in text."""
    return ranks.text(load_boards(store, tests=False)[0])
