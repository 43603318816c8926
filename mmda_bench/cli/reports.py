"""The verbs that show what is stored: leaderboard, compare, submit, status."""

from pathlib import Path
from typing import Annotated

import typer

from mmda_bench.cli.options import DEFAULT_RESULTS, HOLES, AsJson, Plugins, Results, load
from mmda_bench.cli.output import say
from mmda_bench.errors import UsageError
from mmda_bench.store import Store

reports = typer.Typer(rich_markup_mode=None)


@reports.command()
def leaderboard(
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    critical_difference: Annotated[
        bool, typer.Option("--critical-difference", help="Also ranks by Friedman and Nemenyi, which have little power.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make every table anew from the stored records."""

    load(plugin)
    store = Store(results)
    if not store.results.is_dir():
        raise UsageError(f"--results {results}: there is no such folder; mmda-bench run makes it")
    write_and_print(store, as_json=as_json)
    if critical_difference and not as_json:
        from mmda_bench import report

        typer.echo(report.critical_difference(store))


@reports.command()
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

    load(plugin)
    store = Store(results)
    duels = comparing.compare(
        report.load_boards(store, tests=False)[0], report.read_predictions(store), first, second, dataset=dataset
    )
    typer.echo(comparing.as_json(duels) if as_json else comparing.as_text(duels))
    if any(isinstance(answer, str) for duel in duels for answer in duel.columns.values()):
        raise typer.Exit(HOLES)


@reports.command()
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

    from mmda_bench.store import submissions, weighted_f1

    store = Store(results)
    record = submissions.submit(
        store, file, dataset=dataset, anchor=anchor.upper(), name=name, seed=seed, signature=signature, replace=replace
    )
    score = weighted_f1(record)
    typer.echo(json.dumps(record, indent=1) if as_json else f"weighted F1 {100 * score:.2f}  {record['signature']}")
    if not as_json:
        typer.echo("Stored as external; mmda-bench leaderboard shows it, mmda-bench compare holds it against a method.")


@reports.command()
def status(results: Results = DEFAULT_RESULTS, as_json: AsJson = False) -> None:
    """What the store holds: cells by status, failures with their reasons, records that cannot be read."""
    from mmda_bench.cli import console

    console.show_status(Store(results), as_json=as_json)


def write_and_print(
    store: Store, *, signature: str | None = None, as_json: bool = False, if_changed: bool = False
) -> None:
    """Write the leaderboards, or only if they have changed, and print Table 1, of everything or of one signature."""

    from mmda_bench import report

    boards, damaged = report.load_boards(store)
    paths = report.write_leaderboards(store, loaded=(boards, damaged), if_changed=if_changed)
    if as_json:
        typer.echo(next(path for path in paths if path.suffix == ".json").read_text("utf-8"), nl=False)
        return
    say(report.print_out(boards, signature=signature))
    say(f"Leaderboards: {', '.join(str(path) for path in paths)}")
