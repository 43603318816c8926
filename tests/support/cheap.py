"""A plug-in method, and a stand-in for ``run_cell`` that takes milliseconds and can be told to die.

Run as a script it is a sweep in a process of its own, with a line per finished cell:
``cheap.py RESULTS JOBS CELLS SECONDS [ADDRESS]``.
"""

import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np

from mmda_bench.cli.signals import termination_interrupts
from mmda_bench.errors import RayDiedError
from mmda_bench.protocol import Cell, Protocol, name_hash
from mmda_bench.registry import register_method
from mmda_bench.store import Store, unfinished
from mmda_bench.sweep import scheduler, worker

RUNNER = "mmda_bench_plugin_cheap:run_cell"


@register_method("cheap", title="Cheap", paper="none")
class Cheap:
    def __init__(self, ctx, *, do: str = "work", seconds: float = 0.0):
        pass


def run_cell(cell, *, root, cache, device=None, weights=None):
    do, started = cell.params["do"], time.perf_counter()
    marker = cache / f"died-{cell.hash}"
    if do == "die" or (do == "die-once" and not marker.exists()):
        cache.mkdir(parents=True, exist_ok=True)
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "lose-cuda":
        lose_cuda()
    if do == "exit":
        sys.exit(0)
    if do == "spoil":
        import torch

        threading.current_thread().spoilt = torch.inference_mode()
        threading.current_thread().spoilt.__enter__()
    while time.perf_counter() - started < cell.params["seconds"]:
        pass
    failing = do in ("fail", "lose-cuda")
    record = unfinished(cell, status="failed" if failing else "ok", reason="told to" if failing else None)
    score = name_hash(cell.hash) % 1000 / 1000
    record["metrics"] = {split: {"weighted_f1": score} for split in ("source_test", "target_test")}
    record["times"] = {"train_s": 0.0, "total_s": time.perf_counter() - started}
    spec = importlib.util.find_spec("datasets")
    record["worker"] = {
        "pid": os.getpid(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "device": device,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "datasets": None if spec is None else spec.origin,
        "plugins": sorted(name for name in sys.modules if name.startswith("mmda_bench_plugin_")),
    }
    return SimpleNamespace(record=record, outputs={"scores": np.full(1000, score)})


def lose_cuda():
    """Leaves torch in this process as a device-side error does: with a torch.cuda that nobody can put back."""
    import torch

    def synchronize():
        raise RuntimeError("CUDA error: device-side assert triggered")

    broken = ModuleType("torch.cuda")
    vars(broken).update({**vars(torch.cuda), "is_initialized": lambda: True, "synchronize": synchronize})
    torch.cuda = broken


def make_cells(count, **params):
    return [
        Cell(
            method="cheap",
            params={"do": "work", "seconds": 0.0, **params},
            dataset="none",
            version="v0",
            anchor="ALV"[i % 3],
            seed=i // 3,
            protocol=Protocol(backbone="none"),
        )
        for i in range(count)
    ]


def sweep(cells, results, *, jobs, gpus_per_cell=0, **options):
    """(cell, record) as they came."""
    seen, lock = [], threading.RLock()  # like the live display, a thing that cannot be pickled

    def finished(cell, record):
        with lock:
            seen.append((cell, record))

    scheduler.run(
        cells,
        store=Store(results),
        root=None,
        cache=results / "cache",
        jobs=jobs,
        gpus_per_cell=gpus_per_cell,
        plugins=[__file__],
        runner=RUNNER,
        on_result=finished,
        **options,
    )
    return seen


def main():
    results, jobs, count, seconds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    store = Store(results)
    worker.imported_first = lambda names: None  # no stand-in needs scikit-learn
    try:
        with termination_interrupts():
            scheduler.run(
                store.missing(make_cells(count, seconds=seconds)),
                store=store,
                root=None,
                cache=results / "cache",
                jobs=jobs,
                gpus_per_cell=0,
                address=next(iter(sys.argv[5:]), None),
                plugins=[__file__],
                runner=RUNNER,
                on_result=lambda cell, _: print(cell.hash, flush=True),
            )
    except KeyboardInterrupt:
        sys.exit(130)
    except RayDiedError as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(error.exit_code)  # as the command line does


if __name__ == "__main__":
    main()
