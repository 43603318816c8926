"""Which modality looks least shifted: for the reference that finds the anchor, and for methods that are not told it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.dataset import MODALITIES
from mmda_bench.features.corpus import Corpus
from mmda_bench.metrics.reference_heads import MOST_PROBED, detect_anchor
from mmda_bench.protocol import DOMAINS, Cell, name_hash
from mmda_bench.training.batches import Loader

Represent = Callable[[str, Sequence[int]], Mapping[str, np.ndarray]]


def probed(cell: Cell, corpus: Corpus, represent: Represent) -> dict[str, Any]:
    """What :func:`~mmda_bench.metrics.reference_heads.detect_anchor` finds on rows of the two training sets, drawn by
    the seed of the cell. ``represent(domain, positions)`` gives z by modality, (n, d)."""
    z = {}
    for domain in DOMAINS:
        rows = corpus.parts[domain, "train"]
        order = np.random.default_rng(name_hash("probe", domain, cell.seed)).permutation(len(rows))
        z[domain] = represent(domain, [rows[i] for i in order[:MOST_PROBED]])
    return detect_anchor(z["source"], z["target"])


def before_adaptation(
    cell: Cell, corpus: Corpus, network: MultimodalNetwork, device: torch.device
) -> dict[str, Any] | None:
    """The modality that a method assumes to be the anchor because it is not told [ours]: as the untrained network
    represents them, the two domains are hardest to tell apart in it. None where the method is told one."""
    if cell.assumed_anchor is not None:
        return None
    loader = Loader(cell, corpus, device, size=1, with_target=False)

    @torch.no_grad()
    def represent(domain: str, positions: Sequence[int]) -> dict[str, np.ndarray]:
        z, _ = network(loader.features(domain, positions))
        return {m: z[m].float().cpu().numpy() for m in MODALITIES}

    network.eval()
    return probed(cell, corpus, represent)
