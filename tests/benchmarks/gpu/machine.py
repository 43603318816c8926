"""The card, the libraries, what time a step takes on a device, and the card's own peak."""

import contextlib
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

LIBRARIES = (
    "torch",
    "transformers",
    "timm",
    "scikit-learn",
    "scipy",
    "numpy",
    "ray",
    "pot",
    "av",
    "soundfile",
    "cvxpy",
)


def facts(device: torch.device) -> dict[str, Any]:
    """Card, driver, libraries (None: not installed) and what the host has."""
    found: dict[str, Any] = {
        "device": device.type,
        "card": _processor(),
        "driver": None,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cpus": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "versions": {name: _version(name) for name in LIBRARIES},
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["card"] = properties.name
        found["memory_gb"] = round(properties.total_memory / 1e9, 1)
        found["multiprocessors"] = properties.multi_processor_count
        found["driver"] = _driver()
    return found


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str | None:
    with contextlib.suppress(PackageNotFoundError):
        return version(name)
    return None


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        return done.stdout.splitlines()[0].strip()
    return None


def synchronize(device: torch.device) -> None:
    """Wait until the device has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def moment(device: torch.device) -> Any:
    """Now; on a GPU an event, which is over when the device gets there."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def between(moments: Sequence[Any]) -> list[float]:
    """Milliseconds from each :func:`moment` to the next."""
    return [1000 * (b - a) if isinstance(a, float) else a.elapsed_time(b) for a, b in pairwise(moments)]


def milliseconds(step: Callable[[], object], device: torch.device, *, rounds: int, warm: int = 2) -> list[float]:
    """What each of ``rounds`` runs of ``step`` takes the device, after ``warm`` unmeasured ones: by device events."""
    for _ in range(warm):
        step()
    synchronize(device)
    moments = [moment(device)]
    for _ in range(rounds):
        step()
        moments.append(moment(device))
    synchronize(device)
    return between(moments)


def median_ms(step: Callable[[], object], device: torch.device, *, rounds: int, warm: int = 2) -> float:
    """The median of :func:`milliseconds`."""
    return statistics.median(milliseconds(step, device, rounds=rounds, warm=warm))


def peak_tflops(device: torch.device, *, side: int) -> float:
    """TFLOP/s of a product of two bfloat16 matrices of this side, with random values."""
    a, b = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    return 2.0 * side**3 / median_ms(lambda: a @ b, device, rounds=10, warm=3) / 1e9
