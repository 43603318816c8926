"""What the verbs of the command line share: options, exit codes, and one message for whatever goes wrong."""

import contextlib
import errno
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmda_bench.cli import completion
from mmda_bench.cli.signals import termination_interrupts
from mmda_bench.errors import UsageError
from mmda_bench.registry import load_plugin


class ProtocolChoice(StrEnum):
    paper = "paper"
    tuned = "tuned"


def at_home(given: Any) -> Any:
    """A path, or each of several, with ``~`` as the home folder, which a shell leaves in ``--cache='~/x'``.

    Raises :class:`UsageError` where nobody knows the home folder.
    """
    if isinstance(given, (list, tuple)):
        return [at_home(one) for one in given]
    try:
        return given.expanduser() if isinstance(given, Path) else given
    except RuntimeError as error:
        raise UsageError(f"{given}: the home folder of this user is not known (HOME); write the whole path") from error


place: Any = partial(typer.Option, callback=at_home)  # an option, and an argument, that is a path
place_argument: Any = partial(typer.Argument, callback=at_home)


class Rerun(StrEnum):
    failed = "failed"
    all = "all"


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
OK, INTERNAL, USAGE, HOLES, DATA, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

Results = Annotated[Path, place("--results", help="Folder of the stored records and tables, such as results/mine.")]
DataRoot = Annotated[
    Path | None, place("--data-root", envvar="MMDA_BENCH_DATA", help="Folder of the corpus files, such as MIntRec.")
]
TargetCorpus = Annotated[
    str,
    typer.Option(
        "--target",
        autocompletion=completion.dataset,
        help="Second corpus (or section of one) to use as the target, such as meld.",
    ),
]
TargetRoot = Annotated[
    Path | None,
    place("--target-root", help="Folder of the target corpus, such as MELD, if it is not the one of --data-root."),
]
Plugins = Annotated[
    list[Path] | None,
    place(
        "--plugin",
        help="Python file that registers methods, datasets, backbones, validators or corruptions, such as mine.py.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON, for programs.")]
