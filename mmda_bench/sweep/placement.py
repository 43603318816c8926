"""How many cells run at once, and where: GPUs, processors, a cluster that answers."""

import os
import socket
from collections.abc import Sequence
from math import floor, isfinite
from pathlib import Path

from mmda_bench.errors import ResourceError, UsageError
from mmda_bench.machine.devices import cpu_count, gpu_count

REACH_S = 10


SETTINGS = 4


GRPC_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])  # RFC 9113, 3.4 and 6.5


def default_jobs(nodes: Sequence[float], gpus_per_cell: float, cpus: int) -> int:
    """Cells at once: as many as the GPUs of ``nodes`` hold, or one per processor without GPUs. At least one.

    A cell stays on one node, and one that takes part of a GPU stays on that GPU.
    """
    if gpus_per_cell <= 0:
        return max(1, cpus)
    if gpus_per_cell < 1:
        return max(1, floor(sum(nodes)) * floor(1 / gpus_per_cell + 1e-9))
    return max(1, sum(floor(gpus / gpus_per_cell) for gpus in nodes))


def cells_at_once(jobs: int | None, gpus_per_cell: float | None) -> int:
    """How many cells :func:`run` has under way on this machine."""
    if jobs is not None:
        return max(1, jobs)
    gpus = gpu_count() if gpus_per_cell != 0 else 0
    return default_jobs([gpus], float(gpus > 0) if gpus_per_cell is None else gpus_per_cell, cpu_count())


def check(gpus_per_cell: float | None, timeout_minutes: float | None) -> None:
    """Raise :class:`UsageError` for what :func:`run` cannot be asked."""
    gpus = gpus_per_cell or 0.0
    if not isfinite(gpus) or gpus < 0 or (gpus > 1 and gpus % 1):
        raise UsageError(f"--gpus-per-cell {gpus:g}: expected a fraction up to 1, or a whole number")
    if timeout_minutes is not None and not 0 < timeout_minutes < 1e6:
        raise UsageError(f"--timeout {timeout_minutes:g}: expected a number of minutes above 0")


STARTED = "ray_current_cluster"  # where `ray start` writes the address of its head


def resolved(address: str) -> str:
    """HOST:PORT of ``auto``: what RAY_ADDRESS says, or the head that `ray start` has started on this machine.

    Ray itself would also find the private Ray of another sweep here, and die with it. Raises :class:`ResourceError`.
    """
    if address != "auto":
        return address
    given = os.environ.get("RAY_ADDRESS", "auto")
    if given != "auto":
        return given
    file = Path(os.environ.get("RAY_TMPDIR", "/tmp")) / "ray" / STARTED
    try:
        return file.read_text().strip()
    except OSError as error:
        raise ResourceError(
            f"--address auto: no cluster was started on this machine with `ray start` ({file} is not there); give "
            "HOST:PORT of its head node"
        ) from error


def check_address(address: str) -> None:
    """Raise :class:`UsageError` for what is no address and :class:`ResourceError` if no Ray cluster answers there. Ray
    itself would try for a quarter of an hour to reach an address where nothing listens, or something else."""
    address = resolved(address)
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 2**16) or "/" in host:
        raise UsageError(f"--address {address!r}: expected HOST:PORT of its head node, or auto")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_S) as peer:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return  # it would expect a certificate first
            peer.sendall(GRPC_HELLO)
            frame = peer.recv(9, socket.MSG_WAITALL)
    except OSError as error:
        raise ResourceError(
            f"--address {address}: no Ray cluster answers there ({error}); see `ray status` on that node"
        ) from error
    if len(frame) < 9 or frame[3] != SETTINGS:
        raise ResourceError(f"--address {address}: what answers there is no Ray cluster; see `ray status` on that node")
