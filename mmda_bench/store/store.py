"""The store: one record per finished cell, written atomically, never edited.

``results/runs/<dataset>/<anchor>/<method>/seed<k>-<hash10>/record.json`` and, beside it, ``predictions.npz`` (ids,
labels, probabilities: small, to be published with the record) and ``outputs.npz`` (the representations: large, only
t-SNE needs them). Everything that the suite reports is made from these files, so a cell that has a
record is never run again and a table can be made anew at any time. Files appear under their names complete or not at
all: any number of runs may write into one results folder at once.
"""

import contextlib
import json
import math
import uuid
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmda_bench.errors import StoreError
from mmda_bench.protocol import HALVES, Cell, canonical_json
from mmda_bench.store import atomic
from mmda_bench.store.record import MALFORMED, SCHEMA, STATUSES, Damaged, Record, fault, parse, scored, unfinished

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SCHEMA", "STATUSES", "Damaged", "Record", "Rerun", "Store", "StoreError", "scored", "unfinished",
           "write_bytes", "write_text"]  # fmt: skip

PREDICTIONS, REPRESENTATIONS = "predictions.npz", "outputs.npz"
ARRAYS = {
    name: {f"{half}_test/{array}" for half in HALVES for array in arrays}
    for name, arrays in {
        PREDICTIONS: ("ids", "labels", "probabilities"),
        REPRESENTATIONS: ("z_A", "z_L", "z_V"),
    }.items()
}

Rerun = Literal["failed", "all"]


class Store:
    """The records under ``results/runs``."""

    def __init__(self, results: Path) -> None:
        self.results = results.expanduser().absolute()
        self.runs = self.results / "runs"

    def folder(self, cell: Cell) -> Path:
        return self.runs / cell.dataset / cell.anchor / cell.method / f"seed{cell.seed}-{cell.hash}"

    def read(self, cell: Cell) -> Record | None:
        """The record of ``cell``, or None if there is none that can be used."""
        record, _ = self._load(self.folder(cell) / "record.json")
        return record if record is not None and canonical_json(record["key"]) == canonical_json(cell.key()) else None

    def stamp(self, cell: Cell) -> int | None:
        """Tells a record of ``cell`` from another that is written later; None if there is none."""
        with contextlib.suppress(OSError):
            return (self.folder(cell) / "record.json").stat().st_mtime_ns
        return None

    def standing(self, cell: Cell) -> Record | None:
        """The record of ``cell`` if it stands: of any status but ``interrupted``."""
        record = self.read(cell)
        return record if record is not None and record["status"] != "interrupted" else None

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
            record = parse(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            return None, f"not readable as JSON ({error})"
        try:
            reason = fault(record) or self._fault_of_place(record, path)
        except MALFORMED as error:
            reason = f"malformed ({type(error).__name__}: {error})"
        return (None, reason) if reason else (record, "")

    def _fault_of_place(self, record: Record, path: Path) -> str:
        place = self.folder(Cell.from_key(record["key"]))
        here = place == path.parent
        return "" if here else f"its key belongs to {self.relative(place)}: it was edited or moved"

    def write(
        self,
        cell: Cell,
        record: Mapping[str, Any],
        outputs: "Mapping[str, np.ndarray] | None",
        *,
        replace: bool = False,
    ) -> bool:
        """Store what a cell left, all of it or nothing: a record vouches for the outputs beside it.

        A record that stands is kept, unless ``replace``; the answer says whether this one was written.
        Raises :class:`StoreError` when the folder cannot be written; what was there before then stands, or no record.
        """
        if not replace and self.standing(cell) is not None:
            return False
        folder, content = self.folder(cell), _text(record).encode()
        fills: dict[Path, atomic.Fill] = {}
        stale = []  # those of the record that goes
        for name, arrays in _arrays(outputs).items():
            if arrays:
                import numpy as np

                fills[folder / name] = partial(np.savez_compressed, **arrays)  # type: ignore[arg-type]
            else:
                stale.append(folder / name)
        fills[folder / "record.json"] = lambda file: file.write(content)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            atomic.write_together(fills, stale=tuple(stale), voucher=folder / "record.json")
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
        with writing(self.runs):
            self.runs.mkdir(parents=True, exist_ok=True)
            probe = self.runs / f"{atomic.TEMPORARY}probe-{uuid.uuid4().hex[:8]}"
            atomic.write(probe, lambda file: file.write(b"\0" * 65536))
            atomic.clear_leftovers(self.runs)


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
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, lambda file: file.write(content))


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """An :class:`OSError` in the body becomes a :class:`StoreError`: ``folder`` cannot be written."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot write results to {folder}: {error.strerror or error}; free or unlock it, or choose another folder "
            "with --results DIR"
        ) from error


def _text(record: Mapping[str, Any]) -> str:
    """One line per field: small, and a change of a record is readable in a diff."""
    lines = (f"{json.dumps(name)}: {json.dumps(_plain(value), allow_nan=False)}" for name, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _plain(value: Any) -> Any:
    """JSON values only; JSON has no NaN, so a number that is not finite (a diverged loss) becomes null.

    Bytes of a file name that are not UTF-8, which a reason may quote, are written out as ``\\udcff``.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_plain(str(name)): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(part) for part in value]
    return value
