"""Fast: the engine's step at full size against the naive design, its parts, what of the card's peak it reaches.

The engine's step is :class:`Trainer`'s own, on random features that lie on disk, in bfloat16 where the device has it.
The naive design runs every layer in every step, source and target apart, with its transport as a convex program where
cvxpy is installed; it is measured in float32 and, if the engine has it, in bfloat16, in the same run.
"""

import statistics
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F

from mmda_bench.backbone.base import DIMENSION
from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.features.corpus import Corpus
from mmda_bench.features.encode import repeatable
from mmda_bench.functional.transport import PlansTogether, anchor_drag, dimension_cost, transport_plan
from mmda_bench.machine import memory
from mmda_bench.machine.arithmetic import exact_float32, precision_of
from mmda_bench.machine.foreign import has_bfloat16
from mmda_bench.training import Trainer
from mmda_bench.training.batches import join
from tests.benchmarks import bench_full_size
from tests.benchmarks.full_size import RandomPaper, inputs, naive_step, run_frozen
from tests.benchmarks.gpu import machine, random_corpus, waits
from tests.benchmarks.gpu.sections import Clock, Result, reasons

CPU = torch.device("cpu")
ENCODERS = tuple(NAMES[m] for m in MODALITIES)
Step = Callable[[], object]


@dataclass(frozen=True)
class Size:
    """How much is measured: utterances of each half in a step, steps before and in the measurement, rounds of parts,
    side of the product that shows the card's peak."""

    batch: int
    warm: int  # the first steps allocate memory and choose algorithms
    steps: int
    rounds: int
    product: int
    small: bool


FULL = Size(batch=48, warm=5, steps=30, rounds=10, product=8192, small=False)
SMALL = Size(batch=2, warm=1, steps=2, rounds=1, product=256, small=True)


class _EnoughError(Exception):
    """As many steps as were wanted."""


def step_times(trainer: Trainer, *, warm: int, steps: int) -> list[float]:
    """Milliseconds of ``steps`` steps of the engine, from one to the next, after ``warm`` others: all that it does."""
    device, whole = trainer.device, trainer._step
    marks: list[Any] = []

    def marked(*args: Any) -> None:
        whole(*args)
        marks.append(machine.moment(device))
        if len(marks) > warm + steps:
            raise _EnoughError

    with mock.patch.object(trainer, "_step", marked), exact_float32():
        try:
            trainer.train()
        except _EnoughError:
            machine.synchronize(device)
    return machine.between(marks[warm:])


def waits_per_step(trainer: Trainer) -> dict[str, Any]:
    """The most that the host waits for the device in a step: counted by the driver, on a CPU by what would wait."""
    if trainer.device.type != "cuda":
        return {"most": max(map(len, waits.of_each_step(trainer))), "counted": "on a CPU, by what would wait"}
    found: list[int] = []
    whole = trainer._step

    def watched(*args: Any) -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            whole(*args)
        found.append(sum("synchroniz" in str(warning.message) for warning in caught))

    torch.cuda.set_sync_debug_mode("warn")
    try:
        with mock.patch.object(trainer, "_step", watched):
            trainer.train()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return {
        "most": max(found),
        "counted": "operators, by PyTorch's debug mode; the one wait for an event is not among them",
    }


