"""A prepared corpus of random features of the real shapes, and backbones of random weights: for the engine's own step.

Nothing is to be learnt from it. The features lie on disk as those of a real corpus do, and every batch is read anew.
Loaded as a plug-in, the file registers the backbones ``random-3`` and ``random-1`` (trained visual blocks) of full size
and ``random-3-small`` and ``random-1-small``.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from mmda_bench.dataset import MODALITIES
from mmda_bench.features.corpus import Corpus
from mmda_bench.features.shards import Ragged, ShardWriter
from mmda_bench.protocol import DOMAINS, Cell, Protocol
from mmda_bench.registry import METHODS, load_plugin, register_backbone
from mmda_bench.training import Trainer
from tests.benchmarks.full_size import CLASSES, RandomPaper, cached

DISTINCT = 4  # rows that are written over and over: their numbers do not matter
STEPS = 12  # an epoch: as many as MIntRec has


class Random(RandomPaper):
    blocks_trained, tiny = 3, False

    def __init__(self, weights: Mapping[str, str] | None = None) -> None:
        super().__init__(blocks=self.blocks_trained, small=self.tiny)
        self.weights = {}


@register_backbone("random-3", title="Full size, random weights")
class Random3(Random):
    pass


@register_backbone("random-1", title="Full size, random weights, one visual block")
class Random1(Random):
    blocks_trained = 1


@register_backbone("random-3-small", title="Small, random weights")
class Random3Small(Random):
    tiny = True


@register_backbone("random-1-small", title="Small, random weights, one visual block")
class Random1Small(Random):
    blocks_trained, tiny = 1, True


def name_of(blocks: int, *, small: bool) -> str:
    """The name of the backbone with so many trained visual blocks."""
    return f"random-{blocks}{'-small' if small else ''}"


def write(folder: Path, *, blocks: int, batch: int, small: bool) -> Corpus:
    """Write features of ``batch`` utterances of each half, as they leave the prefix of the longest utterance."""
    backbone = RandomPaper(blocks=blocks, small=small)
    rng = np.random.default_rng(0)
    for m in MODALITIES:
        shape = cached(backbone.encoder(m).to("meta"), m, 1, small=small).values.shape[1:]
        rows = [rng.standard_normal(shape, np.float32).astype(np.float16) for _ in range(DISTINCT)]
        with ShardWriter(folder / m) as shard:
            for position in range(2 * batch):
                shard.append(position, rows[position % DISTINCT])
    return read(folder, batch=batch, steps=2 if small else STEPS)


def read(folder: Path, *, batch: int, steps: int) -> Corpus:
    """What :func:`write` wrote, as a corpus with so many steps an epoch: the same utterances again and again."""
    positions = {"source": list(range(batch)), "target": list(range(batch, 2 * batch))}
    features = {m: Ragged([folder / m]) for m in MODALITIES}
    return Corpus(
        folder=folder,
        ids=[f"random {p}" for p in range(2 * batch)],
        parts={(domain, "train"): steps * positions[domain] for domain in DOMAINS},
        source_labels={p: p % CLASSES for p in positions["source"]},
        classes=[f"class {c}" for c in range(CLASSES)],
        fingerprint="random",
        skipped=[],
        substituted=[],
        features={(m, variant): features[m] for m in MODALITIES for variant in ("clean", "shifted")},
    )


def steps_of(corpus: Corpus, batch: int) -> int:
    """Steps an epoch."""
    return len(corpus.parts["source", "train"]) // batch


def trainer(
    corpus: Corpus, device: torch.device, *, blocks: int, batch: int, small: bool, epochs: int, method: str = "a3d2"
) -> Trainer:
    """The engine's own trainer on it."""
    load_plugin(__file__)
    protocol = Protocol(backbone=name_of(blocks, small=small), epochs=epochs, batch=batch)
    parameters = METHODS.entry(method).parameters
    cell = Cell(method=method, params=parameters, dataset="random", version="1", anchor="A", seed=0, protocol=protocol)
    return Trainer(cell, corpus, device)
