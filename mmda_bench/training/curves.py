"""The loss terms of a training, epoch by epoch; the host reads a step's values while the device does the next one."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmda_bench.dataset import MODALITIES
from mmda_bench.machine.transfer import Fetched

LOGGER = logging.getLogger("mmda_bench.cell")  # whoever wants to hear of the epochs listens there


class DivergedError(Exception):
    """A loss term became NaN or infinite. ``step``: in which step, None if after the last."""

    def __init__(self, message: str, *, step: int | None = None) -> None:
        super().__init__(message)
        self.step = step


def gradient_norms(terms: Iterable[Tensor], z: Mapping[str, Sequence[Tensor]]) -> Tensor:
    """How strongly each term acts: the norm of its gradient at the representations of each modality, (T, M) float32.

    ``z``: by modality all representations of a step, such as of both domains and of a second view; the norm is over
    all of them, heads, joint representation and reversal included. The graph is kept, and nothing is accumulated.

    >>> z = torch.tensor([[3.0, 4.0]], requires_grad=True)
    >>> gradient_norms([z.square().sum(), z.sum() * 0 + 1], {"A": [z]}).tolist()
    [[10.0], [0.0]]
    """
    places = [(m, tensor) for m, tensors in z.items() for tensor in tensors]
    rows = []
    for term in terms:
        squares = {m: torch.zeros((), device=term.device) for m in z}
        wanted = [tensor for _, tensor in places]
        found = torch.autograd.grad(term, wanted, retain_graph=True, allow_unused=True) if term.requires_grad else ()
        for (m, _), gradient in zip(places, found, strict=False):
            if gradient is not None:
                squares[m] = squares[m] + gradient.float().square().sum()
        rows.append(torch.stack(list(squares.values())))
    return torch.stack(rows).sqrt()


class Curves:
    """What a record says of every loss term, epoch by epoch; NaN for an epoch that has none.

    ``terms``: by name, the mean over the steps of each epoch. ``ranges``: the lowest and the highest value of any step
    so far. ``gradients``: by modality, :func:`gradient_norms` in the last step of each epoch. ``total``: steps of the
    whole training, for messages. The values of a step are looked at in :meth:`settle`, which the next step calls when
    it has given the device its own work: so the host never waits for a device that has nothing to do.
    """

    def __init__(self, total: int) -> None:
        self.terms: dict[str, list[float]] = {}
        self.ranges: dict[str, list[list[float]]] = {}
        self.gradients: dict[str, dict[str, list[float]]] = {}
        self._total, self._epochs = total, 0
        self._sums: dict[str, np.float32] = {}
        self._extremes: dict[str, tuple[float, float]] = {}
        self._norms: dict[str, list[float]] = {}
        self._unread: tuple[int, list[str], Fetched] | None = None

    def as_json(self) -> dict[str, Any]:
        """As a record has them."""
        return {"terms": self.terms, "gradients": self.gradients, "ranges": self.ranges}

    def add(self, step: int, names: Iterable[str], values: Tensor, norms: Tensor | None = None) -> None:
        """The loss terms of a step, (T + 1,) float32 on any device, their sum last, and in some steps the (T, M)
        ``norms`` of their gradients. They are not read yet."""
        self.settle()
        self._unread = step, list(names), Fetched(values if norms is None else torch.cat([values, norms.flatten()]))

    def settle(self) -> None:
        """Read what was added last. Raises :class:`DivergedError`, with step and term, if it was not finite."""
        if self._unread is None:
            return
        (step, names, fetched), self._unread = self._unread, None
        values, norms = np.split(fetched.numpy(), [len(names) + 1])
        if not np.isfinite(values).all():
            name, value = next(
                pair for pair in zip([*names, "sum"], values.tolist(), strict=True) if not np.isfinite(pair[1])
            )
            raise DivergedError(f"the loss term {name} is {value} at step {step} of {self._total}", step=step)
        for name, value in zip(names, values, strict=False):  # all but the sum
            self._sums[name] = self._sums.get(name, np.float32(0)) + value
            low, high = self._extremes.get(name, (math.inf, -math.inf))
            self._extremes[name] = min(low, float(value)), max(high, float(value))
        if len(norms):
            self._norms = dict(zip(names, norms.reshape(len(names), -1).tolist(), strict=True))

    def close_epoch(self, steps: int) -> None:
        """Enter the values of an epoch of so many ``steps``. Raises :class:`DivergedError` as :meth:`settle` does."""
        self.settle()
        absent = [math.nan] * len(MODALITIES)
        for name in self._extremes:
            before = [math.nan] * self._epochs
            value = float(self._sums[name]) / steps if name in self._sums else math.nan
            self.terms.setdefault(name, [*before]).append(value)
            self.ranges.setdefault(name, [[math.nan] * 2 for _ in before]).append([*self._extremes[name]])
            by_modality = self.gradients.setdefault(name, {m: [*before] for m in MODALITIES})
            for m, norm in zip(MODALITIES, self._norms.get(name, absent), strict=True):
                by_modality[m].append(norm)
        self._sums.clear()
        self._norms.clear()
        self._epochs += 1
        latest = "  ".join(f"{name} {values[-1]:.4g}" for name, values in self.terms.items())
        LOGGER.info("epoch %d/%d  %s", self._epochs, self._total // steps, latest)
