"""One cell: build, train, evaluate, and leave a record. Knows neither Ray nor the command line."""

import contextlib
import math
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmda_bench import registry
from mmda_bench.backbone.corpus import Corpus, read_labels
from mmda_bench.backbone.network import DIMS, MultimodalNetwork, Sequences
from mmda_bench.backbone.prefix import open_corpus
from mmda_bench.backbone.spec import Backbone
from mmda_bench.dataset import MODALITIES
from mmda_bench.evaluation import evaluate
from mmda_bench.functional import information_bottleneck
from mmda_bench.method import Context, Method, Source, Target
from mmda_bench.protocol import SUPERVISED, Cell, name_hash
from mmda_bench.provenance import empty_record, now, peak_memory_mb, start_memory_peak

EVALUATION_BATCH = 128


class DivergedError(Exception):
    """A loss term became NaN or infinite."""


@dataclass(frozen=True)
class Outcome:
    """What a cell leaves: the record (JSON values) and, if it finished, the arrays that lie beside it."""

    record: dict[str, Any]
    outputs: dict[str, np.ndarray] | None = None


def run_cell(cell: Cell, *, root: Path | None, cache: Path, device: str | None = None) -> Outcome:
    """Run one cell. Whatever goes wrong becomes the record's status and reason; only interruption is raised.

    ``root``: of the corpus, None for an embedded one. ``cache``: of the prefix outputs. ``device``: None takes CUDA if
    there is any. One thread on a CPU, so that a cell gives the same numbers wherever it runs.
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    record = empty_record(cell, place)
    started = time.perf_counter()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        start_memory_peak(place)
        outputs = _run(cell, root, cache, place, record)
        record["status"] = "ok"
    except DivergedError as error:
        outputs, record["status"], record["reason"] = None, "diverged", str(error)
    except (MemoryError, torch.OutOfMemoryError) as error:
        hint = "put fewer cells on a GPU (--gpus-per-cell 1) or take a smaller backbone"
        outputs, record["status"], record["reason"] = None, "out-of-memory", f"{error} ({hint})"
    except Exception as error:
        outputs, record["status"], record["reason"] = None, "failed", f"{type(error).__name__}: {error}"
        record["traceback"] = traceback.format_exc().splitlines()[-12:]
    finally:
        torch.set_num_threads(threads)
    record["times"]["total_s"] = time.perf_counter() - started
    record["memory_mb"] = peak_memory_mb(place)
    record["ended_utc"] = now()
    return Outcome(record, outputs)


def _run(cell: Cell, root: Path | None, cache: Path, device: torch.device, record: dict[str, Any]) -> dict[str, Any]:
    clock = time.perf_counter()
    corpus = open_corpus(cell.dataset, root=root, protocol=cell.protocol, cache=cache)
    record["dataset"] = {"fingerprint": corpus.fingerprint, "classes": corpus.classes, "skipped": corpus.skipped}
    trainer = Trainer(cell, corpus, device)
    record["trainable_parameters"] = sum(p.numel() for p in trainer.parameters)
    record["times"]["setup_s"], clock = time.perf_counter() - clock, time.perf_counter()
    try:
        trainer.train()
    finally:
        record["curves"], record["steps"] = {"terms": trainer.curves}, trainer.step
    record["times"]["train_s"], clock = time.perf_counter() - clock, time.perf_counter()
    outputs: dict[str, np.ndarray] = {}
    record["metrics"] = {}
    for half in ("source", "target"):
        positions = corpus.parts[half, "test"]
        labels = read_labels(corpus, half, positions)
        z, logits, probabilities = trainer.predict(half, positions)
        record["metrics"][f"{half}_test"] = evaluate(labels, probabilities, logits)
        outputs[f"{half}_test/ids"] = np.array([corpus.ids[p] for p in positions])
        outputs[f"{half}_test/labels"] = labels.astype(np.int16)
        outputs[f"{half}_test/probabilities"] = probabilities.astype(np.float16)
        outputs |= {f"{half}_test/z_{m}": z[m].astype(np.float16) for m in MODALITIES}
    record["times"]["evaluate_s"] = time.perf_counter() - clock
    return outputs


class Trainer:
    """Network, method and optimiser of one cell. Every random draw is seeded by names, never by call order."""

    def __init__(self, cell: Cell, corpus: Corpus, device: torch.device) -> None:
        self.cell, self.corpus, self.device = cell, corpus, device
        self.curves: dict[str, list[float]] = {}
        self.step = 0
        protocol = cell.protocol
        backbone: Backbone = registry.BACKBONES.get(protocol.backbone)()
        self.source, self.target = source, target = corpus.parts["source", "train"], corpus.parts["target", "train"]
        self.source_labels = torch.from_numpy(read_labels(corpus, "source", source))
        # the reference run alone: it adds the same objective on labelled target batches
        self.supervised = cell.method == SUPERVISED
        self.target_labels = torch.from_numpy(read_labels(corpus, "target", target)) if self.supervised else None
        self.batch = min(protocol.batch, len(source), len(target))
        self.steps_per_epoch = len(source) // self.batch

        torch.manual_seed(name_hash("network", cell.seed))
        self.network = MultimodalNetwork(backbone, len(corpus.classes)).to(device)
        torch.manual_seed(name_hash("method", cell.method, cell.seed))
        self.method = self._build_method(len(corpus.classes)).to(device)
        self.views = 1 if self.supervised else self.method.target_views
        pretrained = self.network.pretrained_parameters()
        new = [*self.network.new_parameters(), *self.method.parameters()]
        self.parameters = [*pretrained, *new]
        self.rates = (backbone.pretrained_rate, backbone.learning_rate)
        groups = [{"params": pretrained, "lr": self.rates[0]}, {"params": new, "lr": self.rates[1]}]
        self.optimiser = torch.optim.Adam(groups, betas=(0.9, 0.999), fused=True)
        torch.manual_seed(name_hash("dropout", cell.seed))

    def _build_method(self, classes: int) -> Method:
        name = "dt" if self.supervised else self.cell.method
        entry = registry.METHODS.entry(name)
        generator = torch.Generator(self.device).manual_seed(name_hash("draws", self.cell.method, self.cell.seed))
        context = Context(
            classes=classes,
            dims=DIMS,
            modalities=MODALITIES,
            anchor=self.cell.anchor,
            drifts=self.cell.drifts,
            source_size=len(self.source),
            target_size=len(self.target),
            components=frozenset(entry.components) - frozenset(self.cell.off),
            classify=self.network.classify,
            generator=generator,
            logit_scale=self.network.scale,
        )
        return registry.METHODS.get(name)(context, **self.cell.params)

    def autocast(self) -> contextlib.AbstractContextManager:
        """Mixed precision where the device has it: bfloat16 on CUDA, none on a CPU."""
        return torch.autocast("cuda", torch.bfloat16) if self.device.type == "cuda" else contextlib.nullcontext()

    def train(self) -> None:
        """All epochs. Raises :class:`DivergedError`, naming the term and the step, when the loss is not finite."""
        protocol = self.cell.protocol
        self.method.on_start(self._target_pass)
        total = protocol.epochs * self.steps_per_epoch
        orders = {"source": self._order("source", len(self.source)), "target": self._order("target", len(self.target))}
        augment = np.random.default_rng(name_hash("augment", self.cell.seed))
        for epoch in range(protocol.epochs):
            for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
                group["lr"] = rate * protocol.learning_rate_factor(epoch)
            self.network.train()
            self.method.train()
            sums: dict[str, Tensor] = {}
            for _ in range(self.steps_per_epoch):
                terms = self._losses(next(orders["source"]), next(orders["target"]), self.step / total, augment)
                loss = torch.stack([term.float() for term in terms.values()]).sum()
                if not math.isfinite(loss.item()):
                    bad = next((name for name, term in terms.items() if not term.isfinite().all()), "sum")
                    raise DivergedError(
                        f"the loss term {bad} is {terms.get(bad, loss).item()} at step {self.step} of {total}"
                    )
                self.optimiser.zero_grad(set_to_none=True)
                loss.backward()
                self.optimiser.step()
                self.method.after_step()
                self.step += 1
                for name, term in terms.items():
                    sums[name] = sums.get(name, torch.zeros((), device=self.device)) + term.detach()
            for name, value in sums.items():
                self.curves.setdefault(name, []).append(value.item() / self.steps_per_epoch)

    def _order(self, half: str, size: int) -> Iterator[np.ndarray]:
        """Batches without end: a fresh permutation an epoch, its incomplete last batch dropped."""
        rng = np.random.default_rng(name_hash("order", half, self.cell.seed))
        while True:
            permutation = rng.permutation(size)
            for start in range(0, size - self.batch + 1, self.batch):
                yield permutation[start : start + self.batch]

    def _losses(
        self, source_rows: np.ndarray, target_rows: np.ndarray, progress: float, augment: np.random.Generator
    ) -> dict[str, Tensor]:
        batch = self._features("source", [self.source[i] for i in source_rows])
        target_batch = self._features("target", [self.target[i] for i in target_rows]) if self.views else None
        with self.autocast():
            z, logits = self.network(batch if target_batch is None else _join(batch, target_batch))
            second = self.network(_augmented(target_batch, augment)) if target_batch and self.views > 1 else None
        n = len(source_rows)
        labels = self.source_labels[source_rows].to(self.device)
        source = Source(_part(z, slice(n)), _part(logits, slice(n)), labels, self._ids(source_rows))
        target = None
        if self.views:
            ids = self._ids(target_rows)
            view2 = Target(second[0], second[1], ids) if second else None
            target = Target(_part(z, slice(n, None)), _part(logits, slice(n, None)), ids, view2)
        terms = {"ib": information_bottleneck(source.logits, source.z, labels, self.cell.protocol.beta)}
        if self.target_labels is not None and target is not None:
            known = self.target_labels[target_rows].to(self.device)
            terms["target_ib"] = information_bottleneck(target.logits, target.z, known, self.cell.protocol.beta)
            return terms
        with self.autocast():
            extra = self.method.loss(source, target, progress)  # type: ignore[arg-type]
        if "ib" in extra:
            raise ValueError(f"method {self.cell.method} names a term 'ib', which is the engine's; rename it")
        return terms | extra

    def _ids(self, rows: np.ndarray) -> Tensor:
        return torch.from_numpy(rows.astype(np.int64)).to(self.device)

    def _features(self, half: str, positions: Sequence[int]) -> dict[str, Sequences]:
        shifted = self.cell.drifts if half == "target" else ()
        batch = self.corpus.batch(positions, shifted=shifted)
        return {m: value.to(self.device) for m, value in batch.items()}

    @torch.no_grad()
    def _target_pass(self) -> Iterator[Target]:
        """The target training set in order, in eval mode: for methods that fill a memory before training."""
        self.network.eval()
        for rows in np.array_split(np.arange(len(self.target)), math.ceil(len(self.target) / EVALUATION_BATCH)):
            with self.autocast():
                z, logits = self.network(self._features("target", [self.target[i] for i in rows]))
            yield Target(z, logits, self._ids(rows))

    @torch.no_grad()
    def predict(
        self, half: str, positions: Sequence[int]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
        """z and logits of all heads, and the method's class probabilities (N, C), of these utterances."""
        self.network.eval()
        self.method.eval()
        found = []
        for start in range(0, len(positions), EVALUATION_BATCH):
            with self.autocast():
                z, logits = self.network(self._features(half, positions[start : start + EVALUATION_BATCH]))
            found.append((z, logits, self.method.predict(logits)))
        z = {m: torch.cat([f[0][m] for f in found]).float().cpu().numpy() for m in DIMS}
        logits = {m: torch.cat([f[1][m] for f in found]).float().cpu().numpy() for m in DIMS}
        return z, logits, torch.cat([f[2] for f in found]).float().cpu().numpy()


