"""References that cost no training: what single heads of a run without adaptation answer. Pure functions of arrays.

A run of DT has a head for each modality and a joint one. Under the shift its joint head suffers from the drifts; the
head of the anchor does not. Three rows follow, and a method that stays below them has gained nothing from the target:

- ``anchor-head``: the head of the anchor alone [ours]. It needs to be told which modality is the anchor.
- ``detected-anchor``: the head of the modality that looks least shifted [ours]. It needs nothing but the two training
  sets, without their target labels: see :func:`detect_anchor`.
- ``mean-of-heads``: the mean of the probabilities of the three modality heads (late fusion).

Names: N utterances, C classes, d = 256, heads in the order of :data:`HEADS`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import REFERENCES

BASELINE = "dt"  # the method whose heads are the references
HEADS = (*MODALITIES, "joint")
ANCHOR_HEAD, DETECTED_ANCHOR, MEAN_OF_HEADS = REFERENCES
MOST_PROBED = 200  # utterances of each domain that the probe sees: 2 % of the time of a cell of avatars
PROBE_STEPS = 100  # of its optimiser, at most


def head_probabilities(logits: Mapping[str, np.ndarray]) -> np.ndarray:
    """(N, 4, C) float16: the softmax of every head. ``logits[m]``: (N, C), for every m of :data:`HEADS`.

    >>> head_probabilities({m: np.zeros((2, 5)) for m in HEADS}).shape
    (2, 4, 5)
    """
    from scipy.special import softmax

    return np.asarray(softmax(np.stack([logits[m] for m in HEADS], 1).astype(np.float32), axis=2), np.float16)


def by_head(heads: np.ndarray) -> dict[str, np.ndarray]:
    """(N, 4, C) as (N, C) by head.

    >>> by_head(np.zeros((2, 4, 5)))["joint"].shape
    (2, 5)
    """
    return {m: heads[:, i] for i, m in enumerate(HEADS)}


def domain_accuracy(source: np.ndarray, target: np.ndarray) -> float:
    """How well a logistic regression tells two domains apart, in [0, 1]; near .5 where they look alike.

    ``source``, ``target``: (n, d) representations, in random order; of the larger one the first rows are used. The
    regression is fitted to one half of the rows and scored on the other, both ways. Deterministic.

    >>> rows = np.random.default_rng(0).normal(size=(2, 200, 8))
    >>> domain_accuracy(rows[0], rows[1] + 9), domain_accuracy(rows[0], rows[1]) < 0.6
    (1.0, True)
    """
    from sklearn.linear_model import LogisticRegression

    rows = min(len(source), len(target))
    domains = np.repeat([0, 1], [rows - rows // 2, rows - rows // 2]), np.repeat([0, 1], [rows // 2, rows // 2])
    halves = [np.concatenate([z[:rows][start::2] for z in (source, target)]) for start in (0, 1)]
    found = []
    for fitted in (0, 1):
        probe = LogisticRegression(max_iter=PROBE_STEPS, random_state=0).fit(halves[fitted], domains[fitted])
        found.append(probe.score(halves[1 - fitted], domains[1 - fitted]))
    return float(np.mean(found))


def detect_anchor(source: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The modality whose domains are hardest to tell apart, as ``{"modality": m, "accuracy": {m: share, …}}``.

    ``source[m]``, ``target[m]``: (n, d) representations of the two training sets, in random order. No label is used.
    Of equal accuracies the first in the order of the modalities counts.

    >>> rows = np.random.default_rng(0).normal(size=(200, 8))
    >>> shifted = {"A": rows[100:] + 5, "L": rows[100:], "V": rows[100:] - 5}
    >>> detect_anchor(dict.fromkeys("ALV", rows[:100]), shifted)["modality"]
    'L'
    """
    accuracy = {m: domain_accuracy(source[m], target[m]) for m in MODALITIES}
    return {"modality": min(MODALITIES, key=lambda m: accuracy[m]), "accuracy": accuracy}


def probabilities(name: str, heads: np.ndarray, *, anchor: str, detected: str | None) -> np.ndarray | None:
    """Class probabilities (N, C) of the reference ``name``; None for a head of an anchor where there is no anchor.

    ``heads``: (N, 4, C), the probabilities of every head. ``anchor``, ``detected``: modalities.

    >>> heads = np.array([[[0.6, 0.4], [0.2, 0.8], [0.1, 0.9], [0.5, 0.5]]])
    >>> probabilities("mean-of-heads", heads, anchor="A", detected=None).round(2)
    array([[0.3, 0.7]])
    """
    if name == MEAN_OF_HEADS:
        mean: np.ndarray = heads[:, : len(MODALITIES)].astype(np.float64).mean(1)
        return mean
    modality = {ANCHOR_HEAD: anchor, DETECTED_ANCHOR: detected}[name]
    return heads[:, HEADS.index(modality)] if modality in MODALITIES else None


def reference_scores(
    heads: np.ndarray, labels: np.ndarray, *, anchor: str, detected: str | None
) -> dict[str, dict[str, Any]]:
    """:func:`mmda_bench.metrics.scores` of every reference that can be made, by name.

    ``heads``: (N, 4, C); ``labels``: (N,) class indices; ``anchor``, ``detected``: modalities.

    >>> heads = np.eye(2)[:, None].repeat(4, axis=1)
    >>> reference_scores(heads, np.array([0, 1]), anchor="A", detected=None)["anchor-head"]["weighted_f1"]
    1.0
    """
    from mmda_bench.metrics import scores

    found = {name: probabilities(name, heads, anchor=anchor, detected=detected) for name in REFERENCES}
    classes = heads.shape[2]
    return {name: scores(labels, p.argmax(1), classes=classes) for name, p in found.items() if p is not None}
