"""The verbs of the command line: parse, call, print. Heavy imports wait inside the functions: help is instant."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmda_bench.cli_data import data
from mmda_bench.cli_options import (
    DEFAULT_RESULTS,
    ENVIRONMENT,
    HOLES,
    AsJson,
    Backbone,
    CacheFolder,
    DataRoot,
    Plugins,
    Results,
    Verbs,
    Weights,
    cache_folder,
    load,
)
from mmda_bench.cli_reports import reports, write_and_print
from mmda_bench.output import count, say
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS

if TYPE_CHECKING:
    from mmda_bench.protocol import Cell
    from mmda_bench.store import Store

app = typer.Typer(
    cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="A benchmark of multimodal domain adaptation with partially shifted modalities.",
)  # fmt: skip
new = typer.Typer(no_args_is_help=True, help="Start something of your own.", rich_markup_mode=None)
app.add_typer(reports)
app.add_typer(data, name="data")
app.add_typer(new, name="new")


class Rerun(StrEnum):
    failed = "failed"
    all = "all"


class Kind(StrEnum):
    methods = "methods"
    datasets = "datasets"
    backbones = "backbones"
    validators = "validators"


class Listing(StrEnum):
    text = "text"
    md = "md"


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    if version:
        from mmda_bench import __version__

        typer.echo(f"mmda-bench {__version__}")
        raise typer.Exit


@app.command()
def run(
    dataset: Annotated[str, typer.Option(help="A corpus; see: mmda-bench list datasets.")] = "avatars",
    methods: Annotated[str, typer.Option(help="all | ablation | name,name | all,-daln | a3d2[gamma1=5,-add]")] = "all",
    anchors: Annotated[str, typer.Option(help="Anchor modalities.")] = "A,L,V",
    seeds: Annotated[str, typer.Option(help="3 (a count), 0-2 (a range) or 0,5 (a list).")] = "3",
    data_root: DataRoot = None,
    backbone: Backbone = None,
    weights: Weights = None,
    shift: Annotated[str, typer.Option(help="paper (variances) or released (standard deviations).")] = "paper",
    severity: Annotated[float, typer.Option(help="Strength of the shift; 1 is the paper's.")] = 1.0,
    epochs: Annotated[int | None, typer.Option(help="Instead of the paper's.")] = None,
    bounds: Annotated[bool, typer.Option("--bounds/--no-bounds", help="The target-supervised reference.")] = True,
    jobs: Annotated[
        int | None, typer.Option(min=0, help="Cells at once; 0: in this process.", show_default="auto")
    ] = None,
    gpus_per_cell: Annotated[
        float | None, typer.Option(help="A fraction, or a whole number.", show_default="1 if any")
    ] = None,
    address: Annotated[str | None, typer.Option(help="A running Ray cluster: HOST:PORT of its head node.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.01, help="Minutes that a cell may take.")] = None,
    rerun: Annotated[Rerun | None, typer.Option(help="Run again what failed, or all.")] = None,
    plugin: Plugins = None,
    results: Results = DEFAULT_RESULTS,
    cache: CacheFolder = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run every cell that has no record yet, then write the leaderboards."""
    from mmda_bench import console, plan, schedule
    from mmda_bench.readable import read_card
    from mmda_bench.store import Store

    load(plugin)
    schedule.check(gpus_per_cell, timeout)
    card = read_card(DATASETS.get(dataset)(), dataset, data_root)
    locations = plan.parse_weights(weights or ())
    protocol = plan.protocol_for(
        card, backbone=backbone, shift=shift, severity=severity, epochs=epochs, weights=locations
    )
    cells = plan.expand(
        methods=methods, dataset=dataset, version=card.version, protocol=protocol, bounds=bounds,
        anchors=plan.parse_anchors(anchors, card.modalities), seeds=plan.parse_seeds(seeds),
    )  # fmt: skip
    store = Store(results)
    todo = store.missing(cells, rerun=rerun.value if rerun else None)
    if dry_run:
        from mmda_bench.backbone.prefix import disk_needed

        disk = None
        if todo:
            disk = disk_needed(dataset, root=data_root, protocol=protocol, cache=cache_folder(cache), weights=locations)
        at_once = schedule.cells_at_once(jobs, gpus_per_cell)
        minutes = plan.estimate_minutes(todo, store.records()[0], jobs=at_once)
        console.show_plan(cells, todo, minutes, disk=disk, as_json=as_json)
        return
    if todo and address is not None:
        schedule.check_address(address)
    store.probe()
    with contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext():
        console.show_other_sources(cells, store)
        _sweep(
            cells, todo, store, data_root=data_root, cache=cache_folder(cache), jobs=jobs, timeout=timeout, rerun=rerun,
            gpus_per_cell=gpus_per_cell, address=address, plugins=plugin or (), weights=locations,
        )  # fmt: skip
        with console.all_stored(store, plugin or ()):
            write_and_print(store, signature=protocol.signature(dataset, card.version), if_changed=not todo)
        holes = console.holes(cells, store)
        console.show_failures(holes, len(cells))
    if as_json:
        console.show_results(cells, holes, ran=len(todo), store=store)
    if holes:
        raise typer.Exit(HOLES)


