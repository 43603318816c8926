"""Notices that Ray has died under a sweep: Ray itself waits for ever then, or ends this process without a word.

What is looked at from time to time is whether the store of the cluster on its head (gcs) and the node that this process
is attached to (raylet) still take connections; while Ray starts, whether its processes are still there. What may be
stuck in a call that no signal interrupts, as Ray's start and Tune, works in a thread of its own meanwhile.
"""

import ctypes
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import ray

from mmda_bench.errors import RayDiedError
from mmda_bench.machine import others

EVERY_S = 2.0
REACH_S = 10.0
TRIES = 3  # in a row, as a busy machine may refuse one
GRACE_S = 5.0  # for Tune, to end what it is at
HEAD = "the head (gcs)"
STARTED = {"gcs_server": HEAD, "raylet": "the node of this process (raylet)"}  # by names of processes

Place = tuple[str, int]
Answer = TypeVar("Answer")


def head() -> dict[str, Place]:
    """Where the head listens to which this process is attached."""
    host, _, port = ray.get_runtime_context().gcs_address.rpartition(":")
    return {HEAD: (host.strip("[]"), int(port))}


def nodes() -> list[dict[str, Any]]:
    """The nodes of the cluster. Raises :class:`RayDiedError` where its head does not answer."""
    return supervised(ray.nodes, head())


def parts() -> dict[str, Place]:
    """Where the parts of Ray listen on which this process depends, by name."""
    found, own = head(), ray.get_runtime_context().get_node_id()
    for node in nodes():
        if node["NodeID"] == own:
            found[STARTED["raylet"]] = (node["NodeManagerAddress"], int(node["NodeManagerPort"]))
    return found


def answers(place: Place) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection(place, timeout=REACH_S).close()
    except OSError:
        return False
    return True


def lost(places: Mapping[str, Place]) -> list[str]:
    """Those of ``places`` that do not answer."""
    return [name for name, place in places.items() if not answers(place)]


def supervised(work: Callable[[], Answer], places: Mapping[str, Place]) -> Answer:
    """Do some work in a thread of its own, return what it returns and raise what it raises.

    Raises :class:`RayDiedError` soon after one of ``places`` has ceased to answer, whatever the work is at.
    """
    missed = dict.fromkeys(places, 0)

    def look() -> None:
        missed.update({name: 0 if answers(place) else missed[name] + 1 for name, place in places.items()})
        _check([name for name, times in missed.items() if times >= TRIES])

    try:
        return _attended(work, look)
    except RayDiedError:
        raise
    except Exception:
        _check(lost(places))
        raise


def started(start: Callable[[], object], over: threading.Event) -> None:
    """Start Ray in a thread that lives until ``over``: the kernel ends what a thread has started with that thread.

    Raises what ``start`` raises, and :class:`RayDiedError` where it goes on after a process of Ray has ended.
    """
    seen: dict[int, str] = {}
    ended: list[str] = []  # at the look before: Ray may say more of it by itself

    def look() -> None:
        there = others.children()
        seen.update({number: name for number, (name, _) in there.items() if name in STARTED})
        _check(ended)
        running = {number for number, (_, runs) in there.items() if runs}
        ended.extend(STARTED[name] for number, name in seen.items() if number not in running)

    _attended(start, look, lives=over)


def _attended(work: Callable[[], Answer], look: Callable[[], None], *, lives: threading.Event | None = None) -> Answer:
    """Do some work in a thread of its own, and ``look`` meanwhile, which may raise; what interrupts this thread
    interrupts the work too. ``lives``: the thread goes on until then."""
    returned: list[Answer] = []
    raised: list[BaseException] = []
    over = threading.Event()  # a join of the thread, interrupted, would count it as ended

    def run() -> None:
        try:
            returned.append(work())
        except BaseException as error:
            raised.append(error)
        finally:
            over.set()
        if lives is not None:
            lives.wait()

    thread = threading.Thread(target=run, daemon=True, name="mmda-bench-sweep")
    thread.start()
    try:
        while not over.wait(EVERY_S):
            look()
    except BaseException:
        _interrupt(thread)
        over.wait(GRACE_S)
        raise
    if raised:
        raise raised[0]
    return returned[0]


def _check(died: list[str]) -> None:
    if died:
        raise RayDiedError(f"{' and '.join(died)} of Ray has died or cannot be reached")


def _interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in another thread, when it is at something of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))
