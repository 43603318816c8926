"""Anchor agreement: the modality that does not shift says what the others should."""

import numpy as np

from mmda_bench.registry import register_validator


@register_validator(
    "anchor",
    title="Anchor agreement",
    paper="this benchmark",
    ours="all of it; it needs to know which modality is the anchor",
)
def anchor(*, target_probs: np.ndarray, anchor_probs: np.ndarray) -> float:
    """mean_i [argmax P^anchor_i = argmax P_i], in [0, 1]. The anchor's own accuracy caps what it can tell.

    ``target_probs``: P, (n, K); ``anchor_probs``: P^anchor, (n, K), by the head of the anchor alone.

    >>> anchor(target_probs=np.eye(4), anchor_probs=np.eye(4)[[0, 1, 3, 2]])
    0.5
    """
    return float((target_probs.argmax(axis=1) == anchor_probs.argmax(axis=1)).mean())
