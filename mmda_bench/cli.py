"""The verbs of the command line: parse, call, print. Heavy imports wait inside the functions: help is instant."""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from mmda_bench.registry import BACKBONES, DATASETS, METHODS, load_plugin

if TYPE_CHECKING:
    from mmda_bench.store import Store

OK, INTERNAL, USAGE, HOLES, DATA, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Verbs(TyperGroup):
    """Turns what can go wrong into one message and an exit code; ``--debug`` shows the traceback instead."""

    def invoke(self, ctx: Any) -> Any:
        from mmda_bench.dataset import DataError

        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.params.get("debug") or _is_parse_error(error):
                raise
            name = type(error).__name__
            codes = {"UsageError": USAGE, "StoreError": ENVIRONMENT, "ResourceError": ENVIRONMENT}
            code = DATA if isinstance(error, DataError) else codes.get(name, INTERNAL)
            hint = f"internal error ({name}), for a traceback: mmda-bench --debug ...: " if code == INTERNAL else ""
            typer.echo(f"mmda-bench: {hint}{error}", err=True)
            raise typer.Exit(code) from None


def _is_parse_error(error: Exception) -> bool:
    return any(cls.__name__ == "ClickException" for cls in type(error).__mro__)


app = typer.Typer(
    cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="A benchmark of multimodal domain adaptation with partially shifted modalities.",
)  # fmt: skip
data = typer.Typer(no_args_is_help=True, help="Corpora on disk.", rich_markup_mode=None)
new = typer.Typer(no_args_is_help=True, help="Start something of your own.", rich_markup_mode=None)
app.add_typer(data, name="data")
app.add_typer(new, name="new")


class Rerun(StrEnum):
    failed = "failed"
    all = "all"


class Kind(StrEnum):
    methods = "methods"
    datasets = "datasets"
    backbones = "backbones"


class Listing(StrEnum):
    text = "text"
    md = "md"


Results = Annotated[Path, typer.Option("--results", help="Folder of records and leaderboards.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", envvar="MMDA_BENCH_DATA", help="Folder of the corpus.")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file that registers methods or datasets.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", envvar="MMDA_BENCH_CACHE", help="Cached prefixes [~/.cache/mmda-bench].")
]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", help="acoustic=, lexical= or visual=: a hub name, a folder or a file.")
]
DEFAULT_RESULTS = Path("results")


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
    backbone: Annotated[str | None, typer.Option(help="Instead of the corpus's own.")] = None,
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
    address: Annotated[str | None, typer.Option(help="A running Ray cluster.")] = None,
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
    from mmda_bench.store import Store

    _load(plugin)
    schedule.check_gpus_per_cell(gpus_per_cell)
    card = DATASETS.get(dataset)().describe(data_root)
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
    workers = schedule.cpu_count() if jobs is None else max(1, jobs)
    minutes = plan.estimate_minutes(todo, store.records()[0], jobs=workers)
    if dry_run:
        from mmda_bench.backbone.prefix import disk_needed

        disk = None
        if todo:
            disk = disk_needed(dataset, root=data_root, protocol=protocol, cache=_cache(cache), weights=locations)
        console.show_plan(cells, todo, minutes, disk=disk, as_json=as_json)
        return
    store.probe()
    cache_folder = _cache(cache)
    if todo:
        schedule.sigterm_interrupts()
        progress = console.Progress(todo, done=len(cells) - len(todo), results=store.results)
        try:
            with progress:
                progress.prepare(
                    dataset, root=data_root, protocol=protocol, cache=cache_folder, jobs=workers, plugins=plugin or (),
                    weights=locations,
                )  # fmt: skip
                schedule.run(
                    todo, store=store, root=data_root, cache=cache_folder, jobs=jobs, gpus_per_cell=gpus_per_cell,
                    address=address, plugins=plugin or (), weights=locations, replace=rerun is not None,
                    timeout_minutes=timeout, on_start=progress.started, on_result=progress.finished,
                )  # fmt: skip
        except KeyboardInterrupt:
            console.show_interrupted(len(cells) - len(store.missing(cells)), len(cells))
            raise
    else:
        typer.echo(f"Nothing to run: all {len(cells)} cells have records in {store.results}.")
    _write_and_print(store, signature=protocol.signature(dataset, card.version))
    if console.show_failures([(cell, store.read(cell)) for cell in cells]):
        raise typer.Exit(HOLES)


