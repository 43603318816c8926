"""The verb ``show``: a cell or a method looked at closely, or watched while it runs."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from mmda_bench.cli import completion
from mmda_bench.cli.options import AsJson, DataRoot, Plugins, Results, load
from mmda_bench.cli.output import hint, say, tell
from mmda_bench.errors import UsageError
from mmda_bench.machine import others
from mmda_bench.store import DEFAULT_RESULTS, Store, existing_store, log
from mmda_bench.store.record import identity
from mmda_bench.sweep import heartbeat
from mmda_bench.sweep.conditions import anchor_named
from mmda_bench.units import duration

showing = typer.Typer(rich_markup_mode=None)
POLL_S = 0.5


CellOrMethod = Annotated[
    str,
    typer.Argument(
        metavar="CELL|METHOD",
        autocompletion=completion.method,
        help="Name of a method such as dann, or the first digits of the hash of a cell.",
    ),
]
OfAnchor = Annotated[
    str | None, typer.Option(autocompletion=completion.anchor, help="Show only cells with this anchor, such as V.")
]
Utterances = Annotated[
    int, typer.Option(min=0, help="Number of utterances to show: the worst and the most contested ones.")
]
Sheet = Annotated[
    Path | None, typer.Option(help="Picture to write with the frames of these utterances, such as worst.png.")
]
Watch = Annotated[bool, typer.Option("--watch", help="Follow cells that are running: epoch, losses and time left.")]
OfSignature = Annotated[
    str | None,
    typer.Option(
        help="Show only cells with this signature, as mmda-bench status prints it.",
        show_default="that of the most cells",
    ),
]


@showing.command()
def show(
    what: CellOrMethod,
    anchor: OfAnchor = None,
    seed: Annotated[int | None, typer.Option(help="Show only cells with this seed, such as 0.")] = None,
    utterances: Utterances = 5,
    sheet: Sheet = None,
    watch: Watch = False,
    signature: OfSignature = None,
    results: Results = DEFAULT_RESULTS,
    data_root: DataRoot = None,
    plugin: Plugins = None,
    as_json: AsJson = False,
) -> None:
    """Show one cell or one method in detail.

    It shows status, reason, losses, confusion, and the utterances with the most wrong answers.

    Example: mmda-bench show dann --anchor V --sheet worst.png
    """
    hint(f"Looking at {what} in {results} ...")
    load(plugin)
    where = None if anchor is None else anchor_named(anchor)
    store = existing_store(results)
    if watch:
        follow(store, what, anchor=where, seed=seed)
    from mmda_bench.report import inspection
    from mmda_bench.report.formats.inspection import as_json as values
    from mmda_bench.report.formats.inspection import as_text

    shown = inspection.inspect(store, what, anchor=where, seed=seed, signature=signature, root=data_root)
    if sheet is not None:
        shown.contact_sheet(sheet, [*shown.worst(utterances), *shown.contested(utterances)])
    if as_json:
        typer.echo(json.dumps({**values(shown, utterances=utterances), "sheet": sheet and str(sheet)}, indent=1))
        return
    tell(as_text(shown, utterances=utterances))
    logs = [path for r in shown.records if (path := log.path_of(store, identity(r))).is_file()]
    if logs:
        say("\nLogs:\n" + "\n".join(f"  {path}" for path in logs))
    if sheet is not None:
        say(f"\nFrames: {sheet}")


def follow(
    store: Store, what: str, *, anchor: str | None, seed: int | None, sleep: Callable[[float], None] = time.sleep
) -> None:
    """Say what the running cells say, a line when something is new, until all of them have ended.

    Raises :class:`UsageError` where no cell of that name runs or has run here.
    """
    told: dict[Path, tuple[int, str]] = {}
    while True:
        logs = log.find(store, what.lower(), anchor=anchor, seed=seed)
        if not logs:
            running = [name for sweep in heartbeat.read(store.results) if sweep.alive for name in sweep.running]
            there = f"; running are {', '.join(running)}" if running else ""
            raise UsageError(f"no cell {what!r} has a log in {store.results}{there}")
        for one in logs:
            state = len(one.moments), one.ended
            if told.get(one.path) != state and not (one.ended and one.path not in told):
                say(line(one, time.time()))
            told[one.path] = state
        if all(one.ended or gone(one) for one in logs):
            return
        sleep(POLL_S)


def gone(one: log.Log) -> bool:
    """Whether the process that wrote a log has ended without a word; of another machine that cannot be known."""
    import socket

    return one.host == socket.gethostname() and not others.exists(one.pid)


def line(one: log.Log, now: float) -> str:
    """'dann anchor=V seed=0: epoch 3/8, ib -0.11, domain 0.69; about 12 s left'."""
    if one.ended or gone(one):
        return f"{one.name}: {one.ended or 'its process has gone'}"
    if not one.moments:
        return f"{one.name}: no epoch is over yet, for {duration(max(0.0, now - one.begun))}"
    left = one.left_s(now)
    rest = "time left unknown" if left is None else f"about {duration(left)} left"
    return f"{one.name}: epoch {len(one.moments)}/{one.epochs}, {', '.join(one.terms.split('  '))}; {rest}"
