"""The arrays beside a record: read without trust in the file, known again by a digest, and held against the score.

An npz file is looked at member by member before anything of it is read: a damaged or hostile one costs no more memory
and time than its own size, and no part of it is ever run.
"""

import hashlib
import io
import math
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmda_bench.protocol import REFERENCES
from mmda_bench.store.faults import scored
from mmda_bench.store.record import Record, scores_of, weighted_f1

Arrays = dict[str, np.ndarray]
COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the two that numpy writes
MOST_DEFLATED = 1100  # times smaller than its content a deflated member can be; zlib's limit is 1032
LARGEST_GAP = 1e-4  # between the score of a record and that of its predictions, from 0 to 1: only rounding


class UnreadableError(ValueError):
    """A file that is no npz file of plain arrays."""


def read_npz(source: Path | bytes) -> Arrays:
    """Every array of an npz file by name. Raises :class:`FileNotFoundError` and :class:`UnreadableError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            return {one.filename.removesuffix(".npy"): _member(archive, one) for one in archive.infolist()}
    except (FileNotFoundError, UnreadableError):
        raise
    except Exception as error:  # zipfile, its decompressors and numpy's parser of headers raise almost anything
        raise UnreadableError(f"not an npz file ({type(error).__name__}: {error})") from None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    name = member.filename
    if member.flag_bits & 1:
        raise UnreadableError(f"{name} is encrypted")
    if member.compress_type not in COMPRESSION:
        raise UnreadableError(f"{name} is compressed in a way that numpy does not write")
    if not name.endswith(".npy"):
        raise UnreadableError(f"{name} is no array of numpy")
    if member.file_size > MOST_DEFLATED * member.compress_size:
        raise UnreadableError(f"{name} says that {member.compress_size} bytes unpack to {member.file_size}")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise UnreadableError(f"{name} is of format {version}, expected 1.0 or 2.0")
        shape, by_columns, dtype = read_header[version](file)
        size = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise UnreadableError(f"{name} holds Python objects")
        if min(shape, default=0) < 0 or size != member.file_size - file.tell():
            raise UnreadableError(f"{name} promises {shape} of {dtype}, which is not what the file holds")
        content = bytearray(file.read())  # to its end, where zipfile compares the checksum
    return np.frombuffer(content, dtype).reshape(shape, order="F" if by_columns else "C")


def digest(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of names, types, shapes and contents, in hexadecimal: the same however the file is packed.

    >>> one, other = np.arange(3), np.arange(3)
    >>> digest({"a": one, "b": other}) == digest({"b": other, "a": one})
    True
    >>> digest({"a": one}) == digest({"a": one.astype(float)})
    False
    """
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def fault_of_predictions(arrays: Mapping[str, np.ndarray], splits: Iterable[str]) -> str:
    """Why these are no predictions of ``splits``, or ''. Of each: ids (N,), labels (N,), probabilities (N, C).

    >>> fault_of_predictions({"target_test/ids": np.array(["u1"])}, ["target_test"])
    'lacks target_test/labels, target_test/probabilities'
    """
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            return f"{name} is not finite everywhere"
    for split in splits:
        names = [f"{split}/{part}" for part in ("ids", "labels", "probabilities")]
        if lacking := [name for name in names if name not in arrays]:
            return f"lacks {', '.join(lacking)}"
        ids, labels, probabilities = (arrays[name] for name in names)
        count = len(ids) if ids.ndim == 1 else -1
        classes = probabilities.shape[1] if probabilities.ndim == 2 else 0
        for name, array, shape, kinds in zip(
            names, (ids, labels, probabilities), ((count,), (count,), (count, classes)), ("U", "iu", "f"), strict=True
        ):
            if array.shape != shape or array.dtype.kind not in kinds or not array.size:
                return f"{name} is {array.shape} of {array.dtype}; {_EXPECTED}"
        if labels.min() < 0 or labels.max() >= classes:
            return f"{split}/labels lie from {labels.min()} to {labels.max()}; expected 0 to {classes - 1}"
    return ""


