"""The verbs of the command line: parse, call, print. Heavy imports wait inside the functions: help is instant."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmda_bench.cli.data import data
from mmda_bench.cli.options import (
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
from mmda_bench.cli.reports import reports
from mmda_bench.cli.run import running
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS
from mmda_bench.store import DEFAULT_RESULTS

if TYPE_CHECKING:
    pass

app = typer.Typer(
    cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="A benchmark of multimodal domain adaptation with partially shifted modalities.",
)  # fmt: skip
NewName = Annotated[str, typer.Argument(help="The name to register, such as mine.")]
OutFolder = Annotated[Path, typer.Option("--out", help="The folder to write to.")]
AsPackage = Annotated[bool, typer.Option("--package", help="Write an installable package with an entry point.")]
new = typer.Typer(no_args_is_help=True, help="Start something of your own.", rich_markup_mode=None)
app.add_typer(running)
app.add_typer(reports)
app.add_typer(data, name="data")
app.add_typer(new, name="new")


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
        from mmda_bench.version import __version__

        typer.echo(f"mmda-bench {__version__}")
        raise typer.Exit


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument()] = Kind.methods,
    plugin: Plugins = None,
    as_json: AsJson = False,
    form: Annotated[Listing, typer.Option("--format", help="text, or md for a README.")] = Listing.text,
) -> None:
    """List what there is: methods, datasets, backbones or validators, and what a broken plug-in said.

    Example: mmda-bench list methods --json
    """
    from mmda_bench.registry import catalogue

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
    from mmda_bench.cli import doctor as clinic
    from mmda_bench.sweep import plan

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
def check(
    method: Annotated[str, typer.Argument(metavar="NAME", help="A method, a dataset or a backbone.")],
    data_root: DataRoot = None,
    weights: Weights = None,
    plugin: Plugins = None,
) -> None:
    """Hold a method, a dataset or a backbone to its contract, on tiny data, in seconds.

    Example: mmda-bench check mine --plugin mine.py
    """
    from mmda_bench.sweep.plan import parse_weights
    from mmda_bench.testing import check_backbone, check_dataset, method_contract

    load(plugin)
    if method in DATASETS.entries():
        checks = check_dataset(method, data_root)
    elif method in BACKBONES.entries():
        checks = check_backbone(method, parse_weights(weights or ()))
    else:
        checks = method_contract.check_method(method)
    for one in checks:
        typer.echo(f"{'ok    ' if one.passed else 'FAILED'}  {one.title}{f': {one.detail}' if one.detail else ''}")
    if not all(one.passed for one in checks):
        raise typer.Exit(HOLES)


@new.command("method")
def new_method_(name: NewName, folder: OutFolder = Path(), package: AsPackage = False) -> None:
    """Write a method that passes the check as it is, and its test. Example: mmda-bench new method mine"""
    from mmda_bench.testing import new_method

    _echo(new_method(name, folder, package=package))


@new.command("dataset")
def new_dataset_(name: NewName, folder: OutFolder = Path(), package: AsPackage = False) -> None:
    """Write a corpus reader that passes the check as it is, and its test. Example: mmda-bench new dataset mine"""
    from mmda_bench.testing import new_dataset

    _echo(new_dataset(name, folder, package=package))


@new.command("backbone")
def new_backbone_(name: NewName, folder: OutFolder = Path(), package: AsPackage = False) -> None:
    """Write a backbone that passes the check as it is, and its test. Example: mmda-bench new backbone mine"""
    from mmda_bench.testing import new_backbone

    _echo(new_backbone(name, folder, package=package))


def _echo(paths: list[Path]) -> None:
    for path in paths:
        typer.echo(path)


def main() -> None:
    """The console script. ``--debug`` may stand anywhere."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    app(arguments, prog_name="mmda-bench")


if __name__ == "__main__":
    main()
