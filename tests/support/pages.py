"""Pages made from hand-made records, for the tests of the page as text and of the page in a browser."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from hand_made import make_cell, make_record

from mmda_bench.protocol import SUPERVISED
from mmda_bench.report.boards import AVERAGE, Board, make_boards
from mmda_bench.report.figures import domains, gallery
from mmda_bench.report.formats.page import page
from mmda_bench.store import Damaged, Record, Store

CLASSES = ["neutral", "happy"]
POISON = "<script>document.title = 'hacked'</script>\"'><img src=x onerror=\"document.title='hacked'\">"
F1 = {"dt": 0.5, "dann": 0.7, "cdan": 0.6, SUPERVISED: 0.9}


def sweep(methods: Iterable[str] = tuple(F1), seeds: int = 2) -> list[Record]:
    """Records with everything that the page shows."""
    return [
        full_record(make_cell(method, anchor, seed), F1[method] + 0.01 * seed + 0.001 * "ALV".index(anchor))
        for method in methods
        for seed in range(seeds)
        for anchor in "ALV"
    ]


def full_record(cell: Any, f1: float) -> Record:
    record = make_record(cell, f1)
    for scores in record["metrics"].values():
        scores |= {"per_class_f1": [f1, f1], "confusion": [[8, 2], [3, 7]], "support": [10, 10]}
    return record | {
        "curves": {"terms": {"ib": [1.0, 0.5], "domain": [0.7, 0.6]}},
        "dataset": {"classes": CLASSES, "fingerprint": "f0"},
        "hardware": {"machine": "x86_64", "system": "Linux", "cpus": 2, "gpu": None},
        "device": "cpu",
        "versions": {"torch": "2"},
        "commit": "0" * 40,
    }


def spoiled(records: list[Record], anchor: str, seed: int, reason: str) -> list[Record]:
    """The same, one scenario's cells of one seed failed."""
    for record in records:
        if (record["key"]["method"], record["key"]["anchor"], record["key"]["seed"]) == ("cdan", anchor, seed):
            record |= {"status": "diverged", "reason": reason, "metrics": None, "times": None, "memory_mb": None}
    return records


def poisoned(value: Any, name: str = "") -> Any:
    """``value`` with a script in every text but those that say what kind of record it is."""
    if isinstance(value, str):
        return value if name in ("status", "anchor", "hash") else value + POISON
    if isinstance(value, dict):
        return {key + (POISON if name == "terms" else ""): poisoned(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [poisoned(part, name) for part in value]
    return value


def with_test(board: Board, bold: Iterable[str]) -> Board:
    """The board as after a test: intervals of ±3, and ``bold`` the bold set of the average."""

    def added(row: Any) -> Any:
        means = {column: score.mean for column, score in row.scores.items() if score.mean is not None}
        limits = {column: (mean - 3, mean + 3) for column, mean in means.items()}
        return replace(row, intervals=limits, bold=frozenset({AVERAGE} if row.label in bold else ()))

    return replace(board, rows=[added(row) for row in board.rows], references=[*map(added, board.references)])


def make_page(boards: list[Board], folder: Path, damaged: Iterable[Damaged] = (), *, plates: Any = None) -> str:
    """The page for a store in ``folder``, with these ``plates`` or with its figures drawn now."""
    store = Store(folder)
    if plates is None:
        plates = gallery.draw(boards, store, domains.Coordinates(folder / "tsne.json"))
    return page(boards, list(damaged), plates, store)


def boards_of(records: list[Record], bold: Iterable[str] = ("dann", "cdan")) -> list[Board]:
    return [with_test(board, bold) for board in make_boards(records)]
