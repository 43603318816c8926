"""One cell: build, train, evaluate, and leave a record. Knows neither Ray nor the command line."""

import contextlib
import math
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from mmda_bench import registry
from mmda_bench.backbone.base import Backbone
from mmda_bench.backbone.network import DIMS, MultimodalNetwork
from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import told
from mmda_bench.features.corpus import Corpus, read_labels
from mmda_bench.features.prepare import open_corpus
from mmda_bench.functional.objective import information_bottleneck
from mmda_bench.functional.transport import PlansTogether
from mmda_bench.machine import memory
from mmda_bench.machine.arithmetic import exact_float32, precision_of
from mmda_bench.machine.foreign import has_bfloat16
from mmda_bench.machine.transfer import sent
from mmda_bench.method import Context, Method, Source, Target
from mmda_bench.metrics.predictions import prediction_fault
from mmda_bench.metrics.reference_heads import BASELINE, by_head, head_probabilities
from mmda_bench.protocol import SUPERVISED, TRIAL, Cell, name_hash
from mmda_bench.store import record as shape
from mmda_bench.store.provenance import origin, source_digest
from mmda_bench.store.record import Metrics, Record, Times, new_record, now, titles_of
from mmda_bench.training.adam import FusedAdam
from mmda_bench.training.assumed_anchor import before_adaptation
from mmda_bench.training.batches import Batch, Loader, augmented, by_domain, passes, stacked
from mmda_bench.training.curves import Curves, DivergedError, gradient_norms
from mmda_bench.training.late_answers import LateAnswers, reference_metrics
from mmda_bench.training.seeds import seed_libraries
from mmda_bench.training.trial import trial_outputs

EVALUATION_BATCH = 128


@dataclass(frozen=True)
class Outcome:
    """What a cell leaves: the record (JSON values) and, if it finished, the arrays that lie beside it."""

    record: Record
    outputs: dict[str, np.ndarray] | None = None


def run_cell(
    cell: Cell, *, root: Path | None, cache: Path, device: str | None = None, weights: Mapping[str, str] | None = None
) -> Outcome:
    """Run one cell. Whatever goes wrong becomes the record's status and reason; only interruption is raised.

    ``root``: of the corpus, None for an embedded one. ``cache``: of the prefix outputs. ``weights``: locations of the
    backbone's pretrained weights, where they are not its own. ``device``: None takes CUDA if there is any. One thread
    on a CPU, so that a cell gives the same numbers wherever it runs.
    """
    import_module("sklearn.metrics")  # scikit-learn, before the clock starts: a second that is no cell's
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    times: Times = {"setup_s": 0.0, "train_s": 0.0, "evaluate_s": 0.0, "total_s": 0.0}
    record = new_record(
        cell, status="failed", times=times, curves={"terms": {}}, memory_mb=0.0, trainable_parameters=0,
        started_utc=now(), **origin(place),
    )  # fmt: skip
    started = time.perf_counter()
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        memory.start_memory_peak(place)
        seed_libraries(cell)
        with exact_float32():
            outputs = _run(cell, root, cache, place, weights or {}, record, times)
        record["status"] = "ok"
    except DivergedError as error:
        outputs, record["status"], record["reason"] = None, "diverged", str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        outputs, record["status"], record["reason"] = None, "failed", told(error)
        if memory.ran_out(error):
            record["status"], record["reason"] = "out-of-memory", f"{error} ({memory.advice(place)})"
        record["traceback"] = traceback.format_exc().splitlines()[-12:]
    finally:
        torch.set_num_threads(threads)
    times["total_s"] = time.perf_counter() - started
    record["memory_mb"] = memory.peak_memory_mb(place)
    memory.give_back(place)
    record["ended_utc"] = now()
    return Outcome(record, outputs)


def _run(
    cell: Cell, root: Path | None, cache: Path, device: torch.device, weights: Mapping[str, str], record: Record,
    times: Times,
) -> dict[str, Any]:  # fmt: skip
    clock = time.perf_counter()
    corpus = open_corpus(
        cell.dataset, root=root, protocol=cell.protocol, cache=cache, weights=weights, version=cell.version
    )
    record["method_source"] = source_digest(cell.method)
    record["titles"] = titles_of(cell, corpus.card)
    record["dataset"] = read = shape.Corpus(
        fingerprint=corpus.fingerprint, classes=corpus.classes, skipped=corpus.skipped, substituted=corpus.substituted
    )
    if corpus.lexical is not None:
        read["lexical"] = cast(shape.Lexical, corpus.lexical.as_json())
    trainer = Trainer(cell, corpus, device, weights)
    record["trainable_parameters"] = sum(p.numel() for p in trainer.parameters)
    record["precision"] = precision_of(device, autocast=torch.bfloat16 if trainer.mixed else None)
    times["setup_s"], clock = time.perf_counter() - clock, time.perf_counter()
    late = LateAnswers(trainer)
    try:
        trainer.train(after_epoch=late.keep)
    finally:
        record["curves"], record["steps"] = cast(shape.Curves, trainer.history.as_json()), trainer.step
    times["train_s"], clock = time.perf_counter() - clock, time.perf_counter()
    outputs = trial_outputs(trainer, record) if cell.protocol.select == TRIAL else _evaluated(trainer, late, record)
    times["evaluate_s"] = time.perf_counter() - clock
    return outputs


def _evaluated(trainer: "Trainer", late: LateAnswers, record: Record) -> dict[str, np.ndarray]:
    """The arrays to store beside the record, whose metrics this fills in. Only here are target labels read."""
    from mmda_bench.metrics import distances, evaluate

    cell, corpus = trainer.cell, trainer.corpus
    outputs: dict[str, np.ndarray] = {}
    metrics: dict[str, Any] = {"assumed_anchor": trainer.assumed} if trainer.assumed else {}
    record["metrics"] = cast(Metrics, metrics)
    for domain in ("source", "target"):
        positions = corpus.parts[domain, "test"]
        z, logits, probabilities = trainer.predict(domain, positions)
        labels = read_labels(corpus, domain, positions)  # only now: the method is done
        if not np.isfinite(probabilities).all():
            raise DivergedError(f"predictions for {domain} test are not finite after the last step")
        probabilities = probabilities.astype(np.float16)  # scored as stored, so that the scores can be recomputed
        heads = head_probabilities(logits)
        metrics[f"{domain}_test"] = evaluate(labels, probabilities, by_head(heads))
        outputs[f"{domain}_test/ids"] = np.array([corpus.ids[p] for p in positions])
        outputs[f"{domain}_test/labels"] = labels.astype(np.int16)
        outputs[f"{domain}_test/probabilities"] = probabilities
        outputs |= {f"{domain}_test/z_{m}": z[m].astype(np.float16) for m in MODALITIES}
        if domain == "target":
            outputs["target_test/head_probabilities"] = heads
            metrics |= reference_metrics(trainer, heads, labels) if cell.method == BASELINE else {}
            curves = cast(shape.Curves, record["curves"])
            curves["target_f1"] = late.scores(labels, probabilities)
    metrics["category_distance"] = distances(outputs, classes=len(corpus.classes))
    return outputs


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
