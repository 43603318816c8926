"""What a record must hold for the reports to read it: everything that some table, figure or estimate takes from it.

A record is a file that people edit, merge and copy: one that is odd must be named and left out, and take nothing else
down. A shape is a function that says what is wrong with a value, beginning with the path to it, or ''.
"""

import json
import re
import reprlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import HALVES, Cell, canonical_json

SCHEMA = 1
STATUSES = ("ok", "failed", "diverged", "out-of-memory", "timeout", "interrupted")
REQUIRED = ("reason", "key", "hash", "signature", "metrics", "dataset")
LARGEST = 1e100  # of any number: sums and squares of such are still finite
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)

Shape = Callable[[Any], str]


def _leaf(expected: str, holds: Callable[[Any], bool]) -> Shape:
    def check(value: Any) -> str:
        return "" if holds(value) else f": expected {expected}, found {reprlib.repr(value)}"

    return check


def _is_number(value: Any, low: float = -LARGEST, high: float = LARGEST) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _is_whole(value: Any, low: int = 0) -> bool:
    return isinstance(value, int) and _is_number(value, low)


def _nullable(shape: Shape) -> Shape:
    return lambda value: "" if value is None else shape(value)


def _list(shape: Shape) -> Shape:
    def check(value: Any) -> str:
        if not isinstance(value, list):
            return f": expected a list, found {reprlib.repr(value)}"
        return next((f"[{i}]{fault}" for i, part in enumerate(value) if (fault := shape(part))), "")

    return check


def _mapping(shape: Shape) -> Shape:
    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return f": expected an object, found {reprlib.repr(value)}"
        return next((f".{name}{fault}" for name, part in value.items() if (fault := shape(part))), "")

    return check


def _fields(*required: str, **shapes: Shape) -> Shape:
    """An object. A field that is neither required nor there is sound; one that has no shape may hold anything."""

    def check(value: Any) -> str:
        if not isinstance(value, dict):
            return f": expected an object, found {reprlib.repr(value)}"
        if absent := [name for name in required if name not in value]:
            return f": lacks {', '.join(absent)}"
        here = ((name, shape(value[name])) for name, shape in shapes.items() if name in value)
        return next((f".{name}{fault}" for name, fault in here if fault), "")

    return check


TEXT = _leaf("text", lambda value: isinstance(value, str))
NUMBER = _leaf(f"a number, at most {LARGEST:g} in size", _is_number)
MEASURE = _leaf(f"a number from 0 to {LARGEST:g}", lambda value: _is_number(value, 0))
SHARE = _leaf("a number from 0 to 1", lambda value: _is_number(value, 0, 1))
COUNT = _leaf("a whole number, 0 or more", _is_whole)
ANYTHING = _leaf("", lambda value: True)
NOTE = _leaf("[id, reason]", lambda value: isinstance(value, list) and [type(part) for part in value] == [str, str])

MODALITY = _leaf(f"one of {', '.join(MODALITIES)}", lambda value: value in MODALITIES)
SCORES = _fields(
    weighted_f1=_nullable(SHARE),
    per_class_f1=_list(SHARE),
    confusion=_list(_list(COUNT)),
    heads=_nullable(_mapping(_nullable(SHARE))),
)
MEASURED = _fields(
    *REQUIRED,
    reason=_nullable(TEXT),
    traceback=_nullable(_list(TEXT)),
    signature=TEXT,
    metrics=_nullable(
        _fields(
            **{f"{half}_test": _nullable(SCORES) for half in HALVES},
            category_distance=_nullable(_mapping(_nullable(NUMBER))),
            detected_anchor=_nullable(_fields("modality", modality=MODALITY, accuracy=_mapping(SHARE))),
            references=_nullable(_mapping(SCORES)),
        )
    ),
    curves=_nullable(
        _fields(terms=_nullable(_mapping(_list(_nullable(NUMBER)))), target_f1=_nullable(_list(_nullable(SHARE))))
    ),
    times=_nullable(_fields("total_s", total_s=MEASURE, train_s=MEASURE)),
    memory_mb=_nullable(MEASURE),
    trainable_parameters=_nullable(COUNT),
    device=_nullable(TEXT),
    hardware=_nullable(_fields(machine=TEXT, gpu=_nullable(TEXT), cpus=_nullable(COUNT))),
    versions=_nullable(_mapping(TEXT)),
    dataset=_nullable(
        _fields(
            fingerprint=_nullable(TEXT),
            classes=_list(TEXT),
            skipped=_list(NOTE),
            substituted=_list(NOTE),
            lexical=_fields(texts=COUNT, unchanged=_nullable(COUNT), words=COUNT, unknown=_nullable(COUNT)),
        )
    ),
)
SCENARIO = {
    "method": TEXT,
    "dataset": TEXT,
    "version": TEXT,
    "anchor": MODALITY,
    "seed": COUNT,
}
PROTOCOL = _fields(
    "backbone",
    backbone=TEXT,
    shift=TEXT,
    severity=MEASURE,
    epochs=_leaf("a whole number, 1 or more", lambda value: _is_whole(value, 1)),
    batch=COUNT,
    beta=NUMBER,
    split=COUNT,
    weights=TEXT,
)
KEY = _fields(
    *SCENARIO, "params", "off", "protocol",
    params=_mapping(ANYTHING), off=_list(TEXT), protocol=PROTOCOL, **SCENARIO,
)  # fmt: skip


