"""The verbs of the command line: parse, call, print. Heavy imports wait inside the functions: help is instant."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mmda_bench.cli import completion
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
    place,
)
from mmda_bench.cli.output import hint, say, tell, writable
from mmda_bench.cli.reports import reports
from mmda_bench.cli.run import running
from mmda_bench.cli.show import showing
from mmda_bench.errors import closest
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS, Registry
from mmda_bench.store import DEFAULT_RESULTS
from mmda_bench.version import __version__

app = typer.Typer(
    cls=Verbs, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A benchmark of multimodal domain adaptation with partially shifted modalities.",
    epilog="Example: mmda-bench run --methods dt,dann,a3d2 --anchors V --seeds 2",
)  # fmt: skip
NewName = Annotated[str, typer.Argument(help="Name of the new method, dataset or backbone, such as mine.")]
OutFolder = Annotated[Path, place("--out", help="Folder to write the files to, such as plugins.")]
AsPackage = Annotated[
    bool, typer.Option("--package", help="Write a package that pip can install, instead of single files.")
]
new = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Start a method, a dataset or a backbone of your own.",
    epilog="Example: mmda-bench new method mine",
)  # fmt: skip
app.add_typer(running)
app.add_typer(reports)
app.add_typer(showing)
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


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"mmda-bench {__version__}")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_(
    kind: Annotated[Kind, typer.Argument(case_sensitive=False, help="What to list, such as datasets.")] = Kind.methods,
    plugin: Plugins = None,
    as_json: AsJson = False,
    form: Annotated[
        Listing, typer.Option("--format", case_sensitive=False, help="Format of the list: text, or md (Markdown).")
    ] = Listing.text,
) -> None:
    """List methods, datasets, backbones or validators.

    A plug-in that cannot be imported is listed with the reason.

    Example: mmda-bench list methods --json
    """
    from mmda_bench.registry import catalogue

    load(plugin)
    registry = {one.kind: one for one in (METHODS, DATASETS, BACKBONES, VALIDATORS)}[kind.value]
    show = catalogue.as_json if as_json else {"text": catalogue.as_text, "md": catalogue.as_markdown}[form.value]
    (say if as_json or form is Listing.md else tell)(show(registry))


@app.command()
def doctor(
    results: Results = DEFAULT_RESULTS,
    cache: CacheFolder = None,
    data_root: DataRoot = None,
    dataset: Annotated[
        str | None,
        typer.Option(autocompletion=completion.dataset, help="Check only what this corpus needs, such as mintrec."),
    ] = None,
    backbone: Backbone = None,
    weights: Weights = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Check this machine, and say how to add what is missing.

    It looks at libraries, devices, folders, weights and corpora.

    With --dataset it looks at what that corpus needs, and exits with 5 if it cannot run here.

    Example: mmda-bench doctor --dataset mintrec --data-root MIntRec
    """
    from mmda_bench.sweep import plan

    load(plugin)
    if dataset is not None:
        dataset = DATASETS.entry(dataset).name
    if backbone is not None:
        backbone = BACKBONES.entry(backbone).name
    given = plan.parse_weights(weights or ())
    hint("Looking at this machine, which takes some seconds ...")
    from mmda_bench.cli import doctor as clinic

    checks = clinic.examine(
        results=results, cache=cache_folder(cache), root=data_root, dataset=dataset, backbone=backbone, weights=given
    )
    usable = all(check.passed for check in checks if check.needed)
    if as_json:
        typer.echo(json.dumps({"usable": usable, "checks": [vars(check) for check in checks]}, indent=1))
    else:
        for check in checks:
            tell(str(check), hang=9)
    if not usable:
        raise typer.Exit(ENVIRONMENT)


@app.command()
def check(
    method: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            autocompletion=completion.checked,
            help="Name of a method, a dataset or a backbone, such as dann.",
        ),
    ],
    data_root: DataRoot = None,
    weights: Weights = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Test a method, a dataset or a backbone on tiny data.

    The test takes some seconds.

    Example: mmda-bench check mine --plugin mine.py
    """
    from mmda_bench.sweep.plan import parse_weights

    load(plugin)
    registry = _registry_of(method)
    name, given = registry.entry(method).name, parse_weights(weights or ())
    hint(f"Checking {name} ...")
    from mmda_bench.testing import check_backbone, check_dataset, method_contract

    if registry is DATASETS:
        checks = check_dataset(name, data_root)
    elif registry is BACKBONES:
        checks = check_backbone(name, given)
    else:
        checks = method_contract.check_method(name)
    if as_json:
        typer.echo(json.dumps([vars(one) for one in checks], indent=1))
    else:
        for one in checks:
            tell(
                f"{'ok    ' if one.passed else 'FAILED'}  {one.title}{f': {one.detail}' if one.detail else ''}", hang=8
            )
    if not all(one.passed for one in checks):
        raise typer.Exit(HOLES)


def _registry_of(name: str) -> Registry:
    """Where ``name`` is registered, or what resembles it most."""
    registries = METHODS, DATASETS, BACKBONES
    likely = closest(name, [known for one in registries for known in one.names()])
    found = (one for what in filter(None, (name, likely)) for one in registries if one.find(what))
    return next(found, METHODS)


@new.command("method")
def new_method_(name: NewName, folder: OutFolder = Path(), package: AsPackage = False, as_json: AsJson = False) -> None:
    """Write a new method and its test.

    It passes mmda-bench check as it is.

    Example: mmda-bench new method mine
    """
    hint(f"Writing the method {name} ...")
    from mmda_bench.testing import new_method

    _echo(new_method(name, folder, package=package), as_json=as_json)


@new.command("dataset")
def new_dataset_(
    name: NewName, folder: OutFolder = Path(), package: AsPackage = False, as_json: AsJson = False
) -> None:
    """Write a new corpus reader and its test.

    It passes mmda-bench check as it is.

    Example: mmda-bench new dataset mine
    """
    hint(f"Writing the dataset {name} ...")
    from mmda_bench.testing import new_dataset

    _echo(new_dataset(name, folder, package=package), as_json=as_json)


@new.command("backbone")
def new_backbone_(
    name: NewName, folder: OutFolder = Path(), package: AsPackage = False, as_json: AsJson = False
) -> None:
    """Write a new backbone and its test.

    It passes mmda-bench check as it is.

    Example: mmda-bench new backbone mine
    """
    hint(f"Writing the backbone {name} ...")
    from mmda_bench.testing import new_backbone

    _echo(new_backbone(name, folder, package=package), as_json=as_json)


def _echo(paths: list[Path], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"files": [str(path) for path in paths]}, indent=1))
        return
    for path in paths:
        say(str(path))


def main() -> None:
    """The console script. ``--debug`` may stand anywhere."""
    writable()
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    app(arguments, prog_name="mmda-bench")


if __name__ == "__main__":
    main()