def _part(values: Mapping[str, Tensor], rows: slice) -> dict[str, Tensor]:
    return {m: value[rows] for m, value in values.items()}


def _join(first: Mapping[str, Sequences], second: Mapping[str, Sequences]) -> dict[str, Sequences]:
    """Source and target in one batch, the shorter padded to the longer."""
    joined = {}
    for m, a in first.items():
        b = second[m]
        length = max(a.mask.shape[1], b.mask.shape[1])
        joined[m] = Sequences(
            torch.cat([_pad(a.values, length), _pad(b.values, length)]),
            torch.cat([_pad(a.mask, length), _pad(b.mask, length)]),
        )
    return joined


def _pad(x: Tensor, length: int) -> Tensor:
    return torch.cat([x, x.new_zeros(len(x), length - x.shape[1], *x.shape[2:])], 1) if x.shape[1] < length else x


def _augmented(batch: Mapping[str, Sequences], rng: np.random.Generator, *, drop: float = 0.1) -> dict[str, Sequences]:
    """The mild augmentation behind ``Target.view2`` [ours]: a tenth of the time steps of sound and words hidden at
    random, and one picture in five left out. Never noise, darkening or word masks: those are the benchmark's shift."""
    result = {}
    for m, sequences in batch.items():
        values, mask = sequences.values, sequences.mask
        if m == "V":
            frames = values.shape[1]
            keep = np.sort(rng.permutation(frames)[: frames - max(1, frames // 5)]) if frames > 1 else np.arange(frames)
            result[m] = Sequences(values[:, keep], mask[:, keep])
            continue
        kept = torch.from_numpy(rng.random(mask.shape) >= drop).to(mask.device) & mask
        kept[:, 0] |= ~kept.any(1)  # at least one step of every utterance stays
        result[m] = Sequences(values, kept)
    return result