_EXPECTED = "expected ids (N,) of text, labels (N,) of whole numbers and probabilities (N, C) of floats"


def fault_of_representations(arrays: Mapping[str, np.ndarray], names: Iterable[str]) -> str:
    """Why these are no representations, or '': each (N, D), finite, and as many in every modality of a split."""
    rows: dict[str, set[int]] = {}
    for name in names:
        array = arrays.get(name)
        if array is None or array.ndim != 2 or array.dtype.kind != "f" or not np.isfinite(array).all():
            return f"{name} is not there, or no finite (N, D)"
        rows.setdefault(name.partition("/")[0], set()).add(len(array))
    return "" if all(len(counts) == 1 for counts in rows.values()) else "modalities differ in number of utterances"


def untied(record: Record, arrays: Mapping[str, np.ndarray]) -> str:
    """Why sound predictions are not those that were stored with ``record``, or ''; an older record cannot tell."""
    expected = record.get("predictions_sha256")
    if expected is None or expected == digest(arrays):
        return ""
    return "its predictions are not those that were stored with it: one of the two was replaced or edited"


def disagreement(record: Record, arrays: Mapping[str, np.ndarray]) -> str:
    """Why sound predictions are not those of ``record``, or '': they are not tied to it, or give another score."""
    if reason := untied(record, arrays):
        return reason
    for split in sorted({name.partition("/")[0] for name in arrays if name.endswith("/labels")}):
        if scored(record, split):
            told, found = scores_of(record, split), _scores(arrays, split)
            if abs(weighted_f1(record, split) - found["weighted_f1"]) > LARGEST_GAP:
                score = f"{found['weighted_f1']:.4f} on {split}, the record says {weighted_f1(record, split):.4f}"
                return f"its predictions give a weighted F1 of {score}"
            if other := _differing(told, found):
                return f"its predictions give another {other} on {split} than the record has"
    return _other_references(record, arrays)


def _other_references(record: Record, arrays: Mapping[str, np.ndarray]) -> str:
    """Where the scores of references differ from what the stored heads give, or ''."""
    from mmda_bench.metrics.reference_heads import HEADS, probabilities

    heads, labels = arrays.get("target_test/head_probabilities"), arrays.get("target_test/labels")
    metrics = record["metrics"] or {}
    if heads is None or labels is None or heads.shape[:2] != (len(labels), len(HEADS)) or heads.ndim != 3:
        return ""
    detected = (metrics.get("detected_anchor") or {"modality": None})["modality"]
    told_of = metrics.get("references") or {}
    for name, told in ((name, told_of[name]) for name in REFERENCES if name in told_of):
        given = probabilities(name, heads, anchor=record["key"]["anchor"], detected=detected)
        if given is not None and (other := _differing(told, _scores_of(labels, given))):
            return f"the heads that are stored give another {other} of {name} than the record has"
    return ""


def _differing(told: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first of ``found`` that a record tells otherwise; what it does not tell is no difference."""
    for name, value in found.items():
        said = np.asarray(told.get(name) or [], float)
        if said.size and (said.shape != np.shape(value) or np.abs(said - value).max() > LARGEST_GAP):
            return name
    return ""


def _scores(arrays: Mapping[str, np.ndarray], split: str) -> dict[str, Any]:
    return _scores_of(arrays[f"{split}/labels"], arrays[f"{split}/probabilities"])


def _scores_of(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """What a record says of a split. F1 of a class: 2 TP / (true + predicted), from 0 to 1; weighted by how many
    utterances are of each."""
    classes = probabilities.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels.astype(np.int64), probabilities.argmax(1)), 1)
    hits, support = np.diag(confusion), confusion.sum(1)
    f1 = 2 * hits / np.maximum(support + confusion.sum(0), 1)
    return {
        "weighted_f1": float((support * f1).sum() / len(labels)),
        "accuracy": float(hits.sum() / len(labels)),
        "per_class_f1": f1,
        "support": support,
        "confusion": confusion,
    }
