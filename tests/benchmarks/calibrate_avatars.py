"""The search for the difficulty of the avatars: ``python -m tests.benchmarks.calibrate_avatars --help``.

Runs DT and the reference trained on target labels on a development draw, for each setting asked for, every anchor and
some seeds; holds what they show against :mod:`mmda_bench.datasets.avatars.criteria`; writes a table. An adaptation
method is never run. Every finished cell is kept as one line of a file, so that a search that is stopped goes on.

How to search: first the intensities, until the three modalities alone are alike in-domain; then the shift, with two
seeds; then five seeds for the best setting. More noise on the sound lowers DT far more than the reference, which learns
to hear through it; masked words and dark pictures are lost for both, so they narrow the distance. The spread of DT over
seeds grows with the shift. Save a setting as JSON (see :mod:`mmda_bench.datasets.avatars.development`) and try it::

    python -m tests.benchmarks.calibrate_avatars mine.json --seeds 2 --jobs 2
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from mmda_bench.dataset import MODALITIES, Shift
from mmda_bench.datasets.avatars import corpus
from mmda_bench.datasets.avatars.corpus import Setting
from mmda_bench.datasets.avatars.criteria import DT, Measured, Summary, Verdict, measured, summarise, verdicts
from mmda_bench.datasets.avatars.development import digest, read_setting, to_json
from mmda_bench.features.prepare import prepare
from mmda_bench.protocol import SUPERVISED, Cell, Protocol
from mmda_bench.registry import DATASETS
from mmda_bench.training import run_cell

ROWS = Path("results/calibration.jsonl")
TABLE = Path("results/calibration.md")
WORK = Path("results/local/calibration")
MOST_JOBS = 2


@dataclass(frozen=True)
class Candidate:
    """A setting under a name, of the corpus ``recipe``; it is tried on the corpus ``<recipe>-dev``."""

    name: str
    recipe: str
    setting: Setting

    @property
    def dataset(self) -> str:
        return f"{self.recipe}-dev"

    @property
    def key(self) -> str:
        """Tells this setting of this corpus from every other one, whatever its name."""
        return f"{self.recipe}:{digest(self.setting)}"

    def file(self, work: Path) -> Path:
        """The setting as a file that the development corpus reads, written if it is not there."""
        path = work / f"{digest(self.setting)}.json"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(to_json(self.setting)))
        return path

    def cells(self, work: Path, seeds: int) -> list[Cell]:
        """DT and the reference for every anchor and seed, seed by seed."""
        protocol = Protocol(backbone="tiny")
        version = DATASETS.get(self.dataset)().describe(self.file(work)).version
        return [
            Cell(method=m, dataset=self.dataset, version=version, anchor=anchor, seed=seed, protocol=protocol)
            for seed in range(seeds)
            for m in (DT, SUPERVISED)
            for anchor in MODALITIES
        ]


def candidate(text: str, recipe: str) -> Candidate:
    """``frozen``, the setting of the corpus ``recipe`` as it stands, or a file with another one."""
    if text == "frozen":
        return Candidate("frozen", recipe, corpus.SETTINGS[recipe])
    return Candidate(Path(text).stem, recipe, read_setting(Path(text)))


def run(some: Candidate, *, seeds: int, rows: Path, work: Path, jobs: int) -> list[Measured]:
    """All cells of a setting: those in the file ``rows``, and the others, which are run and added to it.

    ``jobs``: processes, 1 is this one. Raises :class:`ValueError` for a cell that fails.
    """
    cells = some.cells(work, seeds)
    found = {(m.method, m.anchor, m.seed): m for m in read_rows(rows) if m.setting == some.key}
    todo = [cell for cell in cells if (cell.method, cell.anchor, cell.seed) not in found]
    if todo:
        prepare(some.dataset, root=some.file(work), protocol=todo[0].protocol, cache=work, jobs=jobs)
        rows.parent.mkdir(parents=True, exist_ok=True)
        for new in _finished(some, todo, work, jobs):
            found[new.method, new.anchor, new.seed] = new
            with rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(new)) + "\n")
            print(f"{some.name} {new.method} {new.anchor} seed {new.seed}: {_percent(new.f1)}", file=sys.stderr)
    return [found[cell.method, cell.anchor, cell.seed] for cell in cells]


def _finished(some: Candidate, todo: Sequence[Cell], work: Path, jobs: int) -> Iterator[Measured]:
    """Each of the cells when it is done, in this process or in ``jobs``."""
    if jobs == 1:
        yield from (_cell(some, cell, work) for cell in todo)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for future in as_completed([pool.submit(_cell, some, cell, work) for cell in todo]):
            yield future.result()


def _cell(some: Candidate, cell: Cell, work: Path) -> Measured:
    started = time.process_time()
    record = run_cell(cell, root=some.file(work), cache=work).record
    return measured(some.key, record, seconds=time.process_time() - started)


def read_rows(path: Path) -> Iterator[Measured]:
    """The finished cells in a file of :func:`run`; none if there is no file."""
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        yield Measured(**json.loads(line))


def as_markdown(some: Candidate, summary: Summary, found: Sequence[Verdict]) -> str:
    """The section of one setting: its numbers, the scores by anchor, and every criterion."""
    passed = sum(verdict.passed for verdict in found)
    lines = [
        f"## {some.recipe}, {some.name}: {passed} of {len(found)} criteria met with {summary.seeds} seeds",
        "",
        *_setting_lines(some.setting),
        "",
        f"In-domain F1: {', '.join(f'{m} {_percent(v)}' for m, v in summary.in_domain.items())}, "
        f"fused {_percent(summary.fused)}.",
        "",
        "| anchor | DT | spread | anchor head | target-supervised | drift heads | largest class | seconds |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for a in summary.dt:
        drifts = ", ".join(f"{m} {_percent(v)}" for (anchor, m), v in summary.drift_heads.items() if anchor == a)
        lines.append(
            f"| {a} | {_percent(summary.dt[a])} | {_percent(summary.spread[a])} | {_percent(summary.anchor_head(a))} "
            f"| {_percent(summary.supervised[a])} | {drifts} | {summary.largest[a]:.2f} | {summary.seconds[a]:.0f} |"
        )
    lines += ["", "| criterion | found | asked | where | |", "|---|---|---|---|---|"]
    for v in found:
        sign, word = "≥" if v.at_least else "≤", "met" if v.passed else "**missed**"
        lines.append(f"| {v.criterion} | {v.found:.3g} | {sign} {v.asked:g} | {v.place} | {word} |")
    return "\n".join(lines) + "\n"


def _setting_lines(setting: Setting) -> list[str]:
    def beside(values: Mapping[str, object]) -> str:
        return ", ".join(f"{m} {values[m]}" for m in MODALITIES)

    shift: Shift = setting.shift
    return [
        f"- shift: noise {shift.noise:g}, brightness {shift.brightness:g}, visual noise {shift.visual_noise:g}, "
        f"masked {shift.masked:g}",
        f"- incongruence: {beside(setting.incongruence)}",
        f"- intensity (Beta): {beside(setting.intensity)}",
    ]


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _persons(cast: Sequence[int]) -> str:
    return f"{min(cast)} to {max(cast)}"


HEAD = f"""# Calibration of the avatars, a synthetic corpus

