"""The front door for Python: run, read, compare and submit, with pandas frames as answers.

    import mmda_bench as mb
    mb.run("dt,dann", anchors="V", seeds=2).frame

No call leaves a trace in the process: signals, threads, random states, environment and logging are as they were.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mmda_bench.config import PROTOCOL_FIELDS, RunConfig, Workspace
from mmda_bench.data.corpora import reader_of, settled_name
from mmda_bench.data.validation import read_card, read_utterances
from mmda_bench.dataset import Card, Utterance
from mmda_bench.errors import UsageError
from mmda_bench.listener import Calling, Listener
from mmda_bench.machine.devices import cpu_count
from mmda_bench.machine.process import unchanged_process
from mmda_bench.protocol import TRIAL, Cell, Protocol, corpus_names, corruption_names
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, Plugin, Registry, register
from mmda_bench.registry.plugins import of_corpus
from mmda_bench.registry.spec import TUNED
from mmda_bench.report.answers import Compared, Leaderboard, Results
from mmda_bench.store import DEFAULT_RESULTS, Record, Store, existing_store
from mmda_bench.task.door import export_task, submit

if TYPE_CHECKING:
    import pandas as pd

    from mmda_bench.data.verify import Verification
    from mmda_bench.features.corpus import Corpus
    from mmda_bench.report.inspection import Inspection
    from mmda_bench.tuning import Tuning

__all__ = [
    "Compared", "Leaderboard", "Listener", "Plan", "Results", "RunConfig", "Workspace", "backbones", "compare",
    "corpus", "datasets", "execute", "export_task", "leaderboard", "methods", "plan", "prepare", "register", "results",
    "run", "show", "submit", "verify",
]  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The cells of a run and those of them that have to run. ``protocol``: of the first split. ``tuning``: the search
    of settings, if there is one; cells whose settings are still to be chosen then have the published ones."""

    config: RunConfig
    workspace: Workspace
    card: Card
    protocol: Protocol
    cells: list[Cell]
    todo: list[Cell]
    tuning: "Tuning | None" = None
    plugins: tuple[Plugin, ...] = ()

    @property
    def store(self) -> Store:
        return Store(self.workspace.results)

    @property
    def signatures(self) -> list[str]:
        """Of the tables in which the cells stand, one for each split."""
        return list(dict.fromkeys(cell.signature for cell in self.cells if cell.protocol.select != TRIAL))


@unchanged_process(torch=False)
def plan(config: RunConfig, workspace: Workspace | None = None) -> Plan:
    """The cells of ``config``, and which of them are not stored yet; nothing runs and nothing is written.

    Raises :class:`UsageError` for names and values that do not exist, :class:`DataError` for a corpus that is absent.
    """
    ws = workspace or Workspace()
    plugins = ws.load_plugins()
    config.check()
    card = read_card(reader_of(config.corpus), config.corpus, ws.root)
    store = Store(ws.results)
    if config.protocol == "paper" and TUNED not in config.methods:
        cells = config.cells(card, weights=ws.weights)
        todo = store.missing(cells, rerun=config.rerun)
        return Plan(config, ws, card, cells[0].protocol, cells, todo, plugins=plugins)
    return replace(_tuned(config, ws, card), plugins=plugins)


def _tuned(config: RunConfig, ws: Workspace, card: Card) -> Plan:
    """The plan of a run whose settings are chosen, by trials of its own or by those that are stored."""
    from mmda_bench.tuning import chooser, tuning_of  # scipy, which other plans do without

    store = Store(ws.results)
    if config.protocol == "paper":
        cells = config.cells(card, weights=ws.weights, chosen=chooser(store, config.select))
        return Plan(config, ws, card, cells[0].protocol, cells, store.missing(cells, rerun=config.rerun))
    cells = config.cells(card, weights=ws.weights)
    tuning = tuning_of(cells, select=config.select, trials=config.trials, studies=config.studies)
    choices = tuning.choices(store, rerun=config.rerun)
    todo = tuning.todo(choices, store, rerun=config.rerun)
    return Plan(config, ws, card, cells[0].protocol, tuning.cells(choices), todo, tuning)


