"""The one kind of process pool: forked from a clean server, never from a process that has threads.

Its workers leave Ctrl-C to the driver and die with it, even where that was killed with -9 and could tell nobody.
"""

import multiprocessing
import multiprocessing.util
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmda_bench.errors import DiedError
from mmda_bench.machine import others
from mmda_bench.machine.process import environment

SOCKET_CHARACTERS = 107  # of a name, on Linux
MARK = "mmda-bench-"
CONTEXT = multiprocessing.get_context("forkserver")


@contextmanager
def process_pool(jobs: int, start: Callable[..., None] | None = None, *arguments: Any) -> Iterator[ProcessPoolExecutor]:
    """A pool of ``jobs`` processes, each of which calls ``start(*arguments)`` first; nothing is left waiting in it."""
    clear_leftovers()
    _own_temporary_folder()
    pool = ProcessPoolExecutor(jobs, mp_context=CONTEXT, initializer=_start, initargs=(start, arguments))
    try:
        # or the server would take libraries from the present folder
        with environment({"PYTHONSAFEPATH": "1"}), _main_that_can_be_read():
            yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _main_that_can_be_read() -> Iterator[None]:
    """A program that came by standard input (``python - < mine.py``) names a file that no worker could read."""
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    absent = file is not None and not Path(file).exists()
    if absent:
        main.__file__ = None
    try:
        yield
    finally:
        if absent:
            main.__file__ = file


def clear_leftovers() -> None:
    """Remove the folders for sockets of multiprocessing that killed processes of ours have left."""
    for base in {tempfile.gettempdir(), "/tmp"}:
        for mark in Path(base).glob(f"pymp-*/{MARK}*"):
            if others.gone(mark.name.removeprefix(MARK)):
                shutil.rmtree(mark.parent, ignore_errors=True)


def _own_temporary_folder() -> None:
    """Say whose the folder for sockets of multiprocessing is. It lies in /tmp where their names in TMPDIR would be too
    long for the system."""
    given = tempfile.gettempdir()
    if len(given) > SOCKET_CHARACTERS - len("/pymp-12345678/listener-12345678"):
        tempfile.tempdir = "/tmp"
    try:
        folder = multiprocessing.util.get_temp_dir()  # it remembers its answer
    finally:
        tempfile.tempdir = given
    with suppress(OSError):
        Path(folder, f"{MARK}{others.own_name()}").touch()


@contextmanager
def deaths_explained(what: str, *, left: str = "what is finished is kept") -> Iterator[None]:
    """A worker that is killed in the body becomes a :class:`DiedError`. ``what``: "a process that decodes"."""
    try:
        yield
    except BrokenProcessPool as error:
        raise DiedError(
            f"{what} was killed: for want of memory, or by a clip that the decoder does not survive; {left}: "
            "repeat the command with fewer --jobs"
        ) from error


def _start(start: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to all; the driver hears it and stops the others
    threading.Thread(target=_die_with_driver, daemon=True).start()
    if start is not None:
        start(*arguments)


def _die_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os._exit(1)
