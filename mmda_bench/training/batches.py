"""Batches of a prepared corpus: which utterances a step sees, and their features on the device."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmda_bench.backbone.sequences import Sequences
from mmda_bench.features.corpus import Corpus
from mmda_bench.machine.transfer import mark, sent, side_stream
from mmda_bench.protocol import DOMAINS, Cell, name_hash

Outputs = tuple[dict[str, Tensor], dict[str, Tensor]]  # z and logits


class Batch(NamedTuple):
    """Rows of the two training sets, and their features on the device; None where the method sees no target."""

    source_rows: np.ndarray
    target_rows: np.ndarray
    source: dict[str, Sequences]
    target: dict[str, Sequences] | None


class Loader:
    """The training sets of a cell, in batches of ``size`` utterances of each domain. Its draws are seeded by names.

    ``with_target``: whether the cell sees target utterances at all.
    """

    def __init__(self, cell: Cell, corpus: Corpus, device: torch.device, *, size: int, with_target: bool) -> None:
        self.cell, self.corpus, self.device = cell, corpus, device
        self.size, self.with_target = size, with_target

    def features(self, domain: str, positions: Sequence[int]) -> dict[str, Sequences]:
        """All modalities of these utterances as the cell's scenario has them: the target's drifts are shifted."""
        shifted = self.cell.drifts if domain == "target" else ()
        batch = self.corpus.batch(positions, shifted=shifted, pinned=self.device.type == "cuda")
        return {m: value.to(self.device) for m, value in batch.items()}

    def batches(self, *, ahead: bool) -> Iterator[Batch]:
        """Batches without end; ``ahead``: a thread loads the next one while the device works on this one.

        To a GPU it is copied on a stream of its own, so that the copy does not wait for this step to be done.
        """
        rows = {domain: self.corpus.parts[domain, "train"] for domain in DOMAINS}
        orders = {domain: self._order(domain, len(rows[domain])) for domain in DOMAINS}

        def load() -> Batch:
            source, target = (next(orders[domain]) for domain in DOMAINS)
            seen = self.features("target", [rows["target"][i] for i in target]) if self.with_target else None
            return Batch(source, target, self.features("source", [rows["source"][i] for i in source]), seen)

        if not ahead:
            while True:
                yield load()
        stream = side_stream(self.device, "features")

        def load_beside() -> tuple[Batch, torch.cuda.Event | None]:
            with torch.cuda.stream(stream):  # None, on a CPU, changes nothing
                return load(), mark(self.device)

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(load_beside)
            while True:
                (batch, copied), waiting = waiting.result(), pool.submit(load_beside)
                if copied is not None:
                    _take_over(batch, torch.cuda.current_stream(self.device), copied)
                yield batch

    def _order(self, domain: str, size: int) -> Iterator[np.ndarray]:
        """Batches without end: a fresh permutation an epoch, its incomplete last batch dropped."""
        rng = np.random.default_rng(name_hash("order", domain, self.cell.seed))
        while True:
            permutation = rng.permutation(size)
            for start in range(0, size - self.size + 1, self.size):
                yield permutation[start : start + self.size]


def _take_over(batch: Batch, stream: torch.cuda.Stream, copied: torch.cuda.Event) -> None:
    """Let ``stream`` use a batch that another one copies: after that, and the memory stays taken until it is done."""
    stream.wait_event(copied)
    for sequences in (*batch.source.values(), *(batch.target or {}).values()):
        sequences.values.record_stream(stream)
        sequences.mask.record_stream(stream)


def join(first: Mapping[str, Sequences], second: Mapping[str, Sequences]) -> dict[str, Sequences]:
    """Source and target in one batch, the shorter padded to the longer."""
    joined = {}
    for m, a in first.items():
        b = second[m]
        length = max(a.mask.shape[1], b.mask.shape[1])
        joined[m] = Sequences(
            torch.cat([_pad(a.values, length), _pad(b.values, length)]),
            torch.cat([_pad(a.mask, length), _pad(b.mask, length)]),
            _join_on_host(a.host_mask, b.host_mask, length),
        )
    return joined


def passes(
    source: Mapping[str, Sequences], target: Mapping[str, Sequences] | None, *, apart: bool
) -> list[Mapping[str, Sequences]]:
    """What goes through the network at once: both domains in one batch, or ``apart`` one after the other."""
    if target is None:
        return [source]
    return [source, target] if apart else [join(source, target)]


def stacked(outputs: Sequence[Outputs]) -> Outputs:
    """z and logits of several forward passes, the rows of one below those of the other."""
    if len(outputs) == 1:
        return outputs[0]
    z, logits = ({m: torch.cat([one[m] for one in parts]) for m in parts[0]} for parts in zip(*outputs, strict=True))
    return z, logits


def by_domain(values: Mapping[str, Tensor], rows: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The first ``rows`` of each, and the others."""
    split = {m: value.tensor_split((rows,)) for m, value in values.items()}
    return {m: parts[0] for m, parts in split.items()}, {m: parts[1] for m, parts in split.items()}


def _join_on_host(a: np.ndarray | None, b: np.ndarray | None, length: int) -> np.ndarray | None:
    if a is None or b is None:
        return None
    joined = np.zeros((len(a) + len(b), length), bool)
    joined[: len(a), : a.shape[1]], joined[len(a) :, : b.shape[1]] = a, b
    return joined


def _pad(x: Tensor, length: int) -> Tensor:
    return torch.cat([x, x.new_zeros(len(x), length - x.shape[1], *x.shape[2:])], 1) if x.shape[1] < length else x


def augmented(batch: Mapping[str, Sequences], rng: np.random.Generator, *, drop: float = 0.1) -> dict[str, Sequences]:
    """The mild augmentation behind ``Target.view2`` [ours]: a tenth of the time steps of sound and words hidden at
    random, and one picture in five left out. Never noise, darkening or word masks: those are the benchmark's shift."""
    result = {}
    for m, sequences in batch.items():
        values, mask, on_host = sequences.values, sequences.mask, sequences.host_mask
        if m == "V":
            frames = values.shape[1]
            keep = np.sort(rng.permutation(frames)[: frames - max(1, frames // 5)]) if frames > 1 else np.arange(frames)
            index = sent(torch.from_numpy(keep), mask.device)
            result[m] = Sequences(values[:, index], mask[:, index], None if on_host is None else on_host[:, keep])
            continue
        kept = (rng.random(mask.shape) >= drop) & (mask.cpu().numpy() if on_host is None else on_host)
        kept[:, 0] |= ~kept.any(1)  # at least one step of every utterance stays
        result[m] = Sequences(values, sent(torch.from_numpy(kept), mask.device), kept)
    return result
