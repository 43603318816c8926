"""Stores of any size, made of the committed records: the same files under other splits, as a long project has them."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import published

from mmda_bench.protocol import Cell
from mmda_bench.store import Store
from mmda_bench.store.store import PREDICTIONS, RECORD

ROOT = Path(__file__).resolve().parents[2]
SEEDS = 5  # of a committed sweep
RUN = ("--methods", "all", "--seeds", str(SEEDS))  # asks for the cells of one split, which :func:`fill` begins with


def fill(results: Path, size: int) -> Store:
    """``size`` records that look like those of today's ``run``, of split 0, 1, 2, …; scores and predictions are those
    of committed records of the same method, anchor and seed."""
    store = Store(results)
    for cell, record, predictions in islice(_endless(), size):
        folder = store.folder(cell)
        folder.mkdir(parents=True)
        (folder / PREDICTIONS).write_bytes(predictions)
        lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in record.items())
        (folder / RECORD).write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return store


def _endless() -> Iterator[tuple[Cell, dict[str, Any], bytes]]:
    committed = [
        (cell, json.loads((folder / RECORD).read_text("utf-8")), (folder / PREDICTIONS).read_bytes())
        for cell, folder in published.cells("all", SEEDS)
    ]
    for split in count():
        for first, record, predictions in committed:
            cell = replace(first, protocol=replace(first.protocol, split=split))
            yield cell, {**record, "key": cell.key(), "hash": cell.hash, "signature": cell.signature}, predictions
