"""The log of a cell: what it says while it runs, a line an epoch, to be read from another terminal.

``results/logs/<dataset>/<anchor>/<method>/seed<k>-<hash10>.log``. Training speaks to the logger :data:`NAME` and does
not know who listens; nothing depends on these files but what ``show --watch`` says.
"""

import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mmda_bench.protocol import Cell
from mmda_bench.registry.spec import label_of
from mmda_bench.store.record import Record, Submission
from mmda_bench.store.store import Store

NAME = "mmda_bench.cell"
FOLDER = "logs"
BEGUN = re.compile(r"(\S+) cell (\w+) of process (\d+) on (\S+): (.*)")
EPOCH = re.compile(r"(\S+) epoch (\d+)/(\d+)  ?(.*)")
ENDED = re.compile(r"\S+ ended (.*)")


def path_of(store: Store, of: Cell | Submission) -> Path:
    """Where the log of a cell lies; a submission has none."""
    return store.results / FOLDER / of.dataset / of.anchor / of.method / f"seed{of.seed}-{of.hash}.log"


class _File(logging.FileHandler):
    """A disk that fails stops no cell."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the library's name
        pass


@contextmanager
def written(store: Store, cell: Cell) -> Iterator[None]:
    """Write what is said of ``cell`` in the body to its log, anew. Afterwards the logger is as it was."""
    path, logger = path_of(store, cell), logging.getLogger(NAME)
    before = logger.level, logger.propagate
    handler: logging.Handler = logging.NullHandler()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _File(path, "w", encoding="utf-8")
    except OSError:
        pass
    handler.setFormatter(_formatter())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        name = f"{label_of(cell.key())} anchor={cell.anchor} seed={cell.seed}"
        logger.info("cell %s of process %d on %s: %s", cell.hash, os.getpid(), socket.gethostname(), name)
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
        logger.setLevel(before[0])
        logger.propagate = before[1]


def _formatter() -> logging.Formatter:
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    return formatter


def ended(record: Record) -> None:
    """Say how a cell ended, with the reason and the traceback of one that failed."""
    logger = logging.getLogger(NAME)
    score = ((record["metrics"] or {}).get("target_test") or {}).get("weighted_f1")
    what = record["reason"] if score is None else f"target F1 {100 * score:.2f}"
    logger.info("ended %s: %s", record["status"], " ".join((what or "").split()))
    for line in record.get("traceback") or ():
        logger.info("| %s", line)


@dataclass(frozen=True)
class Log:
    """What a log says. ``moments``: when each epoch was over, in seconds since 1970; ``terms``: of the last epoch, as
    written; ``ended``: the status and what belongs to it, "" while it runs."""

    path: Path
    hash: str
    pid: int
    host: str
    name: str
    begun: float
    moments: tuple[float, ...] = ()
    epochs: int = 0
    terms: str = ""
    ended: str = ""

    def left_s(self, now: float) -> float | None:
        """Seconds until the last epoch is over, at the pace of those between the first and the latest; None before."""
        done = len(self.moments)
        if done < 2:
            return None
        pace = (self.moments[-1] - self.moments[0]) / (done - 1)
        return max(0.0, self.moments[-1] + pace * (self.epochs - done) - now)


def read(path: Path) -> Log | None:
    """What lies at ``path``; None where that is no log of a cell."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return None
    begun = BEGUN.fullmatch(lines[0]) if lines else None
    if begun is None:
        return None
    epochs = [found for line in lines if (found := EPOCH.fullmatch(line))]
    ends = [found[1] for line in lines if (found := ENDED.fullmatch(line))]
    return Log(
        path=path,
        hash=begun[2],
        pid=int(begun[3]),
        host=begun[4],
        name=begun[5],
        begun=_moment(begun[1]),
        moments=tuple(_moment(found[1]) for found in epochs),
        epochs=int(epochs[-1][3]) if epochs else 0,
        terms=epochs[-1][4] if epochs else "",
        ended=ends[-1] if ends else "",
    )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.removesuffix("Z")).replace(tzinfo=UTC).timestamp()


def find(store: Store, what: str, *, anchor: str | None = None, seed: int | None = None) -> list[Log]:
    """The logs of a cell, by the first digits of its hash, or of a method, in order of their paths."""
    found = []
    for path in sorted((store.results / FOLDER).glob(f"*/{anchor or '*'}/*/seed*.log")):
        log = read(path)
        if log is None or (seed is not None and not path.name.startswith(f"seed{seed}-")):
            continue
        if what in (path.parent.name, log.name.partition(" ")[0]) or (len(what) >= 4 and log.hash.startswith(what)):
            found.append(log)
    return found
