"""The loss terms of a training, epoch by epoch; the host reads a step's values while the device does the next one."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from mmda_bench.machine.transfer import Fetched


class DivergedError(Exception):
    """A loss term became NaN or infinite. ``step``: in which step, None if after the last."""

    def __init__(self, message: str, *, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


class Curves:
    """The mean of every loss term over the steps of every epoch.

    ``terms``: by name, a value an epoch. ``total``: steps of the whole training, for messages. The values of a step
    are looked at in :meth:`settle`, which the next step calls when it has given the device its own work: so the host
    never waits for a device that has nothing to do.
    """

    def __init__(self, total: int) -> None:
        self.terms: dict[str, list[float]] = {}
        self._total = total
        self._sums: dict[str, np.float32] = {}
        self._unread: tuple[int, list[str], Fetched] | None = None

    def add(self, step: int, names: Iterable[str], values: Tensor) -> None:
        """The loss terms of a step, (T + 1,) float32 on any device, their sum last. They are not read yet."""
        self.settle()
        self._unread = step, list(names), Fetched(values)

    def settle(self) -> None:
        """Read what was added last. Raises :class:`DivergedError`, with step and term, if it was not finite."""
        if self._unread is None:
            return
        (step, names, fetched), self._unread = self._unread, None
        values = fetched.numpy()
        if not np.isfinite(values).all():
            name, value = next(
                pair for pair in zip([*names, "sum"], values.tolist(), strict=True) if not np.isfinite(pair[1])
            )
            raise DivergedError(f"the loss term {name} is {value} at step {step} of {self._total}", step=step)
        for name, value in zip(names, values, strict=False):  # all but the sum
            self._sums[name] = self._sums.get(name, np.float32(0)) + value

    def close_epoch(self, steps: int) -> None:
        """Enter the means over the ``steps`` of this epoch. Raises :class:`DivergedError` as :meth:`settle` does."""
        self.settle()
        for name, total in self._sums.items():
            self.terms.setdefault(name, []).append(float(total) / steps)
        self._sums.clear()
