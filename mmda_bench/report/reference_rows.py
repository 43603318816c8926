"""The references that cost no training as rows: each is made from the records of DT. Pure.

A record of DT becomes a record of a reference by exchanging its scores on the target test set; old records hold only
the weighted F1 of single heads, so that they give a row of the anchor's head without intervals and no other.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from mmda_bench.metrics.reference_heads import ANCHOR_HEAD, DETECTED_ANCHOR, HEADS, MEAN_OF_HEADS, probabilities
from mmda_bench.protocol import ANCHORS, REFERENCES
from mmda_bench.report.missing import Runs
from mmda_bench.store import Record, scores_of
from mmda_bench.store.record import Metrics

TITLES = {ANCHOR_HEAD: "anchor head", DETECTED_ANCHOR: "detected anchor", MEAN_OF_HEADS: "mean of heads"}
PREFERRED = (DETECTED_ANCHOR, MEAN_OF_HEADS, ANCHOR_HEAD)  # of equal ones, that which needs to be told least
ABOUT = {
    "anchor head": "Anchor head: the head of the anchor in the cells of DT, without adaptation and without drifts.",
    "detected anchor": "Detected anchor: the same, but nobody says which modality is the anchor. It is the one in "
    "which a logistic regression tells the two training sets apart worst.",
    "mean of heads": "Mean of heads: the mean of the probabilities of DT's three modality heads.",
}


def as_reference(record: Record, name: str) -> Record | None:
    """A record of DT as one of the reference ``name``; None where it lacks what that needs. A failed cell stays one.

    The record that is returned also says under ``reference`` and ``detected`` how its answers are found.
    """
    if record["status"] != "ok":
        return record
    metrics: Metrics = record["metrics"] or {}
    scores = (metrics.get("references") or {}).get(name)
    if scores is None and name == ANCHOR_HEAD:
        heads = scores_of(record).get("heads") or {}
        scores = {"weighted_f1": heads.get(record["key"]["anchor"])}
    if not scores or scores.get("weighted_f1") is None:
        return None
    found = metrics.get("detected_anchor")
    detected = found.get("modality") if found else None
    made: dict[str, Any] = {**record, "metrics": {"target_test": scores}, "reference": name, "detected": detected}
    return cast(Record, made)


def reference_runs(baseline: Runs) -> dict[str, Runs]:
    """By name of the reference, its runs by anchor and seed; only of those that some record can give."""
    found: dict[str, Runs] = {}
    for name in REFERENCES:
        runs = {
            anchor: {
                seed: made
                for seed, record in baseline.get(anchor, {}).items()
                if (made := as_reference(record, name)) is not None
            }
            for anchor in ANCHORS
        }
        if any(record["status"] == "ok" for by_seed in runs.values() for record in by_seed.values()):
            found[name] = runs
    return found


def answers(record: Record, arrays: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Class probabilities (N, C) on the target test set that belong to a row's record; None where they are not stored.

    ``arrays``: what is stored beside the record.
    """
    given: np.ndarray | None = arrays.get("target_test/probabilities")
    made = cast("Mapping[str, Any]", record)
    name = made.get("reference")
    if name is None or given is None:
        return given
    heads = arrays.get("target_test/head_probabilities")
    if heads is None or heads.shape != (len(given), len(HEADS), given.shape[1]):
        return None
    return probabilities(name, heads, anchor=record["key"]["anchor"], detected=made["detected"])
