"""One cell: build, train, evaluate, and leave a record. Knows neither Ray nor the command line."""

import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import told
from mmda_bench.features.corpus import read_labels
from mmda_bench.features.prepare import open_corpus
from mmda_bench.machine import memory
from mmda_bench.machine.arithmetic import exact_float32, precision_of
from mmda_bench.metrics.reference_heads import BASELINE, by_head, head_probabilities
from mmda_bench.protocol import TRIAL, Cell
from mmda_bench.store import record as shape
from mmda_bench.store.provenance import origin, source_digest
from mmda_bench.store.record import Metrics, Record, Times, new_record, now, titles_of
from mmda_bench.training.curves import DivergedError
from mmda_bench.training.late_answers import LateAnswers, reference_metrics
from mmda_bench.training.seeds import seed_libraries
from mmda_bench.training.trainer import Trainer
from mmda_bench.training.trial import trial_outputs


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

    >>> from mmda_bench import Protocol
    >>> cell = Cell(method="dt", dataset="nowhere", version="v1", anchor="V", seed=0, protocol=Protocol())
    >>> record = run_cell(cell, root=None, cache=Path("cache"), device="cpu").record
    >>> record["status"], record["reason"]
    ('failed', "UsageError: unknown dataset 'nowhere'...")
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


def _evaluated(trainer: Trainer, late: LateAnswers, record: Record) -> dict[str, np.ndarray]:
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