def naive_ms(device: torch.device, size: Size, *, blocks: int, half: bool) -> float:
    """Milliseconds of a step of the naive design; ``half``: under bfloat16 autocast."""
    convex = find_spec("cvxpy") is not None
    step, *_ = naive_step(size.batch, blocks=blocks, small=size.small, convex=convex, device=device)
    context = partial(torch.autocast, device.type, torch.bfloat16) if half else nullcontext

    def run() -> None:
        with context():
            step()

    return machine.median_ms(run, device, rounds=max(1, size.rounds // 3), warm=1)


def parts_ms(trainer: Trainer, size: Size) -> dict[str, float]:
    """Milliseconds of each part of a step, timed alone, the encoders and losses forward and backward."""
    device = trainer.device
    batches = trainer.loader.batches(ahead=False)
    loaded = next(batches)
    assert loaded.target is not None
    found = {"loader": machine.median_ms(lambda: next(batches), device, rounds=size.rounds)}
    both = join(loaded.source, loaded.target)
    for name, part in bench_full_size.parts(trainer.network, [both], size.batch, convex=False).items():

        def run(part: Step = part) -> None:
            with trainer.autocast():
                part()

        found[name] = machine.median_ms(run, device, rounds=size.rounds)
    z = [F.normalize(torch.randn(size.batch, DIMENSION, device=device), dim=1).requires_grad_() for _ in range(3)]

    def drag() -> None:
        with PlansTogether(z, device) as plans:
            terms = plans.solved({name: anchor_drag(one, z[2]) for name, one in zip("LV", z, strict=False)})
        torch.stack(list(terms.values())).sum().backward()

    found["transport"] = machine.median_ms(drag, device, rounds=size.rounds)
    costs = [dimension_cost(one, z[2]).detach().cpu() for one in z[:2]]
    solving = machine.median_ms(lambda: [transport_plan(cost) for cost in costs], CPU, rounds=size.rounds)
    return {**found, "solving_on_the_processor": solving}


def measured_blocks(result: Result, corpus: Corpus, device: torch.device, size: Size, *, blocks: int) -> None:
    """One number of trained visual blocks: the engine's step, the naive one, parts, FLOPs and memory."""
    epochs = 2 + (size.warm + size.steps) // random_corpus.steps_of(corpus, size.batch)
    make = partial(random_corpus.trainer, corpus, device, blocks=blocks, batch=size.batch, small=size.small)
    memory.start_memory_peak(device)
    engine = make(epochs=epochs)
    times = step_times(engine, warm=size.warm, steps=size.steps)
    ours = statistics.median(times)
    result["step_ms"] = ours
    result["slowest_tenth_ms"] = sorted(times)[-max(1, len(times) // 10)]
    result["peak_memory_mb"] = memory.peak_memory_mb(device)
    with exact_float32():
        result["precision"] = precision_of(device, autocast=torch.bfloat16 if engine.mixed else None)
        parts = result["parts_ms"] = parts_ms(engine, size)
    flops = bench_full_size.flops(small=size.small, blocks=blocks)["train"] * 2 * size.batch
    result["trained_gflop"] = flops / 1e9
    result["step_tflops"] = flops / ours / 1e9
    result["encoders_tflops"] = flops / sum(parts[name] for name in ENCODERS) / 1e9
    result["waits"] = waits_per_step(make(epochs=1))
    del engine
    memory.give_back(device)
    with reasons(result):
        for half in (False, True) if has_bfloat16(device) else (False,):
            name = "naive_bf16" if half else "naive_float32"
            result[f"{name}_ms"] = naive_ms(device, size, blocks=blocks, half=half)
            result[f"{name}_ratio"] = result[f"{name}_ms"] / ours
            memory.give_back(device)


def prefix_ms(device: torch.device, size: Size) -> dict[str, float]:
    """Milliseconds of the frozen prefix of one utterance of the longest kind, in float32 and alone, as it is cached."""
    backbone = RandomPaper(blocks=3, small=size.small)
    found = {}
    for m in MODALITIES:
        encoder, x = backbone.encoder(m).to(device), inputs(m, 1, small=size.small).to(device)
        with repeatable():
            found[NAMES[m]] = machine.median_ms(partial(run_frozen, encoder, m, x), device, rounds=size.rounds)
    return found


def fill(result: Result, device: torch.device, size: Size, folder: Path, clock: Clock) -> None:
    """The section. ``folder``: an empty one for the features."""
    result["batch"] = f"{size.batch} + {size.batch}"
    result["convex_program"] = "cvxpy" if find_spec("cvxpy") else "not installed: the naive step solves exactly too"
    result["peak_tflops"] = machine.peak_tflops(device, side=size.product)
    result["prefix_ms"] = prefix_ms(device, size)
    result["prefix_per_second"] = 1000 / sum(result["prefix_ms"].values())
    for blocks in bench_full_size.GOALS:
        clock.need(1 if size.small else 40, f"{blocks} visual blocks")
        corpus = random_corpus.write(folder / str(blocks), blocks=blocks, batch=size.batch, small=size.small)
        part = result[f"blocks_{blocks}"] = {}
        measured_blocks(part, corpus, device, size, blocks=blocks)
        part["share_of_peak"] = part["encoders_tflops"] / result["peak_tflops"]
