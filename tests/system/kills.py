"""Sweeps whose parts are killed: ``python -m tests.system.kills 50 [--seed 0] [--real 5]``.

Each attempt starts a sweep on Ray, waits for a random time, kills one part of it with SIGKILL (the driver, a worker,
the raylet or the gcs server) and lets the sweep end by itself; then the same command runs to its end. Most cells are
stand-ins that sleep and store outputs of true size; every ``--real``-th sweep trains cells of ``avatars``.

Lost: a record that was whole before the kill and is not there, or not the same, at the end. Wrong: a score that is not
that of an undisturbed run. Hung: a command that does not end within :data:`PATIENCE_S`. Wordless: one that fails
without a message of ours. Left over: processes, temporary folders and drafts a minute after the last command ended.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from mmda_bench.store import Store, weighted_f1
from tests.system import standin
from tests.system.stores import ROOT as CHECKOUT

PARTS = ("driver", "worker", "raylet", "gcs")
PATIENCE_S = 240
AFTERWARDS_S = 60
TAG = "MMDA_BENCH_KILLS"  # in the environment of everything that an attempt starts
COLUMNS = ("tried", "held", "lost", "wrong", "hung", "wordless", "left over")


@dataclass
class Tally:
    """Of the kills of one part."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, faults: dict[str, str]) -> None:
        self.counts["tried"] += 1
        self.counts["held"] += not faults
        for kind, what in faults.items():
            self.counts[kind] += 1
            self.remarks.append(f"{name}: {kind}: {what}")


