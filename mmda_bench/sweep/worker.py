"""Runs one cell in a worker and stores its record before it answers."""

import importlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from mmda_bench.protocol import Cell
from mmda_bench.registry import load_plugin, register
from mmda_bench.store import Record, Store, unfinished

RUNNER = "mmda_bench.training:run_cell"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class TimeUp(SystemExit):
    """The time of a cell is over. A SystemExit, which ``run_cell`` lets through."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every cell of a sweep has in common, in picklable values.

    ``device``: None lets the cell choose. ``weights``: locations of pretrained weights by modality. ``stale``: stamps
    of the records that this sweep replaces, by hash of their cells. ``runner``: "module:name" of a function with the
    signature of :func:`mmda_bench.training.run_cell`. ``timeout_s``: for one cell, if any. ``classes``: pickled with
    their code, of methods, datasets and backbones that only the driver's session knows.
    """

    results: Path
    root: Path | None
    cache: Path
    device: str | None = None
    plugins: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    runner: str = RUNNER
    stale: Mapping[str, int | None] = field(default_factory=dict)
    timeout_s: float | None = None
    classes: tuple[bytes, ...] = ()

    def load(self) -> None:
        """Register, in a worker, what the cells need beyond what is installed."""
        for plugin in self.plugins:
            load_plugin(plugin)
        for pickled in self.classes:
            register(pickle.loads(pickled))


def standing(cell: Cell, work: Work) -> Record | None:
    """The record of ``cell`` that this sweep keeps: one that is done, and is not to be replaced or has been already."""
    store = Store(work.results)
    record = store.standing(cell)  # before the stamp: opening a file makes a network file system look again
    if cell.hash not in work.stale:
        return record
    # another sweep may have put its record there between the two looks
    return store.standing(cell) if store.stamp(cell) != work.stale[cell.hash] else None


def execute(cell: Cell, work: Work) -> Record:
    """The record of ``cell``: the stored one, or that of running it now, stored before this returns."""
    if (kept := standing(cell, work)) is not None:
        return kept
    module, _, function = work.runner.partition(":")
    run_cell = getattr(importlib.import_module(module), function)
    try:
        with time_limit(work.timeout_s):
            outcome = run_cell(cell, root=work.root, cache=work.cache, device=work.device, weights=work.weights)
        record, outputs = outcome.record, outcome.outputs
    except TimeUp:
        reason = f"not finished after {(work.timeout_s or 0) / 60:g} minutes (--timeout)"
        record, outputs = unfinished(cell, status="timeout", reason=reason), None
    except SystemExit as error:  # of a plug-in; it must not end the sweep as if that had gone well
        if hasattr(error, "ray_terminate_msg"):
            raise  # Ray ends this worker, and another takes the cell
        reason = f"SystemExit: the method ended the program ({error})"
        record, outputs = unfinished(cell, status="failed", reason=reason), None
    written = Store(work.results).write(cell, record, outputs, kept=lambda: standing(cell, work))
    return record if written else standing(cell, work) or record


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
