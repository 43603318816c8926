"""What a person sees of a run: a live display on a terminal, a line per finished cell elsewhere, and the reports."""

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from mmda_bench import sweeps
from mmda_bench.disk import Disk, gigabytes
from mmda_bench.plan import label
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.store import Record, Store


def cell_name(cell: Cell) -> str:
    return f"{label(cell.method, cell.params, cell.off)} anchor={cell.anchor} seed={cell.seed}"


def say(text: str, *, error: bool = False) -> None:
    """A line at once, also into a pipe."""
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def duration(seconds: float) -> str:
    """'40 s', '3 min', '2 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def counter(stage: str) -> Callable[[int, int], None]:
    """Says on standard error how far ``stage`` is: on one line of a terminal, elsewhere at every quarter."""
    terminal = sys.stderr.isatty()
    told = 0

    def tell(done: int, total: int) -> None:
        nonlocal told
        quarter = 4 * done // max(1, total)
        if terminal:
            print(f"\r{stage}: {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
        elif quarter != told:
            told = quarter
            say(f"{stage}: {done}/{total}", error=True)

    return tell


class Progress:
    """Told what starts and what ends. ``done``: cells of the sweep that had a record before it began; ``results``:
    where it leaves word for ``status``, if anywhere."""

    def __init__(
        self, cells: Sequence[Cell], *, done: int = 0, terminal: bool | None = None, results: Path | None = None
    ) -> None:
        self.total, self.before = len(cells), done
        self.running: dict[str, str] = {}
        self.stage = ""
        self.finished_cells = self.failed = 0
        self.start = time.monotonic()
        self.terminal = sys.stdout.isatty() if terminal is None else terminal
        self.live: Any = None
        self.beacon: sweeps.Beacon | None = None
        if results is not None and cells:
            command = shlex.join(["mmda-bench", *sys.argv[1:]])
            self.beacon = sweeps.Beacon(results, sweeps.Sweep(len(cells), done, command, cells[0].signature))

    def __enter__(self) -> "Progress":
        already = f", {self.before} are stored already" if self.before else ""
        say(f"{self.total} cells to run{already}.")
        if self.beacon is not None:
            self.beacon.__enter__()
        if self.terminal:
            from rich.live import Live

            self.live = Live(get_renderable=self._render, refresh_per_second=2, transient=True)
            self.live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.live is not None:
            self.live.__exit__(kind, error, traceback)
        if self.beacon is not None:
            self.beacon.__exit__(kind, error, traceback)
        if kind is None:
            spent = duration(time.monotonic() - self.start)
            say(f"{self.finished_cells} cells run in {spent}, {self.failed or 'none'} failed.")

    def prepare(
        self,
        dataset: str,
        *,
        root: Path | None,
        protocol: Protocol,
        cache: Path,
        jobs: int = 1,
        plugins: Sequence[str | Path] = (),
        weights: Mapping[str, str] | None = None,
    ) -> None:
        """Cache the frozen prefixes, telling how far that is."""
        from mmda_bench.backbone.prefix import prepare

        told = -1

        def tell(stage: str, done: int, total: int) -> None:
            nonlocal told
            quarter = 4 * done // max(1, total)
            self.stage = f"{stage} {done}/{total}"
            if quarter != told:
                self._tell()
            if not self.terminal and quarter != told and (told >= 0 or done < total):
                told = quarter if done < total else -1
                say(f"  {stage}: {done}/{total}")

        files = [str(Path(plugin).absolute()) for plugin in plugins]
        prepare(
            dataset, root=root, protocol=protocol, cache=cache, progress=tell, jobs=jobs, plugins=files, weights=weights
        )
        self.stage = ""
        self.start = time.monotonic()

    def started(self, cell: Cell) -> None:
        self.running[cell.hash] = cell_name(cell)
        self._tell()

    def _tell(self) -> None:
        if self.beacon is not None:
            self.beacon.tell(
                replace(
                    self.beacon.sweep,
                    finished=self.finished_cells,
                    failed=self.failed,
                    running=list(self.running.values()),
                    stage=self.stage,
                    left_s=self.seconds_left() if self.finished_cells else None,
                )
            )

    def finished(self, cell: Cell, record: Record) -> None:
        self.running.pop(cell.hash, None)
        self.finished_cells += 1
        width = len(str(self.total))
        if record["status"] == "ok":
            outcome = f"target F1 {100 * record['metrics']['target_test']['weighted_f1']:.1f}"
        else:
            self.failed += 1
            outcome = f"{record['status'].upper()}: {' '.join((record['reason'] or '').split())[:200]}"
        seconds = (record.get("times") or {}).get("total_s")
        spent = f"  {seconds:.1f} s" if seconds is not None else ""
        left = f"  (about {duration(self.seconds_left())} left)" if self.finished_cells < self.total else ""
        line = f"[{self.finished_cells:{width}}/{self.total}] {cell_name(cell)}  {outcome}{spent}{left}"
        self._tell()
        if self.live is not None:
            self.live.console.print(line, markup=False, highlight=False)
        else:
            say(line)

    def seconds_left(self) -> float:
        """At the pace so far."""
        spent = time.monotonic() - self.start
        return spent / max(1, self.finished_cells) * (self.total - self.finished_cells)

    def _render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        ok = self.finished_cells - self.failed
        left = f"about {duration(self.seconds_left())} left" if self.finished_cells else "time left unknown"
        lines = [f"{ok} ok, {self.failed} failed, {len(self.running)} running, of {self.total}; {left}"]
        lines += [f"  {name}" for name in ([self.stage] if self.stage else self.running.values())]
        return Group(Text("\n".join(lines)), ProgressBar(total=self.total, completed=self.finished_cells, width=60))


def prepare(dataset: str, *, plugins: Sequence[str | Path] = (), **options: Any) -> None:
    """What ``data prepare`` does and says. ``options``: of :func:`mmda_bench.backbone.prefix.prepare`."""
    from mmda_bench.backbone import prefix

    counters: dict[str, Callable[[int, int], None]] = {}

    def tell(stage: str, done: int, total: int) -> None:
        counters.setdefault(stage, counter(stage))(done, total)

    files = [str(Path(plugin).absolute()) for plugin in plugins]
    try:
        corpus = prefix.prepare(dataset, progress=tell, plugins=files, **options)
    except KeyboardInterrupt:
        command = shlex.join(["mmda-bench", *sys.argv[1:]])
        say(f"\nInterrupted; what is finished is kept. The same command goes on from there:\n  {command}", error=True)
        raise
    for what, notes in (("left out", corpus.skipped), ("used with a part that is not there", corpus.substituted)):
        for name, reason in notes:
            say(f"{what}: {name}: {reason}", error=True)
    size = gigabytes(sum(values.size for values in corpus.features.values()))
    say(f"{len(corpus.ids)} utterances of {dataset} are prepared, {size}: {corpus.folder}")


def show_plan(
    cells: Sequence[Cell], todo: Sequence[Cell], minutes: float | None, *, disk: Disk | None = None, as_json: bool
) -> None:
    """What ``run --dry-run`` answers. ``disk``: for the prefixes, if cells are to run."""
    if as_json:
        missing = [{"cell": cell_name(cell), "hash": cell.hash, "key": cell.key()} for cell in todo]
        document = {"cells": len(cells), "done": len(cells) - len(todo), "missing": missing, "minutes": minutes}
        if disk is not None:
            document["disk"] = {"folder": str(disk.folder), "needed_bytes": disk.needed, "free_bytes": disk.free}
        print(json.dumps(document, indent=1))
        return
    for cell in todo:
        print(f"  {cell_name(cell)}")
    cost = "unknown until a first cell has run" if minutes is None else f"about {duration(60 * minutes)}"
    say(f"{len(cells)} cells, {len(cells) - len(todo)} done, {len(todo)} to run; time: {cost if todo else 'none'}")
    if disk is not None:
        say(f"disk for the cached prefixes: {disk}")


def show_interrupted(stored: int, total: int) -> None:
    command = shlex.join(["mmda-bench", *sys.argv[1:]])
    say(
        f"\nInterrupted: {stored} of {total} cells are stored. The same command runs the others:\n  {command}",
        error=True,
    )


def show_failures(results: Sequence[tuple[Cell, Record | None]]) -> bool:
    """Name the planned cells without a score and the command that runs them again; whether there are any."""
    holes = [(cell, record) for cell, record in results if record is None or record["status"] != "ok"]
    if not holes:
        return False
    say(f"\n{len(holes)} of {len(results)} cells have no score:", error=True)
    for cell, record in holes:
        what = f"{record['status']}: {' '.join((record['reason'] or '').split())}" if record else "no record"
        say(f"  {cell_name(cell)}: {what}", error=True)
    arguments = [a for i, a in enumerate(sys.argv[1:], 1) if a != "--rerun" and sys.argv[i - 1] != "--rerun"]
    arguments = [a for a in arguments if not a.startswith("--rerun=")]
    say(f"To run them again: {shlex.join(['mmda-bench', *arguments, '--rerun', 'failed'])}", error=True)
    return True


def show_status(store: Store, *, as_json: bool) -> None:
    """Sweeps under way with the table so far; cells by signature and status, failures, unreadable records."""
    records, damaged = store.records()
    groups: dict[str, Counter[str]] = {}
    for record in records:
        groups.setdefault(record["signature"], Counter())[record["status"]] += 1
    failures = [(Cell.from_key(r["key"]), r) for r in records if r["status"] != "ok"]
    if as_json:
        document = {
            "results": str(store.results),
            "sweeps": [sweeps.as_json(sweep) for sweep in sweeps.read(store.results)],
            "signatures": {signature: dict(counts) for signature, counts in sorted(groups.items())},
            "failures": [{"cell": cell_name(c), "status": r["status"], "reason": r["reason"]} for c, r in failures],
            "unreadable": [vars(one) for one in damaged],
        }
        print(json.dumps(document, indent=1))
        return
    for sweep in sweeps.read(store.results):
        _show_sweep(sweep, store)
    if not records:
        say(f"No record in {store.results}; mmda-bench run --dataset avatars makes the first.")
    for signature, counts in sorted(groups.items()):
        say(f"{signature}\n  " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    for cell, record in failures:
        say(f"  {record['status']}: {cell.dataset} {cell_name(cell)}: {record['reason']}")
    for one in damaged:
        say(f"  unreadable: {one.path}: {one.reason}")


def _show_sweep(sweep: sweeps.Sweep, store: Store) -> None:
    where = f"process {sweep.pid} on {sweep.host}"
    done = f"{sweep.finished} of {sweep.total} cells run, {sweep.failed or 'none'} failed"
    if not sweep.alive:
        silent = duration(max(0.0, time.time() - sweep.heard))
        say(f"A sweep died ({where}, last heard of {silent} ago): {done}. The same command runs the others:")
        say(f"  {sweep.command}\n")
        return
    left = "time left unknown" if sweep.left_s is None else f"about {duration(sweep.left_s)} left"
    since = duration(max(0.0, time.time() - sweep.started))
    say(f"A sweep is running ({where}, for {since}): {done}, {len(sweep.running)} running; {left}")
    for name in [sweep.stage] if sweep.stage else sweep.running:
        say(f"  {name}")
    from mmda_bench import report

    boards, _ = report.load_boards(store, tests=False, signature=sweep.signature)
    if boards:
        say(f"\nSo far:\n\n{report.print_out(boards)}")
    say("")
