"""Runs one cell in a worker and stores its record before it answers."""

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from mmda_bench.errors import ResourceError
from mmda_bench.machine.as_before import as_before, imported_first
from mmda_bench.machine.settings import working_directory
from mmda_bench.protocol import Cell
from mmda_bench.registry.isolation import anew
from mmda_bench.registry.plugins import Plugin, is_plugin_module, needed
from mmda_bench.store import Record, Store, log, unfinished
from mmda_bench.store.provenance import plugins_for

RUNNER = "mmda_bench.training:run_cell"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class TimeUp(SystemExit):
    """The time of a cell is over. A SystemExit, which ``run_cell`` lets through."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every cell of a sweep has in common, in picklable values.

    ``device``: None lets the cell choose. ``weights``: locations of pretrained weights by modality. ``stale``: stamps
    of the records that this sweep replaces, by hash of their cells. ``runner``: "module:name" of a function with the
    signature of :func:`mmda_bench.training.run_cell`. ``timeout_s``: for one cell, if any. ``plugins``: files that
    register something, as the driver has read them. ``classes``: by name, pickled with their code, of methods, datasets
    and backbones that only the driver's session knows. ``started_in``: the working directory of the driver.
    """

    results: Path
    root: Path | None
    cache: Path
    device: str | None = None
    plugins: tuple[Plugin, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    runner: str = RUNNER
    stale: Mapping[str, int | None] = field(default_factory=dict)
    timeout_s: float | None = None
    classes: Mapping[str, bytes] = field(default_factory=dict)
    started_in: str = field(default_factory=working_directory)

    def plugins_of(self, cell: Cell) -> tuple[Plugin, ...]:
        """The plug-in files that a cell needs."""
        return needed(self.plugins, cell.names)

    def needs_of(self, cell: Cell) -> list[str]:
        """What tells the plug-ins of a cell, and the classes of the driver's session, from those of another."""
        return [plugin.path for plugin in self.plugins_of(cell)] + [n for n in cell.names.values() if n in self.classes]

    def classes_of(self, cell: Cell) -> tuple[bytes, ...]:
        """The classes of the driver's session that a cell needs."""
        return tuple(self.classes[name] for name in dict.fromkeys(cell.names.values()) if name in self.classes)


def standing(cell: Cell, work: Work) -> Record | None:
    """The record of ``cell`` that this sweep keeps: one that is done, and is not to be replaced or has been already."""
    store = Store(work.results)
    record = store.standing(cell)  # before the stamp: opening a file makes a network file system look again
    if cell.hash not in work.stale:
        return record
    # another sweep may have put its record there between the two looks
    return store.standing(cell) if store.stamp(cell) != work.stale[cell.hash] else None


class SpoiltError(ResourceError):
    """A cell has changed this process so that no other may run in it. ``record``: that of the cell, which is stored."""

    def __init__(self, record: Record, lasting: Sequence[str]) -> None:
        method = record["key"]["method"]
        super().__init__(
            f"method {method} changes {', '.join(lasting)}, which cannot be put back in this process. All finished "
            "cells are stored; the same command goes on in a new one, and --jobs 1 takes a new worker by itself"
        )
        self.record = record


def execute(cell: Cell, work: Work) -> Record:
    """The record of ``cell``: the stored one, or that of running it now, stored before this returns.

    The cell gets its plug-ins as if nobody had used them, and the process is afterwards as it was. Raises
    :class:`SpoiltError` where it cannot be.
    """
    if (kept := standing(cell, work)) is not None:
        return kept
    store = Store(work.results)
    with log.written(store, cell):
        module, _, function = work.runner.partition(":")
        imported_first([module, "sklearn.metrics"])
        with anew(work.plugins_of(cell), work.classes_of(cell), cell.names) as changes:
            plugins = plugins_for(cell.names)
            with as_before(made_by=is_plugin_module, libraries=bool(plugins)) as changed:
                record, outputs = _run(cell, work, getattr(importlib.import_module(module), function))
            changes.add(changed)
            if plugins:
                record["plugins"] = plugins
        if changes.all:
            record["put_back"] = changes.all
        log.ended(record)
    written = store.write(cell, record, outputs, kept=lambda: standing(cell, work))
    record = record if written else standing(cell, work) or record
    if changes.lasting:
        raise SpoiltError(record, changes.lasting)
    return record


def _run(cell: Cell, work: Work, run_cell: Callable[..., Any]) -> tuple[Record, Any]:
    """The record of running a cell now, and its arrays."""
    try:
        with time_limit(work.timeout_s):
            outcome = run_cell(cell, root=work.root, cache=work.cache, device=work.device, weights=work.weights)
        return outcome.record, outcome.outputs
    except TimeUp:
        reason = f"not finished after {(work.timeout_s or 0) / 60:g} minutes (--timeout)"
        return unfinished(cell, status="timeout", reason=reason), None
    except SystemExit as error:  # of a plug-in; it must not end the sweep as if that had gone well
        if hasattr(error, "ray_terminate_msg"):
            raise  # Ray ends this worker, and another takes the cell
        reason = f"SystemExit: the method ended the program ({error})"
        return unfinished(cell, status="failed", reason=reason), None


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise :class:`TimeUp` in the body after ``seconds``; only a main thread can be stopped so."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # and again, where a method has caught it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def one_thread_per_cell() -> None:
    """More cells beat more threads in a cell, and one thread repeats bit for bit."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
