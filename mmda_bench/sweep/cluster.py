"""Starts Ray, or joins one that runs, and ends it."""

import atexit
import logging
import os
import threading
import warnings
from contextlib import chdir
from functools import partial
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import ray

import mmda_bench
from mmda_bench.errors import RayDiedError, Remark, ResourceError
from mmda_bench.machine.devices import cpu_count, gpu_count
from mmda_bench.machine.foreign import no_handler_of_ray
from mmda_bench.machine.process import signals_wait
from mmda_bench.sweep import watchdog
from mmda_bench.sweep.placement import default_jobs, resolved
from mmda_bench.sweep.ray_folder import OWNER, kill_all
from mmda_bench.sweep.worker import THREADS

OBJECT_STORE_BYTES = 100 * 2**20  # nothing big travels: the cache is memory-mapped by the workers
SHUT_DOWN_S = 5.0  # where a part has died
PATIENCE_S = 60.0
_over = threading.Event()  # set when the Ray that this process has started is no more needed


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
