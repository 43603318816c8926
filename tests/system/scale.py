"""What large stores and whole corpora cost: ``python -m tests.system.scale 5000 [--no-trees] [--out DIR]``.

A store of that many records, made of the committed ones, and what a look at it costs; then MIntRec and IEMOCAP in their
true size with cheap clips: verified, prepared with the backbone ``tiny``, one cell. Processor seconds and peak memory
are those of the command and of all processes that it starts; the goals are those of docs/reliability.md, and the exit
status is 1 where one is missed or a count is wrong.
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from mmda_bench.protocol import Cell
from mmda_bench.store import Store
from tests.system import stores, trees

GOALS_S = {"status": 2.0, "run, nothing to do": 4.0, "leaderboard, one changed signature": 15.0}  # at 5,000 records
PR_SET_CHILD_SUBREAPER = 36
MIB = 1024  # of what the kernel counts, which is KiB


@dataclass(frozen=True)
class Cost:
    """``processor_s`` of all processes, ``memory_mb`` of the largest, ``wall_s``; ``output``: what was said."""

    processor_s: float
    memory_mb: float
    wall_s: float
    code: int
    output: str


def measured(arguments: Sequence[str], folder: Path) -> Cost:
    """Run ``mmda-bench`` with these arguments."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans of the command become ours
    environment = os.environ | {"PYTHONPATH": str(stores.ROOT), "MMDA_BENCH_CACHE": str(folder / "cache")}
    started = time.perf_counter()
    with (folder / "output").open("w+") as file:
        command = [sys.executable, "-m", "mmda_bench", *arguments]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=folder)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        output = file.read()
    spent, all_used = time.perf_counter() - started, [used, *_orphans()]
    processor = sum(one.ru_utime + one.ru_stime for one in all_used)
    memory = max(one.ru_maxrss for one in all_used) / MIB
    return Cost(processor, memory, spent, process.returncode, output)


def _orphans() -> Iterator[resource.struct_rusage]:
    """What processes took that a command has not waited for itself, as the server of its pool: with those below."""
    with contextlib.suppress(ChildProcessError):
        while True:
            yield os.wait4(-1, 0)[2]


def change_one(store: Store, split: int) -> None:
    """Write one record of a signature anew: its cell needed another megabyte."""
    records, _ = store.records()
    record = next(r for r in records if r["key"]["protocol"]["split"] == split and r["key"]["method"] == "dann")
    path = store.folder(Cell.from_key(record["key"])) / "record.json"
    path.write_text(json.dumps({**record, "memory_mb": (record["memory_mb"] or 0.0) + 1}))


def of_store(size: int, folder: Path) -> dict[str, Cost]:
    """What looks at ``size`` records cost."""
    results = folder / "results"
    store = stores.fill(results, size)
    at = ["--results", str(results)]
    costs = {"leaderboard, first": measured(["leaderboard", *at], folder)}
    costs["leaderboard, nothing changed"] = measured(["leaderboard", *at], folder)
    last = max(record["key"]["protocol"]["split"] for record in store.records()[0])
    change_one(store, last)
    costs["leaderboard, one changed signature"] = measured(["leaderboard", *at], folder)
    change_one(store, 0)
    costs["leaderboard, the largest changed"] = measured(["leaderboard", *at], folder)
    costs["run, nothing to do"] = measured(["run", *stores.RUN, *at], folder)
    costs["status"] = measured(["status", *at], folder)
    return costs


def of_tree(name: str, folder: Path) -> dict[str, Cost]:
    """What a whole corpus costs."""
    root = folder / name
    {"mintrec": trees.mintrec, "iemocap": trees.iemocap}[name](root)
    at = [name, "--data-root", str(root)]
    run = ["run", "--dataset", *at, "--backbone", "tiny", "--methods", "dt", "--anchors", "A", "--seeds", "1"]
    run += ["--epochs", "1", "--no-bounds", "--jobs", "0", "--results", str(folder / "cells")]
    return {
        f"{name}, verify": measured(["data", "verify", *at], folder),
        f"{name}, prepare with tiny": measured(["data", "prepare", *at, "--backbone", "tiny"], folder),
        f"{name}, one cell": measured(run, folder),
    }


def table(costs: dict[str, Cost], goals: dict[str, float]) -> str:
    """As Markdown."""
    lines = ["| what | processor s | goal | peak memory MB | wall s |", "|---|---|---|---|---|"]
    for name, cost in costs.items():
        goal = f"{goals[name]:g}" if name in goals else ""
        failed = f" (exit {cost.code})" if cost.code else ""
        lines.append(f"| {name}{failed} | {cost.processor_s:.1f} | {goal} | {cost.memory_mb:.0f} | {cost.wall_s:.1f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int, nargs="?", default=5000)
    parser.add_argument("--no-trees", action="store_true", help="the store alone")
    parser.add_argument("--out", type=Path, help="a folder that does not exist; default: a temporary one")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="mmda-bench-scale-") as temporary:
        folder = given.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        costs = of_store(given.size, folder)
        for name in () if given.no_trees else ("mintrec", "iemocap"):
            costs |= of_tree(name, folder)
    goals = GOALS_S if given.size <= 5000 else {}
    print(table(costs, goals))
    for name, cost in costs.items():
        if cost.code:
            print(f"\n{name}:\n{cost.output[-2000:]}")
    missed = [name for name, goal in goals.items() if name in costs and costs[name].processor_s > goal]
    return 1 if missed or any(cost.code for cost in costs.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