@app.command()
def leaderboard(
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    critical_difference: Annotated[
        bool, typer.Option("--critical-difference", help="Also ranks by Friedman and Nemenyi, which have little power.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make every table anew from the stored records."""
    from mmda_bench.store import Store

    _load(plugin)
    store = Store(results)
    _write_and_print(store, as_json=as_json)
    if critical_difference and not as_json:
        from mmda_bench import report

        typer.echo(report.critical_difference(store))


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A row: a method, a3d2[-add], or the name of a submission.")],
    second: Annotated[str, typer.Argument(help="Another row.")],
    dataset: Annotated[str | None, typer.Option(help="Only this corpus.")] = None,
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """The paired difference of two methods in every scenario, with its interval and p."""
    from mmda_bench import report
    from mmda_bench.report import compare as comparing
    from mmda_bench.store import Store

    _load(plugin)
    store = Store(results)
    duels = comparing.compare(
        report.load_boards(store, tests=False)[0], report.read_predictions(store), first, second, dataset=dataset
    )
    typer.echo(comparing.as_json(duels) if as_json else comparing.as_text(duels))
    if any(isinstance(answer, str) for duel in duels for answer in duel.columns.values()):
        raise typer.Exit(HOLES)


@app.command()
def submit(
    file: Annotated[Path, typer.Argument(help="csv (id and a column per class) or npz (ids, probabilities).")],
    dataset: Annotated[str, typer.Option(help="The corpus.")],
    anchor: Annotated[str, typer.Option(help="The anchor modality of the scenario.")],
    name: Annotated[str | None, typer.Option(help="Of the row.", show_default="the file's name")] = None,
    seed: Annotated[int, typer.Option(help="To submit several runs of one method.")] = 0,
    signature: Annotated[
        str | None, typer.Option(help="Of the stored cells to stand beside.", show_default="that of the most cells")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Instead of what has this name.")] = False,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> None:
    """Score predictions that were made elsewhere, and show them marked as external."""
    import json

    from mmda_bench import external
    from mmda_bench.store import Store

    store = Store(results)
    record = external.submit(
        store, file, dataset=dataset, anchor=anchor.upper(), name=name, seed=seed, signature=signature, replace=replace
    )
    score = record["metrics"]["target_test"]["weighted_f1"]
    typer.echo(json.dumps(record, indent=1) if as_json else f"weighted F1 {100 * score:.2f}  {record['signature']}")
    if not as_json:
        typer.echo("Stored as external; mmda-bench leaderboard shows it, mmda-bench compare holds it against a method.")


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument()] = Kind.methods,
    plugin: Plugins = None,
    as_json: AsJson = False,
    form: Annotated[Listing, typer.Option("--format", help="text, or md for a README.")] = Listing.text,
) -> None:
    """What there is: methods, datasets, backbones, and what a broken plug-in said."""
    from mmda_bench import catalogue

    _load(plugin)
    registry = {"methods": METHODS, "datasets": DATASETS, "backbones": BACKBONES}[kind.value]
    show = catalogue.as_json if as_json else {"text": catalogue.as_text, "md": catalogue.as_markdown}[form.value]
    typer.echo(show(registry))


@app.command()
def status(results: Results = DEFAULT_RESULTS, as_json: AsJson = False) -> None:
    """What the store holds: cells by status, failures with their reasons, records that cannot be read."""
    from mmda_bench import console
    from mmda_bench.store import Store

    console.show_status(Store(results), as_json=as_json)


@app.command()
def doctor(
    results: Results = DEFAULT_RESULTS,
    cache: CacheFolder = None,
    data_root: DataRoot = None,
    dataset: Annotated[str | None, typer.Option(help="Also say what disk it needs.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Instead of the corpus's own.")] = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Check this machine: libraries, devices, folders, weights, corpora; and what to do about each."""
    from mmda_bench import doctor as clinic
    from mmda_bench import plan

    _load(plugin)
    checks = clinic.examine(
        results=results, cache=_cache(cache), root=data_root, dataset=dataset, backbone=backbone,
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

    _load(plugin)
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


@data.command()
def export(
    dataset: str,
    out: Annotated[Path, typer.Option(help="An empty or new folder.")],
    layout: Annotated[str, typer.Option(help="folder (wav, jpg and csv), mintrec or iemocap.")] = "folder",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many utterances.")] = None,
    data_root: DataRoot = None,
    plugin: Plugins = None,
) -> None:
    """Write a corpus as files that can be read again."""
    from mmda_bench import console, schedule
    from mmda_bench import export as exporting

    _load(plugin)
    reader, progress = DATASETS.get(dataset)(), console.counter(f"{dataset} written")
    done = exporting.export(
        reader, layout, out, root=data_root, limit=limit, jobs=schedule.cpu_count(), progress=progress
    )
    for name, reason in done.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    use = f"mmda-bench run --dataset {layout} --data-root {out}"
    typer.echo(f"{done.utterances} utterances of {dataset} are in {out}; to use them: {use}")


@data.command("prepare")
def prepare_(
    dataset: str,
    data_root: DataRoot = None,
    backbone: Annotated[str | None, typer.Option(help="Instead of the corpus's own.")] = None,
    weights: Weights = None,
    shift: Annotated[str, typer.Option(help="As in run.")] = "paper",
    severity: Annotated[float, typer.Option(help="As in run.")] = 1.0,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="auto")] = None,
    plugin: Plugins = None,
    cache: CacheFolder = None,
) -> None:
    """Run the frozen layers of a backbone over a corpus, once; run does it by itself where it was not done."""
    from mmda_bench import console, plan, schedule

    _load(plugin)
    card, locations = DATASETS.get(dataset)().describe(data_root), plan.parse_weights(weights or ())
    protocol = plan.protocol_for(card, backbone=backbone, shift=shift, severity=severity, weights=locations)
    schedule.sigterm_interrupts()
    console.prepare(
        dataset, root=data_root, protocol=protocol, cache=_cache(cache), jobs=jobs or schedule.cpu_count(),
        plugins=plugin or (), weights=locations,
    )  # fmt: skip


@data.command("verify")
def verify_(
    dataset: str,
    data_root: DataRoot = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Decode only so many utterances.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="auto")] = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Look through a corpus: what is there, what is missing, what cannot be read, and whether it can be used."""
    import json

    from mmda_bench import console, schedule, verify

    _load(plugin)
    found = verify.verify(
        dataset, root=data_root, sample=sample, jobs=jobs or schedule.cpu_count(), plugins=plugin or (),
        progress=console.counter(f"{dataset} decoded"),
    )  # fmt: skip
    typer.echo(json.dumps(found.as_json(), indent=1) if as_json else verify.as_text(found))
    if not found.usable:
        raise typer.Exit(DATA)


def _load(plugins: list[Path] | None) -> None:
    for plugin in plugins or ():
        load_plugin(plugin)


def _cache(given: Path | None) -> Path:
    return given or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mmda-bench"


def _write_and_print(store: "Store", *, signature: str | None = None, as_json: bool = False) -> None:
    """Write the leaderboards and print Table 1, of everything or of one signature."""
    from mmda_bench import report

    paths = report.write_leaderboards(store)
    if as_json:
        typer.echo(next(path for path in paths if path.suffix == ".json").read_text("utf-8"), nl=False)
        return
    typer.echo(report.print_out(store, signature=signature))
    typer.echo(f"Written: {', '.join(str(path) for path in paths)}")


def main() -> None:
    """The console script. ``--debug`` may stand anywhere."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    app(arguments, prog_name="mmda-bench")


if __name__ == "__main__":
    main()