@unchanged_process(torch=False)
def execute(planned: Plan, listener: Listener | None = None) -> Results:
    """Prepare every split of the corpus and run the cells of a plan that are not stored; every cell leaves a record.

    Raises :class:`DataError`, :class:`ResourceError` and :class:`StoreError` before the first cell where that is
    possible, and KeyboardInterrupt on Ctrl-C; finished cells stay stored.
    """
    from mmda_bench.features.prepare import prepare as prepare_corpus
    from mmda_bench.sweep import scheduler
    from mmda_bench.sweep.placement import check_address

    config, ws, told = planned.config, planned.workspace, listener or Listener()
    store = planned.store
    if planned.todo:
        if config.address is not None:
            check_address(config.address)
        store.probe()
        for protocol in dict.fromkeys(cell.protocol.untuned for cell in planned.todo):
            with unchanged_process():
                prepared = prepare_corpus(
                    config.corpus, root=ws.root, protocol=protocol, cache=ws.cache, progress=told.on_prepare,
                    jobs=cpu_count() if config.jobs is None else max(1, config.jobs), weights=ws.weights,
                    plugins=of_corpus(planned.plugins, planned.todo[0].names),
                )  # fmt: skip
            told.on_prepared(prepared)
    sweep = partial(
        scheduler.run, store=store, root=ws.root, cache=ws.cache, jobs=config.jobs,
        gpus_per_cell=config.gpus_per_cell, address=config.address, plugins=planned.plugins, weights=ws.weights,
        replace=config.rerun is not None, timeout_minutes=config.timeout, on_start=told.on_start,
        on_result=told.on_result,
    )  # fmt: skip
    if planned.tuning is None:
        sweep(planned.todo)
        return Results(store, planned.cells)
    sweep([cell for cell in planned.todo if cell.protocol.select == TRIAL])
    with unchanged_process():
        return Results(store, planned.tuning.finish(store, sweep, told.on_choice, rerun=config.rerun))


@unchanged_process(torch=False)
def run(
    methods: Any = "all",
    *,
    workspace: Workspace | None = None,
    protocol: Protocol | Literal["paper", "tuned"] | None = None,
    on_result: Callable[[Record], Any] | None = None,
    listener: Listener | None = None,
    **settings: Any,
) -> Results:
    """Run every cell that has no record yet, and return all that were asked for.

    ``methods``: as on the command line, a list of such, or a registered class. ``protocol``: "paper", "tuned", or a
    :class:`Protocol`, whose fields are settings like ``settings``, which are the fields of :class:`RunConfig`:
    dataset, anchors, seeds, jobs and so on. ``on_result`` is called with each new record; a ``listener`` hears more.

    Raises :class:`UsageError` for a name or value that does not exist, and what :func:`execute` raises. A cell that
    fails raises nothing: it is a row of ``.failed``.

    >>> run("dt,no-such-method", jobs=0)
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: ...
    """
    given: dict[str, Any] = {} if protocol is None else {"protocol": protocol}
    if isinstance(protocol, Protocol):
        given = {name: getattr(protocol, name) for name in PROTOCOL_FIELDS}
        if lost := [name for name, value in vars(Protocol(**given)).items() if value != getattr(protocol, name)]:
            raise UsageError(f"run(protocol=) takes no {', '.join(lost)}: use Workspace(weights=...), protocol='tuned'")
    config = RunConfig.of({**given, **settings, "methods": _names(methods)}, where="run()")
    heard = listener or (Calling(on_result) if on_result is not None else None)
    return execute(plan(config, workspace), heard)


def _names(methods: Any) -> Any:
    """Method classes by the name they are registered under; texts as they are."""
    if isinstance(methods, type):
        return next(iter(methods.__dict__.get("__mmda_registered__", {methods.__name__: None})))
    if isinstance(methods, Sequence) and not isinstance(methods, str):
        return [_names(one) for one in methods]
    return methods


@unchanged_process(torch=False)
def results(folder: str | Path | Store = DEFAULT_RESULTS) -> Results:
    """Everything that a results folder holds. Raises :class:`UsageError` when there is no such folder.

    >>> len(results("results")) > 1
    True
    """
    return Results(folder if isinstance(folder, Store) else existing_store(folder))


@unchanged_process(torch=False)
def leaderboard(
    folder: str | Path = DEFAULT_RESULTS, *, dataset: str | None = None, signature: str | None = None
) -> Leaderboard:
    """The boards of a results folder, of one corpus or one signature if named. Raises :class:`UsageError` when there
    is no such folder, or nothing of that name in it.

    >>> leaderboard("results", dataset="avatars").frame["dataset"].unique().tolist()
    ['avatars']
    """
    from mmda_bench.report import Kept, load_boards
    from mmda_bench.report.load import of_dataset

    dataset = dataset and dataset.lower()
    store = existing_store(folder)
    boards, damaged = load_boards(store, signature=signature, kept=Kept(store))
    return Leaderboard(store, of_dataset(boards, dataset, signature=signature), damaged)


@unchanged_process(torch=False)
def compare(first: str, second: str, folder: str | Path = DEFAULT_RESULTS, *, dataset: str | None = None) -> Compared:
    """One row against another in every scenario: methods, ``a3d2[-add]``, or the name of a submission. Raises
    :class:`UsageError` for a row that the folder does not have, or when there is no such folder.

    >>> compare("a3d2", "dt", "results", dataset="avatars").frame["first"].unique().tolist()
    ['a3d2']
    """
    from mmda_bench import report
    from mmda_bench.report import compare as comparing

    store = existing_store(folder)
    comparing.check_names(store, first, second)
    boards, _ = report.load_boards(store, tests=False, kept=report.Kept(store))
    predictions = report.read_predictions(store)
    return Compared(comparing.compare(boards, predictions, first, second, dataset=dataset and dataset.lower()))


