"""What every layout of ``data export`` gets: the utterances, the folder, and a way to go through them in parallel."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmda_bench.dataset import Card, Utterance
from mmda_bench.schedule import ResourceError

Progress = Callable[[int, int], None]  # (utterances written, utterances in all)
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Task:
    """One export: ``utterances`` are to be written below ``out`` in ``jobs`` processes."""

    card: Card
    utterances: Sequence[Utterance]
    out: Path
    progress: Progress | None
    jobs: int


def write_origin(task: Task, ids: dict[str, str]) -> None:
    """``origin.json``: which corpus this was, so that nobody takes it for the layout's own, and {new id: old id}."""
    card = task.card
    origin = {"origin": f"{card.name} {card.version}", "title": card.title, "synthetic": card.synthetic, "ids": ids}
    (task.out / "origin.json").write_text(json.dumps(origin, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def each(
    write: Callable[[Item], Result], items: Sequence[Item], task: Task, *, size: Callable[[Item], int] = lambda item: 1
) -> Iterator[Result]:
    """``write`` for every item, in order and in parallel; ``size`` says how many utterances an item holds."""
    if task.jobs <= 1:
        yield from _counted(map(write, items), items, task, size)
        return
    chunk = max(1, min(16, len(items) // (4 * task.jobs)))
    try:
        with ProcessPoolExecutor(task.jobs) as pool:
            yield from _counted(pool.map(write, items, chunksize=chunk), items, task, size)
    except BrokenProcessPool as error:
        raise ResourceError(
            "a process that writes was killed: for want of memory, or by a clip that the decoder does not survive; "
            "nothing was left; repeat the command with fewer --jobs"
        ) from error


def _counted(
    results: Iterator[Result], items: Sequence[Item], task: Task, size: Callable[[Item], int]
) -> Iterator[Result]:
    done = 0
    for item, result in zip(items, results, strict=True):
        done += size(item)
        if task.progress is not None:
            task.progress(done, len(task.utterances))
        yield result
