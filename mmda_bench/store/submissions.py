"""Predictions that somebody made elsewhere: checked, scored with our code, stored apart, and shown as external.

A file has one row for every target test utterance of a scenario: csv with the columns ``id`` and one per class (by its
name, in any order), or npz with ``ids`` (N,) and ``probabilities`` (N, C), the classes in the order of the corpus. The
labels come from a stored cell of the same scenario, or from the key of a task (:mod:`mmda_bench.task`). Nothing is
repaired: a file that is not exactly right is refused.
"""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.errors import DataError, UsageError, suggest
from mmda_bench.protocol import ANCHORS, without_seeds
from mmda_bench.store.arrays import UnreadableError, disagreement, read_npz
from mmda_bench.store.keys import ProtocolKey
from mmda_bench.store.record import Metrics, Record, Submission, is_trial, new_record, now, titles_of
from mmda_bench.store.store import Store

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,59}")
SUM_TOLERANCE = 5e-3  # what half precision leaves of a sum of twenty


@dataclass(frozen=True)
class Scenario:
    """What predictions are scored against: a target test set. ``labels``: (N,) class indices; ``ids``: of the corpus;
    ``handed_out``: those that the file has instead, in the same order; ``protocol``: as a key has it."""

    signature: str
    dataset: str
    version: str
    anchor: str
    classes: tuple[str, ...]
    ids: np.ndarray
    labels: np.ndarray
    title: str
    synthetic: bool | None
    protocol: ProtocolKey
    handed_out: tuple[str, ...] = ()

    @property
    def expected(self) -> list[str]:
        """The ids that a file must have, in the order of ``labels``."""
        return list(self.handed_out) or [str(one) for one in self.ids]


def submit(
    store: Store, file: Path, scenario: Scenario, *, name: str | None = None, seed: int = 0, replace: bool = False
) -> Record:
    """Check, score and store a file of predictions for ``scenario``; the record that was stored.

    Raises :class:`DataError` when the file is refused, with the reason, and :class:`UsageError` for a name that cannot
    be, or a submission that is already there.
    """
    from mmda_bench.metrics import scores

    if not isinstance(seed, int) or isinstance(seed, bool) or not isinstance(name, str | None):
        raise UsageError(f"name {name!r}, seed {seed!r}: expected a text and a whole number")
    name = file.stem if name is None else name
    if not NAME.fullmatch(name):
        raise UsageError(f"--name {name!r}: expected letters, digits, spaces and . _ + -, at most 60, not first a sign")
    if seed < 0:
        raise UsageError(f"--seed {seed}: expected 0 or more")
    content, probabilities = read_predictions(file, scenario)
    of = Submission(
        method=name, dataset=scenario.dataset, version=scenario.version, anchor=scenario.anchor, seed=seed,
        signature=scenario.signature,
    )  # fmt: skip
    probabilities = probabilities.astype(np.float32)  # scored as stored, so that the score can be recomputed
    found = scores(scenario.labels, probabilities.argmax(1), classes=len(scenario.classes))
    record = new_record(
        of,
        status="ok",
        metrics=cast(Metrics, {"target_test": found}),
        dataset={"classes": list(scenario.classes)},
        titles=titles_of(of) | {"dataset": scenario.title, "synthetic": scenario.synthetic},
        external={
            "file": file.name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "submitted_utc": now(),
            "protocol": scenario.protocol,
        },
    )
    arrays = {"ids": scenario.ids, "labels": scenario.labels, "probabilities": probabilities}
    outputs = {f"target_test/{part}": array for part, array in arrays.items()}
    if not store.write(of, record, outputs, replace=replace):
        where = f"{scenario.dataset}, anchor {scenario.anchor}, seed {seed}"
        raise UsageError(f"{name!r} is already submitted for {where}; --replace it, or choose another --name or --seed")
    return store.read(of) or record


def find_scenario(store: Store, *, dataset: str, anchor: str, signature: str | None = None) -> Scenario:
    """The scenario as stored cells have it; of several signatures the one with most cells, unless one is named.

    Raises :class:`UsageError` for a corpus, anchor or signature that is not stored, and :class:`DataError` where no
    cell has its predictions.
    """
    if anchor not in ANCHORS:
        letters = ", ".join(f"{letter} ({NAMES[letter]})" for letter in MODALITIES)
        raise UsageError(f"--anchor {anchor!r}: expected one of {letters}")
    records = [record for record in store.records()[0] if record["status"] == "ok" and not is_trial(record)]
    known = sorted({record["key"]["dataset"] for record in records})
    if dataset not in known:
        stored = suggest(dataset, known) or f"; stored are {', '.join(known) or 'none'}"
        raise UsageError(f"no cell of dataset {dataset!r} in {store.results}{stored}")
    mine = [r for r in records if (r["key"]["dataset"], r["key"]["anchor"]) == (dataset, anchor)]
    counts = Counter(record["signature"] for record in mine)
    signature = signature and without_seeds(signature)
    if signature is not None and signature not in counts:
        raise UsageError(f"--signature {signature!r}: the store has {', '.join(sorted(counts)) or 'none'}")
    chosen = signature or max(counts, key=lambda one: (counts[one], one), default=None)
    for record in mine:
        arrays = store.predictions(record) if record["signature"] == chosen else None
        if arrays is not None and not disagreement(record, arrays):
            return Scenario(
                signature=record["signature"],
                dataset=dataset,
                version=record["key"]["version"],
                anchor=anchor,
                classes=tuple((record["dataset"] or {}).get("classes") or ()),
                ids=arrays["target_test/ids"],
                labels=arrays["target_test/labels"],
                title=(record.get("titles") or {}).get("dataset") or dataset,
                synthetic=(record.get("titles") or {}).get("synthetic"),
                protocol=record["key"]["protocol"],
            )
    raise DataError(
        f"no stored predictions of {dataset} with anchor {anchor} in {store.results} to take the labels from; make "
        f"them: mmda-bench run --dataset {dataset} --methods dt --anchors {anchor}"
    )


