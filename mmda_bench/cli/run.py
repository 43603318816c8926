"""The verb ``run``: what was typed becomes a plan, the plan runs under a display, and the tables are written."""

import contextlib
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from mmda_bench.cli.options import (
    HOLES,
    Address,
    Anchors,
    AsJson,
    Backbone,
    Batch,
    Beta,
    Bounds,
    CacheFolder,
    CellJobs,
    ConfigFile,
    DataRoot,
    DatasetName,
    DryRun,
    Epochs,
    GpusPerCell,
    HeadsKind,
    Methods,
    Missing,
    MissingIn,
    MissingRate,
    Plugins,
    ProtocolChoice,
    ProtocolName,
    RerunWhat,
    Results,
    Seeds,
    Select,
    Severity,
    ShiftName,
    Splits,
    Studies,
    TargetCorpus,
    TargetRoot,
    Timeout,
    ToldAnchor,
    Trials,
    Weights,
    load,
    typed,
)
from mmda_bench.cli.output import hint, say, tell
from mmda_bench.errors import DiedError
from mmda_bench.protocol import TRIALS
from mmda_bench.store import DEFAULT_RESULTS
from mmda_bench.units import count

if TYPE_CHECKING:
    from mmda_bench.api import Plan
    from mmda_bench.config import RunConfig, Workspace

running = typer.Typer(rich_markup_mode=None)

ENDED = "this process was ended before its first cell, by Ray that died or from outside"


