"""What is wrong with a record that was edited, merged or copied: the path, what was expected, what was found.

A record that is odd must be named and left out, and take nothing else down: neither the other records nor a verb.
"""

import json
import re
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from mmda_bench.protocol import Cell, Protocol, canonical_json, key_hash
from mmda_bench.store.keys import Key, SubmittedKey
from mmda_bench.store.record import SCHEMA, STATUSES, Record, identity, is_external, splits_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

REQUIRED = ("reason", "key", "hash", "signature", "metrics", "dataset")
OF_CELLS_ONLY = ("reason", "dataset")  # an older submission lacks them
MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError)
PLAIN = {"list_type": "a list", "dict_type": "an object"}  # what pydantic's kinds of errors expected


def parse(text: str) -> Any:
    """JSON and nothing else: no NaN, no number too large for a float, no half of a surrogate pair."""
    from pydantic_core import from_json, to_json

    value = from_json(text, allow_inf_nan=False)
    if b"Infinity" in to_json(value, inf_nan_mode="constants"):
        json.dumps(value, allow_nan=False)  # where the word stands in a text, nothing is wrong
    return value


def fault(record: Any) -> str:
    """Why a record cannot be used, or ''. May raise any of :data:`MALFORMED`, which says the same.

    >>> fault({"schema": 7})
    'schema 7 is unknown to this version, which reads 1'
    >>> fault({"schema": 1, "status": "ok"})
    'lacks reason, key, hash, signature, metrics, dataset'
    """
    if reason := _fault_of_kind(record):
        return reason
    external = is_external(record)
    if reason := unlike(SubmittedKey if external else Key, record["key"], extra="forbid"):
        return f"its key does not describe a {'submission' if external else 'cell'} ({reason})"
    of = identity(record)
    canonical = canonical_json(of.key())
    if key_hash(canonical) != record["hash"] or canonical != canonical_json(record["key"]):
        return f"its hash is not that of its key, {of.hash}: it was edited"
    if reason := unlike(Record, dict.fromkeys(OF_CELLS_ONLY) | record) or _fault_of_scores(record, splits_of(record)):
        return reason
    sound = signed(record, of) if isinstance(of, Cell) else record["signature"] == of.signature
    return "" if sound else f"its signature is not that of its key, {of.signature}: it was edited"


def _fault_of_kind(record: Any) -> str:
    if not isinstance(record, dict):
        return "not a JSON object"
    if record.get("schema", SCHEMA) != SCHEMA:
        return f"schema {reprlib.repr(record['schema'])} is unknown to this version, which reads {SCHEMA}"
    may_lack = OF_CELLS_ONLY if is_external(record) else ()
    if absent := [name for name in ("schema", "status", *REQUIRED) if name not in record and name not in may_lack]:
        return f"lacks {', '.join(absent)}"
    known = ("ok",) if is_external(record) else STATUSES
    if record["status"] not in known:
        return f"status {reprlib.repr(record['status'])} is none of {', '.join(known)}"
    return ""


@cache
def _adapter(shape: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(shape)


def unlike(shape: Any, value: Any, *, extra: Literal["ignore", "forbid"] = "ignore") -> str:
    """How a value differs from a declared ``shape``, at the first place where it does, or ''.

    ``extra``: what is done about fields that are not declared.

    >>> unlike(SubmittedKey, {"method": "mine", "dataset": "avatars", "version": "v3", "anchor": "X"})
    "anchor: expected one of A, L, V, none, found 'X'"
    """
    from pydantic import ValidationError

    try:
        _adapter(shape).validate_python(value, extra=extra)
    except ValidationError as error:
        return _first(error.errors(include_url=False, include_context=False))
    return ""


def _first(errors: Sequence[Mapping[str, Any]]) -> str:
    """The first error in words; fields of one object that are not there are named together."""
    first, *others = errors
    where = first["loc"]
    if first["type"] == "missing":
        siblings = (one["loc"] for one in others if one["type"] == "missing" and one["loc"][:-1] == where[:-1])
        names = ", ".join(str(loc[-1]) for loc in (where, *siblings))
        return _at(where[:-1], f"lacks {names}")
    if first["type"] == "extra_forbidden":
        return _at(where, "unknown to this version")
    expected = first["msg"] if first["type"] == "expected" else f"expected {PLAIN.get(first['type'], first['msg'])}"
    return _at(where, f"{expected}, found {reprlib.repr(first['input'])}")


def _at(where: Iterable[str | int], what: str) -> str:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).lstrip(".")
    return f"{path}: {what}" if path else what


def signed(record: Mapping[str, Any], cell: Cell) -> bool:
    """Whether a record has the signature of its cell, under the version of the suite that wrote it."""
    suite, _, rest = str(record["signature"]).partition("|")
    version = (record.get("versions") or {}).get("mmda-bench")
    pattern = r"mmda-bench:\d+\.\d+" if version is None else re.escape(f"mmda-bench:{'.'.join(version.split('.')[:2])}")
    if re.fullmatch(pattern, suite) is None:
        return False
    if rest == cell.signature.partition("|")[2]:
        return True
    # before batch and beta were in the signature, it was that of the usual ones
    usual = replace(cell, protocol=replace(cell.protocol, batch=Protocol.batch, beta=Protocol.beta))
    return rest == usual.signature.partition("|")[2]


def _fault_of_scores(record: Mapping[str, Any], splits: Sequence[str]) -> str:
    """What the shape of a record cannot say of its scores: that they are there, and of as many classes as the rest."""
    if record["status"] == "ok" and not scored(record, *splits):
        return f"status ok without the scores of {' and '.join(splits)}"
    classes, metrics = (record.get("dataset") or {}).get("classes"), record["metrics"] or {}
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


def scored(record: Mapping[str, Any], *splits: str) -> bool:
    """Whether a record has a weighted F1, a number from 0 to 1, of every one of ``splits``."""
    try:
        return all(0 <= record["metrics"][split]["weighted_f1"] <= 1 for split in splits)
    except (TypeError, KeyError):
        return False
