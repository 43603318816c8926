"""Sweeps that are under way: each tells about itself in a small file, which ``status`` reads from anywhere.

``results/.sweeps/<host>-<pid>.json`` is there while the sweep runs. A killed one leaves it behind: on the same machine
that is seen by its process, from another one by its silence. Nothing depends on these files but what ``status`` says.
"""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from mmda_bench.errors import StoreError
from mmda_bench.store import write_text

FOLDER = ".sweeps"
BEAT_S = 20.0
SILENCE_S = 6 * BEAT_S  # clocks of two machines, and caches of a network file system


@dataclass(frozen=True)
class Sweep:
    """``total``: cells to run; ``before``: of the plan, stored already; ``stage``: what is being prepared, if anything;
    ``left_s``: estimated, None before the first cell; ``born``: when the process started, in the kernel's ticks."""

    total: int
    before: int
    command: str
    signature: str
    finished: int = 0
    failed: int = 0
    running: Sequence[str] = ()
    stage: str = ""
    left_s: float | None = None
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    born: int | None = field(default_factory=lambda: _born(os.getpid()))
    started: float = field(default_factory=time.time)
    heard: float = field(default_factory=time.time)

    @property
    def alive(self) -> bool:
        if self.host == socket.gethostname():
            return self.born == _born(self.pid) if self.born is not None else exists(self.pid)
        return time.time() - self.heard < SILENCE_S


class Beacon:
    """Writes what it is told, and that the sweep lives, until it is closed. A folder that fails never stops a sweep."""

    def __init__(self, results: Path, sweep: Sweep) -> None:
        self.path = results / FOLDER / f"{sweep.host}-{sweep.pid}.json"
        self.sweep = sweep
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Beacon":
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


def _files(results: Path) -> list[tuple[Path, Sweep]]:
    found = []
    for path in sorted((results / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append((path, Sweep(**json.loads(path.read_text("utf-8")))))
    return found


def exists(pid: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _born(pid: int) -> int | None:
    """When a process started: tells it from a later one with the same number. None where there is no /proc."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None