@running.command()
def run(
    ctx: typer.Context,
    config: ConfigFile = None,
    dataset: DatasetName = "avatars",
    target: TargetCorpus = "",
    methods: Methods = "all",
    anchors: Anchors = "A,L,V",
    seeds: Seeds = "3",
    splits: Splits = "0",
    data_root: DataRoot = None,
    target_root: TargetRoot = None,
    backbone: Backbone = None,
    weights: Weights = None,
    shift: ShiftName = "paper",
    severity: Severity = 1.0,
    missing: Missing = "",
    missing_in: MissingIn = "test",
    missing_rate: MissingRate = 1.0,
    told_anchor: ToldAnchor = "",
    heads: HeadsKind = "plain",
    epochs: Epochs = 8,
    batch: Batch = 48,
    beta: Beta = 0.001,
    bounds: Bounds = True,
    protocol: ProtocolName = ProtocolChoice.paper,
    trials: Trials = TRIALS,
    select: Select = "",
    studies: Studies = 1,
    jobs: CellJobs = None,
    gpus_per_cell: GpusPerCell = None,
    address: Address = None,
    timeout: Timeout = None,
    rerun: RerunWhat = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    cache: CacheFolder = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Run the cells that have no record, then write the tables.

    A cell is one method with one anchor and one seed.

    Example: mmda-bench run --methods dt,dann,a3d2 --anchors V --seeds 0-4
    """
    _say_at_once(str(config or f"{methods} on {dataset}"), as_json=as_json)
    config_, workspace = _checked(ctx)
    from mmda_bench import api

    planned = api.plan(config_, workspace)
    if dry_run:
        _say_plan(planned, as_json=as_json)
        return
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        planned, complete = _run(planned)
    if as_json:
        _say_results(planned)
    if not complete:
        raise typer.Exit(HOLES)


def _say_at_once(what: str, *, as_json: bool) -> None:
    """Before the imports, which take seconds on a busy machine."""
    (hint if as_json else tell)(f"Looking at what {what} needs and at what is stored ...")


def _checked(ctx: typer.Context) -> "tuple[RunConfig, Workspace]":
    """:func:`settings`, of which every name is known: before anything heavy is imported."""
    config, workspace = settings(ctx)
    load(workspace.plugins)
    config.check()
    return config, workspace


def settings(ctx: typer.Context) -> "tuple[RunConfig, Workspace]":
    """From the file of ``--config``, if there is one, and from what was typed, which wins."""
    from mmda_bench.config import WORKSPACE_FIELDS, RunConfig, Workspace, read_settings
    from mmda_bench.sweep.plan import parse_weights

    given = typed(ctx, ctx.params)
    file = read_settings(ctx.params["config"]) if ctx.params["config"] else {}
    folders = {name: given[name] for name in WORKSPACE_FIELDS if name in given and name != "weights"}
    if "weights" in given:
        folders["weights"] = parse_weights(given["weights"] or ())
    if "plugin" in given:
        folders["plugins"] = tuple(given["plugin"] or ())
    apart = {*WORKSPACE_FIELDS, "plugin", "config", "dry_run", "as_json"}
    told = {name: value for name, value in given.items() if name not in apart}
    told |= {name: told[name].value for name in ("rerun", "protocol") if told.get(name) is not None}
    told |= {name: told[name].lower() for name in ("heads", "missing_in", "select") if name in told}
    where = str(ctx.params["config"]) if file else "the command line"
    run = {name: value for name, value in file.items() if name not in WORKSPACE_FIELDS}
    kept = {name: value for name, value in file.items() if name in WORKSPACE_FIELDS}
    return RunConfig.of({**run, **told}, where=where), Workspace(**{**kept, **folders})


def _say_results(ran: "Plan") -> None:
    from mmda_bench.cli import console

    console.show_results(ran)


def _say_plan(planned: "Plan", *, as_json: bool) -> None:
    """What ``--dry-run`` answers."""
    from mmda_bench.cli import console
    from mmda_bench.features.prepare import disk_needed
    from mmda_bench.sweep import placement, plan

    config, ws = planned.config, planned.workspace
    disk = None
    if planned.todo:
        disk = disk_needed(
            config.corpus, root=ws.root, protocol=planned.protocol, cache=ws.cache, weights=ws.weights,
            splits=plan.splits_of(planned.todo),
        )  # fmt: skip
    at_once = placement.cells_at_once(config.jobs, config.gpus_per_cell)
    minutes = plan.estimate_minutes(planned.todo, planned.store.records()[0], jobs=at_once)
    console.show_plan(planned, minutes, disk=disk, as_json=as_json)


def _run(planned: "Plan") -> "tuple[Plan, bool]":
    """Run the plan, write the leaderboards and name the cells without a score; the plan with the cells that ran, and
    whether all have one."""
    from mmda_bench import api
    from mmda_bench.cli import console
    from mmda_bench.cli.boards import write_and_print
    from mmda_bench.cli.progress import Progress
    from mmda_bench.sweep import placement
    from mmda_bench.sweep.ray_folder import clear_left

    store, cells, todo = planned.store, planned.cells, planned.todo
    console.show_other_sources(cells, store)
    if todo:
        config = planned.config
        progress = Progress(
            todo, done=len(cells) - len(todo), results=store.results, records=store.records()[0],
            at_once=None if config.address else placement.cells_at_once(config.jobs, config.gpus_per_cell),
            last_words="mmda-bench: " + console.after_death(ENDED, len(cells) - len(store.missing(cells)), len(cells)),
        )  # fmt: skip
        try:
            with progress:
                ran = api.execute(planned, progress)
        except DiedError as error:
            stored = len(cells) - len(store.missing(cells))
            raise type(error)(console.after_death(str(error), stored, len(cells))) from None
        except KeyboardInterrupt:
            again = progress.finished_cells if planned.config.rerun else None
            console.show_interrupted(store, len(cells) - len(store.missing(cells)), len(cells), again=again)
            raise
        planned = replace(planned, cells=list(ran.cells or ()))
    else:
        store.probe()
        clear_left()
        say(f"Nothing to run: {count(len(cells), 'cell')} with records in {store.results}.")
    with console.all_stored(store, planned.workspace.plugins):
        write_and_print(store, signatures=planned.signatures, if_changed=not todo)
    holes = console.holes(planned.cells, store)
    console.show_failures(holes, len(planned.cells))
    return planned, not holes
