"""Correct: every method on ``avatars`` with ``tiny``, on the device and on the processor, and the suite's own tests.

What users run is compared as it is: the scores, and how far apart two runs on the device are. Dropout and random draws
come from the device's own generator, so the losses are compared in runs of one epoch without dropout, whose draws are
made on the processor in both.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from mmda_bench import registry
from mmda_bench.features.prepare import prepare
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.training import run_cell
from tests.benchmarks.gpu.crew import Call, Crew, in_turn
from tests.benchmarks.gpu.sections import Clock, Result

ANCHOR, SEED = "V", 0


@dataclass(frozen=True)
class Corpus:
    """Which part of ``avatars``: its first ``utterances`` (None: all), prepared in ``cache``; ``epochs`` of a run.

    ``once``: methods that run on the device alone, and once.
    """

    cache: Path
    utterances: int | None
    epochs: int
    once: frozenset[str] = frozenset()


@contextmanager
def cut_to(utterances: int | None) -> Iterator[None]:
    """``avatars`` with its first utterances only, in this process."""
    reader = registry.DATASETS.get("avatars")
    whole = reader.utterances
    with mock.patch.object(reader, "utterances", lambda self, root: islice(whole(self, root), utterances)):
        yield


@contextmanager
def same_draws() -> Iterator[None]:
    """No dropout, and draws on the processor, so that a run on a device has the numbers of one on the processor."""
    draw, twins = torch.rand, dict[int, torch.Generator]()

    def on_processor(*size: int, generator: torch.Generator | None = None, device: Any = None, **more: Any) -> Tensor:
        if generator is None:
            return draw(*size, device=device, **more)
        twin = twins.setdefault(id(generator), torch.Generator().manual_seed(generator.initial_seed()))
        return draw(*size, generator=twin, **more).to(device)

    with ExitStack() as patches:
        patches.enter_context(mock.patch.object(torch, "rand", on_processor))
        patches.enter_context(mock.patch.object(nn.Dropout, "forward", lambda self, x: x))
        yield


def run_one(method: str, device: str, corpus: Corpus, comparable: bool) -> dict[str, Any]:
    """Status, curves and score of one cell. ``comparable``: one epoch under :func:`same_draws`."""
    protocol = Protocol(backbone="tiny", epochs=1 if comparable else corpus.epochs)
    card = registry.DATASETS.get("avatars").card
    cell = Cell(
        method=method,
        params=dict(registry.METHODS.entry(method).parameters),
        dataset="avatars",
        version=card.version,
        anchor=ANCHOR,
        seed=SEED,
        protocol=protocol,
    )
    with ExitStack() as around:
        around.enter_context(cut_to(corpus.utterances))
        if comparable:
            around.enter_context(same_draws())
        record = run_cell(cell, root=None, cache=corpus.cache, device=device).record
    return {
        "status": record["status"],
        "reason": record["reason"],
        "curves": record["curves"]["terms"],
        "weighted_f1": record["metrics"] and record["metrics"]["target_test"]["weighted_f1"],
        "train_s": record["times"]["train_s"],
        "precision": record.get("precision"),
    }


def distance(a: Mapping[str, Sequence[float]], b: Mapping[str, Sequence[float]]) -> float:
    """The largest relative difference of two sets of curves; of a term below 1e-3, relative to 1e-3."""
    pairs = [(x, y) for name in b for x, y in zip(a[name], b[name], strict=True)]
    return max(abs(x - y) / max(abs(y), 1e-3) for x, y in pairs)


def calls_for(method: str, device: str, corpus: Corpus) -> dict[str, Call]:
    """The runs of one method, by what they are for."""
    wanted = {
        "device": (device, False),
        "again": (device, False),
        "processor": ("cpu", False),
        "device, compared": (device, True),
        "processor, compared": ("cpu", True),
    }
    if device == "cpu":
        del wanted["processor"]  # it is the first
    if method in corpus.once:
        wanted = {"device": wanted["device"]}
    return {name: (run_one, (method, place, corpus, compared)) for name, (place, compared) in wanted.items()}


def compared(runs: Mapping[str, Mapping[str, Any]]) -> Result:
    """What the runs of a method say: statuses, scores and differences."""
    failed = {name: f"{run['status']}: {run['reason']}" for name, run in runs.items() if run["status"] != "ok"}
    if failed:
        return {"ok": False, "not_ok": failed}
    first = runs["device"]
    found = {"ok": True, "weighted_f1": first["weighted_f1"], "train_s": first["train_s"]}
    found["precision"] = first["precision"]
    if again := runs.get("again"):
        found["weighted_f1_again"] = again["weighted_f1"]
        found["weighted_f1_on_processor"] = runs.get("processor", first)["weighted_f1"]
        found["curves_apart_again"] = distance(again["curves"], first["curves"])
        pair = (runs[f"{place}, compared"]["curves"] for place in ("device", "processor"))
        found["curves_apart_on_processor"] = distance(*pair)
    return found


def fill(result: Result, device: torch.device, corpus: Corpus, *, processes: int, clock: Clock) -> None:
    """The section; ``processes`` share the work, 1: this one alone."""
    with cut_to(corpus.utterances):
        jobs = processes if corpus.utterances is None else 1  # workers of their own would see the whole corpus
        prepare("avatars", root=None, protocol=Protocol(backbone="tiny"), cache=corpus.cache, jobs=jobs)
    names = registry.METHODS.names("all")
    planned = [(name, part, call) for name in names for part, call in calls_for(name, device.type, corpus).items()]
    runs: dict[str, dict[str, Any]] = {name: {} for name in names}
    methods: dict[str, Result] = {}
    result |= {"anchor": ANCHOR, "epochs": corpus.epochs, "utterances": corpus.utterances or "all", "methods": methods}
    with ExitStack() as stack:
        calls = [call for *_, call in planned]
        done = stack.enter_context(Crew(processes)).each(calls) if processes > 1 else in_turn(calls)
        for number, found in done:
            name, part, _ = planned[number]
            runs[name][part] = found
            if len(runs[name]) == sum(one == name for one, *_ in planned):
                methods[name] = compared(runs[name])
            clock.need(1e-3, "the next cell")
