"""What scheduling costs: wall time × workers ÷ the sum of the times measured inside the cells.

``python tests/benchmarks/bench_scheduling.py [--cells 36] [--seconds 8] [--jobs 2] [--sleep]``

Cells import what a real cell imports and then work (or, with --sleep, wait, which a busy machine does not disturb).
"""

import argparse
import os
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from mmda_bench.machine import devices
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import register_method
from mmda_bench.store import Store, unfinished
from mmda_bench.sweep import scheduler

TARGET = 1.25


@register_method("clockwork", title="Clockwork", paper="none")
class Clockwork:
    def __init__(self, ctx, *, seconds: float = 8.0, sleep: bool = False):
        pass


def run_cell(cell, *, root, cache, device=None, weights=None):
    import mmda_bench.training  # noqa: F401  (a real cell begins with it, and its clock afterwards)

    start = time.perf_counter()
    if cell.params["sleep"]:
        time.sleep(cell.params["seconds"])
    while time.perf_counter() - start < cell.params["seconds"]:
        pass
    metrics = {split: {"weighted_f1": 0.0} for split in ("source_test", "target_test")}
    record = unfinished(cell, status="ok", reason="") | {"metrics": metrics}
    return SimpleNamespace(record=record | {"times": {"total_s": time.perf_counter() - start}}, outputs=None)


def main() -> None:
    parser = argparse.ArgumentParser(description="Scheduling overhead of a sweep on Ray.")
    parser.add_argument("--cells", type=int, default=36)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--jobs", type=int, default=devices.cpu_count())
    parser.add_argument("--sleep", action="store_true")
    asked = parser.parse_args()
    params = {"seconds": asked.seconds, "sleep": asked.sleep}
    protocol = Protocol(backbone="none")
    cells = [
        Cell(method="clockwork", params=params, dataset="none", version="v0", anchor="A", seed=seed, protocol=protocol)
        for seed in range(asked.cells)
    ]
    ends: list[float] = []
    inside: list[float] = []

    def finished(cell, record):
        ends.append(time.perf_counter() - start)
        inside.append(record["times"]["total_s"])

    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        scheduler.run(
            cells, store=Store(Path(folder)), root=None, cache=Path(folder), jobs=asked.jobs, gpus_per_cell=0,
            plugins=[__file__], runner="mmda_bench_plugin_bench_scheduling:run_cell", on_result=finished,
        )  # fmt: skip
        wall = time.perf_counter() - start
    ratio = wall * asked.jobs / sum(inside)
    print(
        f"scheduling: {len(inside)} cells of {asked.seconds:g} s on {asked.jobs} workers, load {os.getloadavg()[0]:.1f}"
    )
    print(f"  until the first cell ended {ends[0]:.1f} s, after the last {wall - ends[-1]:.1f} s, wall {wall:.1f} s")
    print(f"  wall × workers ÷ sum inside cells = {ratio:.3f} (target: at most {TARGET})")


if __name__ == "__main__":
    main()
