"""The store: one record per finished cell, written atomically, never edited.

``results/runs/<dataset>/<anchor>/<method>/seed<k>-<hash10>/record.json`` and, beside it, ``predictions.npz`` (ids,
labels, probabilities: small, to be published with the record) and ``outputs.npz`` (the representations: large, only
t-SNE needs them). Everything that the suite reports is made from these files, so a cell that has a
record is never run again and a table can be made anew at any time. Files appear under their names complete or not at
all: any number of runs may write into one results folder at once.
"""

import json
import math
import os
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from mmda_bench.protocol import HALVES, Cell, canonical_json

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1
STATUSES = ("ok", "failed", "diverged", "out-of-memory", "timeout", "interrupted")
REQUIRED = ("schema", "status", "key", "hash", "signature")
TEMPORARY = ".tmp-"
PREDICTIONS, REPRESENTATIONS = "predictions.npz", "outputs.npz"
ARRAYS = {
    name: {f"{half}_test/{array}" for half in HALVES for array in arrays}
    for name, arrays in {
        PREDICTIONS: ("ids", "labels", "probabilities"),
        REPRESENTATIONS: ("z_A", "z_L", "z_V"),
    }.items()
}
LEFTOVER_S = 24 * 3600

Record = dict[str, Any]
Rerun = Literal["failed", "all"]


class StoreError(Exception):
    """The results folder cannot be used; the message names the folder, the reason and what to do."""


@dataclass(frozen=True)
class Damaged:
    """A record that is there but cannot be used. ``path`` is relative to the results folder."""

    path: str
    reason: str


class Store:
    """The records under ``results/runs``."""

    def __init__(self, results: Path) -> None:
        self.results = results.expanduser().absolute()
        self.runs = self.results / "runs"

    def folder(self, cell: Cell) -> Path:
        return self.runs / cell.dataset / cell.anchor / cell.method / f"seed{cell.seed}-{cell.hash}"

    def read(self, cell: Cell) -> Record | None:
        """The record of ``cell``, or None if there is none that can be used."""
        path = self.folder(cell) / "record.json"
        record, _ = self._load(path) if path.exists() else (None, "")
        return record if record is not None and canonical_json(record["key"]) == canonical_json(cell.key()) else None

    def done(self, cell: Cell) -> bool:
        """Whether ``cell`` has a record that stands: of any status but ``interrupted``."""
        record = self.read(cell)
        return record is not None and record["status"] != "interrupted"

    def missing(self, cells: Sequence[Cell], *, rerun: Rerun | None = None) -> list[Cell]:
        """The cells that have to run, in order. ``rerun``: also those that failed, or all."""
        if rerun == "all":
            return list(cells)
        again = ("ok",) if rerun == "failed" else tuple(status for status in STATUSES if status != "interrupted")
        records = ((cell, self.read(cell)) for cell in cells)
        return [cell for cell, record in records if record is None or record["status"] not in again]

    def records(self) -> tuple[list[Record], list[Damaged]]:
        """Every usable record in order of its path, and every unusable one with the reason."""
        usable: list[Record] = []
        damaged: list[Damaged] = []
        for path in sorted(self.runs.glob("*/*/*/*/record.json")):
            record, reason = self._load(path)
            if record is None:
                damaged.append(Damaged(self.relative(path), reason))
            else:
                usable.append(record)
        return usable, damaged

    def relative(self, path: Path) -> str:
        return path.relative_to(self.results).as_posix()

    def _load(self, path: Path) -> tuple[Record | None, str]:
        try:
            record = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError) as error:
            return None, f"not readable as JSON ({error})"
        if not isinstance(record, dict):
            return None, "not a JSON object"
        if absent := [name for name in REQUIRED if name not in record]:
            return None, f"lacks {', '.join(absent)}"
        if record["schema"] != SCHEMA:
            return None, f"schema {record['schema']!r} is unknown to this version, which reads {SCHEMA}"
        if record["status"] not in STATUSES:
            return None, f"status {record['status']!r} is none of {', '.join(STATUSES)}"
        try:
            cell = Cell.from_key(record["key"])
        except (TypeError, KeyError) as error:
            return None, f"its key does not describe a cell ({error})"
        if cell.hash != record["hash"] or self.folder(cell) != path.parent:
            return None, f"its key belongs to {self.relative(self.folder(cell))}: it was edited or moved"
        if record["status"] == "ok" and not scored(record, "target_test", "source_test"):
            return None, "status ok without the scores of both test sets"
        return record, ""

    def write(
        self,
        cell: Cell,
        record: Mapping[str, Any],
        outputs: "Mapping[str, np.ndarray] | None",
        *,
        replace: bool = False,
    ) -> bool:
        """Store what a cell left: outputs first, the record last, so that a record vouches for its outputs.

        A record that stands is kept, unless ``replace``; the answer says whether this one was written.
        Raises :class:`StoreError` when the folder cannot be written.
        """
        if not replace and self.done(cell):
            return False
        folder = self.folder(cell)
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for name, arrays in _arrays(outputs).items():
                if arrays:
                    import numpy as np

                    with _complete(folder / name) as file:
                        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
                elif replace:
                    (folder / name).unlink(missing_ok=True)  # those of the record that goes
            with _complete(folder / "record.json") as file:
                file.write(_text(record).encode())
        return True

    def predictions(self, record: Mapping[str, Any]) -> "dict[str, np.ndarray] | None":
        """``<split>/ids``, ``/labels``, ``/probabilities`` (N, C) of the evaluated splits; None if not whole."""
        return self._load_arrays(record, PREDICTIONS)

    def representations(self, record: Mapping[str, Any]) -> "dict[str, np.ndarray] | None":
        """``<split>/z_A``, ``z_L``, ``z_V`` (N, 256) of the evaluated splits; None if not whole."""
        return self._load_arrays(record, REPRESENTATIONS)

    def _load_arrays(self, record: Mapping[str, Any], name: str) -> "dict[str, np.ndarray] | None":
        import numpy as np

        try:
            with np.load(self.folder(Cell.from_key(record["key"])) / name, allow_pickle=False) as file:
                arrays = dict(file)
        except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
            return None
        return arrays if ARRAYS[name] <= set(arrays) else None

    def probe(self) -> None:
        """Raise :class:`StoreError` now rather than after the first cell; clear away what killed writers left."""
        with _writing(self.runs):
            self.runs.mkdir(parents=True, exist_ok=True)
            with _complete(self.runs / f"{TEMPORARY}probe-{uuid.uuid4().hex[:8]}") as file:
                file.write(b"\0" * 65536)
            for path in self.runs.rglob(f"{TEMPORARY}*"):
                if "probe" in path.name or time.time() - path.stat().st_mtime > LEFTOVER_S:
                    path.unlink(missing_ok=True)


