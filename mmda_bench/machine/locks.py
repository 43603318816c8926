"""Locks of files and folders, on file systems that have them; some network file systems have none."""

import fcntl
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

from mmda_bench.errors import Remark

_said: set[str] = set()


def hold(handle: int, place: Path, *, waiting: Callable[[], None] = lambda: None) -> bool:
    """Take the lock of an open file or folder, which is freed when ``handle`` is closed; whether there is one to take.

    ``place``: what it is called when this goes on without a lock, which is said once a process. ``waiting``: called
    if another process has it, before this one waits.
    """
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        if not _said:
            warnings.warn(
                f"{place}: its file system has no file locks ({error.strerror}); going on without them. "
                "Let one command at a time write there", Remark, stacklevel=2,
            )  # fmt: skip
        _said.add(str(place))
        return False
    return True


def available(folder: Path) -> str:
    """Why files in ``folder`` cannot be locked, or ''. Raises :class:`OSError` where no file can be made."""
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.strerror or os.strerror(error.errno or 0)
    return ""
