"""A plug-in whose cells sleep and leave outputs of true size, and a sweep of them that ends as the command line does.

``standin.py RESULTS JOBS CELLS SECONDS [ADDRESS]``: the message of an error and its exit code, or 0.
"""

import os
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from mmda_bench.cli import console
from mmda_bench.cli.run import ENDED
from mmda_bench.cli.signals import termination_interrupts
from mmda_bench.errors import MessageError, RayDiedError
from mmda_bench.machine.last_words import LastWords
from mmda_bench.metrics import scores
from mmda_bench.protocol import Cell, Protocol, name_hash
from mmda_bench.registry import register_method
from mmda_bench.store import Store, new_record
from mmda_bench.sweep import scheduler

RUNNER = "mmda_bench_plugin_standin:run_cell"
SIZE, CLASSES = 750, 4


@register_method("standin", title="Stand-in", paper="none")
class StandIn:
    def __init__(self, ctx: Any, *, seconds: float = 0.2) -> None:
        pass


def cells(count: int, seconds: float) -> list[Cell]:
    return [
        Cell(
            method="standin", params={"seconds": seconds}, dataset="none", version="v0", anchor="ALV"[i % 3],
            seed=i // 3, protocol=Protocol(backbone="none"),
        )
        for i in range(count)
    ]  # fmt: skip


def outputs_of(cell: Cell) -> dict[str, np.ndarray]:
    """The same for the same cell, and no two alike."""
    rng = np.random.default_rng(name_hash(cell.hash))
    found = {}
    for half in ("source", "target"):
        found[f"{half}_test/ids"] = np.array([f"u{i:04d}" for i in range(SIZE)])
        found[f"{half}_test/labels"] = np.arange(SIZE, dtype=np.int16) % CLASSES
        found[f"{half}_test/probabilities"] = rng.dirichlet(np.ones(CLASSES), SIZE).astype(np.float16)
        found |= {f"{half}_test/z_{m}": rng.standard_normal((SIZE, 256)).astype(np.float16) for m in "ALV"}
    return found


def metrics_of(outputs: dict[str, np.ndarray]) -> Any:
    """The scores that a record of these outputs has."""

    def of(split: str) -> dict[str, Any]:
        predicted = outputs[f"{split}/probabilities"].argmax(1)
        return scores(outputs[f"{split}/labels"], predicted, classes=CLASSES)

    return {split: of(split) for split in ("source_test", "target_test")}


def run_cell(cell: Cell, *, root: Path | None, cache: Path, device: str | None = None, weights: Any = None) -> Any:
    time.sleep(cell.params["seconds"])
    outputs = outputs_of(cell)
    return SimpleNamespace(record=new_record(cell, status="ok", metrics=metrics_of(outputs)), outputs=outputs)


def main() -> int:
    results, jobs, count, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    store = Store(results)
    todo = store.missing(cells(count, seconds))
    words = LastWords("mmda-bench: " + console.after_death(ENDED, count - len(todo), count))
    try:
        with termination_interrupts():
            store.probe()
            scheduler.run(
                todo, store=store, root=None, cache=results / "cache", jobs=jobs, gpus_per_cell=0, plugins=[__file__],
                runner=RUNNER, address=(sys.argv[5:] or [None])[0], on_start=lambda cell: words.unsay(),
            )  # fmt: skip
    except KeyboardInterrupt:
        return 130
    except RayDiedError as error:
        words.unsay()
        stored = count - len(store.missing(cells(count, seconds)))
        print(f"mmda-bench: {console.after_death(str(error), stored, count)}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)
    except MessageError as error:
        print(f"mmda-bench: {error}", file=sys.stderr)
        return error.exit_code
    finally:
        words.unsay()
    return 0


if __name__ == "__main__":
    sys.exit(main())
