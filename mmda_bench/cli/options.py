"""What the verbs of the command line share: options, exit codes, and one message for whatever goes wrong."""

import contextlib
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


OK, INTERNAL, USAGE, HOLES, DATA, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

Results = Annotated[Path, place("--results", help="Folder of records and leaderboards.")]
DataRoot = Annotated[Path | None, place("--data-root", envvar="MMDA_BENCH_DATA", help="Folder of the corpus.")]
TargetCorpus = Annotated[
    str,
    typer.Option(
        "--target",
        autocompletion=completion.dataset,
        help="The target of a natural pair, another corpus or section, such as meld.",
    ),
]
TargetRoot = Annotated[
    Path | None, place("--target-root", help="The folder of the target, where it is not --data-root.")
]
Plugins = Annotated[
    list[Path] | None,
    place("--plugin", help="A Python file that registers methods or datasets."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
CacheFolder = Annotated[
    Path | None,
    place("--cache", envvar="MMDA_BENCH_CACHE", help="Cached prefixes [~/.cache/mmda-bench]."),
]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", help="acoustic=, lexical= or visual=: a hub name, a folder or a file.")
]
Backbone = Annotated[
    str | None,
    typer.Option("--backbone", autocompletion=completion.backbone, help="Networks in place of the corpus's own."),
]
Corpus = Annotated[str, typer.Argument(metavar="DATASET", autocompletion=completion.dataset, help="Such as avatars.")]
DatasetName = Annotated[
    str,
    typer.Option("--dataset", autocompletion=completion.dataset, help="The corpus; see: mmda-bench list datasets."),
]
ConfigFile = Annotated[
    Path | None,
    place("--config", help="A YAML or TOML file of these options; what is typed here wins."),
]
Methods = Annotated[
    str,
    typer.Option(
        "--methods", autocompletion=completion.methods,
        help="Which methods: all, a family, dt,dann, all,-daln or a3d2[gamma1=5,-add].",
    ),
]  # fmt: skip
Anchors = Annotated[
    str,
    typer.Option(
        "--anchors", autocompletion=completion.anchors, help="The modalities that do not shift: A,V or acoustic,visual."
    ),
]
Seeds = Annotated[str, typer.Option("--seeds", help="The seeds: 3 (a count), 0-2 (a range) or 0,5 (a list).")]
Splits = Annotated[
    str, typer.Option("--splits", help="Draws of halves and training sets: 0 (the first), 3 (a count), 0-2 or 0,2.")
]
ShiftName = Annotated[
    str,
    typer.Option(
        "--shift",
        autocompletion=completion.shift,
        help="paper (variances), released (deviations), corrupt:white-noise@3, or a file of these.",
    ),
]
Severity = Annotated[
    float, typer.Option("--severity", help="The strength of the shift: 1 is the corpus's own, 0 none.")
]
Missing = Annotated[
    str,
    typer.Option(
        "--missing", autocompletion=completion.missing, help="Modalities that the target lacks, such as A or LV."
    ),
]
MissingIn = Annotated[
    str,
    typer.Option(
        "--missing-in", autocompletion=completion.missing_in,
        help="Where they are missing: test, or target (training too).",
    ),
]  # fmt: skip
MissingRate = Annotated[
    float, typer.Option("--missing-rate", help="How likely each is missing, by utterance; 1 is always.")
]
ToldAnchor = Annotated[
    str,
    typer.Option(
        "--told-anchor", autocompletion=completion.told_anchor,
        help="What the methods take for the anchor: a wrong one, or none (to be found).",
    ),
]  # fmt: skip
HeadsKind = Annotated[
    str,
    typer.Option("--heads", autocompletion=completion.heads, help="plain, or bn: the heads of A3D2's released code."),
]
Epochs = Annotated[int, typer.Option("--epochs", help="The number of epochs; the paper's is 8.")]
Bounds = Annotated[bool, typer.Option("--bounds/--no-bounds", help="Also run the reference on target labels, or not.")]
ProtocolName = Annotated[
    ProtocolChoice,
    typer.Option(
        "--protocol", case_sensitive=False,
        help="paper (published settings), or tuned (settings chosen without target labels).",
    ),
]  # fmt: skip
Trials = Annotated[int, typer.Option("--trials", min=1, help="Of --protocol tuned: the settings tried of each method.")]
Select = Annotated[
    str,
    typer.Option(
        "--select", autocompletion=completion.select,
        help="Of --protocol tuned: the validator that chooses, such as im.", show_default="bnm",
    ),
]  # fmt: skip
Studies = Annotated[int, typer.Option("--studies", min=1, help="Of --protocol tuned: independent searches.")]
CellJobs = Annotated[
    int | None,
    typer.Option("--jobs", min=0, help="How many cells run at once; 0 uses this process.", show_default="auto"),
]
GpusPerCell = Annotated[
    float | None,
    typer.Option("--gpus-per-cell", help="GPUs for a cell: a fraction or a whole number.", show_default="1 if any"),
]
Address = Annotated[str | None, typer.Option("--address", help="A running Ray cluster: HOST:PORT of its head node.")]
Timeout = Annotated[float | None, typer.Option("--timeout", min=0.01, help="The most minutes that a cell may take.")]
RerunWhat = Annotated[
    Rerun | None,
    typer.Option("--rerun", case_sensitive=False, help="Run cells again: those that failed, or all."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would run, and for how long.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes.", show_default="auto")]


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
