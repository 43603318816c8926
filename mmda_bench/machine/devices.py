"""The processors and GPUs that this process may use."""

import os


def cpu_count() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpu_count() -> int:
    """The GPUs that torch sees; asking without torch would miss MIG, ROCm and CUDA_VISIBLE_DEVICES."""
    import torch

    return torch.cuda.device_count()