def scored(record: Mapping[str, Any], *splits: str) -> bool:
    """Whether a record has a weighted F1, a finite number, of every one of ``splits``."""
    try:
        return all(math.isfinite(record["metrics"][split]["weighted_f1"]) for split in splits)
    except (TypeError, KeyError):
        return False


def _arrays(outputs: "Mapping[str, np.ndarray] | None") -> "dict[str, dict[str, np.ndarray]]":
    """The arrays of each file: representations in one, everything else, which is small, in the other."""
    files: dict[str, dict[str, np.ndarray]] = {PREDICTIONS: {}, REPRESENTATIONS: {}}
    for name, array in (outputs or {}).items():
        files[REPRESENTATIONS if name in ARRAYS[REPRESENTATIONS] else PREDICTIONS][name] = array
    return files


def write_text(path: Path, text: str) -> None:
    """Write a file made from the store, complete or not at all. Raises :class:`StoreError`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As :func:`write_text`."""
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _complete(path) as file:
            file.write(content)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write results to {folder}: {error.strerror or error}; free or unlock it, or choose another folder "
            "with --results DIR"
        ) from error


@contextmanager
def _complete(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name only when everything in it is on the disk."""
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _text(record: Mapping[str, Any]) -> str:
    """One line per field: small, and a change of a record is readable in a diff."""
    lines = (f"{json.dumps(name)}: {json.dumps(_plain(value), allow_nan=False)}" for name, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _plain(value: Any) -> Any:
    """JSON values only; JSON has no NaN, so a number that is not finite (a diverged loss) becomes null."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    return value


def unfinished(cell: Cell, *, status: str, reason: str, traceback: Sequence[str] | None = None) -> Record:
    """The record of a cell that ended outside ``run_cell``: its worker died, or its time was up."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "schema": SCHEMA,
        "status": status,
        "reason": reason,
        "traceback": list(traceback) if traceback else None,
        "key": cell.key(),
        "hash": cell.hash,
        "signature": cell.signature,
        "metrics": None,
        "curves": None,
        "times": None,
        "steps": 0,
        "memory_mb": None,
        "trainable_parameters": None,
        "device": None,
        "hardware": None,
        "versions": None,
        "commit": None,
        "dataset": None,
        "started_utc": None,
        "ended_utc": now,
    }
