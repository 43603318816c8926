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


TABLES = (  # those of report.choice, which costs the import of numpy
    "main, reference, external, tuned, regret, range, validator, budget, study, ablation, macro, published, prior, "
    "domains, missing, missing-rate, told, corruption, corruption-error, interval, gain, difference, pairs, class, "
    "trust, cost"
)


class Form(StrEnum):
    tex = "tex"
    md = "md"
    csv = "csv"


TableName = Annotated[
    str | None,
    typer.Option(autocompletion=completion.table, help=f"Table to print, such as main. There are {TABLES}."),
]
Shown = Annotated[
    str,
    typer.Option(autocompletion=completion.methods, help="Methods to show, in this order, such as dt,dann,mine."),
]
ColumnsShown = Annotated[
    str,
    typer.Option(autocompletion=completion.columns, help="Columns to show, in this order, such as A,visual,ave."),
]
FormatOf = Annotated[
    Form | None,
    typer.Option(
        "--format",
        case_sensitive=False,
        help="Format of the table: tex (LaTeX), md (Markdown) or csv.",
        show_default="drawn on a terminal, else md",
    ),
]
OfDataset = Annotated[
    str | None,
    typer.Option(autocompletion=completion.dataset, help="Show only the tables of this corpus, such as avatars."),
]
OfSignature = Annotated[
    str | None, typer.Option(help="Show only the tables with this signature, as mmda-bench status prints it.")
]
CriticalDifference = Annotated[
    bool,
    typer.Option(
        "--critical-difference",
        help="Also rank the methods by the tests of Friedman and Nemenyi, which have little power.",
    ),
]


@reports.command()
def leaderboard(
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    table: TableName = None,
    methods: Shown = "",
    columns: ColumnsShown = "",
    form: FormatOf = None,
    dataset: OfDataset = None,
    signature: OfSignature = None,
    critical_difference: CriticalDifference = False,
    as_json: AsJson = False,
) -> None:
    """Write all tables and figures from the stored records.

    Nothing is trained. With --table, it prints one table and writes no file.

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
            autocompletion=completion.method,
            help="First row: a method such as luhp or a3d2[-add], or the name of a submission.",
        ),
    ],
    second: Annotated[str, typer.Argument(autocompletion=completion.method, help="Second row, such as daln.")],
    dataset: Annotated[
        str | None,
        typer.Option(autocompletion=completion.dataset, help="Compare on this corpus only, such as avatars."),
    ] = None,
    results: Results = DEFAULT_RESULTS,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show the paired difference between two methods.

    There is one for every anchor, with its interval and p value.

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
    file: Annotated[
        Path,
        place_argument(help="File of predictions: .csv (id and one column per class) or .npz (ids, probabilities)."),
    ],
    task: Annotated[
        Path | None,
        place(help="Folder of the task, as mmda-bench data export --task wrote it, such as avatars-V."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(autocompletion=completion.dataset, help="Name of the corpus, such as avatars (without --task)."),
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.anchor, help="Modality that does not shift, such as V (without --task)."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the row in the tables, such as theirs.", show_default="the file's name")
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of this run, such as 1, if several runs of one method are submitted.")
    ] = 0,
    signature: Annotated[
        str | None,
        typer.Option(
            help="Signature of the table to appear in, as mmda-bench status prints it.",
            show_default="that of the most cells",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the submission of the same name.")] = False,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> None:
    """Score predictions that were made elsewhere.

    They appear in the tables, marked as external.

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
    """Show running sweeps, stored cells and failures.

    Every failure is shown with its reason.

    Example: mmda-bench status --results results/local
    """
    hint(f"Reading the records in {results} ...")
    from mmda_bench.cli import console

    console.show_status(existing_store(results), as_json=as_json)
