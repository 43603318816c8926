"""The training of one cell: network, method and optimiser, step by step."""

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmda_bench import registry
from mmda_bench.backbone.base import Backbone
from mmda_bench.backbone.network import DIMS, MultimodalNetwork
from mmda_bench.dataset import MODALITIES
from mmda_bench.features.corpus import Corpus, read_labels
from mmda_bench.functional.objective import information_bottleneck
from mmda_bench.functional.transport import PlansTogether
from mmda_bench.machine.foreign import has_bfloat16
from mmda_bench.machine.transfer import sent
from mmda_bench.method import Context, Method, Source, Target
from mmda_bench.metrics.predictions import prediction_fault
from mmda_bench.protocol import SUPERVISED, Cell, name_hash
from mmda_bench.training.adam import FusedAdam
from mmda_bench.training.assumed_anchor import before_adaptation
from mmda_bench.training.batches import Batch, Loader, augmented, by_domain, passes, stacked
from mmda_bench.training.curves import Curves, DivergedError, gradient_norms

EVALUATION_BATCH = 128


class Trainer:
    """Network, method and optimiser of one cell. Every random draw is seeded by names, never by call order."""

    def __init__(
        self, cell: Cell, corpus: Corpus, device: torch.device, weights: Mapping[str, str] | None = None
    ) -> None:
        self.cell, self.corpus, self.device = cell, corpus, device
        self.step = 0
        protocol = cell.protocol
        backbone: Backbone = registry.BACKBONES.get(protocol.backbone)(weights)
        self.source, self.target = source, target = corpus.parts["source", "train"], corpus.parts["target", "train"]
        self.source_labels = torch.from_numpy(read_labels(corpus, "source", source)).to(device)
        # the reference run alone: it adds the same objective on labelled target batches
        self.supervised = cell.method == SUPERVISED
        self.target_labels = None
        if self.supervised:
            self.target_labels = torch.from_numpy(read_labels(corpus, "target", target)).to(device)
        self.batch = min(protocol.batch, len(source), len(target))
        self.steps_per_epoch = len(source) // self.batch
        self.total_steps = protocol.epochs * self.steps_per_epoch
        self.history = Curves(self.total_steps)
        self._diverged = torch.zeros((), device=device)  # 1 from the first step on whose loss is not finite

        torch.manual_seed(name_hash("network", cell.seed))
        self.network = MultimodalNetwork(backbone, len(corpus.classes), heads=protocol.heads).to(device)
        self.assumed = before_adaptation(cell, corpus, self.network, device)
        torch.manual_seed(name_hash("method", cell.method, cell.seed))
        self.method = self._build_method(len(corpus.classes)).to(device)
        self.views = 1 if self.supervised else self.method.target_views
        pretrained = self.network.pretrained_parameters()
        new = [*self.network.new_parameters(), *self.method.parameters()]
        self.parameters = [*pretrained, *new]
        self.loader = Loader(cell, corpus, device, size=self.batch, with_target=self.views > 0)
        self.mixed = backbone.mixed_precision and has_bfloat16(device)
        rate, pretrained_rate = cell.rates
        self.rates = (pretrained_rate * backbone.pretrained_rate, rate * backbone.learning_rate)
        decayed = [*self.network.heads.parameters(), *self.method.parameters()] if self.network.normalised else []
        self.optimiser = FusedAdam([pretrained, new], decayed=decayed)
        torch.manual_seed(name_hash("dropout", cell.seed))

    def _build_method(self, classes: int) -> Method:
        name = "dt" if self.supervised else self.cell.method
        entry = registry.METHODS.entry(name)
        generator = torch.Generator(self.device).manual_seed(name_hash("draws", self.cell.method, self.cell.seed))
        anchor = self.cell.assumed_anchor or (self.assumed or {})["modality"]
        context = Context(
            classes=classes,
            dims=DIMS,
            modalities=MODALITIES,
            anchor=anchor,
            drifts=tuple(m for m in MODALITIES if m != anchor),
            source_size=len(self.source),
            target_size=len(self.target),
            components=frozenset(entry.components) - frozenset(self.cell.off),
            classify=self.network.classify,
            generator=generator,
            logit_scale=self.network.scale,
        )
        return registry.METHODS.get(name)(context, **self.cell.params)

    @property
    def curves(self) -> dict[str, list[float]]:
        """The mean of every loss term by name, a value for every epoch that is over."""
        return self.history.terms

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Mixed precision where the device and the backbone have it."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed)

    def train(self, after_epoch: Callable[[int], None] = lambda epoch: None) -> None:
        """All epochs. Raises :class:`DivergedError`, naming the term and the step, when the loss is not finite.

        ``after_epoch`` is called with the number of each epoch, from 0, when it is over.
        """
        protocol = self.cell.protocol
        if type(self.method).on_start is not Method.on_start:
            # made beforehand, so that nothing of the engine hangs on what a method is handed
            self.method.on_start(partial(iter, tuple(self._target_pass())))
        batches = self.loader.batches(ahead=self.device.type == "cuda")
        augment = np.random.default_rng(name_hash("augment", self.cell.seed))
        for epoch in range(protocol.epochs):
            rates = [rate * protocol.learning_rate_factor(epoch) for rate in self.rates]
            self.network.train()
            self.method.train()
            with self._divergence_first():
                for _ in range(self.steps_per_epoch):
                    self._step(next(batches), rates, augment)
                self.history.close_epoch(self.steps_per_epoch)
            after_epoch(epoch)

    def _step(self, batch: Batch, rates: Sequence[float], augment: np.random.Generator) -> None:
        """One step. While the device computes it, the host reads the losses of the step before.

        A loss that is not finite stops the optimiser on the device, at once and for good; the host learns of it later.
        """
        terms, z = self._losses(batch, self.step / self.total_steps, augment)
        self.history.settle()
        values = torch.stack([term.float() for term in terms.values()])
        loss = values.sum()
        self._diverged = torch.maximum(self._diverged, (~loss.detach().isfinite()).float())
        last = (self.step + 1) % self.steps_per_epoch == 0
        norms = gradient_norms(terms.values(), z) if last else None
        self.history.add(self.step, terms, torch.cat([values.detach(), loss.detach()[None]]), norms)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step(rates, skip=self._diverged)
        self.method.after_step()
        self.step += 1

    @contextlib.contextmanager
    def _divergence_first(self) -> Iterator[None]:
        """Of a step that fails after one whose loss was not finite, that is the reason; ``step`` is then the latter."""
        try:
            try:
                yield
            except Exception:
                self.history.settle()
                raise
        except DivergedError as error:
            self.step = self.step if error.step is None else error.step
            raise

    def _losses(
        self, loaded: Batch, progress: float, augment: np.random.Generator
    ) -> tuple[dict[str, Tensor], dict[str, list[Tensor]]]:
        """The terms by name, and by modality all representations that they are made of."""
        source_rows, target_rows, batch, target_batch = loaded
        with self.autocast():
            parts = passes(batch, target_batch, apart=self.network.normalised)
            outputs = [self.network(part) for part in parts]
            second = self.network(augmented(target_batch, augment)) if target_batch and self.views > 1 else None
        # as the network gave them: those below one another of ``stacked`` lead to no head
        places = {m: [z[m] for z, _ in (*outputs, *([second] if second else []))] for m in MODALITIES}
        z, logits = (by_domain(one, len(source_rows)) for one in stacked(outputs))
        source_ids = self._ids(source_rows)
        labels = self.source_labels[source_ids]
        source = Source(z[0], logits[0], labels, source_ids)
        target_ids = self._ids(target_rows if self.views else target_rows[:0])
        view2 = Target(second[0], second[1], target_ids) if second else None
        target = Target(z[1], logits[1], target_ids, view2)
        plans = PlansTogether(target.z.values(), self.device)
        terms = {"ib": information_bottleneck(source.logits, source.z, labels, self.cell.protocol.beta)}
        if self.target_labels is not None:
            known = self.target_labels[target.ids]
            terms["target_ib"] = information_bottleneck(target.logits, target.z, known, self.cell.protocol.beta)
            return terms, places
        with self.autocast(), plans:
            extra = plans.solved(self.method.loss(source, target, progress))
        if "ib" in extra:
            raise ValueError(f"method {self.cell.method} names a term 'ib', which is the engine's; rename it")
        return terms | extra, places

    def _ids(self, rows: np.ndarray) -> Tensor:
        return sent(torch.from_numpy(rows.astype(np.int64)), self.device)

    @torch.no_grad()
    def _target_pass(self) -> Iterator[Target]:
        """The target training set in order, in eval mode: for methods that fill a memory before training."""
        self.network.eval()
        for rows in np.array_split(np.arange(len(self.target)), math.ceil(len(self.target) / EVALUATION_BATCH)):
            with self.autocast():
                z, logits = self.network(self.loader.features("target", [self.target[i] for i in rows]))
            yield Target(z, logits, self._ids(rows))

    @torch.no_grad()
    def predict(
        self, domain: str, positions: Sequence[int]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
        """z and logits of all heads, and the method's class probabilities (N, C), of these utterances."""
        self.network.eval()
        self.method.eval()
        found = []
        for start in range(0, len(positions), EVALUATION_BATCH):
            with self.autocast():
                z, logits = self.network(self.loader.features(domain, positions[start : start + EVALUATION_BATCH]))
            found.append((z, logits, self._probabilities(logits)))
        z = {m: torch.cat([f[0][m] for f in found]).float().cpu().numpy() for m in DIMS}
        logits = {m: torch.cat([f[1][m] for f in found]).float().cpu().numpy() for m in DIMS}
        return z, logits, torch.cat([f[2] for f in found]).float().cpu().numpy()

    def _probabilities(self, logits: dict[str, Tensor]) -> Tensor:
        """What the method predicts, held to its contract; a network that diverged is named as such elsewhere."""
        found = self.method.predict(logits)
        if all(bool(values.isfinite().all()) for values in logits.values()):
            rows, classes = logits["joint"].shape
            if fault := prediction_fault(found, rows=rows, classes=classes):
                raise ValueError(fault)
        return found