def processes(tag: str) -> dict[int, str]:
    """What runs with ``tag`` in its environment: command lines by number."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{TAG}={tag}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
    return found


def parts_of(tag: str, driver: int) -> dict[str, list[int]]:
    """The processes of a sweep by what they are."""
    marks = {"gcs": ("gcs_server",), "raylet": ("/raylet/raylet",), "worker": ("ray::", "default_worker.py")}
    found: dict[str, list[int]] = {"driver": [driver]}
    for number, command in processes(tag).items():
        for part, signs in marks.items():
            if any(sign in command for sign in signs) and number != driver:
                found.setdefault(part, []).append(number)
                break
    return found


@dataclass(frozen=True)
class Sweep:
    """A command, the records it is to leave, and where everything of it lies."""

    command: list[str]
    folder: Path
    count: int
    expected: dict[str, float]  # scores by hash, of an undisturbed run

    @property
    def store(self) -> Store:
        return Store(self.folder / "results")

    def start(self, tag: str) -> subprocess.Popen[bytes]:
        (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
        environment = os.environ | {
            "PYTHONPATH": str(CHECKOUT), "TMPDIR": str(self.folder / "tmp"), TAG: tag, "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        with (self.folder / "output").open("wb") as output:
            return subprocess.Popen(
                self.command, env=environment, stdout=output, stderr=output, cwd=self.folder, start_new_session=True
            )

    def said(self) -> str:
        return (self.folder / "output").read_text(errors="replace")

    def records(self) -> dict[str, bytes]:
        """The bytes of every record by its path."""
        return {str(path): path.read_bytes() for path in self.store.runs.rglob("record.json")}


def standins(folder: Path, rng: random.Random) -> Sweep:
    """Twelve cells, two at once."""
    seconds = rng.choice((0.05, 0.2, 0.5))
    command = [sys.executable, standin.__file__, str(folder / "results"), "2", "12", str(seconds)]
    expected = {
        cell.hash: standin.metrics_of(standin.outputs_of(cell))["target_test"]["weighted_f1"]
        for cell in standin.cells(12, seconds)
    }
    return Sweep(command, folder, 12, expected)


def real_cells(folder: Path, shared: Path) -> Sweep:
    """Four cells of an exported part of ``avatars``, on Ray; with a cache of their own: preparation is hit as well."""
    corpus = shared / "corpus"
    arguments = ["run", "--dataset", "folder", "--data-root", str(corpus), "--methods", "dt,dann", "--anchors", "A,V"]
    arguments += ["--seeds", "1", "--epochs", "1", "--no-bounds", "--backbone", "tiny"]
    program = [sys.executable, "-m", "mmda_bench"]
    if not corpus.exists():
        export = ["data", "export", "avatars", "--layout", "folder", "--limit", "160", "--out", str(corpus)]
        subprocess.run(
            [*program, *export], check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
        )
    here = ["--jobs", "0", "--results", "results", "--cache", "cache"]
    undisturbed = Sweep([*program, *arguments, *here], shared / "undisturbed", 4, {})
    if not undisturbed.folder.exists():
        assert undisturbed.start("undisturbed").wait() == 0, undisturbed.said()
    scores = {record["hash"]: weighted_f1(record) for record in undisturbed.store.records()[0]}
    on_ray = [
        *program,
        *arguments,
        "--jobs",
        "2",
        "--results",
        str(folder / "results"),
        "--cache",
        str(folder / "cache"),
    ]
    return Sweep(on_ray, folder, 4, scores)


def attempt(sweep: Sweep, part: str, delay: float) -> tuple[str, dict[str, str]]:
    """Kill ``part`` when it has been there for ``delay`` seconds; the part that was killed (the driver where no other
    came, "" where the sweep had ended before), and what did not hold."""
    tag, faults = uuid.uuid4().hex, dict[str, str]()
    process = sweep.start(tag)
    while process.poll() is None and part not in parts_of(tag, process.pid):
        time.sleep(0.2)
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    if process.poll() is not None:
        return "", {}
    there = parts_of(tag, process.pid)
    part = part if part in there else "driver"
    before = sweep.records()
    with contextlib.suppress(ProcessLookupError):
        os.kill(random.Random(delay).choice(there[part]), signal.SIGKILL)
    _await(process, sweep, faults, killed=part == "driver")
    again = sweep.start(tag)
    _await(again, sweep, faults, killed=False)
    if not faults and again.returncode:
        faults["wordless"] = f"the second command ends with {again.returncode}: {sweep.said()[-300:]}"
    after = sweep.records()
    if lost := [path for path, content in before.items() if after.get(path) != content and _finished(content)]:
        faults["lost"] = lost[0]
    records, damaged = sweep.store.records()
    found = {record["hash"]: weighted_f1(record) for record in records if record["status"] == "ok"}
    wrong = [name for name, score in found.items() if abs(sweep.expected[name] - score) > 1e-9]
    if damaged or wrong or len(found) != sweep.count:
        faults["wrong"] = f"{len(found)} of {sweep.count} records, {wrong}, {damaged}"
    if left := _left_over(sweep, tag):
        faults["left over"] = left
    for number in processes(tag):
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return part, faults


def _finished(content: bytes) -> bool:
    """Whether a record was one that stands."""
    try:
        return bool(json.loads(content)["status"] != "interrupted")
    except ValueError:
        return False


def _await(process: subprocess.Popen[bytes], sweep: Sweep, faults: dict[str, str], *, killed: bool) -> None:
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        faults["hung"] = f"more than {PATIENCE_S} s: {sweep.said()[-300:]}"
        process.kill()
        process.wait()
        return
    said = sweep.said()
    if not killed and code and ("mmda-bench:" not in said or "internal error" in said):
        faults["wordless"] = f"exit {code}: {said[-300:]}"


def _left_over(sweep: Sweep, tag: str) -> str:
    """What is still there when a minute has gone by; '' as soon as nothing is."""
    deadline = time.monotonic() + AFTERWARDS_S
    while True:
        running = processes(tag)
        temporary = [path.name for path in (sweep.folder / "tmp").iterdir()]
        drafts = [path.name for path in sweep.store.results.rglob(".tmp-*")]
        sweeps = [path.name for path in (sweep.store.results / ".sweeps").glob("*")]
        left = [*map(str, running.values()), *temporary, *drafts, *sweeps]
        if not left or time.monotonic() > deadline:
            return ", ".join(left)[:300]
        time.sleep(0.5)


def run(count: int, *, seed: int, folder: Path, real: int, parts: Sequence[str] = PARTS) -> dict[str, Tally]:
    """``count`` attempts; every ``real``-th trains, none where it is 0."""
    tallies = {part: Tally() for part in PARTS}
    for number in range(count):
        name = f"{seed}/{number}"
        rng, part = random.Random(name), ""
        training = real and number % real == real - 1
        chosen, delay = rng.choice(parts), rng.uniform(0.0, 40.0 if training else 12.0)
        for again in range(5):  # a sweep may end before it is hit
            place = folder / f"{number}-{again}"
            place.mkdir(parents=True)
            sweep = real_cells(place, folder) if training else standins(place, rng)
            part, faults = attempt(sweep, chosen, delay / 2**again)
            if part:
                tallies[part].add(name, faults)
                break
        print(f"{name}: {part or 'not hit'}: {', '.join(faults) or 'held'}", file=sys.stderr, flush=True)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """As Markdown."""
    lines = [f"| killed | {' | '.join(COLUMNS)} |", f"|{'---|' * (1 + len(COLUMNS))}"]
    lines += [f"| {part} | {' | '.join(map(str, one.counts.values()))} |" for part, one in tallies.items()]
    sums = [sum(one.counts[column] for one in tallies.values()) for column in COLUMNS]
    return "\n".join([*lines, f"| **all** | {' | '.join(map(str, sums))} |"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=PARTS, help="kill this part alone")
    parser.add_argument("--real", type=int, default=5, help="every so many attempts train; 0: none")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))  # a short name: sockets of Ray lie below it
    tallies = run(
        given.count, seed=given.seed, folder=folder, real=given.real, parts=(given.part,) if given.part else PARTS
    )
    print(table(tallies))
    remarks = [remark for tally in tallies.values() for remark in tally.remarks]
    print("\n".join(remarks) if remarks else "\nEverything held.")
    return 1 if remarks else 0


if __name__ == "__main__":
    sys.exit(main())
