"""The state of this process: remembered before a run and put back after it, so that a call leaves no trace."""

import logging
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)
LOGGERS = ("", "ray")  # the root, and the one that a sweep makes silent


@contextmanager
def unchanged_process(*, torch: bool = True) -> Iterator[None]:
    """Run the body; afterwards the process is as it was before.

    Covered are signal handlers, the environment, ``sys.path``, warning filters, the levels and handlers of the root
    logger and of Ray's, the random states of Python, numpy and torch, and torch's number of threads. A library that
    the body imports first counts as untouched: its random state becomes the one it has right after the import. With
    ``torch=False`` torch is not imported to look at it: for a body that reads and plans, and trains nothing.

    >>> import os
    >>> with unchanged_process():
    ...     os.environ["MMDA_BENCH_EXAMPLE"] = "1"
    >>> "MMDA_BENCH_EXAMPLE" in os.environ
    False
    """
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())  # first in, last out: what restores may import as well
        randomness = (_python_random(), _numpy_random(), _torch(torch))
        for restore in (_signals(), _environment(), _path(), _loggers(), *randomness):
            stack.callback(restore)
        yield


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set these variables for the body alone."""
    restore = _environment()
    os.environ.update(variables)
    try:
        yield
    finally:
        restore()


@contextmanager
def signals_wait() -> Iterator[None]:
    """Run the body to its end; a signal that would have interrupted it does so then. A second one does so at once."""
    handlers: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
    heard: list[tuple[int, FrameType | None]] = []

    def note(signum: int, frame: FrameType | None) -> None:
        heard.append((signum, frame))
        if len(heard) > 1:
            handlers[signum](signum, frame)

    for number in handlers:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if len(heard) == 1:
            handlers[heard[0][0]](*heard[0])


def _signals() -> Callable[[], None]:
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    handlers = {number: signal.getsignal(number) for number in SIGNALS}

    def restore() -> None:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    return restore


def _environment() -> Callable[[], None]:
    before = dict(os.environ)

    def restore() -> None:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})

    return restore


def _path() -> Callable[[], None]:
    before = list(sys.path)

    def restore() -> None:
        sys.path[:] = before

    return restore


def _loggers() -> Callable[[], None]:
    before = [(log, log.level, list(log.handlers)) for log in map(logging.getLogger, LOGGERS)]

    def restore() -> None:
        for log, level, handlers in before:
            log.setLevel(level)
            log.handlers[:] = handlers

    return restore


def _python_random() -> Callable[[], None]:
    state = random.getstate()
    return lambda: random.setstate(state)


def _numpy_random() -> Callable[[], None]:
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return lambda: None  # whoever imports it now draws from generators of their own
    state = numpy.random.get_state()
    return lambda: numpy.random.set_state(state)


def _torch(imported: bool) -> Callable[[], None]:
    torch: Any = sys.modules.get("torch")
    seen = torch is not None
    if not seen and not imported:
        return lambda: None
    if torch is None:
        import torch  # what a fresh import leaves is what the caller would have found
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    cuda = torch.cuda.get_rng_state_all() if seen and torch.cuda.is_initialized() else None

    def restore() -> None:
        torch.set_rng_state(state)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)

    return restore
