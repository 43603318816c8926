"""What a person sees of a run: a live display on a terminal, a line per finished cell elsewhere, and the reports."""

import json
import shlex
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

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


class Progress:
    """Told what starts and what ends. ``done``: cells of the sweep that had a record before it began."""

    def __init__(self, cells: Sequence[Cell], *, done: int = 0, terminal: bool | None = None) -> None:
        self.total, self.before = len(cells), done
        self.running: dict[str, str] = {}
        self.stage = ""
        self.finished_cells = self.failed = 0
        self.start = time.monotonic()
        self.terminal = sys.stdout.isatty() if terminal is None else terminal
        self.live: Any = None

    def __enter__(self) -> "Progress":
        already = f", {self.before} are stored already" if self.before else ""
        say(f"{self.total} cells to run{already}.")
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
    ) -> None:
        """Cache the frozen prefixes, telling how far that is."""
        from mmda_bench.backbone.prefix import prepare

        told = -1

        def tell(stage: str, done: int, total: int) -> None:
            nonlocal told
            quarter = 4 * done // max(1, total)
            self.stage = f"{stage} {done}/{total}"
            if not self.terminal and quarter != told and (told >= 0 or done < total):
                told = quarter if done < total else -1
                say(f"  {stage}: {done}/{total}")

        files = [str(Path(plugin).absolute()) for plugin in plugins]
        prepare(dataset, root=root, protocol=protocol, cache=cache, progress=tell, jobs=jobs, plugins=files)
        self.stage = ""
        self.start = time.monotonic()

    def started(self, cell: Cell) -> None:
        self.running[cell.hash] = cell_name(cell)

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
        left = f"  (about {self.left()} left)" if self.finished_cells < self.total else ""
        line = f"[{self.finished_cells:{width}}/{self.total}] {cell_name(cell)}  {outcome}{spent}{left}"
        if self.live is not None:
            self.live.console.print(line, markup=False, highlight=False)
        else:
            say(line)

    def left(self) -> str:
        """Time left, at the pace so far."""
        spent = time.monotonic() - self.start
        return duration(spent / max(1, self.finished_cells) * (self.total - self.finished_cells))

    def _render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        ok = self.finished_cells - self.failed
        left = f"about {self.left()} left" if self.finished_cells else "time left unknown"
        lines = [f"{ok} ok, {self.failed} failed, {len(self.running)} running, of {self.total}; {left}"]
        lines += [f"  {name}" for name in ([self.stage] if self.stage else self.running.values())]
        return Group(Text("\n".join(lines)), ProgressBar(total=self.total, completed=self.finished_cells, width=60))


def show_plan(cells: Sequence[Cell], todo: Sequence[Cell], minutes: float | None, *, as_json: bool) -> None:
    """What ``run --dry-run`` answers."""
    if as_json:
        missing = [{"cell": cell_name(cell), "hash": cell.hash, "key": cell.key()} for cell in todo]
        document = {"cells": len(cells), "done": len(cells) - len(todo), "missing": missing, "minutes": minutes}
        print(json.dumps(document, indent=1))
        return
    for cell in todo:
        print(f"  {cell_name(cell)}")
    cost = "unknown until a first cell has run" if minutes is None else f"about {duration(60 * minutes)}"
    say(f"{len(cells)} cells, {len(cells) - len(todo)} done, {len(todo)} to run; time: {cost if todo else 'none'}")


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
    """Cells by signature and status, failures, unreadable records."""
    records, damaged = store.records()
    groups: dict[str, Counter[str]] = {}
    for record in records:
        groups.setdefault(record["signature"], Counter())[record["status"]] += 1
    failures = [(Cell.from_key(r["key"]), r) for r in records if r["status"] != "ok"]
    if as_json:
        document = {
            "results": str(store.results),
            "signatures": {signature: dict(counts) for signature, counts in sorted(groups.items())},
            "failures": [{"cell": cell_name(c), "status": r["status"], "reason": r["reason"]} for c, r in failures],
            "unreadable": [vars(one) for one in damaged],
        }
        print(json.dumps(document, indent=1))
        return
    if not records:
        say(f"No record in {store.results}; mmda-bench run --dataset avatars makes the first.")
    for signature, counts in sorted(groups.items()):
        say(f"{signature}\n  " + ", ".join(f"{n} {status}" for status, n in sorted(counts.items())))
    for cell, record in failures:
        say(f"  {record['status']}: {cell.dataset} {cell_name(cell)}: {record['reason']}")
    for one in damaged:
        say(f"  unreadable: {one.path}: {one.reason}")
