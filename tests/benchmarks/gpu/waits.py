"""How often the host waits for the device in a step of training, counted on a CPU, where nothing waits.

A tensor of the CPU stands for one of a GPU. What would make the host wait there is seen here as well: reading a number
out of a tensor, an index whose result has a size that depends on the data, a decomposition whose success is looked up,
a copy that is not asked to run by itself, and an event. Events are over in the order in which they were recorded, and
whatever waits for the device waits for all events before it: a value that arrived meanwhile costs no wait.
"""

import sys
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mmda_bench.machine import transfer
from mmda_bench.training import Trainer

READING = {"_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "_linalg_svd", "_linalg_eigh"}
COPYING = {Tensor.cpu, Tensor.to, Tensor.tolist, torch.tensor, torch.as_tensor}
INDEXING = {Tensor.__getitem__, Tensor.__setitem__}
OURS = ("/mmda_bench/", "/methods/")
WHERE_ALL_WAIT = "transfer.py"  # of whoever asks it to: that line is the one to name


class Waits:
    """Entered, it notes in ``found`` every wait for the device: what waits, and the line of ours that asks for it."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._recorded = self._over = 0
        self._modes = (_Calls(self), _Operators(self))
        self._events = mock.patch.object(transfer, "mark", side_effect=lambda device: _Event(self))
        self.quiet = False

    def __enter__(self) -> "Waits":
        for part in (*self._modes, self._events):
            part.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        for part in (self._events, *reversed(self._modes)):
            part.__exit__(*error)

    def note(self, what: str) -> None:
        """The host waits here until the device has done all that it was asked to do."""
        if not self.quiet:
            self._over = self._recorded
            self.found.append(f"{what} at {_line_of_ours()}")

    def record(self) -> int:
        """The number of a new event."""
        self._recorded += 1
        return self._recorded

    def wait_for(self, number: int) -> None:
        """The host waits for an event, unless it is over."""
        if number > self._over:
            self._over = number
            self.found.append(f"an event at {_line_of_ours()}")


class _Event:
    def __init__(self, waits: Waits) -> None:
        self.waits, self.number = waits, waits.record()

    def synchronize(self) -> None:
        self.waits.wait_for(self.number)


class _Operators(TorchDispatchMode):
    """Operators that read values of the device, wherever they are called."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        masks = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        if name in READING or masks:
            self.waits.note(name)
        return func(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    """Calls of Python that copy between host and device and wait for it; most leave no trace among the operators."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (func in COPYING and _blocks(func, args, kwargs)) or (func in INDEXING and _from_host(args[1])):
            self.waits.note(func.__name__)
        if func is not F.one_hot:
            return func(*args, **kwargs)
        self.waits.quiet = True  # it looks at its largest class on a CPU only
        try:
            return func(*args, **kwargs)
        finally:
            self.waits.quiet = False


def _blocks(func: Any, args: Any, kwargs: Any) -> bool:
    if func is Tensor.to:
        moves = any(isinstance(one, str | torch.device) for one in (*args[1:], kwargs.get("device")))
        return moves and not kwargs.get("non_blocking", False)
    return True


def _from_host(index: Any) -> bool:
    """Whether an index holds positions that would have to be copied to the device first."""
    return any(isinstance(one, np.ndarray | list) for one in (index if isinstance(index, tuple) else (index,)))


def _line_of_ours() -> str:
    """The innermost line of the engine or of a method that is being run, as ``file:line``."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if any(part in path for part in OURS) and not path.endswith(WHERE_ALL_WAIT):
            return f"{path.rpartition('/')[2]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return "elsewhere"


def of_each_step(trainer: Trainer) -> list[list[str]]:
    """Trains, and says what the host waited for in each step, its batch included. The end of an epoch is no step."""
    steps: list[list[str]] = []
    with Waits() as waits:

        def watched(step: Callable[..., None]) -> Callable[..., None]:
            def run(*args: Any) -> None:
                before = len(waits.found)
                step(*args)
                steps.append(waits.found[before:])

            return run

        with mock.patch.object(trainer, "_step", watched(trainer._step)):
            trainer.train()
    return steps
