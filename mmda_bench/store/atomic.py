"""Files and folders that appear under their names complete or not at all, whatever fails and whoever else writes there.

This is the one place that writes under another name and renames.
"""

import contextlib
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mmda_bench.machine import locks, others

TEMPORARY = ".tmp-"
LEFTOVER_S = 24 * 3600

Fill = Callable[[BinaryIO], Any]


def write(path: Path, fill: Fill) -> None:
    """A file that ``fill`` writes; it gets its name when all of it is on the disk. Raises :class:`OSError`."""
    write_together({path: fill}, stale=(), commit_file=path)


def write_bytes(path: Path, content: bytes) -> None:
    """As :func:`write`, of content that is at hand."""
    write(path, lambda file: file.write(content))


def write_together(
    fills: dict[Path, Fill],
    *,
    stale: tuple[Path, ...],
    commit_file: Path,
    unless: Callable[[], bool] = lambda: False,
) -> bool:
    """Write files of one folder that belong together: the ``commit_file`` among them stands only beside all the others.

    Everything is on the disk under other names before anything is touched: a full disk changes nothing. Of several
    files an old commit file then goes first and the new one comes last, and between the two the ``stale`` files go: a
    process that is killed there leaves no commit file. Others who write there wait meanwhile.

    ``unless``: asked when nobody else writes there any more; if it says True, nothing is touched, and the answer is
    False. Raises :class:`OSError`.
    """
    drafts: dict[Path, Path] = {}
    try:
        for path, fill in fills.items():
            drafts[path] = draft = _draft(path)
            with open(draft, "xb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
        beside = [path for path in fills if path != commit_file]
        with _alone(commit_file.parent) as folder:
            for draft in commit_file.parent.glob(f"{TEMPORARY}*"):
                if left(draft):
                    draft.unlink(missing_ok=True)
            if unless():
                return False
            if beside or stale:
                commit_file.unlink(missing_ok=True)
                os.fsync(folder)
            for path in stale:
                path.unlink(missing_ok=True)
            for path in [*beside, commit_file]:
                os.replace(drafts[path], path)
            os.fsync(folder)  # what it lists is on the disk
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill; it gets the name ``path``, which must be free, when the body ends well and all is on the disk.

    Otherwise nothing is left. Raises :class:`OSError`.
    """
    draft = _draft(path)
    draft.mkdir(parents=True)
    try:
        yield draft
        for one in (*draft.iterdir(), draft):
            _to_disk(one)
        draft.rename(path)
        _to_disk(path.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY}{others.own_name()}-{uuid.uuid4().hex[:8]}")


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[int]:
    """The folder, opened, while nobody else is in here with it (where its file system knows locks)."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        locks.hold(handle, folder)
        yield handle
    finally:
        os.close(handle)


def clear_leftovers(folder: Path, *, patience_s: float = 0.0) -> None:
    """Remove below ``folder`` what writers that were killed left; what may still be written stays.

    ``patience_s``: how long to wait for writers that are ending.
    """
    end = time.monotonic() + patience_s
    while _clear_once(folder) and time.monotonic() < end:
        time.sleep(0.05)


def _clear_once(folder: Path) -> int:
    """How many drafts stay."""
    stay = 0
    names = ((root, name) for root, folders, files in os.walk(folder) for name in (*folders, *files))
    for path in [Path(root, name) for root, name in names if name.startswith(TEMPORARY)]:
        with contextlib.suppress(OSError):  # it has got its name, its writer has removed it, or it is another user's
            if "probe" in path.name or left(path) or time.time() - path.stat().st_mtime > LEFTOVER_S:
                path.unlink()
            else:
                stay += 1
    return stay


def left(draft: Path) -> bool:
    """Whether the process that wrote a draft is no more. Of one on another machine only time can tell."""
    return others.gone(draft.name.removeprefix(TEMPORARY).rpartition("-")[0])