def _sweep(
    cells: "list[Cell]", todo: "list[Cell]", store: "Store", *, data_root: Path | None, cache: Path, jobs: int | None,
    timeout: float | None, rerun: Rerun | None, gpus_per_cell: float | None, address: str | None,
    plugins: Sequence[Path], weights: Mapping[str, str],
) -> None:  # fmt: skip
    """Prepare the corpus and run ``todo``, telling how far that is."""
    from mmda_bench import console, schedule
    from mmda_bench.progress import Progress

    if not todo:
        say(f"Nothing to run: {count(len(cells), 'cell')} with records in {store.results}.")
        return
    schedule.sigterm_interrupts()
    progress = Progress(todo, done=len(cells) - len(todo), results=store.results)
    try:
        with progress:
            progress.prepare(
                cells[0].dataset, root=data_root, protocol=cells[0].protocol, cache=cache,
                jobs=schedule.cpu_count() if jobs is None else max(1, jobs), plugins=plugins, weights=weights,
            )  # fmt: skip
            schedule.run(
                todo, store=store, root=data_root, cache=cache, jobs=jobs, gpus_per_cell=gpus_per_cell,
                address=address, plugins=plugins, weights=weights, replace=rerun is not None,
                timeout_minutes=timeout, on_start=progress.started, on_result=progress.finished,
            )  # fmt: skip
    except KeyboardInterrupt:
        again = progress.finished_cells if rerun else None
        console.show_interrupted(len(cells) - len(store.missing(cells)), len(cells), again=again)
        raise


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument()] = Kind.methods,
    plugin: Plugins = None,
    as_json: AsJson = False,
    form: Annotated[Listing, typer.Option("--format", help="text, or md for a README.")] = Listing.text,
) -> None:
    """What there is: methods, datasets, backbones or validators, and what a broken plug-in said."""
    from mmda_bench import catalogue

    load(plugin)
    registry = {one.kind: one for one in (METHODS, DATASETS, BACKBONES, VALIDATORS)}[kind.value]
    show = catalogue.as_json if as_json else {"text": catalogue.as_text, "md": catalogue.as_markdown}[form.value]
    typer.echo(show(registry))


@app.command()
def doctor(
    results: Results = DEFAULT_RESULTS,
    cache: CacheFolder = None,
    data_root: DataRoot = None,
    dataset: Annotated[str | None, typer.Option(help="Also say what disk it needs.")] = None,
    backbone: Backbone = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Check this machine: libraries, devices, folders, weights, corpora; and what to do about each."""
    from mmda_bench import doctor as clinic
    from mmda_bench import plan

    load(plugin)
    checks = clinic.examine(
        results=results, cache=cache_folder(cache), root=data_root, dataset=dataset, backbone=backbone,
        weights=plan.parse_weights(weights or ()),
    )  # fmt: skip
    for check in checks:
        typer.echo(str(check))
    if any(check.needed and not check.passed for check in checks):
        raise typer.Exit(ENVIRONMENT)


@app.command()
def check(method: Annotated[str, typer.Argument(help="A method.")], plugin: Plugins = None) -> None:
    """Hold a method to its contract, on tiny data, in seconds."""
    from mmda_bench.contract import check_method

    load(plugin)
    checks = check_method(METHODS.entry(method).name)
    for one in checks:
        typer.echo(f"{'ok    ' if one.passed else 'FAILED'}  {one.title}{f': {one.detail}' if one.detail else ''}")
    if not all(one.passed for one in checks):
        raise typer.Exit(HOLES)


@new.command("method")
def new_method_(name: str, folder: Annotated[Path, typer.Option("--out", help="Where to.")] = Path()) -> None:
    """Write a method that passes the check as it is, and its test."""
    from mmda_bench.contract import new_method

    for path in new_method(name, folder):
        typer.echo(path)


def main() -> None:
    """The console script. ``--debug`` may stand anywhere."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    app(arguments, prog_name="mmda-bench")


if __name__ == "__main__":
    main()
