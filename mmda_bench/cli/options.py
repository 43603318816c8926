"""What the verbs of the command line share: options, exit codes, and one message for whatever goes wrong."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mmda_bench.registry import load_plugin

OK, INTERNAL, USAGE, HOLES, DATA, ENVIRONMENT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

Results = Annotated[Path, typer.Option("--results", help="Folder of records and leaderboards.")]
DataRoot = Annotated[Path | None, typer.Option("--data-root", envvar="MMDA_BENCH_DATA", help="Folder of the corpus.")]
Plugins = Annotated[
    list[Path] | None, typer.Option("--plugin", help="A Python file that registers methods or datasets.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
CacheFolder = Annotated[
    Path | None, typer.Option("--cache", envvar="MMDA_BENCH_CACHE", help="Cached prefixes [~/.cache/mmda-bench].")
]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", help="acoustic=, lexical= or visual=: a hub name, a folder or a file.")
]
DEFAULT_RESULTS = Path("results")
Backbone = Annotated[str | None, typer.Option("--backbone", help="Instead of the corpus's own.")]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="Processes.", show_default="auto")]


class Verbs(TyperGroup):
    """Turns what can go wrong into one message and an exit code; ``--debug`` shows the traceback instead."""

    def invoke(self, ctx: Any) -> Any:
        from mmda_bench.cli.output import silence, unread
        from mmda_bench.errors import MessageError

        try:
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
            typer.echo(f"mmda-bench: {hint}{error}", err=True)
            raise typer.Exit(code) from None


def _is_parse_error(error: Exception) -> bool:
    return any(cls.__name__ == "ClickException" for cls in type(error).__mro__)


def load(plugins: list[Path] | None) -> None:
    """Register what these files hold. What they print is no answer of ours: standard output may be read as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        for plugin in plugins or ():
            load_plugin(plugin)


def cache_folder(given: Path | None) -> Path:
    return given or Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mmda-bench"
