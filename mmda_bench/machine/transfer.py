"""Tensors on their way between the host and a GPU, without either of them waiting for the other.

A plain ``tensor.to(device)`` makes the host wait until the GPU has done everything that was asked of it before. Here
copies go through page-locked memory, and the host waits only where it needs a value, and for that value alone.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """``tensor`` on ``device``, in its own precision; the host does not wait for the copy. On a CPU, the tensor itself.

    >>> sent(torch.arange(3), torch.device("cpu"))
    tensor([0, 1, 2])
    """
    if device.type == "cuda" and tensor.device.type == "cpu" and not tensor.is_pinned():
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


class Fetched:
    """A copy of a tensor to the host that begins at once; :meth:`numpy` waits until it has arrived.

    ``values``: float32, float64 or integers, of any shape. On a CPU nothing is copied: do not change them in place.

    >>> Fetched(torch.tensor([1.5, 2.0])).numpy().tolist()
    [1.5, 2.0]
    """

    def __init__(self, values: Tensor) -> None:
        self._host = values.detach().to("cpu", non_blocking=True)  # from a GPU: into page-locked memory
        self._arrival = mark(values.device)

    def numpy(self) -> np.ndarray:
        """The values. Waits for this copy, and for nothing that the device was asked to do after it."""
        if self._arrival is not None:
            self._arrival.synchronize()
            self._arrival = None
        array: np.ndarray = self._host.numpy()
        return array


def mark(device: torch.device) -> torch.cuda.Event | None:
    """An event that is over when a GPU has done all that was asked of its present stream so far; None on a CPU."""
    if device.type != "cuda":
        return None
    event = torch.cuda.Event()
    event.record(torch.cuda.current_stream(device))
    return event


@lru_cache
def side_stream(device: torch.device, purpose: str) -> torch.cuda.Stream | None:
    """The stream of this process for a purpose, beside the one that computes; None on a CPU.

    What is on one stream waits for what was put there before: long copies and urgent ones need one each.
    """
    return torch.cuda.Stream(device) if device.type == "cuda" else None
