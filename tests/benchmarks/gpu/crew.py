"""Processes that do the same thing at once, or one thing after another, on one device; they end with their owner."""

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class FailedError(Exception):
    """A call failed in its process; the message says how."""


class Crew:
    """``size`` processes that import once and then carry out module-level functions. A context manager."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> "Crew":
        context = multiprocessing.get_context("spawn")  # a process that was forked cannot use a GPU
        self._members: list[tuple[Any, Connection]] = []
        for _ in range(self.size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._members.append((process, ours))
        return self

    def __exit__(self, *_: object) -> None:
        for process, connection in self._members:
            connection.close()
            process.kill()
        for process, _ in self._members:
            process.join()

    def together(self, count: int, function: Callable[..., Any], *args: Any) -> tuple[float, list[Any]]:
        """The same call in the first ``count`` processes at once: seconds until the last is done, and all results."""
        connections = [connection for _, connection in self._members[:count]]
        start = time.perf_counter()
        for connection in connections:
            connection.send((function, args))
        results = [_received(connection) for connection in connections]
        return time.perf_counter() - start, results

    def each(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        """All calls, shared out among the processes: (number of the call, result) as they are done."""
        waiting = iter(enumerate(calls))
        busy: dict[Connection, int] = {}
        for _, connection in self._members:
            _hand_out(waiting, connection, busy)
        while busy:
            for ready in wait(list(busy)):
                assert isinstance(ready, Connection)
                yield busy.pop(ready), _received(ready)
                _hand_out(waiting, ready, busy)


def _hand_out(waiting: Iterator[tuple[int, Call]], connection: Connection, busy: dict[Connection, int]) -> None:
    for number, call in waiting:
        connection.send(call)
        busy[connection] = number
        return


def _received(connection: Connection) -> Any:
    try:
        good, value = connection.recv()
    except EOFError:
        raise FailedError("a process was killed, most likely for want of memory") from None
    if not good:
        raise FailedError(value)
    return value


def in_turn(calls: Iterable[Call]) -> Iterator[tuple[int, Any]]:
    """As :meth:`Crew.each`, in this process."""
    for number, (function, args) in enumerate(calls):
        yield number, function(*args)


def _serve(connection: Connection) -> None:
    """What a process does: calls, one after the other, until nobody is there any more."""
    while True:
        try:
            function, args = connection.recv()
        except EOFError:
            return
        try:
            answer = (True, function(*args))
        except Exception as error:
            answer = (False, f"{type(error).__name__}: {error} ({traceback.format_exc().splitlines()[-3].strip()})")
        connection.send(answer)
