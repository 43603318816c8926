"""From what trials have stored to the scores of all validators. Nothing here can reach the target test set."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mmda_bench.protocol import TRIAL_PARTS
from mmda_bench.registry import VALIDATORS
from mmda_bench.validators import score

PARTS = tuple(f"{domain}_{split}" for domain, split in TRIAL_PARTS)
POOLED = ("pool", "index")


def seen(arrays: Mapping[str, np.ndarray], *, anchor: str) -> dict[str, np.ndarray]:
    """What validators may see of one trial, by the names of :data:`mmda_bench.validator.ARRAYS`, in float64.

    ``arrays``: as :meth:`mmda_bench.store.Store.evidence` gives them. The target is its training and validation set
    together. What the arrays lack is not among the answers.

    >>> half = np.full((1, 2), 0.5, np.float16)
    >>> found = seen({"target_train/probabilities": half, "target_validation/probabilities": half}, anchor="A")
    >>> found["target_probs"].shape
    (2, 2)
    """
    source, *target = PARTS

    def joined(name: str, parts: Sequence[str]) -> np.ndarray | None:
        names = [f"{part}/{name}" for part in parts]
        there = all(name in arrays for name in names)
        return np.concatenate([arrays[name] for name in names]).astype(np.float64) if there else None

    logits = joined(f"logits_{anchor}", target)
    found = {
        "target_probs": _normalised(joined("probabilities", target)),
        "target_logits": joined("logits_joint", target),
        "target_z": joined("z_joint", target),
        "anchor_probs": None if logits is None else _normalised(np.exp(logits - logits.max(axis=1, keepdims=True))),
        "source_probs": _normalised(joined("probabilities", [source])),
        "source_labels": arrays.get(f"{source}/labels"),
        "source_z": joined("z_joint", [source]),
    }
    return {name: array for name, array in found.items() if array is not None}


def _normalised(probabilities: np.ndarray | None) -> np.ndarray | None:
    """Rows with sum 1 again, after half precision."""
    return None if probabilities is None else probabilities / probabilities.sum(axis=1, keepdims=True)


def scores(trials: Sequence[Mapping[str, np.ndarray] | None], *, anchor: str) -> dict[str, list[float | None]]:
    """The scores of every validator that is no oracle, an item a trial; None where a trial lacks what it needs.

    ``trials``: what each has stored, None for one that failed. The pool is the trials of this one method that ended
    well, so that another method moves nobody's choice.
    """
    shown = [None if arrays is None else seen(arrays, anchor=anchor) for arrays in trials]
    places = [i for i, one in enumerate(shown) if one is not None and "target_probs" in one]
    handed: list[dict[str, Any] | None] = [None] * len(shown)
    if places:
        pool = np.stack([one["target_probs"] for i in places if (one := shown[i]) is not None])
        for index, i in enumerate(places):
            handed[i] = {**(shown[i] or {}), "pool": pool, "index": index}
    names = [name for name in VALIDATORS.names() if not VALIDATORS.entry(name).oracle]
    return {name: [_scored(name, one) for one in handed] for name in names}


def _scored(name: str, handed: Mapping[str, Any] | None) -> float | None:
    stored = {"target_probs", "target_logits", "target_z", "anchor_probs", "source_probs", "source_labels", "source_z"}
    needed = set(VALIDATORS.entry(name).sees) & (stored | set(POOLED))
    if handed is None or not needed <= set(handed):
        return None
    value = score(name, handed)
    return value if np.isfinite(value) else None