def parse(text: str) -> Any:
    """JSON and nothing else: no NaN, no number too large for a float, no half of a surrogate pair."""
    value = json.loads(text)
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    return value


def fault(record: Any) -> str:
    """Why the record of a cell cannot be used, or ''. May raise any of :data:`MALFORMED`, which says the same."""
    if reason := _fault_of_kind(record):
        return reason
    if reason := KEY(record["key"]):
        return f"its key does not describe a cell ({reason.lstrip('.: ')})"
    cell = Cell.from_key(record["key"])
    if cell.hash != record["hash"] or canonical_json(cell.key()) != canonical_json(record["key"]):
        return f"its hash is not that of its key, {cell.hash}: it was edited"
    if reason := measured_fault(record, *(f"{half}_test" for half in HALVES)):
        return reason
    return "" if signed(record, cell) else f"its signature is not that of its key, {cell.signature}: it was edited"


def _fault_of_kind(record: Any) -> str:
    if not isinstance(record, dict):
        return "not a JSON object"
    if record.get("schema", SCHEMA) != SCHEMA:
        return f"schema {reprlib.repr(record['schema'])} is unknown to this version, which reads {SCHEMA}"
    if absent := [name for name in ("schema", "status", *REQUIRED) if name not in record]:
        return f"lacks {', '.join(absent)}"
    if record["status"] not in STATUSES:
        return f"status {reprlib.repr(record['status'])} is none of {', '.join(STATUSES)}"
    return ""


def signed(record: Mapping[str, Any], cell: Cell) -> bool:
    """Whether a record has the signature of its cell, under the version of the suite that wrote it."""
    suite, _, rest = str(record["signature"]).partition("|")
    version = (record.get("versions") or {}).get("mmda-bench")
    pattern = r"mmda-bench:\d+\.\d+" if version is None else re.escape(f"mmda-bench:{'.'.join(version.split('.')[:2])}")
    return re.fullmatch(pattern, suite) is not None and rest == cell.signature.partition("|")[2]


def measured_fault(record: Mapping[str, Any], *splits: str) -> str:
    """What is wrong with what a record holds beside its key, or ''; if it is ok, with the scores of ``splits`` too."""
    if reason := MEASURED(record):
        return reason.lstrip(".: ")
    if record["status"] == "ok" and not scored(record, *splits):
        return f"status ok without the scores of {' and '.join(splits)}"
    classes, metrics = (record["dataset"] or {}).get("classes"), record["metrics"] or {}
    by_class = {split: metrics.get(split) for split in splits}
    by_class |= {f"references.{name}": scores for name, scores in (metrics.get("references") or {}).items()}
    for name, scores in by_class.items():
        if not _same_classes(scores or {}, classes):
            return f"metrics.{name}: the scores by class and the classes are of different numbers"
    return ""


def _same_classes(scores: Mapping[str, Any], classes: list[str] | None) -> bool:
    """Whether names, F1 by class and both sides of the confusion matrix, of those there are, agree in number."""
    counts = {len(part) for part in (classes, scores.get("per_class_f1")) if part}
    matrix = scores.get("confusion") or []
    return len(counts | ({len(matrix), *map(len, matrix)} if matrix else set())) <= 1


def submission_fault(record: Mapping[str, Any]) -> str:
    """As :func:`fault`, of a record of submitted predictions, which has another key and no cell."""
    reason = _fields(*SCENARIO, **SCENARIO)(record["key"])
    only_of_cells: dict[str, Any] = dict.fromkeys(REQUIRED)
    return f"its key: {reason.lstrip('.: ')}" if reason else measured_fault(only_of_cells | dict(record), "target_test")


def scored(record: Mapping[str, Any], *splits: str) -> bool:
    """Whether a record has a weighted F1, a number from 0 to 1, of every one of ``splits``."""
    try:
        return all(_is_number(record["metrics"][split]["weighted_f1"], 0, 1) for split in splits)
    except (TypeError, KeyError):
        return False


Record = dict[str, Any]


@dataclass(frozen=True)
class Damaged:
    """A record that is there but cannot be used. ``path`` is relative to the results folder."""

    path: str
    reason: str


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
        "method_source": None,
        "started_utc": None,
        "ended_utc": now,
    }
