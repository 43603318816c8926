"""Sweeps that are there to be killed: of stand-ins, of small cells of ``avatars``, and on a cluster of two nodes.

Run as a script it is that cluster: it prints the address of its head and the process of its second node, and ends with
its standard input.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmda_bench.store import Record, Store
from tests.system import standin
from tests.system.stores import ROOT as CHECKOUT

TAG = "MMDA_BENCH_KILLS"  # in the environment of everything that an attempt starts
VARYING = ("times", "memory_mb", "started_utc", "ended_utc", "hardware")  # of two records of one cell
CELLS, SECONDS = 12, 0.2  # of a sweep of stand-ins
MODULE = [sys.executable, "-m", "mmda_bench"]
FILES = ("predictions.npz", "outputs.npz")


@dataclass(frozen=True)
class Sweep:
    """A command and its address if it joins a cluster, where everything of it lies, and what it is to leave: the
    essence of each record by its hash."""

    command: list[str]
    folder: Path
    expected: dict[str, str]
    real: bool = False

    @property
    def store(self) -> Store:
        return Store(self.folder / "results")

    def start(self, tag: str) -> subprocess.Popen[bytes]:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(
                self.command, env=environment(self.folder / "tmp", tag), stdout=output, stderr=output, cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def records(self) -> dict[str, bytes]:
        """The bytes of every record by its path."""
        found = {}
        for path in self.store.runs.rglob("record.json"):
            with contextlib.suppress(FileNotFoundError):
                found[str(path)] = path.read_bytes()
        return found


def environment(temporary: Path, tag: str) -> dict[str, str]:
    set_here = {"PYTHONPATH": str(CHECKOUT), "TMPDIR": str(temporary), TAG: tag, "OMP_NUM_THREADS": "1"}
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"} | set_here


def essence(store: Store, record: Record) -> str:
    """What must be the same whenever a cell runs, bit for bit: its record but for times and the machine, its arrays."""
    kept = {name: value for name, value in record.items() if name not in VARYING}
    found = hashlib.sha256(json.dumps(kept, sort_keys=True).encode())
    for arrays in (store.predictions(record), store.representations(record)):
        for name, array in sorted((arrays or {}).items()):
            found.update(f"{name} {array.dtype} {array.shape}".encode())
            found.update(array.tobytes())
    return found.hexdigest()


def _undisturbed(command: list[str], folder: Path) -> dict[str, str]:
    """The essences of the records that a command leaves in ``folder``; it runs there once."""
    sweep = Sweep(command, folder, {})
    if not folder.exists():
        assert sweep.start("undisturbed").wait() == 0, sweep.said()
    return {record["hash"]: essence(sweep.store, record) for record in sweep.store.records()[0]}


def standins(folder: Path, shared: Path, *, address: str = "") -> Sweep:
    """Twelve cells, two at once, on a Ray of their own or that of a cluster."""

    def command(jobs: int, *more: str) -> list[str]:
        return [sys.executable, standin.__file__, "results", str(jobs), str(CELLS), str(SECONDS), *more]

    expected = _undisturbed(command(0), shared / "standins")
    return Sweep(command(2, *([address] if address else [])), folder, expected)


def real_cells(folder: Path, shared: Path, *, address: str = "", prepared: bool) -> Sweep:
    """Four cells of an exported part of ``avatars``. ``prepared``: else preparation is still to be done."""
    corpus = shared / "corpus"
    run = [*MODULE, "run", "--dataset", "folder", "--data-root", str(corpus), "--methods", "dt,dann", "--anchors"]
    run += ["A,V", "--seeds", "1", "--epochs", "2", "--no-bounds", "--backbone", "tiny", "--results"]
    if not corpus.exists():
        export = [*MODULE, "data", "export", "avatars", "--layout", "folder", "--limit", "160", "--out", str(corpus)]
        subprocess.run(export, check=True, capture_output=True, env=environment(shared, "undisturbed"))
    cache = str(shared / "cache")
    once = shared / "real"
    expected = _undisturbed([*run, "results", "--jobs", "0", "--cache", cache], once)
    where = ["--jobs", "2", "--cache", cache if prepared else str(folder / "cache")]
    where += ["--address", address] if address else []
    return Sweep([*run, str(folder / "results"), *where], folder, expected, real=True)


@contextlib.contextmanager
def cluster(temporary: Path, tag: str) -> Iterator[tuple[str, str]]:
    """The address of a cluster of two nodes of one processor each, and the number of the raylet of the second."""
    temporary.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, __file__], env=environment(temporary, tag), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address, raylet = process.stdout.readline().split()
        yield address, raylet
    finally:
        process.stdin.close()
        process.wait(60)


def children(of: int) -> set[int]:
    """Processes below another."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {of, *found}} - found:
        found |= more
    return found


def _host_cluster() -> None:
    """As ``ray start`` does it on two machines: here the second node has files and ports of its own."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args=node)
    second = nodes.add_node(**node)
    raylet = second.all_processes["raylet"][0].process.pid
    print(nodes.address, raylet, flush=True)
    sys.stdin.read()
    nodes.shutdown()


if __name__ == "__main__":
    _host_cluster()
