"""Starts or joins Ray, in a temporary folder that goes when the sweep ends."""

import atexit
import logging
import os
import shutil
import socket
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import ray

import mmda_bench
from mmda_bench.errors import RayDiedError, Remark, ResourceError
from mmda_bench.machine import others, pool
from mmda_bench.machine.devices import cpu_count, gpu_count
from mmda_bench.machine.foreign import no_handler_of_ray
from mmda_bench.machine.process import signals_wait
from mmda_bench.sweep import watchdog
from mmda_bench.sweep.placement import default_jobs, resolved
from mmda_bench.sweep.worker import THREADS

OBJECT_STORE_BYTES = 100 * 2**20  # nothing big travels: the cache is memory-mapped by the workers


SHUT_DOWN_S = 5.0  # where a part has died
PATIENCE_S = 60.0
TRIES = 10  # to remove our folder
OWNER = "MMDA_BENCH_RAY"  # in the environment of all processes of a Ray of ours: its folder
_over = threading.Event()  # set when the Ray that this process has started is no more needed


TEMPORARY = "mmda-ray-"


SOCKET = f"/{TEMPORARY}{{pid}}-12345678/session_2026-01-01_00-00-00_000000_{{pid}}/sockets/plasma_store"  # the longest


SOCKET_CHARACTERS = 107  # of a name, on Linux


def importable_in_workers() -> None:
    """A checkout that is not installed is found by the workers through PYTHONPATH."""
    try:
        distribution("mmda-bench")
    except PackageNotFoundError:
        paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        checkout = str(Path(mmda_bench.__file__).resolve().parents[1])
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([*filter(None, paths), checkout]))


def connect(folder: Path, *, address: str | None, jobs: int | None, gpus_per_cell: float | None) -> tuple[float, int]:
    """Start Ray here, or join the cluster at ``address``; settle (GPUs per cell, cells at once).

    Raises :class:`ResourceError` when Ray does not come up.
    """
    if address is not None:
        start_ray(resolved(address), folder, runtime_env={"env_vars": dict.fromkeys(THREADS, "1")})
        nodes = [node["Resources"] for node in watchdog.nodes() if node["Alive"]]
        cpus, gpus = int(sum(node.get("CPU", 0) for node in nodes)), [node.get("GPU", 0.0) for node in nodes]
    else:
        cpus, gpus = cpu_count(), [float(gpu_count()) if gpus_per_cell != 0 else 0.0]
    if gpus_per_cell is None:
        gpus_per_cell = 1.0 if any(gpus) else 0.0
    if gpus_per_cell > max(gpus):
        found = f"{max(gpus):g} GPUs found" + (f" on the largest of {len(gpus)} nodes" if len(gpus) > 1 else "")
        raise ResourceError(f"--gpus-per-cell {gpus_per_cell:g}: {found}; see mmda-bench doctor")
    slots = jobs or default_jobs(gpus, gpus_per_cell, cpus)
    if address is not None and slots > cpus:
        what = f"the GPUs hold {slots} cells" if gpus_per_cell else f"{slots} cells were asked for"
        warnings.warn(
            f"{what}, but a cell takes a processor too, and the cluster has {cpus}: {cpus} cells at once; declare more "
            "with ray start --num-cpus", Remark, stacklevel=2,
        )  # fmt: skip
    jobs = slots
    if address is None:
        importable_in_workers()
        os.environ[OWNER] = str(folder)
        start_ray(
            "local",  # whatever RAY_ADDRESS says
            folder,
            num_cpus=jobs,
            num_gpus=int(gpus[0]),
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            _temp_dir=str(folder),
        )
    return gpus_per_cell, jobs


