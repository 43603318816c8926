"""Sweeps whose parts are killed: ``python -m tests.system.kills 50 [--seed 0] [--from 0] [--kind worker:cells]``.

Each attempt starts a sweep on Ray, waits for a moment of its life, kills one part of it with SIGKILL and lets the sweep
end by itself; then the same command runs to its end. The kinds follow one another, and what is random is when exactly,
from the seed: 3 of 16 kill while Ray starts, 3 while a corpus is prepared, 5 while cells run and 5 while a record is
being written. A node is killed with all its processes: the second one of a cluster that the sweep has joined. Cells of
``avatars`` are trained where a corpus is prepared and in every second sweep that is killed in its cells; the others are
stand-ins that sleep and store outputs of true size.

Lost: a record that was whole before the kill and is not there, or not the same, at the end. Wrong: one that is not, bit
for bit, that of an undisturbed run. Hung: a command that does not end within :data:`PATIENCE_S`. Wordless: one that
fails and does not say, once, how many cells are stored and how to go on. Left over: processes, temporary folders and
drafts a minute after the last command ended.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from mmda_bench.sweep.ray_folder import TEMPORARY
from tests.system import victims
from tests.system.victims import TAG, Sweep

KINDS = (
    "driver:start", "raylet:cells", "driver:preparation", "worker:writing", "node:cells", "gcs:start", "driver:cells",
    "raylet:writing", "worker:preparation", "gcs:cells", "driver:writing", "raylet:start", "worker:cells",
    "gcs:writing", "server:preparation", "node:writing",
)  # fmt: skip
PATIENCE_S = 300
AFTERWARDS_S = 60
LONGEST_S = {"start": 3.0, "preparation": 6.0, "cells": 6.0, "writing": 0.2}  # from the moment to the kill
COLUMNS = ("tried", "of avatars", "held", "lost", "wrong", "hung", "wordless", "left over")
MESSAGE = r"mmda-bench: .*{stored} of {count} cells stored\. The same command runs the others:\n  mmda-bench"
FORKSERVER = "multiprocessing.forkserver"


@dataclass
class Tally:
    """Of the kills of one part at one moment."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COLUMNS, 0))
    remarks: list[str] = field(default_factory=list)

    def add(self, name: str, faults: dict[str, str], *, real: bool = False) -> None:
        self.counts["tried"] += 1
        self.counts["of avatars"] += real
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
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                found[int(folder.name)] = command
    return found


def parts_of(tag: str, driver: int) -> dict[str, list[int]]:
    """The processes of a sweep by what they are."""
    marks = {"gcs": "gcs_server", "raylet": "/raylet/raylet", "worker": "ray::Res", "server": FORKSERVER}
    found: dict[str, list[int]] = {"driver": [driver]}
    for number, command in processes(tag).items():
        for part, sign in marks.items():
            if sign in command and number != driver:
                found.setdefault(part, []).append(number)
                break
    for server in found.get("server", ()):
        if forked := [one for one in found["server"] if one in victims.children(server)]:
            found["server"], found["forked"] = [server], forked
            break
    return found


def drafts(sweep: Sweep) -> list[str]:
    """Of records that are being written."""
    return [path.name for path in sweep.store.runs.glob("*/*/*/*/.tmp-*")]


def moment_of(part: str, moment: str, sweep: Sweep, tag: str, driver: int) -> Callable[[], list[int]]:
    """Gives the processes to be killed as soon as the moment has come, until then none. ``part``: or the number of the
    raylet of a node; ``tag``: of what Ray has started."""

    def there(*names: str) -> list[int]:
        found = parts_of(tag, driver)
        if not all(name in found for name in names):
            return []
        return sorted({int(part), *victims.children(int(part))}) if part.isdecimal() else found.get(part, [])

    def start() -> list[int]:
        return there("gcs")

    def preparation() -> list[int]:
        found = parts_of(tag, driver)
        return found.get({"worker": "forked"}.get(part, part), []) if "forked" in found else []

    def cells() -> list[int]:
        return there("worker")

    def writing() -> list[int]:
        if not (names := drafts(sweep)):
            return []
        if part == "worker":
            return [int(name.rsplit("-", 2)[1]) for name in names]
        return there()

    return {"start": start, "preparation": preparation, "cells": cells, "writing": writing}[moment]