CacheFolder = Annotated[
    Path | None,
    place(
        "--cache",
        envvar="MMDA_BENCH_CACHE",
        help="Folder for cached features, such as /scratch/cache.",
        show_default="~/.cache/mmda-bench",
    ),
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        help="Pretrained weights of one modality: acoustic=PLACE, lexical=PLACE or visual=PLACE. "
        "PLACE is a folder, a file or a name on the Hugging Face hub.",
    ),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        "--backbone", autocompletion=completion.backbone, help="Backbone to use instead of the default, such as tiny."
    ),
]
Corpus = Annotated[
    str,
    typer.Argument(metavar="DATASET", autocompletion=completion.dataset, help="Name of the corpus, such as avatars."),
]
DatasetName = Annotated[
    str,
    typer.Option(
        "--dataset",
        autocompletion=completion.dataset,
        help="Name of the corpus, such as mintrec. All names: mmda-bench list datasets.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    place("--config", help="YAML or TOML file with these options, such as mine.yaml. Options that are typed here win."),
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods", autocompletion=completion.methods,
        help="Methods to run: all, a family such as transport, a list such as dt,dann or "
        "all,-daln, or other settings such as a3d2[gamma1=5,-add].",
    ),
]  # fmt: skip
Anchors = Annotated[
    str,
    typer.Option(
        "--anchors",
        autocompletion=completion.anchors,
        help="Modalities that take turns as the anchor, which does not shift: A,V or acoustic,visual.",
    ),
]
Seeds = Annotated[str, typer.Option("--seeds", help="Seeds to run: a count (3), a range (0-2) or a list (0,5).")]
Splits = Annotated[
    str,
    typer.Option(
        "--splits", help="Splits of the corpus: 0 (the first one), a count (3), a range (0-2) or a list (0,2)."
    ),
]
ShiftName = Annotated[
    str,
    typer.Option(
        "--shift",
        autocompletion=completion.shift,
        help="Kind of shift: paper (its numbers are variances), released (they are standard "
        "deviations), a corruption such as corrupt:white-noise@3, or a file such as "
        "mine.yaml.",
    ),
]
Severity = Annotated[
    float,
    typer.Option(
        "--severity", help="Strength of the shift, such as 0.5: 0 is no shift, 1 is the default of the corpus."
    ),
]
Missing = Annotated[
    str,
    typer.Option(
        "--missing",
        autocompletion=completion.missing,
        help="Modalities to remove from target utterances, such as A or LV.",
    ),
]
MissingIn = Annotated[
    str,
    typer.Option(
        "--missing-in", autocompletion=completion.missing_in,
        help="Where to remove them: test (only the target test set) or target (in training as "
        "well).",
    ),
]  # fmt: skip
MissingRate = Annotated[
    float,
    typer.Option(
        "--missing-rate", help="Probability that an utterance lacks each of them, such as 0.5; 1 means always."
    ),
]
ToldAnchor = Annotated[
    str,
    typer.Option(
        "--told-anchor", autocompletion=completion.told_anchor,
        help="Anchor that the methods are told instead of the true one, such as L, or none (they "
        "must find it).",
    ),
]  # fmt: skip
HeadsKind = Annotated[
    str,
    typer.Option(
        "--heads",
        autocompletion=completion.heads,
        help="Classifier heads: plain, or bn (those of the released code of A3D2).",
    ),
]
Batch = Annotated[
    int, typer.Option("--batch", help="Utterances of each domain in a step, such as 48 (as in the paper).")
]
Beta = Annotated[
    float, typer.Option("--beta", help="Weight of log|Σ| in the objective, such as 0.001 (as in the paper).")
]
Epochs = Annotated[int, typer.Option("--epochs", help="Number of training epochs, such as 8 (as in the paper).")]
Bounds = Annotated[
    bool,
    typer.Option("--bounds/--no-bounds", help="Also train the reference that sees the target labels, or leave it out."),
]
ProtocolName = Annotated[
    ProtocolChoice,
    typer.Option(
        "--protocol", case_sensitive=False,
        help="Settings of the methods: paper (as published) or tuned (searched without target "
        "labels).",
    ),
]  # fmt: skip
Trials = Annotated[
    int,
    typer.Option("--trials", min=1, help="Number of settings to try per method (with --protocol tuned), such as 16."),
]
Select = Annotated[
    str,
    typer.Option(
        "--select", autocompletion=completion.select,
        help="Validator that chooses the settings (with --protocol tuned), such as im.", show_default="bnm",
    ),
]  # fmt: skip
Studies = Annotated[
    int, typer.Option("--studies", min=1, help="Number of independent searches (with --protocol tuned), such as 3.")
]
CellJobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=0,
        help="Number of cells to run at once, such as 4; 0 runs one at a time in this process.",
        show_default="auto",
    ),
]
GpusPerCell = Annotated[
    float | None,
    typer.Option(
        "--gpus-per-cell", help="GPUs per cell: a fraction such as 0.5, or a whole number.", show_default="1 if any"
    ),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Running Ray cluster to join: HOST:PORT of its head node, or auto."),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0.01, help="Longest time for one cell, in minutes, such as 30.")
]
RerunWhat = Annotated[
    Rerun | None,
    typer.Option("--rerun", case_sensitive=False, help="Run stored cells again: only those that failed, or all."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would run, and how long it would take.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Number of parallel processes, such as 4.", show_default="auto")
]


class Verbs(TyperGroup):
    """Turns what can go wrong into one message and an exit code; ``--debug`` shows the traceback instead."""

    def invoke(self, ctx: Any) -> Any:
        from mmda_bench.cli.output import silence, tell, unread
        from mmda_bench.errors import MessageError, RayDiedError

        try:
            with termination_interrupts(), remarks_told():
                return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, BrokenPipeError) and unread(sys.stdout):  # ``| head -1`` has read what it wanted
                silence(sys.stdout)
                raise typer.Exit(OK) from None
            if ctx.params.get("debug") or _is_parse_error(error):
                raise
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                silence(sys.stdout)
                tell(f"mmda-bench: no room for what is to be written: {error}; free some space", error=True)
                raise typer.Exit(ENVIRONMENT) from None
            code = error.exit_code if isinstance(error, MessageError) else INTERNAL
            name = type(error).__name__
            hint = f"internal error ({name}), for a traceback: mmda-bench --debug ...: " if code == INTERNAL else ""
            tell(f"mmda-bench: {hint}{error}", error=True)
            if isinstance(error, RayDiedError):
                sys.stderr.flush()
                os._exit(code)  # the end of Python would wait for what has died
            raise typer.Exit(code) from None


@contextlib.contextmanager
def remarks_told() -> Iterator[None]:
    """A :class:`~mmda_bench.errors.Remark` is one line of this program, once, and no warning of Python's form."""
    from mmda_bench.cli.output import tell
    from mmda_bench.errors import Remark

    with warnings.catch_warnings():
        warnings.simplefilter("once", Remark)
        show = warnings.showwarning

        def show_remark(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Remark):
                tell(f"mmda-bench: {message}", error=True)
            else:
                show(message, category, *place, **more)

        warnings.showwarning = show_remark
        yield


def _is_parse_error(error: Exception) -> bool:
    return any(cls.__name__ == "ClickException" for cls in type(error).__mro__)


def typed(ctx: typer.Context, names: Iterable[str]) -> dict[str, Any]:
    """The options among ``names`` that were typed, or set by an environment variable; not the defaults."""
    said = {name: ctx.get_parameter_source(name) for name in names if name in ctx.params}
    return {n: ctx.params[n] for n, source in said.items() if source and source.name in ("COMMANDLINE", "ENVIRONMENT")}


def load(plugins: Sequence[Path] | None) -> None:
    """Register what these files hold. What they print is no answer of ours: standard output may be read as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        for plugin in plugins or ():
            load_plugin(plugin)


def cache_folder(given: Path | None) -> Path:
    from mmda_bench.config import default_cache

    return given.expanduser() if given else default_cache()
