"""Stores of any size, made of the committed records: the same files under other splits, as a long project has them."""

import json
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

from mmda_bench.protocol import Cell
from mmda_bench.store import Store
from mmda_bench.store.store import PREDICTIONS, RECORD

ROOT = Path(__file__).resolve().parents[2]


def committed() -> list[tuple[dict[str, Any], bytes]]:
    """The records of ``results/runs`` with the bytes of their predictions, in order of their paths."""
    paths = sorted((ROOT / "results" / "runs").glob(f"*/*/*/*/{RECORD}"))
    return [(json.loads(path.read_text("utf-8")), (path.parent / PREDICTIONS).read_bytes()) for path in paths]


def fill(results: Path, size: int) -> Store:
    """``size`` records: those that are committed, then those at severity 1 again and again, of split 1, 2, …"""
    store = Store(results)
    for record, predictions in islice(_endless(committed()), size):
        folder = store.folder(Cell.from_key(record["key"]))
        folder.mkdir(parents=True)
        (folder / PREDICTIONS).write_bytes(predictions)
        lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in record.items())
        (folder / RECORD).write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return store


def _endless(first: list[tuple[dict[str, Any], bytes]]) -> Iterator[tuple[dict[str, Any], bytes]]:
    yield from first
    main = [(record, predictions) for record, predictions in first if record["key"]["protocol"]["severity"] == 1]
    for split in count(1):
        for record, predictions in main:
            key = {**record["key"], "protocol": {**record["key"]["protocol"], "split": split}}
            cell = Cell.from_key(key)
            yield {**record, "key": key, "hash": cell.hash, "signature": cell.signature}, predictions
