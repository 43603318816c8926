"""Sweeps that are under way: each tells about itself in a small file, which ``status`` reads from anywhere.

``results/.sweeps/<host>-<pid>.json`` is there while the sweep runs. A killed one leaves it behind: on the same machine
that is seen by its process, from another one by its silence. Nothing depends on these files but what ``status`` says:
one that is damaged is named there and passed over.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated

from mmda_bench.errors import StoreError
from mmda_bench.machine import others
from mmda_bench.store import Damaged, write_text
from mmda_bench.store.faults import parse, unlike
from mmda_bench.store.values import Count, Expected, Text

FOLDER = ".sweeps"
BEAT_S = 20.0
SILENCE_S = 6 * BEAT_S  # clocks of two machines, and caches of a network file system

Seconds = Annotated[float, Expected("seconds from 0 to 1e11", ge=0, le=1e11)]
Process = Annotated[int, Expected("the number of a process", ge=1, le=2**31 - 1)]


@dataclass(frozen=True)
class Sweep:
    """``total``: cells to run; ``before``: of the plan, stored already; ``stage``: what is being prepared, if anything;
    ``left_s``: estimated, None before the first cell; ``born``: when the process started, in the kernel's ticks."""

    total: Count
    before: Count
    command: Text
    signature: Text
    finished: Count = 0
    failed: Count = 0
    running: Sequence[Text] = ()
    stage: Text = ""
    left_s: Seconds | None = None
    host: Text = field(default_factory=socket.gethostname)
    pid: Process = field(default_factory=os.getpid)
    born: Count | None = field(default_factory=lambda: others.born(os.getpid()))
    started: Seconds = field(default_factory=time.time)
    heard: Seconds = field(default_factory=time.time)

    @property
    def alive(self) -> bool:
        if self.host == socket.gethostname():
            return self.born == others.born(self.pid) if self.born is not None else others.exists(self.pid)
        return time.time() - self.heard < SILENCE_S


class Heartbeat:
    """Writes what it is told, and that the sweep lives, until it is closed. A folder that fails never stops a sweep."""

    def __init__(self, results: Path, sweep: Sweep) -> None:
        self.path = results / FOLDER / f"{sweep.host}-{sweep.pid}.json"
        self.sweep = sweep
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Heartbeat":
        for path, sweep in _files(self.path.parent.parent):
            if sweep.host == self.sweep.host and not sweep.alive:
                with contextlib.suppress(OSError):
                    path.unlink()
        self.tell(self.sweep)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        self._thread.join()
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
            self.path.parent.rmdir()  # unless another sweep is in it

    def tell(self, sweep: Sweep) -> None:
        self.sweep = replace(sweep, heard=time.time())
        with contextlib.suppress(StoreError):
            write_text(self.path, json.dumps(asdict(self.sweep)) + "\n")

    def _beat(self) -> None:
        while not self._closed.wait(BEAT_S):
            self.tell(self.sweep)


def read(results: Path) -> list[Sweep]:
    """The sweeps that write into ``results``, and those that died without a word."""
    return [sweep for _, sweep in _files(results)]


def as_json(sweep: Sweep) -> Mapping[str, object]:
    return {**asdict(sweep), "alive": sweep.alive}


def damaged(results: Path) -> list[Damaged]:
    """The files of sweeps in ``results`` that cannot be read, with the reason."""
    told = ((path, _told(path)) for path in _paths(results))
    return [Damaged(f"{FOLDER}/{path.name}", sweep) for path, sweep in told if isinstance(sweep, str) and sweep]


def _files(results: Path) -> list[tuple[Path, Sweep]]:
    told = ((path, _told(path)) for path in _paths(results))
    return [(path, sweep) for path, sweep in told if isinstance(sweep, Sweep)]


def _paths(results: Path) -> list[Path]:
    return sorted((results / FOLDER).glob("*.json"))


def _told(path: Path) -> Sweep | str:
    """What a file says, or why that cannot be read; '' of one that has gone meanwhile."""
    names = {one.name for one in fields(Sweep)}
    try:
        told = parse(path.read_text("utf-8"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, RecursionError) as error:
        return f"not readable as JSON ({error})"
    if reason := unlike(Sweep, told):
        return reason
    return Sweep(**{name: value for name, value in told.items() if name in names})
