"""A sweep as a person sees it: a live display on a terminal, elsewhere a line per finished cell."""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from mmda_bench.cli.output import GONE, is_terminal, say, silence
from mmda_bench.listener import Listener
from mmda_bench.machine.last_words import LastWords
from mmda_bench.protocol import Cell
from mmda_bench.registry.spec import label
from mmda_bench.store import Record, weighted_f1
from mmda_bench.store.record import splits_of, titles_of
from mmda_bench.sweep import heartbeat
from mmda_bench.sweep.forecast import Forecast, Pace
from mmda_bench.units import count, duration, one_line, shown

if TYPE_CHECKING:
    from mmda_bench.features.corpus import Corpus
    from mmda_bench.selection.choices import Choice


def cell_name(cell: Cell) -> str:
    split = f" split={cell.protocol.split}" if cell.protocol.split else ""
    return f"{label(cell.method, cell.params, cell.off, cell.rates)} anchor={cell.anchor} seed={cell.seed}{split}"


class Progress(Listener):
    """Shows a run to a person, and tells ``status`` of it. ``done``: cells that had a record before the run began.
    ``results``: the folder in which ``status`` looks, if any. ``records``: what is stored, and ``at_once``: how many
    cells run at the same time; the time that is left is estimated from both. ``last_words``: said if this process is
    ended before its first cell."""

    def __init__(
        self, cells: Sequence[Cell], *, done: int = 0, terminal: bool | None = None, results: Path | None = None,
        records: Iterable[Record] = (), at_once: int | None = None, last_words: str = "",
    ) -> None:  # fmt: skip
        self.total, self.before = len(cells), done
        self.running: dict[str, str] = {}
        self.stage, self.quarter = "", -1
        self.counted: tuple[str, int, int] = ("", 0, 0)
        self.forecast = Forecast(cells, records, at_once=at_once)
        self.dataset = cells[0].dataset if cells else ""
        self.corpus = titles_of(cells[0])["dataset"] if cells else "none"
        self.backbone = cells[0].protocol.backbone if cells else ""
        self.finished_cells = self.failed = 0
        self.start = time.monotonic()
        self.terminal = is_terminal(sys.stdout) if terminal is None else terminal
        self.live: Any = None
        self.last_words = last_words
        self.words: LastWords | None = None
        self.heartbeat: heartbeat.Heartbeat | None = None
        if results is not None and cells:
            command = shlex.join(["mmda-bench", *sys.argv[1:]])
            self.heartbeat = heartbeat.Heartbeat(
                results, heartbeat.Sweep(len(cells), done, command, cells[0].signature)
            )

    def __enter__(self) -> "Progress":
        already = f", {self.before} {'is' if self.before == 1 else 'are'} stored already" if self.before else ""
        say(f"{count(self.total, 'cell')} to run{already}. Corpus: {self.corpus}.")
        if self.last_words:
            self.words = LastWords(self.last_words)
        if self.heartbeat is not None:
            self.heartbeat.__enter__()
        if self.terminal:
            from rich.live import Live

            self.live = Live(get_renderable=self._render, refresh_per_second=2, transient=True)
            self._display(self.live.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._unsay()
        if self.live is not None:
            self._display(self.live.stop)
        if self.heartbeat is not None:
            self.heartbeat.__exit__(kind, error, traceback)
        if kind is None:
            spent = duration(time.monotonic() - self.start)
            say(f"{count(self.finished_cells, 'cell')} run in {spent}, {self.failed or 'none'} failed.")

    def _unsay(self) -> None:
        if self.words is not None:
            self.words.unsay()

    def _display(self, act: Callable[[], object]) -> None:
        """Do something to the live display. Where the terminal has gone, the sweep goes on without one."""
        try:
            act()
        except (OSError, SystemExit) as error:  # rich leaves the program when nobody reads
            if isinstance(error, OSError) and error.errno not in GONE:
                raise
            live, self.live = self.live, None
            with contextlib.suppress(OSError, SystemExit):
                live.stop()  # gives standard output back
            silence(sys.stdout)

    def on_prepare(self, stage: str, done: int, total: int) -> None:
        """At every quarter of a stage, and at its end, a line or a new picture of the display."""
        quarter, now = 4 * done // max(1, total), time.monotonic()
        if stage != self.counted[0]:
            self.pace = Pace(done, now)
        self.counted = (stage, done, total)
        self.stage = f"{stage} {done}/{total}"
        if told := self.pace.told(done, total, now):
            self.stage += f", {told}"
        if quarter != self.quarter:
            self._tell()
        if not self.terminal and quarter != self.quarter and (self.quarter >= 0 or done < total):
            self.quarter = quarter if done < total else -1
            say(f"  {stage}: {done}/{total}{f', {told}' if told else ''}")

    def on_prepared(self, corpus: "Corpus") -> None:
        """Say how many utterances could not be used as they are, and start the clock of the cells."""
        text = not_whole(self.dataset, skipped=len(corpus.skipped), substituted=len(corpus.substituted))
        self._line(text)
        for remark in corpus.lexical.remarks(self.backbone) if corpus.lexical else ():
            self._line(remark)
        self.stage = ""
        self.start = time.monotonic()

    def on_start(self, cell: Cell) -> None:
        self._unsay()
        self.running[cell.hash] = cell_name(cell)
        self.forecast.started(cell, time.monotonic())
        self._tell()

    def _tell(self) -> None:
        if self.heartbeat is not None:
            self.heartbeat.tell(
                replace(
                    self.heartbeat.sweep,
                    finished=self.finished_cells,
                    failed=self.failed,
                    running=list(self.running.values()),
                    stage=self.stage,
                    left_s=self.forecast.left(time.monotonic()),
                )
            )

    def on_result(self, cell: Cell, record: Record) -> None:
        self.running.pop(cell.hash, None)
        self.finished_cells += 1
        width = len(str(self.total))
        if record["status"] == "ok":
            split = splits_of(record)[-1]
            outcome = f"{split.replace('_test', '').replace('_', ' ')} F1 {100 * weighted_f1(record, split):.1f}"
        else:
            self.failed += 1
            outcome = f"{record['status'].upper()}: {one_line(record['reason'])[:200]}"
        times = record.get("times")
        self.forecast.finished(cell, times["total_s"] if times else None)
        spent = f"  {times['total_s']:.1f} s" if times else ""
        left = f"  ({self._left()})" if self.finished_cells < self.total else ""
        self._tell()
        self._line(f"[{self.finished_cells:{width}}/{self.total}] {cell_name(cell)}  {outcome}{spent}{left}")

    def on_choice(self, choice: "Choice") -> None:
        """Say which trial won, and with which settings."""
        scenario, setting = choice.scenario, choice.setting
        where, of = f"{scenario.method} anchor={scenario.anchor}", len(choice.trials)
        if setting is None:
            self._line(f"{where}: none of {of} trials could be taken")
            return
        name = label(scenario.method, setting.params, scenario.off, (setting.rate, setting.pretrained_rate))
        study = f" of study {scenario.protocol.study}" if scenario.protocol.study else ""
        self._line(f"{where}: {choice.validator} takes trial {choice.chosen} of 0 to {of - 1}{study}: {name}")

    def _line(self, text: str) -> None:
        """A line above the live display, if there is one."""
        if self.live is not None and text:
            self._display(lambda: self.live.console.print(shown(text), markup=False, highlight=False))
        elif text:
            with contextlib.suppress(OSError):  # the disk of a log is full: the results may lie on another
                say(text)

    def _left(self) -> str:
        """'about 44 s left'."""
        seconds = self.forecast.left(time.monotonic())
        return "time left unknown" if seconds is None else f"about {duration(seconds)} left"

    def _render(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.text import Text

        ok = self.finished_cells - self.failed
        lines = [f"{ok} ok, {self.failed} failed, {len(self.running)} running, of {self.total}; {self._left()}"]
        lines += [f"  {name}" for name in ([self.stage] if self.stage else self.running.values())]
        _, done, total = self.counted if self.stage else ("", self.finished_cells, self.total)
        text = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
        return Group(text, ProgressBar(total=total, completed=done, width=60))


def not_whole(dataset: str, *, skipped: int, substituted: int) -> str:
    """One line on the utterances that were left out or lack a part; empty if there are none."""
    parts = []
    if skipped:
        parts.append(f"{count(skipped, 'utterance')} left out")
    if substituted:
        parts.append(f"{count(substituted, 'utterance')} used with a part missing or changed")
    return f"{', '.join(parts)}; to see which: mmda-bench data prepare {dataset}" if parts else ""
