"""How this program speaks: a line at once, also into a pipe, and on in silence when nobody reads any more."""

import contextlib
import errno
import io
import os
import select
import shutil
import sys
import textwrap
import time
from collections.abc import Callable
from typing import TextIO

from mmda_bench.units import shown

GONE = (errno.EPIPE, errno.EIO)  # a pipe that nobody reads; a terminal that was closed


def say(text: str, *, error: bool = False) -> None:
    """A line at once. Where the reader has gone (``| head -2``), nothing: what is under way goes on to its end."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(shown(text), file=stream, flush=True)
    except OSError as failure:
        if failure.errno not in GONE:
            raise
        silence(stream)


def tell(text: str, *, error: bool = False, hang: int = 2) -> None:
    """Prose for a person: :func:`say`, its lines broken between words where a terminal would break them anywhere.
    ``hang``: by how much the rest of a line is indented."""
    if is_terminal(sys.stderr if error else sys.stdout):
        columns = shutil.get_terminal_size().columns
        text = "\n".join(folded(line, columns, hang=hang) for line in text.split("\n"))
    say(text, error=error)


def folded(line: str, columns: int, *, hang: int = 2) -> str:
    """``line`` in lines of at most so many columns. Signatures and paths stay whole, as do lines that are a command:
    they are there to be copied.

    >>> print(folded("  ours: the loss acts on the joint representation", 28))
      ours: the loss acts on the
        joint representation
    """
    bare = line.lstrip()
    if len(line) <= columns or bare.startswith("mmda-bench "):
        return line
    rest = " " * (len(line) - len(bare) + hang)
    return textwrap.fill(
        line, columns, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    )


def writable() -> None:
    """Let a terminal that lacks a character get its number, in the place of an error when all work is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def unread(stream: TextIO) -> bool:
    """Whether ``stream`` is a pipe or socket that nobody reads any more, as after ``| head -1``."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))
    except (OSError, ValueError, AttributeError):  # no stream, closed, or a system without poll
        return False


def silence(stream: TextIO) -> None:
    """Let what is still written there go nowhere: Python would try again, and complain, when it ends."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person watches; Python has no stream where the shell has closed it (``>&-``)."""
    return stream is not None and stream.isatty()


def hint(text: str) -> None:
    """A line for the person who waits, before what takes more than a second; in no pipe and no file."""
    if is_terminal(sys.stderr):
        tell(text, error=True)


def counter(stage: str) -> Callable[[int, int], None]:
    """Says on standard error how far ``stage`` is: on one line of a terminal, elsewhere at every quarter."""
    from mmda_bench.sweep.forecast import Pace

    terminal, pace = is_terminal(sys.stderr), Pace(0, time.monotonic())
    told, shown = 0, 0

    def tell(done: int, total: int) -> None:
        nonlocal told, shown
        quarter = 4 * done // max(1, total)
        if terminal:
            speed = pace.told(done, total, time.monotonic())
            text = f"{stage}: {done}/{total}{f', {speed}' if speed else ''}"
            with contextlib.suppress(OSError):
                end = "\n" if done == total else ""
                print(f"\r{text:{shown}}", end=end, file=sys.stderr, flush=True)
            shown = len(text)
        elif quarter != told:
            told = quarter
            say(f"{stage}: {done}/{total}", error=True)

    return tell