def read_predictions(file: Path, scenario: Scenario) -> tuple[bytes, np.ndarray]:
    """The file's bytes, and its probabilities (N, C) float64 in the scenario's order. Raises :class:`DataError`."""
    parse = {".csv": _parse_csv, ".npz": _parse_npz}.get(file.suffix.lower())
    if parse is None:
        raise DataError(f"{file}: expected a .csv or .npz file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: {error.strerror or error}") from error
    try:
        ids, probabilities = parse(content, scenario.classes)
        rows = _match(ids, scenario.expected)
        _check(probabilities, ids, len(scenario.classes))
    except DataError as error:
        raise DataError(f"{file} is refused: {error}") from None
    return content, probabilities[rows]


def _parse_csv(content: bytes, classes: Sequence[str]) -> tuple[list[str], np.ndarray]:
    try:
        lines = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"not a csv file in UTF-8 ({error})") from None
    lines = [line for line in lines if line]
    header = [name.strip() for name in lines[0]] if lines else []
    if sorted(header) != sorted(["id", *classes]):
        raise DataError(f"expected the columns id, {', '.join(classes)}; found {', '.join(header) or 'none'}")
    order = [header.index(name) for name in classes]
    ids, values = [], []
    for number, line in enumerate(lines[1:], 2):
        if len(line) != len(header):
            raise DataError(f"line {number} has {len(line)} fields instead of {len(header)}")
        try:
            values.append([float(line[i]) for i in order])
        except ValueError as error:
            raise DataError(f"line {number}: {error}") from None
        ids.append(line[header.index("id")].strip())
    return ids, np.array(values).reshape(len(values), len(classes))


def _parse_npz(content: bytes, classes: Sequence[str]) -> tuple[list[str], np.ndarray]:
    try:
        arrays = read_npz(content)
    except UnreadableError as error:
        raise DataError(f"not an npz file of plain arrays ({error})") from None
    if lacking := {"ids", "probabilities"} - set(arrays):
        raise DataError(
            f"expected the arrays ids and probabilities; {' and '.join(sorted(lacking))} not among "
            f"{', '.join(arrays) or 'none'}"
        )
    ids, probabilities = arrays["ids"], arrays["probabilities"]
    if ids.ndim != 1 or probabilities.shape != (len(ids), len(classes)) or probabilities.dtype.kind not in "fiu":
        raise DataError(
            f"expected ids (N,) and numbers (N, {len(classes)}), one column per class ({', '.join(classes)}); found "
            f"{ids.shape} and {probabilities.shape} of {probabilities.dtype}"
        )
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8", "replace")
    return [str(one) for one in ids], probabilities.astype(np.float64)


def _match(ids: Sequence[str], expected: Sequence[str]) -> list[int]:
    """Where each expected utterance stands in the file; every one must be there once, and no other."""
    twice = [name for name, count in Counter(ids).items() if count > 1]
    unknown = sorted(set(ids) - set(expected))
    lacking = sorted(set(expected) - set(ids))
    faults = [(twice, "given more than once"), (unknown, "not in the target test set"), (lacking, "missing")]
    wrong = [f"{_some(names)} {what}" for names, what in faults if names]
    if wrong:
        raise DataError(f"expected each of the {len(expected)} target test utterances once; {', '.join(wrong)}")
    place = {name: row for row, name in enumerate(ids)}
    return [place[name] for name in expected]


def _check(probabilities: np.ndarray, ids: Sequence[str], classes: int) -> None:
    sums = probabilities.sum(1)
    for bad, what in (
        (~np.isfinite(probabilities).all(1), "values that are not finite"),
        ((probabilities < 0).any(1), "negative probabilities"),
        (np.abs(sums - 1) > SUM_TOLERANCE, f"probabilities that do not sum to 1 ({classes} classes)"),
    ):
        if bad.any():
            names = [ids[row] for row in np.flatnonzero(bad).tolist()]
            raise DataError(f"{what} of {_some(names)}")


def _some(names: Sequence[str]) -> str:
    """'u0003', '2 (u0003, u0004)', '9 (u0003, u0004, u0005, …)'."""
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return listed if len(names) == 1 else f"{len(names)} ({listed})"