def start_ray(address: str, folder: Path, **options: Any) -> None:
    """Raises :class:`ResourceError`. A signal that comes while Ray starts is heard when it has started.

    Workers look for libraries in the present folder of this process first: that is then ``folder``, which is empty.
    """
    init = partial(ray.init, address=address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
    try:
        with signals_wait(), no_handler_of_ray(), chdir(folder):
            if address == "local":
                _over.clear()
                watchdog.started(init, _over)
            else:
                host, _, port = address.rpartition(":")
                watchdog.supervised(init, {watchdog.HEAD: (host.strip("[]"), int(port))})
    except Exception as error:  # Ray raises bare ones, too, when a part of it dies
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if address == "local":
            raise RayDiedError(
                f"Ray does not start: {lines[0]}; see that there is room in {folder} and that files enough may be open "
                "(ulimit -n 4096), or run without it: --jobs 0"
            ) from error
        advice = "see `ray status` on that node"
        if os.environ.get("RAY_AUTH_MODE") is None:
            advice += "; a head that asks for a token, as Ray 2.60 starts it, needs: export RAY_AUTH_MODE=token"
        kind = RayDiedError if isinstance(error, RayDiedError) else ResourceError
        raise kind(f"Ray cannot be joined at {address}: {lines[0]}; {advice}") from error


def shut_down(folder: Path, *, died: bool) -> None:
    """End Ray. ``folder``: where a Ray of our own has its files; ``died``: whether a part of it did. Ray would wait for
    that: then it is given little time, and what is left of our own is killed."""
    thread = threading.Thread(target=ray.shutdown, daemon=True)
    thread.start()
    thread.join(SHUT_DOWN_S if died else PATIENCE_S)
    if thread.is_alive():
        atexit.unregister(ray.shutdown)  # it would wait again
    kill_all(folder)
    _over.set()


def kill_all(folder: Path) -> None:
    """End the processes of a Ray of ours: some have ``folder`` among their arguments, the others in the environment."""
    others.end_all(str(folder), OWNER)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A short path, removed afterwards: in TMPDIR, or where the names of Ray's sockets would be too long, in /tmp.

    It carries the process's name, so that what a killed process left goes with the next sweep.
    """
    base = Path(tempfile.gettempdir())
    longest = SOCKET_CHARACTERS - len(SOCKET.format(pid=os.getpid()))
    base = base if len(str(base)) <= longest else Path("/tmp")
    host = socket.gethostname()
    pool.clear_leftovers()
    clear_left(base)
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{TEMPORARY}{os.getpid()}-", dir=base))
        (folder / host).touch()
    except OSError as error:
        raise ResourceError(
            f"no room for Ray's files in {base}: {error.strerror or error}; set TMPDIR to another folder, of at most "
            f"{longest} characters, or run without Ray: --jobs 0"
        ) from error
    try:
        yield folder
    finally:
        for _ in range(TRIES):  # on a busy machine a process that is ending may still write there
            remove(folder, marker=host)
            if not folder.exists():
                break
            kill_all(folder)
            time.sleep(0.2)
        clear_left(base)


def clear_left(base: Path) -> None:
    """End what is left of the Ray of killed processes of this machine, and remove its folders."""
    host = socket.gethostname()
    for left in base.glob(f"{TEMPORARY}*"):
        owner = left.name.removeprefix(TEMPORARY).split("-")[0]
        if owner.isdecimal() and not others.exists(int(owner)):
            with suppress(OSError):  # another user's, or another sweep removes it too
                if (left / host).exists():
                    kill_all(left)
                    remove(left, marker=host)


def remove(folder: Path, *, marker: str) -> None:
    """The marker goes last: by it a later sweep finds what could not be removed, or was not in time."""
    for part in folder.iterdir():
        if part.is_symlink() or not part.is_dir():  # session_latest, which leads nowhere by now
            if part.name != marker:
                part.unlink(missing_ok=True)
        else:
            shutil.rmtree(part, ignore_errors=True)
    if {part.name for part in folder.iterdir()} <= {marker}:
        shutil.rmtree(folder, ignore_errors=True)