def attempt(sweep: Sweep, part: str, moment: str, rng: random.Random, tag: str, ray_tag: str) -> dict[str, str] | None:
    """Kill ``part``, or a node by the number of its raylet; what did not hold. None where the moment did not come."""
    faults: dict[str, str] = {}
    process = sweep.start(tag)
    targets = _await_moment(process, moment_of(part, moment, sweep, ray_tag, process.pid), moment, rng)
    if not targets or process.poll() is not None:
        process.wait()
        return None
    before = sweep.records()
    for number in targets if part.isdecimal() else [rng.choice(targets)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    drivers = [process.pid]
    _await(process, sweep, faults, killed=part == "driver", moment=moment)
    again = sweep.start(tag)
    drivers.append(again.pid)
    _await(again, sweep, faults, killed=False, moment="")
    if not faults and again.returncode:
        faults["wordless"] = f"the second command ends with {again.returncode}: {sweep.said()[-300:]}"
    after = sweep.records()
    if lost := [path for path, content in before.items() if after.get(path) != content and _finished(content)]:
        faults["lost"] = lost[0]
    records, damaged = sweep.store.records()
    found = {record["hash"]: victims.essence(sweep.store, record) for record in records}
    if damaged or found != sweep.expected:
        wrong = [name for name, one in found.items() if sweep.expected.get(name) != one]
        faults["wrong"] = f"{len(found)} of {len(sweep.expected)} records, not as they were: {wrong}, {damaged}"
    if left := _left_over(sweep, tag, drivers):
        faults["left over"] = left
    return faults


def _await_moment(
    process: subprocess.Popen[bytes], look: Callable[[], list[int]], moment: str, rng: random.Random
) -> list[int]:
    """What to kill, some time after it was there; nothing where the sweep has ended."""
    pause, times = (0.002, rng.randint(1, 8)) if moment == "writing" else (0.1, 1)
    found: list[int] = []
    for _ in range(times):  # another draft each time
        while process.poll() is None and not (found := look()):
            time.sleep(pause)
        if times > 1:
            time.sleep(rng.uniform(0.0, 0.3))
    deadline = time.monotonic() + rng.uniform(0.0, LONGEST_S[moment])
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    return look() or found


def _finished(content: bytes) -> bool:
    """Whether a record was one that stands."""
    try:
        return bool(json.loads(content)["status"] != "interrupted")
    except ValueError:
        return False


def _await(
    process: subprocess.Popen[bytes], sweep: Sweep, faults: dict[str, str], *, killed: bool, moment: str
) -> None:
    """Let a command end; what it says when it does not end well, unless it was the one that was killed."""
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        faults["hung"] = f"more than {PATIENCE_S} s: {sweep.said()[-300:]}"
        process.kill()
        process.wait()
        return
    if killed or not code:
        return
    said = sweep.said()
    message = MESSAGE.format(stored=len(sweep.records()), count=len(sweep.expected))
    if said.count("mmda-bench: ") != 1 or "internal error" in said or not re.search(message, said, re.DOTALL):
        faults["wordless"] = f"exit {code}: {said[-500:]}"


def _left_over(sweep: Sweep, tag: str, drivers: Sequence[int]) -> str:
    """What is still there when a minute has gone by; '' as soon as nothing is."""
    deadline = time.monotonic() + AFTERWARDS_S
    while True:
        running = [command for command in processes(tag).values() if command]  # a zombie has none
        own = [path.name for number in drivers for path in Path("/tmp").glob(f"{TEMPORARY}{number}-*")]
        temporary = [path.name for path in (sweep.folder / "tmp").iterdir()]
        drafts = [path.name for path in sweep.folder.rglob(".tmp-*")]
        sweeps = [path.name for path in (sweep.store.results / ".sweeps").glob("*")]
        left = [*running, *own, *temporary, *drafts, *sweeps]
        if not left or time.monotonic() > deadline:
            return ", ".join(left)[:300]
        time.sleep(0.5)


def one(kind: str, number: int, rng: random.Random, place: Path, shared: Path) -> tuple[bool, dict[str, str] | None]:
    """One attempt: whether its cells were real, and what did not hold."""
    part, _, moment = kind.partition(":")
    real = moment == "preparation" or (moment == "cells" and number // len(KINDS) % 2 == 0)
    tag, outer = uuid.uuid4().hex, uuid.uuid4().hex
    with contextlib.ExitStack() as stack:
        address = ""
        if part == "node":
            address, part = stack.enter_context(victims.cluster(place / "cluster", outer))
        if real:
            sweep = victims.real_cells(place, shared, address=address, prepared=moment != "preparation")
        else:
            sweep = victims.standins(place, shared, address=address)
        try:
            faults = attempt(sweep, part, moment, rng, tag, outer if address else tag)
        finally:
            for left in processes(tag):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(left, signal.SIGKILL)
    return real, faults


def run(count: int, *, seed: int, folder: Path, first: int = 0, kinds: Sequence[str] = KINDS) -> dict[str, Tally]:
    """Attempts ``first`` to ``first + count``."""
    tallies: dict[str, Tally] = {}
    for number in range(first, first + count):
        name, kind = f"{seed}/{number}", kinds[number % len(kinds)]
        rng, faults = random.Random(name), None
        for again in range(3):  # a sweep may end before it is hit
            place = folder / f"{number}-{again}"
            place.mkdir(parents=True)
            started = time.monotonic()
            real, faults = one(kind, number, rng, place, folder)
            if faults is not None:
                tallies.setdefault(kind, Tally()).add(name, faults, real=real)
                break
        told = "not hit" if faults is None else ", ".join(faults) or "held"
        print(f"{name}: {kind}: {told}, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
        for what in faults or {}:
            print(f"  {what}: {(faults or {})[what]}", file=sys.stderr, flush=True)
    return {kind: tallies[kind] for kind in sorted(tallies, key=KINDS.index)}


def table(tallies: dict[str, Tally]) -> str:
    """As Markdown."""
    names = {"start": "while Ray starts", "preparation": "in preparation", "cells": "in cells", "writing": "in writing"}
    lines = [f"| killed | {' | '.join(COLUMNS)} |", f"|{'---|' * (1 + len(COLUMNS))}"]
    for moment, when in names.items():
        for kind, tally in tallies.items():
            part, _, its = kind.partition(":")
            if its == moment:
                lines.append(f"| {part} {when} | {' | '.join(map(str, tally.counts.values()))} |")
    sums = [sum(tally.counts[column] for tally in tallies.values()) for column in COLUMNS]
    return "\n".join([*lines, f"| **all** | {' | '.join(map(str, sums))} |"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the number of the first attempt")
    parser.add_argument("--kind", choices=KINDS, action="append", help="these alone; may be repeated")
    parser.add_argument("--folder", type=Path, help="kept afterwards, with what is shared by attempts; of a short name")
    given = parser.parse_args(arguments)
    folder = given.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    tallies = run(given.count, seed=given.seed, folder=folder, first=given.first, kinds=given.kind or KINDS)
    print(table(tallies))
    remarks = list(chain.from_iterable(tally.remarks for tally in tallies.values()))
    print("\n".join(remarks) if remarks else "\nEverything held.")
    return 1 if remarks else 0


if __name__ == "__main__":
    sys.exit(main())
