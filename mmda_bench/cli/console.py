"""What a person is told before, after and beside a sweep: plans, failures, how to go on, ``status``."""

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mmda_bench.cli.output import counter, say, tell
from mmda_bench.cli.progress import cell_name
from mmda_bench.machine.disk import Disk
from mmda_bench.protocol import TRIAL, Cell
from mmda_bench.registry import METHODS
from mmda_bench.registry.spec import label
from mmda_bench.store import Record, Store
from mmda_bench.sweep import heartbeat
from mmda_bench.units import count, duration, in_units, one_line

if TYPE_CHECKING:
    from mmda_bench.api import Plan
    from mmda_bench.config import RunConfig, Workspace
    from mmda_bench.tuning import Tuning


def prepare(config: "RunConfig", workspace: "Workspace", *, jobs: int | None, as_json: bool) -> None:
    """What ``data prepare`` does and says."""
    from mmda_bench import api

    counters: dict[str, Callable[[int, int], None]] = {}

    def count_on(stage: str, done: int, total: int) -> None:
        counters.setdefault(stage, counter(stage))(done, total)

    try:
        corpus = api.prepare(config.dataset, workspace=workspace, config=config, jobs=jobs, progress=count_on)
    except KeyboardInterrupt:
        command = shlex.join(["mmda-bench", *sys.argv[1:]])
        say(f"\nInterrupted; what is finished is kept. The same command goes on from there:\n  {command}", error=True)
        raise
    for what, notes in (("left out", corpus.skipped), ("used, but not as the files have it", corpus.substituted)):
        for name, reason in notes:
            say(f"{what}: {name}: {reason}", error=True)
    for remark in corpus.lexical.remarks(config.backbone or "the backbone") if corpus.lexical else ():
        say(remark, error=True)
    size = sum(values.size for values in corpus.features.values())
    if as_json:
        facts = {"dataset": config.dataset, "folder": str(corpus.folder), "utterances": len(corpus.ids), "bytes": size}
        print(json.dumps({**facts, "skipped": corpus.skipped, "substituted": corpus.substituted}, indent=1))
        return
    tell(f"{len(corpus.ids)} utterances of {config.dataset} are prepared, {in_units(size)}: {corpus.folder}")


def show_plan(planned: "Plan", minutes: float | None, *, disk: Disk | None = None, as_json: bool) -> None:
    """What ``run --dry-run`` answers. ``disk``: for the prefixes, if cells are to run."""
    cells, todo = planned.cells, planned.todo
    if as_json:
        missing = [{"cell": cell_name(cell), "hash": cell.hash, "key": cell.key()} for cell in todo]
        document = {"cells": len(cells), "done": len(cells) - len(todo), "missing": missing, "minutes": minutes}
        if planned.tuning is not None:
            document["trials"] = len(planned.tuning.trials)
        if disk is not None:
            document["disk"] = {"folder": str(disk.folder), "needed_bytes": disk.needed, "free_bytes": disk.free}
        print(json.dumps(document, indent=1))
        return
    if planned.tuning is None:
        for cell in todo:
            say(f"  {cell_name(cell)}")
    else:
        _show_tuning(planned.tuning, todo)
    cost = "unknown until a first cell has run" if minutes is None else f"about {duration(60 * minutes)}"
    done = len(cells) - len(todo)
    tell(f"{count(len(cells), 'cell')}, {done} done, {len(todo)} to run; time: {cost if todo else 'none'}")
    if disk is not None:
        tell(f"disk for the cached prefixes: {disk}")


def _show_tuning(tuning: "Tuning", todo: Sequence[Cell]) -> None:
    """A line per scenario: its trials, and the cells of its winner."""
    hashes = {cell.hash for cell in todo}
    of_winners = Counter((c.method, c.off, c.anchor, c.protocol) for c in todo if c.protocol.select != TRIAL)
    for scenario in tuning.scenarios:
        open_trials = sum(cell.hash in hashes for cell in scenario.trial_cells())
        open_cells = of_winners[scenario.method, scenario.off, scenario.anchor, scenario.protocol]
        name = label(scenario.method, METHODS.entry(scenario.method).parameters, scenario.off)
        trials = f"{count(scenario.protocol.trials, 'trial')} ({open_trials} to run)"
        winner = f"winner by {scenario.validator} on {count(len(tuning.seeds), 'seed')} ({open_cells} to run)"
        study = f" study={scenario.protocol.study}" if scenario.protocol.study else ""
        tell(f"  {name} anchor={scenario.anchor}{study}: {trials}, {winner}")
    for cell in tuning.bounds:
        if cell.hash in hashes:
            say(f"  {cell_name(cell)}")


def show_interrupted(store: Store, stored: int, total: int, *, again: int | None = None) -> None:
    """What is stored, how to go on, and how to see it. ``again``: cells that a sweep with ``--rerun`` has finished."""
    done = f"{stored} of {count(total, 'cell')} stored" if again is None else f"{count(again, 'cell')} run again"
    say(f"\nInterrupted: {done}. {how_to_go_on(_command(sys.argv[1:]))}", error=True)
    if stored:
        say(f"The tables so far:\n  {_command(['leaderboard', '--results', str(store.results)])}", error=True)


def after_death(what: str, stored: int, total: int) -> str:
    """The message when Ray or a process of the preparation has died: what is stored, and how to go on."""
    return f"{what}; {stored} of {count(total, 'cell')} stored. {how_to_go_on(_command(sys.argv[1:]))}"


@contextmanager
def all_stored(store: Store, plugins: Sequence[Path]) -> Iterator[None]:
    """Ctrl-C while the tables are made, after the last cell, loses nothing; it says so."""
    try:
        yield
    except KeyboardInterrupt:
        command = _command(["leaderboard", "--results", str(store.results), *plugin_options(plugins)])
        say(f"\nInterrupted: every cell is stored; to write the tables:\n  {command}", error=True)
        raise


