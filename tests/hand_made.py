"""Cells and records made by hand, for the tests of what reads and writes them."""

from collections.abc import Mapping
from typing import Any

from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import METHODS
from mmda_bench.store import Record, unfinished


def make_cell(
    method: str = "dt", anchor: str = "A", seed: int = 0, *, off: tuple[str, ...] = (), epochs: int = 8, **params: Any
) -> Cell:
    entry = METHODS.entries().get(method)
    resolved = {**(entry.parameters if entry else {}), **params}
    protocol = Protocol(backbone="tiny", epochs=epochs)
    return Cell(
        method=method,
        params=resolved,
        off=off,
        dataset="avatars",
        version="v1",
        anchor=anchor,
        seed=seed,
        protocol=protocol,
    )


def make_record(cell: Cell, f1: float = 0.5, *, source: float = 0.9, **changes: Any) -> Record:
    """A record of a cell that went well, unless ``changes`` say otherwise."""
    scores: Mapping[str, Any] = {"target_test": {"weighted_f1": f1}, "source_test": {"weighted_f1": source}}
    times = {"setup_s": 0.5, "train_s": 6.0, "evaluate_s": 0.5, "total_s": 7.0}
    record = unfinished(cell, status="ok", reason="") | {"metrics": scores, "times": times, "memory_mb": 512.0}
    return record | {"reason": None} | changes