Made by `python -m tests.benchmarks.calibrate_avatars`, on the development draws `avatars-dev` and
`avatars-intent-dev`: seed {corpus.DEVELOPMENT_SEED}, persons {_persons(corpus.DEVELOPMENT_CAST)}. The corpora that
are reported, `avatars` and `avatars-intent`, are another draw, at which nobody looked for these settings: seed
{corpus.SEED}, persons {_persons(corpus.CAST)}. Only DT, its heads and the reference trained on target labels were
run. Source and target share speakers and sentence templates, so all scores are within speaker.

Scores are weighted F1, means over training seeds: in percent in the tables of scores, from 0 to 1 in those of the
criteria. Each criterion stands with the anchor or modality where it is hardest to meet; `datasets/avatars/criteria.py`
says how two of the limits follow the number of classes. Seconds are processor time on a machine with other work.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Try settings of the avatars on a development draw.")
    parser.add_argument("settings", nargs="*", default=["frozen"], help="frozen, or JSON files (default: frozen)")
    known = list(corpus.RECIPES)
    parser.add_argument("--recipe", nargs="+", choices=known, default=known[:1], help="corpora to calibrate")
    parser.add_argument("--seeds", type=int, default=5, help="training seeds: 0, 1, ... (default: %(default)s)")
    parser.add_argument("--jobs", type=int, choices=range(1, MOST_JOBS + 1), default=1, help="processes")
    parser.add_argument("--rows", type=Path, default=ROWS, help="file of finished cells (default: %(default)s)")
    parser.add_argument("--work", type=Path, default=WORK, help="folder of prepared corpora (default: %(default)s)")
    parser.add_argument("--out", type=Path, help=f"also write the tables to a file, for example {TABLE}")
    options = parser.parse_args(arguments)
    sections = []
    for some in (candidate(text, recipe) for recipe in options.recipe for text in options.settings):
        cells = run(some, seeds=options.seeds, rows=options.rows, work=options.work, jobs=options.jobs)
        summary = summarise(cells)
        section = as_markdown(some, summary, verdicts(summary, corpus.RECIPES[some.recipe].shares))
        print(section, flush=True)
        sections.append(section)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text("\n".join([HEAD, *sections]), "utf-8")


if __name__ == "__main__":
    main()
