"""The verbs about corpora on disk: data export, prepare and verify."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmda_bench.cli import completion, output
from mmda_bench.cli.options import (
    DATA,
    AsJson,
    Backbone,
    CacheFolder,
    Corpus,
    DataRoot,
    Jobs,
    Plugins,
    Severity,
    ShiftName,
    Weights,
    load,
    place,
)
from mmda_bench.cli.output import hint
from mmda_bench.errors import UsageError
from mmda_bench.machine import devices
from mmda_bench.registry import DATASETS

if TYPE_CHECKING:
    from mmda_bench.config import RunConfig, Workspace

data = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Write, prepare or check a corpus.",
    epilog="Example: mmda-bench data verify mintrec --data-root MIntRec",
)  # fmt: skip


LayoutName = Annotated[
    str,
    typer.Option(
        autocompletion=completion.layout,
        help="Layout of the files: folder (wav, jpg and csv), or that of a corpus such as mintrec.",
    ),
]
TaskFolder = Annotated[
    Path | None,
    place(
        help="New or empty folder for a task, such as avatars-V, whose target is shifted and has "
        "no labels (instead of --out)."
    ),
]
OfAnchor = Annotated[
    str | None,
    typer.Option(autocompletion=completion.anchor, help="Modality that does not shift, such as V (with --task)."),
]


@data.command()
def export(
    dataset: Corpus,
    out: Annotated[Path | None, place(help="New or empty folder for the corpus, such as avatars-files.")] = None,
    layout: LayoutName = "folder",
    limit: Annotated[int | None, typer.Option(min=1, help="Number of utterances to write, such as 100.")] = None,
    task: TaskFolder = None,
    anchor: OfAnchor = None,
    backbone: Backbone = None,
    weights: Weights = None,
    shift: ShiftName = "paper",
    severity: Severity = 1.0,
    jobs: Jobs = None,
    data_root: DataRoot = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Write a corpus as files, or a task without labels.

    The files can be read again. A task is for people who do not have this program.

    Example: mmda-bench data export avatars --layout folder --out avatars-files

    or: mmda-bench data export avatars --task avatars-V --anchor V
    """
    hint(f"Writing {dataset} as {'a task' if task else layout} ...")
    from mmda_bench.config import RunConfig, Workspace
    from mmda_bench.data import export as exporting
    from mmda_bench.sweep.plan import parse_weights

    if task is not None and out is None:
        if anchor is None or limit is not None:
            raise UsageError("a task needs --anchor, such as --anchor V, and is the whole corpus, without --limit")
        workspace = Workspace(data_root=data_root, weights=parse_weights(weights or ()), plugins=plugin or ())
        config = RunConfig(dataset=dataset, backbone=backbone or "", shift=shift, severity=severity)
        _export_task(config, anchor, task, workspace, jobs=jobs, as_json=as_json)
        return
    if out is None or task is not None:
        raise UsageError("where to? --out DIR for the corpus, or --task DIR --anchor V for a task")
    load(plugin)
    dataset, layout = DATASETS.entry(dataset).name, layout.lower()
    reader, progress = DATASETS.get(dataset)(), output.counter(f"{dataset} written")
    done = exporting.export(
        reader, layout, out, root=data_root, limit=limit, jobs=jobs or devices.cpu_count(), progress=progress
    )
    for name, reason in done.skipped.items():
        output.say(f"left out {name}: {reason}", error=True)
    use = f"mmda-bench run --dataset {layout} --data-root {shlex.quote(str(out))}"
    if layout != "folder":  # whose dataset.json names the backbone
        use += f" --backbone {reader.card.backbone}"
    if as_json:
        document = {"dataset": dataset, "out": str(out), "utterances": done.utterances, "skipped": done.skipped}
        typer.echo(json.dumps({**document, "command": use}, indent=1))
        return
    output.tell(f"{done.utterances} utterances of {dataset} are in {out}; to use them: {use}")


def _export_task(
    config: "RunConfig", anchor: str, out: Path, workspace: "Workspace", *, jobs: int | None, as_json: bool
) -> None:
    """What ``data export --task`` does and says."""
    from mmda_bench import api

    dataset, counter = config.dataset, output.counter(f"{config.dataset} written")
    made = api.export_task(dataset, anchor, out, workspace=workspace, config=config, jobs=jobs, progress=counter)
    command = f"mmda-bench submit predictions.csv --task {shlex.quote(str(out))} --name theirs"
    if as_json:
        document = {"dataset": dataset, "out": str(made.out), "key": str(made.key), "utterances": made.utterances}
        typer.echo(json.dumps({**document, "skipped": made.skipped, "command": command}, indent=1))
        return
    for name, reason in made.skipped.items():
        output.say(f"left out {name}: {reason}", error=True)
    output.tell(
        f"{made.utterances} utterances are in {made.out}, with the rules in README.md. Licence of the corpus: "
        f"{made.licence}\nThe key is {made.key}; keep it. It scores what comes back:\n  {command}"
    )


@data.command("prepare")
def prepare_(
    dataset: Corpus,
    data_root: DataRoot = None,
    backbone: Backbone = None,
    weights: Weights = None,
    shift: ShiftName = "paper",
    severity: Severity = 1.0,
    jobs: Jobs = None,
    plugin: Plugins = None,
    cache: CacheFolder = None,
    as_json: AsJson = False,
) -> None:
    """Compute the features of the frozen layers, once.

    The command run does this by itself where it is missing.

    Example: mmda-bench data prepare mintrec --data-root MIntRec
    """
    hint(f"Preparing {dataset} ...")
    from mmda_bench.config import RunConfig, Workspace
    from mmda_bench.sweep.plan import parse_weights

    workspace = Workspace(data_root=data_root, cache=cache, weights=parse_weights(weights or ()), plugins=plugin or ())
    config = RunConfig(dataset=dataset, backbone=backbone or "", shift=shift, severity=severity)
    load(workspace.plugins)
    config.check()
    from mmda_bench.cli import console

    console.prepare(config, workspace, jobs=jobs, as_json=as_json)


@data.command("verify")
def verify_(
    dataset: Corpus,
    data_root: DataRoot = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Number of utterances to decode, such as 50.")] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            autocompletion=completion.backbone,
            help="Backbone whose unknown words are counted, such as paper.",
        ),
    ] = None,
    weights: Weights = None,
    jobs: Jobs = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Check that a corpus is complete and can be read.

    It says what is there, what is missing, and whether the corpus can be used.

    Example: mmda-bench data verify mintrec --data-root MIntRec
    """
    hint(f"Looking through {dataset} ...")
    from mmda_bench import api
    from mmda_bench.config import RunConfig, Workspace
    from mmda_bench.data.verify import as_text
    from mmda_bench.sweep.plan import parse_weights

    workspace = Workspace(data_root=data_root, weights=parse_weights(weights or ()), plugins=plugin or ())
    load(workspace.plugins)
    RunConfig(dataset=dataset, backbone=backbone or "").check()  # before anything heavy is imported
    counter = output.counter(f"{dataset} decoded")
    found = api.verify(dataset, workspace=workspace, sample=sample, jobs=jobs, progress=counter, backbone=backbone)
    if as_json:
        output.say(json.dumps(found.as_json(), indent=1))
    else:
        output.tell(as_text(found))
    if not found.usable:
        raise typer.Exit(DATA)
