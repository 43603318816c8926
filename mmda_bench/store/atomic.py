"""Files that appear under their names complete or not at all, whatever fails and whoever else writes there."""

import contextlib
import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

TEMPORARY = ".tmp-"
LEFTOVER_S = 24 * 3600

Fill = Callable[[BinaryIO], Any]


def write(path: Path, fill: Fill) -> None:
    """A file that ``fill`` writes; it gets its name when all of it is on the disk. Raises :class:`OSError`."""
    write_together({path: fill}, stale=(), voucher=path)


def write_together(fills: dict[Path, Fill], *, stale: tuple[Path, ...], voucher: Path) -> None:
    """Files of one folder that belong together: the ``voucher`` among them stands only beside all the others.

    Everything is on the disk under other names before anything is touched: a full disk changes nothing. Of several
    files an old voucher then goes first and the new one comes last, and between the two the ``stale`` files go: a
    process that is killed there leaves no voucher. Others who write there wait meanwhile.
    """
    drafts: dict[Path, Path] = {}
    try:
        for path, fill in fills.items():
            drafts[path] = draft = path.with_name(f"{TEMPORARY}{os.getpid()}-{uuid.uuid4().hex[:8]}")
            with open(draft, "xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
        others = [path for path in fills if path != voucher]
        with _alone(voucher.parent) as folder:
            if others or stale:
                voucher.unlink(missing_ok=True)
                os.fsync(folder)
            for path in stale:
                path.unlink(missing_ok=True)
            for path in [*others, voucher]:
                os.replace(drafts[path], path)
            os.fsync(folder)  # what it lists is on the disk
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """The folder, opened, while nobody else is in here with it (where its file system knows locks)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def clear_leftovers(folder: Path) -> None:
    """Remove below ``folder`` what writers that were killed left; what may still be written stays."""
    for path in folder.rglob(f"{TEMPORARY}*"):
        with contextlib.suppress(OSError):  # it has got its name, its writer has removed it, or it is another user's
            if "probe" in path.name or time.time() - path.stat().st_mtime > LEFTOVER_S:
                path.unlink()
