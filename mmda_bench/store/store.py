"""The store: one record per finished cell, written atomically, never edited; and submitted predictions beside them.

``results/runs/<dataset>/<anchor>/<method>/seed<k>-<hash10>/record.json`` and, beside it, ``predictions.npz`` (ids,
labels, probabilities: small, to be published with the record) and ``outputs.npz`` (the representations: large, only
t-SNE needs them); submissions lie in the same way under ``results/external``. Everything that the suite reports is made
from these files, so a cell that has a record is never run again and a table can be made anew at any time. Files appear
under their names complete or not at all: any number of runs may write into one results folder at once.
"""

import contextlib
import hashlib
import json
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import StoreError, UsageError
from mmda_bench.protocol import DOMAINS, Cell, canonical_json
from mmda_bench.store import atomic
from mmda_bench.store.faults import MALFORMED, fault, parse
from mmda_bench.store.record import STATUSES, Damaged, Record, Submission, identity, is_external, splits_of
from mmda_bench.units import count

if TYPE_CHECKING:
    import numpy as np

PREDICTIONS, REPRESENTATIONS, RECORD = "predictions.npz", "outputs.npz", "record.json"
LARGE = ("z_joint", *(f"logits_{head}" for head in (*MODALITIES, "joint")))  # of a trial
Z = tuple(f"{domain}_test/z_{modality}" for domain in DOMAINS for modality in MODALITIES)

Rerun = Literal["failed", "all"]
PUBLISHED = Path("results")  # of a checkout: tracked by git
DEFAULT_RESULTS = PUBLISHED / "local"  # ignored by git: results of one's own never replace published ones


