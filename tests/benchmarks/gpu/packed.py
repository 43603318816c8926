"""Packed: cells an hour when several share the card, each in a process of its own.

``tiny``: whole cells of A3D2 on ``avatars``. Full size: steps of the engine on random features, as many as a cell of
MIntRec has; decoding, the prefix and the scores are not in it.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mmda_bench.machine import memory
from tests.benchmarks.bench_full_size import BATCH, CORPORA, EPOCHS
from tests.benchmarks.gpu import correct, fast, random_corpus
from tests.benchmarks.gpu.crew import Crew, FailedError
from tests.benchmarks.gpu.sections import Clock, OutOfTimeError, Result


def steps_of_a_cell(corpus: str) -> int:
    """Steps of a cell of a corpus of the paper: a half's training set, eight epochs."""
    return EPOCHS * (int(0.6 * CORPORA[corpus][0] / 2) // BATCH)


def tiny_cells(device: str, corpus: correct.Corpus, count: int) -> float:
    """Run ``count`` cells one after the other. Raises RuntimeError when one is not ok."""
    for _ in range(count):
        run = correct.run_one("a3d2", device, corpus, False)
        if run["status"] != "ok":
            raise RuntimeError(f"{run['status']}: {run['reason']}")
    return float(count)


def full_steps(device: str, folder: Path, blocks: int, size: fast.Size) -> float:
    """Milliseconds of a step of the engine, the median of ``size.steps``; the others in the crew do the same."""
    place = torch.device(device)
    torch.set_num_threads(1)
    corpus = random_corpus.read(folder, batch=size.batch, steps=2 if size.small else random_corpus.STEPS)
    epochs = 2 + (size.warm + size.steps) // random_corpus.steps_of(corpus, size.batch)
    options = {"blocks": blocks, "batch": size.batch, "small": size.small, "epochs": epochs}
    try:
        trainer = random_corpus.trainer(corpus, place, **options)  # type: ignore[arg-type]
        return statistics.median(fast.step_times(trainer, warm=size.warm, steps=size.steps))
    finally:
        trainer = None  # type: ignore[assignment]
        memory.give_back(place)


def at_counts(
    counts: Sequence[int], measure: Callable[[int], dict[str, Any]], *, clock: Clock, needs: float
) -> dict[str, Any]:
    """``measure(count)`` for each count of processes, as long as there is time and memory for it."""
    found: dict[str, Any] = {}
    for count in counts:
        try:
            clock.need(needs, f"{count} at once")
            found[str(count)] = measure(count)
        except OutOfTimeError as error:
            found[str(count)] = {"skipped": str(error)}
            break
        except FailedError as error:
            found[str(count)] = {"failed": str(error)}  # most likely no memory: more would fail too
            break
    return found


def fill(
    result: Result, device: torch.device, corpus: correct.Corpus, size: fast.Size, folder: Path, clock: Clock
) -> None:
    """The section. ``folder``: an empty one for the features."""
    counts = (1, 2) if size.small else (1, 2, 4, 8)
    blocks = 1
    random_corpus.write(folder, blocks=blocks, batch=size.batch, small=size.small)
    steps = steps_of_a_cell("MIntRec")
    result["steps_of_a_full_size_cell"] = steps
    with Crew(max(counts)) as crew:
        crew.together(max(counts), tiny_cells, device.type, replace(corpus, epochs=1), 1)  # imports, the first kernels

        def tiny(count: int) -> dict[str, Any]:
            seconds, done = crew.together(count, tiny_cells, device.type, corpus, 1)
            return {"cells_an_hour": 3600 * sum(done) / seconds, "seconds": seconds}

        def full(count: int) -> dict[str, Any]:
            _, times = crew.together(count, full_steps, device.type, folder, blocks, size)
            return {"cells_an_hour": sum(3.6e6 / (steps * ms) for ms in times), "step_ms": times}

        needs = 1.0 if size.small else 15.0
        result["tiny"] = at_counts(counts, tiny, clock=clock, needs=needs)
        result["full_size"] = at_counts(counts, full, clock=clock, needs=2 * needs)


def best(found: dict[str, Any]) -> tuple[int, float] | None:
    """The count with the most cells an hour, and how many."""
    rates = {int(count): one["cells_an_hour"] for count, one in found.items() if "cells_an_hour" in one}
    return max(rates.items(), key=lambda item: item[1]) if rates else None
