"""Other processes of this machine: whether one is still there, and which of them carry a mark."""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

ENDED = "ZX"  # a process that has ended and is only not yet collected by its parent is none
END_S = 5.0


def exists(pid: int) -> bool:
    """Whether there is a process of this number on this machine; one that has ended and is not collected is none."""
    with contextlib.suppress(OSError):
        return _state(pid)[0] not in ENDED
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def born(pid: int) -> int | None:
    """When a process started, in the kernel's ticks: tells it from a later one with the same number.

    None where there is no /proc, and of a process that has ended and is only not yet collected by its parent.
    """
    try:
        state, *others = _state(pid)
        return None if state in ENDED else int(others[18])
    except (OSError, ValueError, IndexError):
        return None


def own_name() -> str:
    """Of this process among those of all machines, as a part of names of files: the machine and a number."""
    return f"{socket.gethostname()}-{os.getpid()}"


def gone(name: str) -> bool:
    """Whether an :func:`own_name` is that of a process of this machine which is no more."""
    host, _, pid = name.rpartition("-")
    return host == socket.gethostname() and pid.isdecimal() and not exists(int(pid))


def end_all(text: str, variable: str) -> None:
    """End the processes but this one that have ``text`` in their arguments or as the value of ``variable`` in their
    environment, and those that such a one starts meanwhile."""
    deadline = time.monotonic() + END_S
    while found := list(_marked(os.fsencode(text), os.fsencode(f"{variable}={text}"))):
        for pid in found:
            with contextlib.suppress(OSError):  # it has ended, or it is another user's
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)


def _marked(text: bytes, entry: bytes) -> Iterator[int]:
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(folder.name)
            marked = text in (folder / "cmdline").read_bytes() or (
                entry in (folder / "environ").read_bytes().split(b"\0")
            )
            if marked and pid != os.getpid() and exists(pid):
                yield pid


def children() -> dict[int, tuple[str, bool]]:
    """The processes that this one has started, by number: the name, and whether it still runs. One that has ended is
    among them until it is collected."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            state, parent, *_ = _state(int(folder.name))
            if int(parent) == os.getpid():
                found[int(folder.name)] = ((folder / "comm").read_text().strip(), state not in ENDED)
    return found


def _state(pid: int) -> list[str]:
    """What /proc says of a process after its name: its state first. Raises :class:`OSError`."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
