"""Memory of the device of a cell: its peak, whether it ran out, what to do then, and giving back what is left over."""

import contextlib
import gc
import re
import resource
from pathlib import Path

import torch

# cuBLAS, cuSOLVER, the driver and the processor's own allocator say in words only that there was no memory
NO_MEMORY = re.compile(r"out of memory|_ALLOC_FAILED|can't allocate memory|cannot allocate memory", re.IGNORECASE)


def start_memory_peak(device: torch.device) -> None:
    """Forget the peak so far: a worker runs many cells. Raises RuntimeError when the device cannot be used."""
    if device.type == "cuda":
        torch.cuda.init()  # a GPU that cannot be used says so here, in words of its own
        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: VmHWM starts again from the present size


def peak_memory_mb(device: torch.device) -> float:
    """Peak of the device's memory since :func:`start_memory_peak`; on a CPU, of the process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def ran_out(error: BaseException) -> bool:
    """Whether ``error`` says that memory, of a GPU or of the machine, ran out."""
    typed = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return typed or (isinstance(error, RuntimeError | OSError) and NO_MEMORY.search(str(error)) is not None)


def advice(device: torch.device) -> str:
    """What to do when a cell ran out of memory there."""
    fewer = "put fewer cells on a GPU (--gpus-per-cell 1)" if device.type == "cuda" else "run fewer at once (--jobs 1)"
    return f"{fewer} or take a smaller backbone"


def give_back(device: torch.device) -> None:
    """Return to a GPU what this process keeps for later: cells of other processes on it may need it now."""
    if device.type == "cuda":
        gc.collect()  # what hangs in a cycle is not free yet
        with contextlib.suppress(RuntimeError):  # an error may have left the device unusable; it is reported as such
            torch.cuda.empty_cache()
