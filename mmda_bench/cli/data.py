"""The verbs about corpora on disk: data export, prepare and verify."""

from pathlib import Path
from typing import Annotated

import typer

from mmda_bench.cli.options import (
    DATA,
    AsJson,
    Backbone,
    CacheFolder,
    DataRoot,
    Jobs,
    Plugins,
    Weights,
    cache_folder,
    load,
)
from mmda_bench.machine import devices
from mmda_bench.registry import DATASETS
from mmda_bench.sweep import worker

data = typer.Typer(no_args_is_help=True, help="Corpora on disk.", rich_markup_mode=None)


@data.command()
def export(
    dataset: str,
    out: Annotated[Path, typer.Option(help="An empty or new folder.")],
    layout: Annotated[str, typer.Option(help="folder (wav, jpg and csv), mintrec or iemocap.")] = "folder",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many utterances.")] = None,
    jobs: Jobs = None,
    data_root: DataRoot = None,
    plugin: Plugins = None,
) -> None:
    """Write a corpus as files that can be read again."""
    from mmda_bench.cli import output
    from mmda_bench.data import export as exporting

    load(plugin)
    reader, progress = DATASETS.get(dataset)(), output.counter(f"{dataset} written")
    done = exporting.export(
        reader, layout, out, root=data_root, limit=limit, jobs=jobs or devices.cpu_count(), progress=progress
    )
    for name, reason in done.skipped.items():
        typer.echo(f"left out {name}: {reason}", err=True)
    use = f"mmda-bench run --dataset {layout} --data-root {out}"
    if layout != "folder":  # whose dataset.json names the backbone
        use += f" --backbone {reader.card.backbone}"
    typer.echo(f"{done.utterances} utterances of {dataset} are in {out}; to use them: {use}")


@data.command("prepare")
def prepare_(
    dataset: str,
    data_root: DataRoot = None,
    backbone: Backbone = None,
    weights: Weights = None,
    shift: Annotated[str, typer.Option(help="As in run.")] = "paper",
    severity: Annotated[float, typer.Option(help="As in run.")] = 1.0,
    jobs: Jobs = None,
    plugin: Plugins = None,
    cache: CacheFolder = None,
) -> None:
    """Run the frozen layers of a backbone over a corpus, once; run does it by itself where it was not done."""
    from mmda_bench.cli import console
    from mmda_bench.data.validation import read_card
    from mmda_bench.sweep import plan

    load(plugin)
    card = read_card(DATASETS.get(dataset)(), dataset, data_root)
    locations = plan.parse_weights(weights or ())
    protocol = plan.protocol_for(card, backbone=backbone, shift=shift, severity=severity, weights=locations)
    worker.sigterm_interrupts()
    console.prepare(
        dataset, root=data_root, protocol=protocol, cache=cache_folder(cache), jobs=jobs or devices.cpu_count(),
        plugins=plugin or (), weights=locations,
    )  # fmt: skip


@data.command("verify")
def verify_(
    dataset: str,
    data_root: DataRoot = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Decode only so many utterances.")] = None,
    jobs: Jobs = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Look through a corpus: what is there, what is missing, what cannot be read, and whether it can be used."""
    import json

    from mmda_bench.cli import output
    from mmda_bench.data import verify

    load(plugin)
    found = verify.verify(
        dataset, root=data_root, sample=sample, jobs=jobs or devices.cpu_count(), plugins=plugin or (),
        progress=output.counter(f"{dataset} decoded"),
    )  # fmt: skip
    typer.echo(json.dumps(found.as_json(), indent=1) if as_json else verify.as_text(found))
    if not found.usable:
        raise typer.Exit(DATA)
