"""The verbs that show what is stored: leaderboard, compare, submit, status."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmda_bench.cli import completion
from mmda_bench.cli.boards import write_and_print
from mmda_bench.cli.options import HOLES, AsJson, Plugins, Results, load, place, place_argument
from mmda_bench.cli.output import hint, is_terminal, say, tell
from mmda_bench.store import DEFAULT_RESULTS, existing_store

reports = typer.Typer(rich_markup_mode=None)


class Form(StrEnum):
    tex = "tex"
    md = "md"
    csv = "csv"


@reports.command()
def leaderboard(
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    table: Annotated[
        str | None,
        typer.Option(autocompletion=completion.table, help="Print this table, such as main, and write nothing."),
    ] = None,
    methods: Annotated[
        str, typer.Option(autocompletion=completion.methods, help="Its rows, in this order: dt,dann,mine.")
    ] = "",
    columns: Annotated[
        str, typer.Option(autocompletion=completion.columns, help="Its columns, in this order: A,visual,ave.")
    ] = "",
    form: Annotated[
        Form | None,
        typer.Option(
            "--format", case_sensitive=False, help="How to print it.", show_default="drawn on a terminal, else md"
        ),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(autocompletion=completion.dataset, help="Only the table of this corpus.")
    ] = None,
    signature: Annotated[str | None, typer.Option(help="Only the table of this signature, without its seeds.")] = None,
    critical_difference: Annotated[
        bool, typer.Option("--critical-difference", help="Also ranks by Friedman and Nemenyi, which have little power.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make every table, figure and the page anew from the stored records; nothing is trained.

    Example: mmda-bench leaderboard --table main --methods dt,dann,a3d2 --format tex
    """

    load(plugin)
    store = existing_store(results)
    if table or methods or columns or form or dataset or signature:
        hint(f"Reading the records in {store.results} ...")
        from mmda_bench.report import choice

        found = choice.choose(
            store, (table or "main").lower(), methods=methods, columns=columns, dataset=dataset and dataset.lower(),
            signature=signature,
        )  # fmt: skip
        if form is None and not as_json and is_terminal(sys.stdout):
            from mmda_bench.cli import terminal

            terminal.show_chosen(found)
            return
        wanted = json.dumps(choice.lines(found), indent=1) + "\n" if as_json else choice.written(found, form or Form.md)
        say(wanted.rstrip("\n"))
        return
    write_and_print(store, as_json=as_json)
    if critical_difference and not as_json:
        from mmda_bench import report

        say(report.critical_difference(store))


@reports.command()
def compare(
    first: Annotated[
        str,
        typer.Argument(
            autocompletion=completion.method, help="A row: a method, a3d2[-add], or the name of a submission."
        ),
    ],
    second: Annotated[str, typer.Argument(autocompletion=completion.method, help="Another row.")],
    dataset: Annotated[
        str | None, typer.Option(autocompletion=completion.dataset, help="Show this corpus only.")
    ] = None,
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show the paired difference of two methods in every scenario, with its interval and p.

    Example: mmda-bench compare luhp daln
    """
    hint(f"Comparing {first} and {second} in {results} ...")
    from mmda_bench import api
    from mmda_bench.cli import console
    from mmda_bench.report import compare as comparing

    load(plugin)
    comparing.check_names(existing_store(results), first, second)  # before anything heavy is imported
    comparisons = api.compare(first, second, results, dataset=dataset).comparisons
    if as_json:
        say(comparing.as_json(comparisons))
    else:
        folder = [] if results == DEFAULT_RESULTS else ["--results", str(results)]
        tell(comparing.as_text(comparisons, console.plugin_options(plugin or ()) + folder))
    if any(isinstance(answer, str) for comparison in comparisons for answer in comparison.columns.values()):
        raise typer.Exit(HOLES)


@reports.command()
def submit(
    file: Annotated[Path, place_argument(help="csv (id and a column per class) or npz (ids, probabilities).")],
    task: Annotated[
        Path | None,
        place(help="The folder of a task, which mmda-bench data export --task wrote with its key."),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(autocompletion=completion.dataset, help="Without --task: the corpus.")
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.anchor, help="Without --task: the modality that does not shift, such as V."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="The name of the row, such as theirs.", show_default="the file's name")
    ] = None,
    seed: Annotated[int, typer.Option(help="The seed, where several runs of one method are submitted.")] = 0,
    signature: Annotated[
        str | None,
        typer.Option(help="The signature of the stored cells to stand beside.", show_default="that of the most cells"),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the submission that has this name.")] = False,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> None:
    """Score predictions that were made elsewhere, and show them marked as external.

    Example: mmda-bench submit theirs.csv --task avatars-V --name theirs

    or: mmda-bench submit theirs.csv --dataset avatars --anchor V --name theirs
    """
    hint(f"Scoring {file} ...")
    from mmda_bench import api
    from mmda_bench.store import weighted_f1

    record = api.submit(
        file, dataset=dataset, anchor=anchor, task=task, folder=results, name=name, seed=seed, signature=signature,
        replace=replace,
    )  # fmt: skip
    corpus = (record.get("titles") or {}).get("dataset")
    said = f"weighted F1 {100 * weighted_f1(record):.2f} on {corpus}  {record['signature']}"
    say(json.dumps(record, indent=1) if as_json else said)
    if not as_json:
        typer.echo("Stored as external; mmda-bench leaderboard shows it, mmda-bench compare holds it against a method.")


@reports.command()
def status(results: Results = DEFAULT_RESULTS, as_json: AsJson = False) -> None:
    """Show what a results folder holds: running sweeps, cells by status, failures with their reasons.

    Example: mmda-bench status --results results/local
    """
    hint(f"Reading the records in {results} ...")
    from mmda_bench.cli import console

    console.show_status(existing_store(results), as_json=as_json)
