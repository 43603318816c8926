"""Notices that Ray has died under a sweep: Ray itself waits for ever then, or ends this process without a word.

What is looked at from time to time is whether the store of the cluster on its head (gcs) and the node that this process
is attached to (raylet) still take connections. Tune works in a thread of its own meanwhile, since it may be stuck in a
call that no signal interrupts.
"""

import ctypes
import socket
import threading
from collections.abc import Callable, Mapping

import ray

from mmda_bench.errors import RayDiedError

EVERY_S = 2.0
REACH_S = 10.0
TRIES = 3  # in a row, as a busy machine may refuse one
GRACE_S = 5.0  # for Tune, to end what it is at


def parts() -> dict[str, tuple[str, int]]:
    """Where the parts of Ray listen on which this process depends, by name."""
    context = ray.get_runtime_context()
    host, _, port = context.gcs_address.rpartition(":")
    found = {"the head (gcs)": (host.strip("[]"), int(port))}
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            found["the node of this process (raylet)"] = (node["NodeManagerAddress"], int(node["NodeManagerPort"]))
    return found


def answers(place: tuple[str, int]) -> bool:
    """Whether something takes connections there."""
    try:
        socket.create_connection(place, timeout=REACH_S).close()
    except OSError:
        return False
    return True


def supervised(work: Callable[[], object], places: dict[str, tuple[str, int]]) -> None:
    """Do some work in a thread of its own, and raise what it raises; an interruption of this thread interrupts it too.

    Raises :class:`RayDiedError` soon after one of ``places`` has ceased to answer, whatever the work is at.
    """
    raised: list[BaseException] = []
    over = threading.Event()  # a join of the thread, interrupted, would count it as ended

    def run() -> None:
        try:
            work()
        except BaseException as error:
            raised.append(error)
        finally:
            over.set()

    thread = threading.Thread(target=run, daemon=True, name="mmda-bench-sweep")
    thread.start()
    missed = dict.fromkeys(places, 0)
    try:
        while not over.wait(EVERY_S):
            missed = {name: 0 if answers(place) else missed[name] + 1 for name, place in places.items()}
            _check(missed, TRIES)
    except BaseException:
        _interrupt(thread)
        over.wait(GRACE_S)
        raise
    if raised:
        _check({name: not answers(place) for name, place in places.items()}, 1)
        raise raised[0]


def _check(missed: Mapping[str, int], tries: int) -> None:
    if lost := [name for name, times in missed.items() if times >= tries]:
        raise RayDiedError(f"{' and '.join(lost)} of Ray has died or cannot be reached")


def _interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in another thread, when it is at something of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt))