class Store:
    """The records under ``results/runs``, and those of submissions under ``results/external``."""

    def __init__(self, results: Path) -> None:
        self.results = results.expanduser().absolute()
        self.runs = self.results / "runs"
        self.external = self.results / "external"
        self.choices = self.results / "choices"

    def folder(self, of: Cell | Submission) -> Path:
        top = self.runs if isinstance(of, Cell) else self.external
        return top / of.dataset / of.anchor / of.method / f"seed{of.seed}-{of.hash}"

    def read(self, of: Cell | Submission) -> Record | None:
        """The record of a cell or a submission, or None if there is none that can be used."""
        record, _ = self._load(self.folder(of) / RECORD)
        return record if record is not None and canonical_json(record["key"]) == canonical_json(of.key()) else None

    def stamp(self, of: Cell | Submission) -> int | None:
        """Tells a record of ``of`` from another that is written later; None if there is none."""
        with contextlib.suppress(OSError):
            return (self.folder(of) / RECORD).stat().st_mtime_ns
        return None

    def standing(self, of: Cell | Submission) -> Record | None:
        """The record of ``of`` if it stands: of any status but ``interrupted``."""
        record = self.read(of)
        return record if record is not None and record["status"] != "interrupted" else None

    def missing(self, cells: Sequence[Cell], *, rerun: Rerun | None = None) -> list[Cell]:
        """The cells that have to run, in order. ``rerun``: also those that failed, or all."""
        if rerun == "all":
            return list(cells)
        again = ("ok",) if rerun == "failed" else tuple(status for status in STATUSES if status != "interrupted")
        records = ((cell, self.read(cell)) for cell in cells)
        return [cell for cell, record in records if record is None or record["status"] not in again]

    def records(self, *, signature: str | None = None) -> tuple[list[Record], list[Damaged]]:
        """Every usable record of a cell in order of its path, and every unusable one with the reason. ``signature``:
        only of those that have it, for which the others are not parsed."""
        return self._all(self.runs, signature)

    def submitted(self, *, signature: str | None = None) -> tuple[list[Record], list[Damaged]]:
        """As :meth:`records`, of submitted predictions."""
        return self._all(self.external, signature)

    def method_names(self) -> list[str]:
        """The methods and submissions that have a folder here, in alphabetical order; no record is read."""
        return sorted({path.name for top in (self.runs, self.external) for path in top.glob("*/*/*")})

    def dataset_names(self) -> list[str]:
        return sorted({path.name for top in (self.runs, self.external) for path in top.glob("*")})

    def _all(self, top: Path, signature: str | None) -> tuple[list[Record], list[Damaged]]:
        usable: list[Record] = []
        damaged: list[Damaged] = []
        for path in _records_below(top):
            record, reason = self._load(path, signature)
            if record is not None and signature in (None, record["signature"]):
                usable.append(record)
            elif record is None and reason:
                damaged.append(Damaged(self.relative(path), reason))
        return usable, damaged

    def digests(self) -> dict[str, str]:
        """What lies in the folder of every record and submission, by :func:`place`: SHA-256 of the bytes of record and
        predictions, and of how many bytes the representations are. Also of every choice among trials."""
        found = {}
        for top in (self.runs, self.external):
            for path in _records_below(top):
                total, folder = hashlib.sha256(), path.parent
                for file in (path, folder / PREDICTIONS):
                    with contextlib.suppress(OSError):
                        total.update(hashlib.sha256(file.read_bytes()).digest())
                    total.update(b"|")
                with contextlib.suppress(OSError):
                    total.update(str((folder / REPRESENTATIONS).stat().st_size).encode())
                found[self.relative(folder)] = total.hexdigest()
        for path in sorted(self.choices.glob("*/*/*/*.json")):
            found[self.relative(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def relative(self, path: Path) -> str:
        return str(path).removeprefix(f"{self.results}{os.sep}").replace(os.sep, "/")

    def path(self, record: Record, name: str = RECORD) -> str:
        """Where a file of ``record`` lies, from the results folder on."""
        return f"{place(record)}/{name}"

    def _load(self, path: Path, signature: str | None = None) -> tuple[Record | None, str]:
        """A record, or why it cannot be used. ``signature``: neither, if the file does not have that text."""
        try:
            content = path.read_bytes()
            if signature is not None and signature.encode() not in content and b"\\u" not in content:
                return None, ""
            record = parse(content.decode())
        except (OSError, ValueError, RecursionError) as error:
            return None, f"not readable as JSON ({error})"
        try:
            reason = fault(record) or self._fault_of_place(record, path)
        except MALFORMED as error:
            reason = f"malformed ({type(error).__name__}: {error})"
        return (None, reason) if reason else (cast(Record, record), "")

    def _fault_of_place(self, record: Record, path: Path) -> str:
        here = place(record) == self.relative(path.parent)
        return "" if here else f"its key belongs to {place(record)}: it was edited or moved"

    def write(
        self,
        of: Cell | Submission,
        record: Record,
        outputs: "Mapping[str, np.ndarray] | None",
        *,
        replace: bool = False,
        kept: "Callable[[], Record | None] | None" = None,
    ) -> bool:
        """Store a record and the arrays that belong to it, all of it or nothing, tied by a digest of the predictions.

        A record that stands is kept, unless ``replace``; the answer says whether this one was written. ``kept``: gives
        the record that is to be kept, if another rule decides. It is asked when nobody else writes there any more, so
        that of two sweeps the first to write wins, and no finished record is taken away.
        Raises :class:`StoreError` when the folder cannot be written; what was there before then stands, or no record.
        """
        kept = kept or (lambda: None if replace else self.standing(of))
        if kept() is not None:
            return False
        folder = self.folder(of)
        files = _arrays(outputs)
        tied: dict[str, Any] = {name: value for name, value in record.items() if name != "predictions_sha256"}
        if files[PREDICTIONS]:
            from mmda_bench.store.arrays import digest

            tied["predictions_sha256"] = digest(files[PREDICTIONS])
        content = _text(tied).encode()
        fills: dict[Path, atomic.Fill] = {}
        stale = []  # those of the record that goes
        for name, arrays in files.items():
            if arrays:
                import numpy as np

                fills[folder / name] = partial(np.savez_compressed, **arrays)  # type: ignore[arg-type]
            else:
                stale.append(folder / name)
        fills[folder / RECORD] = lambda file: file.write(content)
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            return atomic.write_together(
                fills, stale=tuple(stale), commit_file=folder / RECORD, unless=lambda: kept() is not None
            )

    def predictions(self, record: Record) -> "dict[str, np.ndarray] | None":
        """``<split>/ids``, ``/labels``, ``/probabilities`` (N, C) of the evaluated splits; None if they are not stored,
        damaged, or not those that were stored with ``record``."""
        from mmda_bench.store.arrays import untied

        arrays, _ = self.load_predictions(record)
        return None if arrays is None or untied(record, arrays) else arrays

    def load_predictions(self, record: Record) -> "tuple[dict[str, np.ndarray] | None, str]":
        """The arrays in the predictions.npz beside ``record``, if they are sound; and why they are not, or ''.

        Whether they are those of the record is another question: :func:`mmda_bench.store.arrays.disagreement`.
        """
        from mmda_bench.store.arrays import fault_of_predictions

        return self._load_arrays(record, PREDICTIONS, partial(fault_of_predictions, splits=splits_of(record)))

    def evidence(self, record: Record) -> "tuple[dict[str, np.ndarray], str]":
        """Of a trial, all arrays by which its settings may be chosen, and why some are not there, or ''.

        See :func:`mmda_bench.training.trial.trial_outputs`. The probabilities lie beside the record; logits and z in
        a file that may have been left behind.
        """
        from mmda_bench.store.arrays import fault_of_predictions, untied

        whole = partial(fault_of_predictions, splits=())
        arrays, reason = self.load_predictions(record)
        more, lacking = self._load_arrays(record, REPRESENTATIONS, whole)
        reason = reason or ("" if arrays is None else untied(record, arrays))
        if arrays is None or reason:
            return {}, reason or f"there is no {PREDICTIONS}"
        seen = {**arrays, **(more or {})}
        return {name: array for name, array in seen.items() if not name.startswith("target_test/")}, lacking

    def representations(self, record: Record) -> "dict[str, np.ndarray] | None":
        """``<split>/z_A``, ``z_L``, ``z_V`` (N, 256) of the evaluated splits; None if not whole."""
        from mmda_bench.store.arrays import fault_of_representations

        return self._load_arrays(record, REPRESENTATIONS, partial(fault_of_representations, names=Z))[0]

    def _load_arrays(
        self, record: Record, name: str, fault_of: "Callable[[Mapping[str, np.ndarray]], str]"
    ) -> "tuple[dict[str, np.ndarray] | None, str]":
        from mmda_bench.store.arrays import UnreadableError, read_npz

        try:
            arrays = read_npz(self.folder(identity(record)) / name)
        except FileNotFoundError:
            return None, ""
        except UnreadableError as error:
            return None, str(error)
        reason = fault_of(arrays)
        return (None, reason) if reason else (arrays, "")

    def probe(self) -> None:
        """Raise :class:`StoreError` now rather than after the first cell; clear away what killed writers left."""
        with writing(self.runs):
            self.runs.mkdir(parents=True, exist_ok=True)
            probe = self.runs / f"{atomic.TEMPORARY}probe-{uuid.uuid4().hex[:8]}"
            atomic.write_bytes(probe, b"\0" * 65536)
            atomic.clear_leftovers(self.runs)


def existing_store(results: str | Path) -> Store:
    """The store of a folder that is there.

    Raises :class:`UsageError` that says what makes the folder, and where records lie that may be meant.
    """
    store = Store(Path(results))
    if store.results.is_dir():
        return store
    published = Store(PUBLISHED)
    stored = sum(1 for _ in published.runs.glob(f"*/*/*/*/{RECORD}"))
    there = f". The folder {PUBLISHED} holds {count(stored, 'record')}: --results {PUBLISHED}" if stored else ""
    raise UsageError(f"there is no folder {results}; mmda-bench run --results {results} makes it{there}")


def place(record: Mapping[str, Any]) -> str:
    """The folder of a sound ``record``, from the results folder on, as its key and hash say it."""
    key, top = record["key"], "external" if is_external(record) else "runs"
    return f"{top}/{key['dataset']}/{key['anchor']}/{key['method']}/seed{key['seed']}-{record['hash']}"


def _records_below(top: Path) -> list[Path]:
    """In order of their paths, part by part. Thousands of folders: a glob takes several times as long."""
    folders = [str(top)]
    for _ in range(4):
        folders = [one.path for folder in folders for one in _entries(folder) if one.is_dir()]
    found = (os.path.join(folder, RECORD) for folder in sorted(folders, key=lambda path: path.split(os.sep)))
    return [Path(path) for path in found if os.path.lexists(path)]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # not there, or another user's
        return []


def _arrays(outputs: "Mapping[str, np.ndarray] | None") -> "dict[str, dict[str, np.ndarray]]":
    """The arrays of each file: representations in one, everything else, which is small, in the other."""
    files: dict[str, dict[str, np.ndarray]] = {PREDICTIONS: {}, REPRESENTATIONS: {}}
    for name, array in (outputs or {}).items():
        large = name in Z or name.partition("/")[2] in LARGE
        files[REPRESENTATIONS if large else PREDICTIONS][name] = array
    return files


def write_text(path: Path, text: str) -> None:
    """Write a file made from the store, complete or not at all. Raises :class:`StoreError`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """As :func:`write_text`."""
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, content)


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
