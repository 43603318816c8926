"""The temporary folder of a Ray of our own: it goes when the sweep ends, and with it what its processes left.

A sweep that was killed could not do that: the next one does, also where all cells are stored. Nothing here needs Ray.
"""

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmda_bench.errors import ResourceError
from mmda_bench.machine import others, pool

TRIES = 10  # to remove our folder
OWNER = "MMDA_BENCH_RAY"  # in the environment of all processes of a Ray of ours: its folder
TEMPORARY = "mmda-ray-"
SOCKET = f"/{TEMPORARY}{{pid}}-12345678/session_2026-01-01_00-00-00_000000_{{pid}}/sockets/plasma_store"  # the longest
SOCKET_CHARACTERS = 107  # of a name, on Linux


def kill_all(folder: Path) -> None:
    """End the processes of a Ray of ours: some have ``folder`` among their arguments, the others in the environment."""
    others.end_all(str(folder), OWNER)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A short path, removed afterwards. It carries this process's name, so that :func:`clear_left` finds it later.

    Raises :class:`ResourceError` where there is no room for it.
    """
    base = _base()
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=base))
        (folder / socket.gethostname()).touch()
    except OSError as error:
        raise ResourceError(
            f"no room for Ray's files in {base}: {error.strerror or error}; set TMPDIR to another folder, of at most "
            f"{_longest()} characters, or run without Ray: --jobs 0"
        ) from error
    try:
        yield folder
    finally:
        _end(folder)
        clear_left()


def clear_left() -> None:
    """End what is left of the sweeps and preparations of this machine that were killed, and remove their folders."""
    pool.clear_leftovers()
    for left in _base().glob(f"{TEMPORARY}*"):
        owner = left.name.removeprefix(TEMPORARY).split("-")[0]
        if owner.isdecimal() and not others.exists(int(owner)):
            with suppress(OSError):  # another user's, or another sweep removes it too
                if (left / socket.gethostname()).exists():
                    kill_all(left)
                    _end(left)


def _longest() -> int:
    """Characters of a folder in which Ray's sockets have names that the system takes."""
    return SOCKET_CHARACTERS - len(SOCKET.format(pid=os.getpid()))


def _base() -> Path:
    """TMPDIR, or where the names of Ray's sockets would be too long there, /tmp."""
    given = tempfile.gettempdir()
    return Path(given if len(given) <= _longest() else "/tmp")


def _end(folder: Path) -> None:
    """Remove a folder. On a busy machine a process that is ending may still write there."""
    for _ in range(TRIES):
        remove(folder, marker=socket.gethostname())
        if not folder.exists():
            return
        kill_all(folder)
        time.sleep(0.2)


def remove(folder: Path, *, marker: str) -> None:
    """The marker goes last: by it a later sweep finds what could not be removed, or was not in time."""
    for part in folder.iterdir():
        if part.is_symlink() or not part.is_dir():  # session_latest, which leads nowhere by now
            if part.name != marker:
                part.unlink(missing_ok=True)
        else:
            shutil.rmtree(part, ignore_errors=True)
    if {part.name for part in folder.iterdir()} <= {marker}:
        shutil.rmtree(folder, ignore_errors=True)
