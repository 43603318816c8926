"""Places cells on devices: in this process (``jobs=0``) or on reused Ray Tune workers.

A worker receives names and numbers, looks into the store, computes what is not there, and writes the record itself.
Resume is therefore the store's business and not Tune's: whatever ends early, the next run does what is missing.
"""

import importlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import floor, isfinite
from pathlib import Path
from types import FrameType

from mmda_bench.protocol import Cell
from mmda_bench.registry import UsageError, load_plugin
from mmda_bench.store import Record, Store, unfinished

RUNNER = "mmda_bench.training:run_cell"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
REACH_S = 10
SETTINGS = 4
GRPC_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])  # RFC 9113, 3.4 and 6.5


class ResourceError(Exception):
    """The machine or the cluster lacks what the run asks for; the message says what there is."""


class TimeUp(SystemExit):
    """The time of a cell is over. A SystemExit, which ``run_cell`` lets through."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What every cell of a sweep has in common, in picklable values.

    ``device``: None lets the cell choose. ``weights``: locations of pretrained weights by modality. ``stale``: stamps
    of the records that this sweep replaces, by hash of their cells. ``runner``: "module:name" of a function with the
    signature of :func:`mmda_bench.training.run_cell`. ``timeout_s``: for one cell, if any.
    """

    results: Path
    root: Path | None
    cache: Path
    device: str | None = None
    plugins: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    runner: str = RUNNER
    stale: Mapping[str, int | None] = field(default_factory=dict)
    timeout_s: float | None = None


def standing(cell: Cell, work: Work) -> Record | None:
    """The record of ``cell`` that this sweep keeps: one that is done, and is not to be replaced or has been already."""
    store = Store(work.results)
    record = store.standing(cell)  # before the stamp: opening a file makes a network file system look again
    return None if cell.hash in work.stale and store.stamp(cell) == work.stale[cell.hash] else record


def execute(cell: Cell, work: Work) -> Record:
    """The record of ``cell``: the stored one, or that of running it now, stored before this returns."""
    if (kept := standing(cell, work)) is not None:
        return kept
    module, _, function = work.runner.partition(":")
    run_cell = getattr(importlib.import_module(module), function)
    try:
        with time_limit(work.timeout_s):
            outcome = run_cell(cell, root=work.root, cache=work.cache, device=work.device, weights=work.weights)
        record, outputs = outcome.record, outcome.outputs
    except TimeUp:
        reason = f"not finished after {(work.timeout_s or 0) / 60:g} minutes (--timeout)"
        record, outputs = unfinished(cell, status="timeout", reason=reason), None
    except SystemExit as error:  # of a plug-in; it must not end the sweep as if that had gone well
        if hasattr(error, "ray_terminate_msg"):
            raise  # Ray ends this worker, and another takes the cell
        reason = f"SystemExit: the method ended the program ({error})"
        record, outputs = unfinished(cell, status="failed", reason=reason), None
    Store(work.results).write(cell, record, outputs, replace=cell.hash in work.stale)
    return record


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise :class:`TimeUp` in the body after ``seconds``; only a main thread can be stopped so."""
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: FrameType | None) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # and again, where a method has caught it
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sigterm_interrupts() -> None:
    """Let SIGTERM end a sweep as Ctrl-C does, and SIGHUP, of a connection that is lost, unless ``nohup`` ignores it."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, interrupt)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, interrupt)


def one_thread_per_cell() -> None:
    """More cells beat more threads in a cell, and one thread repeats bit for bit."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def cpu_count() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """The GPUs that torch sees; asking without torch would miss MIG, ROCm and CUDA_VISIBLE_DEVICES."""
    import torch

    return torch.cuda.device_count()


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


def check_address(address: str) -> None:
    """Raise :class:`UsageError` for what is no address and :class:`ResourceError` if no Ray cluster answers there. Ray
    itself would try for a quarter of an hour to reach an address where nothing listens, or something else."""
    if address == "auto":
        return
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


def run(
    cells: Sequence[Cell],
    *,
    store: Store,
    root: Path | None,
    cache: Path,
    jobs: int | None = None,
    gpus_per_cell: float | None = None,
    address: str | None = None,
    plugins: Sequence[str | Path] = (),
    weights: Mapping[str, str] | None = None,
    runner: str = RUNNER,
    replace: bool = False,
    timeout_minutes: float | None = None,
    on_start: Callable[[Cell], None] = lambda cell: None,
    on_result: Callable[[Cell, Record], None] = lambda cell, record: None,
) -> None:
    """Run every cell of ``cells`` that has no record (all of them with ``replace``).

    ``jobs``: cells at once, 0 for this process, None for what the devices hold. ``gpus_per_cell``: None for one where
    there is a GPU. ``address``: a running Ray cluster; root, cache and results must then be on a shared file system.
    ``on_start`` and ``on_result`` are called in this process. Raises KeyboardInterrupt on Ctrl-C or SIGTERM, leaving no
    half record, :class:`ResourceError`, and :class:`~mmda_bench.store.StoreError`.
    """
    check(gpus_per_cell, timeout_minutes)
    if not cells:
        return
    if address is not None:
        check_address(address)
    one_thread_per_cell()
    sigterm_interrupts()
    work = Work(
        results=store.results,
        root=root.expanduser().absolute() if root is not None else None,
        cache=cache.expanduser().absolute(),
        device="cpu" if gpus_per_cell == 0 else None,
        plugins=tuple(str(Path(plugin).absolute()) for plugin in plugins),
        weights=dict(weights or {}),
        runner=runner,
        stale={cell.hash: store.stamp(cell) for cell in cells} if replace else {},
        timeout_s=None if timeout_minutes is None else 60 * timeout_minutes,
    )
    if jobs == 0:
        for plugin in work.plugins:
            load_plugin(plugin)
        for cell in cells:
            on_start(cell)
            on_result(cell, execute(cell, work))
        return
    from mmda_bench import ray_sweep

    ray_sweep.run(
        cells, work, jobs=jobs, gpus_per_cell=gpus_per_cell, address=address, on_start=on_start, on_result=on_result
    )
