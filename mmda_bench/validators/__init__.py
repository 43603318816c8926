"""Scores that choose settings without the labels of the target: one file each, all pure functions of arrays.

:mod:`mmda_bench.validator` is the contract; ``mmda-bench list validators`` lists what there is.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mmda_bench.registry import VALIDATORS, Entry, UsageError
from mmda_bench.validator import ARRAYS, ORACLE

__all__ = ["score"]

SHARES = ("target_probs", "anchor_probs", "source_probs", "pool")
ROUNDING = 1e-6


def score(name: str, seen: Mapping[str, Any], *, oracle: bool = False) -> float:
    """The score of the validator ``name``, higher is better. It may be no finite number, for a validator of a plug-in.

    ``seen``: arrays by the names of :data:`~mmda_bench.validator.ARRAYS`; None counts as absent. Of these the validator
    is handed the ones that its parameters name, and no others, as copies that it cannot write to. It runs in a thread
    of its own, so that neither its arguments nor its callers lead back to ``seen``. (Python hides nothing from code
    that searches the whole process: labels are safe for good only where they have not been loaded.) ``oracle``: allow
    a validator that reads ``target_labels``.

    Raises :class:`UsageError` for an unknown name, an oracle that was not asked for, and arrays that are lacking or
    that do not fit together.

    >>> round(score("im", {"target_probs": np.eye(4), "target_z": np.zeros((4, 2))}), 4)
    1.3863
    """
    entry = VALIDATORS.entry(name)
    if entry.oracle and not oracle:
        raise UsageError(
            f"validator {name} is an oracle: it reads {ORACLE}, which nobody has who adapts to a new domain; call "
            f"score({name!r}, ..., oracle=True) to compute it all the same, and never choose by it"
        )
    handed = {array: _sealed(seen[array]) for array in entry.sees if seen.get(array) is not None}
    lacking = [array for array, needed in entry.sees.items() if needed and array not in handed]
    if lacking:
        listed = "; ".join(f"{array}: {ARRAYS[array]}" for array in lacking)
        raise UsageError(f"validator {name} lacks {listed}")
    _check(entry, handed)
    with ThreadPoolExecutor(1) as apart:
        return float(apart.submit(VALIDATORS.get(name), **handed).result())


def _sealed(value: Any) -> np.ndarray:
    """A copy that cannot be written to and has no base."""
    try:
        copy = np.array(value)
    except ValueError as error:  # rows of different lengths
        raise UsageError(f"an array cannot be made of what was given: {error}") from error
    copy.setflags(write=False)
    return copy


def _check(entry: Entry, handed: Mapping[str, np.ndarray]) -> None:
    """Raises :class:`UsageError` for a wrong number of axes, lengths that differ, no rows, what is not finite, classes
    and trials that are none, and probabilities that are none."""
    lengths: dict[str, tuple[int, str]] = {}  # by the letter of an axis: its length, and the array that has it
    for name, array in handed.items():
        where, shape = f"validator {entry.name}: {name} of shape {array.shape}", ARRAYS[name].shape
        if array.ndim != len(shape):
            raise UsageError(f"{where}: expected {ARRAYS[name]}")
        for letter, length in zip(shape, array.shape, strict=True):
            known, other = lengths.setdefault(letter, (length, name))
            if length != known:
                raise UsageError(f"{where}: expected {letter} = {known}, as in {other}")
        if array.size == 0:
            raise UsageError(f"{where} is empty")
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise UsageError(f"{where}: expected finite numbers")
    for name, array in handed.items():
        end = lengths.get({"source_labels": "K", ORACLE: "K", "index": "T"}.get(name, ""), (0, ""))[0]
        if end and not np.isin(array, np.arange(end)).all():
            raise UsageError(f"validator {entry.name}: {name}: expected whole numbers from 0 to {end - 1}")
        if name in SHARES and not 0 <= array.min() <= array.max() <= 1 + ROUNDING:
            raise UsageError(f"validator {entry.name}: {name}: expected probabilities, from 0 to 1")
