"""What every backbone must keep to: ``mmda-bench check NAME`` and :func:`check_backbone`."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmda_bench.backbone.base import Backbone, Encoder
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.dataset import MODALITIES, NAMES, SAMPLE_RATE
from mmda_bench.errors import ContractError
from mmda_bench.registry import BACKBONES
from mmda_bench.testing.checks import Check, entry_of, run_checks
from mmda_bench.testing.process_contract import LEFT, USED, check_left, check_used

POOLS = ("textcnn", "lstm")
WORDS = ["well", "then", "tell", "me", "what", "you", "want"]


@dataclass(frozen=True)
class Subject:
    """A backbone with these weights.

    >>> Subject("tiny").raw("A").shape
    (16000,)
    """

    name: str
    weights: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def backbone(self) -> Backbone:
        return BACKBONES.get(self.name)(dict(self.weights) or None)

    @cached_property
    def encoders(self) -> dict[str, Encoder]:
        return {m: self.backbone.encoder(m) for m in MODALITIES}

    def raw(self, modality: str, *, seed: int = 0) -> Any:
        """One second of noise, a few words, or grey noise in as many pictures as the backbone takes."""
        rng = np.random.default_rng(seed)
        if modality == "L":
            return WORDS[: len(WORDS) - seed]
        if modality == "A":
            return (0.1 * rng.standard_normal(SAMPLE_RATE * (1 + seed))).astype(np.float32)
        side = self.backbone.frame_size
        return rng.standard_normal((self.backbone.frames, side, side, 3)).astype(np.float32)

    @torch.no_grad()
    def features(self, modality: str, *, seed: int = 0) -> Tensor:
        encoder = self.encoders[modality]
        return encoder.prefix(encoder.tokens(self.raw(modality, seed=seed)))


def check_backbone(subject: str | type, weights: Mapping[str, str] | None = None) -> list[Check]:
    """Run every check on a backbone: the name it is registered under, or its class. ``weights``: their locations.

    Raises :class:`UsageError` for an unknown name.

    >>> all(check.passed for check in check_backbone("tiny"))
    True
    """
    entry = entry_of(subject, BACKBONES)
    with torch.random.fork_rng(devices=[]):
        return run_checks(CHECKS, Subject(entry.name, dict(weights or {})), first=LOADS)


def loads(subject: Subject) -> str:
    parameters = 0
    for modality, encoder in subject.encoders.items():
        if encoder.pool not in POOLS:
            raise ContractError(f"pool of the {NAMES[modality]} encoder is {encoder.pool!r}; expected one of {POOLS}")
        if any(module.training for module in encoder.modules()):
            raise ContractError(f"the {NAMES[modality]} encoder is in train mode; call eval() before returning it")
        parameters += sum(p.numel() for p in encoder.parameters())
    return f"{parameters:,} parameters"


def prefix(subject: Subject) -> str:
    shapes = []
    for modality, encoder in subject.encoders.items():
        found = subject.features(modality)
        expected = "(frames, tokens, width)" if modality == "V" else "(steps, width)"
        if found.ndim != (3 if modality == "V" else 2) or found.shape[-1] != encoder.width or not found.numel():
            raise ContractError(
                f"the {NAMES[modality]} prefix gives {tuple(found.shape)}; expected {expected} of width {encoder.width}"
            )
        if not found.isfinite().all():
            raise ContractError(f"the {NAMES[modality]} prefix gives values that are not finite")
        if not torch.equal(found, subject.features(modality)):
            raise ContractError(f"the {NAMES[modality]} prefix gives another output each time; is it in eval mode?")
        shapes.append(f"{modality} {tuple(found.shape)}")
    return ", ".join(shapes)


def cached(subject: Subject) -> str:
    dtype = np.dtype(subject.backbone.cache_dtype)
    for modality in MODALITIES:
        with np.errstate(over="ignore"):
            kept = subject.features(modality).numpy().astype(dtype)
        if not np.isfinite(kept).all():
            raise ContractError(f"{dtype} cannot hold the {NAMES[modality]} prefix; set cache_dtype = 'float32'")
    return str(dtype)


def frozen(subject: Subject) -> str:
    trained = 0
    for modality, encoder in subject.encoders.items():
        mine = {id(p) for p in encoder.layers.parameters()}
        if mine & {id(p) for p in encoder.frozen.parameters()}:
            raise ContractError(f"the {NAMES[modality]} encoder has parameters that are frozen and trained at once")
        if not mine:
            raise ContractError(f"the {NAMES[modality]} encoder has no trained layer")
        trained += sum(p.numel() for p in encoder.layers.parameters())
    return f"{trained:,} trained"


def network(subject: Subject) -> str:
    model = MultimodalNetwork(subject.backbone, 3).train()
    batch = {m: _batch([subject.features(m, seed=seed) for seed in range(2)]) for m in MODALITIES}
    z, logits = model(batch)
    torch.stack([value.float().sum() for value in logits.values()]).sum().backward()
    for modality in MODALITIES:
        if z[modality].shape != (2, 256) or not z[modality].isfinite().all():
            raise ContractError(f"the {NAMES[modality]} representation is {tuple(z[modality].shape)} or not finite")
        layers = model.encoders[modality].pretrained
        if not any(p.grad is not None and p.grad.abs().max() > 0 for p in layers.parameters()):  # type: ignore[union-attr]
            raise ContractError(f"no gradient reaches the trained {NAMES[modality]} layers")
    return "two utterances of different length, a gradient to every encoder"


def _batch(rows: list[Tensor]) -> Sequences:
    longest = max(len(row) for row in rows)
    values = torch.zeros(len(rows), longest, *rows[0].shape[1:])
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for i, row in enumerate(rows):
        values[i, : len(row)], mask[i, : len(row)] = row, True
    return Sequences(values, mask)


def identified(subject: Subject) -> str:
    again = BACKBONES.get(subject.name)(dict(subject.weights) or None)
    if not isinstance(again.identity(), str) or again.identity() != subject.backbone.identity():
        raise ContractError("identity() is no text, or another one each time; every run would prepare anew")
    return ""


def left(subject: Subject) -> str:
    return check_left(BACKBONES.entry(subject.name), lambda: outputs(subject.name, subject.weights))


def used(subject: Subject) -> str:
    return check_used(BACKBONES.entry(subject.name), outputs, dict(subject.weights))


def outputs(name: str, weights: Mapping[str, str]) -> str:
    """A digest of the prefix outputs of an utterance.

    >>> len(outputs("tiny", {}))
    64
    """
    subject, digest = Subject(name, weights), hashlib.sha256()
    with torch.random.fork_rng(devices=[]):
        for modality in MODALITIES:
            digest.update(subject.features(modality, seed=1).float().numpy().tobytes())
    return digest.hexdigest()


LOADS = "its three encoders load, in eval mode"
CHECKS: Mapping[str, Callable[[Subject], str]] = {
    LOADS: loads,
    LEFT: left,
    "the frozen prefix gives finite features, the same each time": prefix,
    "the cache can hold them": cached,
    "what is frozen and what is trained are apart": frozen,
    "the network trains on them": network,
    "its identity is stable": identified,
    USED: used,
}
