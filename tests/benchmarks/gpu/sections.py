"""Sections of a benchmark that share some minutes: each runs if the time left is enough, and none outlives it."""

import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

Result = dict[str, Any]


class OutOfTimeError(BaseException):
    """The minutes are over. Like an interruption it passes through whatever catches what goes wrong in a cell."""


class Clock:
    """``minutes`` from now on. In ``with clock:`` the main thread gets :class:`OutOfTimeError` when they are over."""

    def __init__(self, minutes: float) -> None:
        self.seconds = 60.0 * minutes
        self._end = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds; 0 when the time is over."""
        return max(0.0, self._end - time.monotonic())

    def need(self, seconds: float, what: str) -> None:
        """Raises :class:`OutOfTimeError` if fewer than ``seconds`` are left for ``what``."""
        if self.left < seconds:
            raise OutOfTimeError(f"{what} needs about {seconds:.0f} s, {self.left:.0f} s are left")

    def __enter__(self) -> "Clock":
        self._handler = signal.signal(signal.SIGALRM, _ring)
        signal.setitimer(signal.ITIMER_REAL, max(self.left, 1e-3))
        return self

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._handler)


def _ring(signum: int, frame: FrameType | None) -> None:
    raise OutOfTimeError("the minutes were over")


class Sections:
    """Runs functions one after the other and keeps what they found, in ``found``, by name.

    A function is given a mapping to fill; what it has filled in when it fails or the time is over, is kept, together
    with ``skipped`` (it did not begin), ``stopped`` or ``failed`` and the reason.
    """

    def __init__(self, clock: Clock, say: Callable[[str], None] = print) -> None:
        self.clock, self.say = clock, say
        self.found: dict[str, Result] = {}

    def run(self, name: str, fill: Callable[[Result], None], *, needs: float = 0.0) -> Result:
        """Run one section. ``needs``: seconds under which it does not begin."""
        result: Result = {}
        self.found[name] = result
        started = time.monotonic()
        with reasons(result):
            if self.clock.left <= needs:
                result["skipped"] = f"{name} needs about {needs:.0f} s, {self.clock.left:.0f} s were left"
                self.say(f"{name}: skipped, {result['skipped']}")
                return result
            self.say(f"{name} ...")
            fill(result)
        result["seconds"] = round(time.monotonic() - started, 2)
        return result


@contextmanager
def reasons(result: Result) -> Iterator[None]:
    """Whatever ends the body early is written into ``result``, and goes no further; only interruption does."""
    try:
        yield
    except OutOfTimeError as error:
        result["stopped"] = str(error)
    except Exception as error:
        result["failed"] = f"{type(error).__name__}: {error}"
        result["traceback"] = traceback.format_exc().splitlines()[-8:]