def plugin_options(plugins: Sequence[Path]) -> list[str]:
    """The words of a command line that load them."""
    return [word for plugin in plugins for word in ("--plugin", str(plugin))]


def how_to_go_on(command: str) -> str:
    """What to type after a sweep that was started by ``command`` has ended early."""
    plain = _command(without_rerun(shlex.split(command)[1:]))
    if "--rerun all" in command.replace("=", " "):
        return f"The same command would begin anew; this one keeps all records and runs the cells without:\n  {plain}"
    return f"The same command runs the others:\n  {command}"


def _command(arguments: Sequence[str]) -> str:
    return shlex.join(["mmda-bench", *arguments])


def without_rerun(arguments: Sequence[str]) -> list[str]:
    kept = [a for i, a in enumerate(arguments) if a != "--rerun" and (i == 0 or arguments[i - 1] != "--rerun")]
    return [a for a in kept if not a.startswith("--rerun=")]


def show_other_sources(cells: Sequence[Cell], store: Store) -> None:
    """Name the plug-ins whose stored cells were made by another version of their file."""
    from mmda_bench.store.provenance import source_digest

    for name in dict.fromkeys(cell.method for cell in cells):
        if name not in METHODS.entries() or METHODS.entry(name).origin == "built-in":
            continue
        records = [record for cell in cells if cell.method == name and (record := store.read(cell))]
        others = sum(record.get("method_source") not in (None, source_digest(name)) for record in records)
        if others:
            say(
                f"{count(others, 'record')} of {name}: made by another version of its file; --rerun all makes them anew"
            )


def holes(cells: Sequence[Cell], store: Store) -> list[tuple[Cell, Record | None]]:
    """The cells without a score, with what became of them."""
    records = ((cell, store.read(cell)) for cell in cells)
    return [(cell, record) for cell, record in records if record is None or record["status"] != "ok"]


def show_results(planned: "Plan") -> None:
    """What ``run --json`` answers after the run of a plan."""
    store = planned.store
    failures = [
        {"cell": cell_name(c), "hash": c.hash, "status": r and r["status"], "reason": r and r["reason"]}
        for c, r in holes(planned.cells, store)
    ]
    counts = {"cells": len(planned.cells), "run": len(planned.todo)}
    print(json.dumps({"results": str(store.results), **counts, "failures": failures}, indent=1))


def show_failures(found: Sequence[tuple[Cell, Record | None]], total: int) -> None:
    """Name the cells without a score (``found``, of :func:`holes`), and the command that runs them again."""
    if not found:
        return
    have = "has" if total == 1 else "have"
    say(f"\n{len(found)} of {count(total, 'cell')} {have} no score:", error=True)
    for cell, record in found:
        what = f"{record['status']}: {one_line(record['reason'])}" if record else "no record"
        say(f"  {cell_name(cell)}: {what}", error=True)
    arguments = without_rerun(sys.argv[1:])
    say(f"To run them again: {_command([*arguments, '--rerun', 'failed'])}", error=True)


def show_status(store: Store, *, as_json: bool) -> None:
    """Sweeps under way with the table so far; cells by signature and status, failures, unreadable records."""
    records, damaged = store.records()
    damaged += heartbeat.damaged(store.results)
    groups: dict[str, Counter[str]] = {}
    for record in records:
        groups.setdefault(record["signature"], Counter())[record["status"]] += 1
    failures = [(Cell.from_key(r["key"]), r) for r in records if r["status"] != "ok"]
    if as_json:
        document = {
            "results": str(store.results),
            "sweeps": [heartbeat.as_json(sweep) for sweep in heartbeat.read(store.results)],
            "signatures": {signature: dict(counts) for signature, counts in sorted(groups.items())},
            "failures": [{"cell": cell_name(c), "status": r["status"], "reason": r["reason"]} for c, r in failures],
            "unreadable": [vars(one) for one in damaged],
        }
        print(json.dumps(document, indent=1))
        return
    for sweep in heartbeat.read(store.results):
        _show_sweep(sweep, store)
    if not records:
        say(f"No record in {store.results}; mmda-bench run --dataset avatars makes the first.")
    for signature, counts in sorted(groups.items()):
        tell(f"{signature}\n  " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    for cell, record in failures:
        tell(f"  {record['status']}: {cell.dataset} {cell_name(cell)}: {one_line(record['reason'])}")
    for one in damaged:
        tell(f"  unreadable: {one.path}: {one.reason}")


def _show_sweep(sweep: heartbeat.Sweep, store: Store) -> None:
    where = f"process {sweep.pid} on {sweep.host}"
    done = f"{sweep.finished} of {count(sweep.total, 'cell')} run, {sweep.failed or 'none'} failed"
    if not sweep.alive:
        silent = duration(max(0.0, time.time() - sweep.heard))
        tell(f"A sweep died ({where}, last heard of {silent} ago): {done}. {how_to_go_on(sweep.command)}\n")
        return
    left = "time left unknown" if sweep.left_s is None else f"about {duration(sweep.left_s)} left"
    since = duration(max(0.0, time.time() - sweep.started))
    tell(f"A sweep is running ({where}, for {since}): {done}, {len(sweep.running)} running; {left}")
    for name in [sweep.stage] if sweep.stage else sweep.running:
        say(f"  {name}")

    from mmda_bench import report
    from mmda_bench.cli.boards import show_boards

    boards, _ = report.load_boards(store, tests=False, signature=sweep.signature, kept=report.Kept(store))
    if boards:
        say("\nSo far:\n")
        show_boards(boards)
    say("")