@unchanged_process(torch=False)
def show(
    what: str, folder: str | Path = DEFAULT_RESULTS, *, anchor: str | None = None, seed: int | None = None,
    signature: str | None = None, workspace: Workspace | None = None,
) -> "Inspection":  # fmt: skip
    """One cell, by the first digits of its hash, or the cells of a method or submission, looked at closely.

    Printed, it says everything; ``.worst()`` and ``.contested()`` are utterances, ``.frame`` all of them, and
    ``.contact_sheet("worst.png")`` writes their frames. ``workspace``: for the root of the corpus and plug-ins.

    >>> show("dt", "results", anchor="V", seed=0).frame["anchor"].unique().tolist()
    ['V']
    """
    from mmda_bench.report.inspection import inspect

    ws = workspace or Workspace()
    ws.load_plugins()
    return inspect(existing_store(folder), what, anchor=anchor, seed=seed, signature=signature, root=ws.data_root)


@unchanged_process(torch=False)
def prepare(
    dataset: str, *, workspace: Workspace | None = None, config: RunConfig | None = None, jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> "Corpus":  # fmt: skip
    """Run the frozen layers over a corpus, once; a run does it by itself. ``config``: for another protocol.

    Raises :class:`UsageError` for an unknown name.

    >>> prepare("avatar")
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: unknown dataset 'avatar': did you mean avatars?
    """
    ws = workspace or Workspace()
    plugins = ws.load_plugins()
    config = replace(config or RunConfig(), dataset=dataset)
    config.check()
    from mmda_bench.features.prepare import prepare as prepare_corpus  # torch, which a wrong name does without

    with unchanged_process():
        card = read_card(reader_of(config.corpus), config.corpus, ws.root)
        return prepare_corpus(
            config.corpus, root=ws.root, protocol=(protocol := config.protocol_on(card, weights=ws.weights)),
            cache=ws.cache, progress=progress, jobs=jobs or cpu_count(), weights=ws.weights,
            plugins=of_corpus(plugins, {**corpus_names(config.corpus), **corruption_names(protocol.shift),
                                        "backbones": protocol.backbone}),
        )  # fmt: skip


@unchanged_process(torch=False)
def verify(
    dataset: str, *, workspace: Workspace | None = None, sample: int | None = None, jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None, backbone: str | None = None,
) -> "Verification":  # fmt: skip
    """Hold a corpus against its card and decode its clips, or ``sample`` of them; see ``.usable`` and ``.problem``.

    >>> verify("avatars", sample=1, jobs=1).usable
    True
    """
    ws = workspace or Workspace()
    plugins = ws.load_plugins()
    dataset = settled_name(dataset)
    if backbone is not None:
        backbone = BACKBONES.entry(backbone).name
    from mmda_bench.data import verify as verifying

    with unchanged_process():
        return verifying.verify(
            dataset, root=ws.root, sample=sample, jobs=cpu_count() if jobs is None else jobs, progress=progress,
            plugins=of_corpus(plugins, corpus_names(dataset)), backbone=backbone, weights=ws.weights,
        )  # fmt: skip


@unchanged_process(torch=False)
def corpus(dataset: str, *, workspace: Workspace | None = None) -> list[Utterance]:
    """All utterances of a corpus; sound and pictures are loaded when asked for.

    >>> corpus("avatars")[0].waveform().dtype
    dtype('float32')
    """
    ws = workspace or Workspace()
    ws.load_plugins()
    dataset = settled_name(dataset)
    reader = reader_of(dataset)
    return read_utterances(reader, read_card(reader, dataset, ws.root), ws.root)


def methods() -> "pd.DataFrame":
    """The methods that can be run, a row each: title, paper, groups, parameters.

    >>> methods().loc["dann", "title"]
    'DANN'
    """
    return _facts(METHODS)


def datasets() -> "pd.DataFrame":
    """The corpora that can be read, a row each.

    >>> datasets().loc["mintrec", "title"]
    'MIntRec, 20 intents'
    """
    return _facts(DATASETS)


def backbones() -> "pd.DataFrame":
    """The backbones, a row each.

    >>> backbones().loc["tiny", "title"]
    'Tiny transformers, embedded'
    """
    return _facts(BACKBONES)


def _facts(registry: Registry) -> "pd.DataFrame":
    from mmda_bench.report.frames import registry_frame

    return registry_frame(registry)
