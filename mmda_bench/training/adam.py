"""Adam (Kingma and Ba, ICLR 2015) by PyTorch's fused kernel, with a switch that lies on the device.

``torch.optim.Adam(fused=True)`` calls the same kernel and gives the same bits, but its first use imports PyTorch's
compiler, which costs every worker over a second, and it has no public way to leave out a step without the host knowing.
The kernel is private (:mod:`mmda_bench.machine.foreign`), and held to the public class by a test.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mmda_bench.machine import foreign

BETAS, EPSILON = (0.9, 0.999), 1e-8  # the defaults of the paper
DECAY = 1e-4  # of heads and discriminators in A3D2's released code


class _Moments(NamedTuple):
    """Running means of the gradient and of its square, and the number of steps, all on the parameter's device."""

    mean: Tensor
    square: Tensor
    steps: Tensor


class FusedAdam:
    """Adam over ``groups`` of parameters, each with a learning rate of its own. ``decayed``: those of the parameters
    that have :data:`DECAY` times their value added to their gradient, as ``torch.optim.Adam(weight_decay=...)`` does.

    >>> weight = nn.Parameter(torch.ones(1))
    >>> optimiser = FusedAdam([[weight]])
    >>> weight.grad = torch.ones(1)
    >>> optimiser.step([0.1])
    >>> round(weight.item(), 3)
    0.9
    """

    def __init__(self, groups: Sequence[Sequence[nn.Parameter]], *, decayed: Iterable[nn.Parameter] = ()) -> None:
        self.groups = [list(group) for group in groups]
        self.decayed = set(decayed)
        self._moments: dict[nn.Parameter, _Moments] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group:
                parameter.grad = None

    @torch.no_grad()
    def step(self, rates: Sequence[float], *, skip: Tensor | None = None) -> None:
        """Move every parameter that has a gradient; ``rates``: the learning rate of each group.

        ``skip``: a float32 scalar on the parameters' device; where it is 1, nothing moves and no step is counted, and
        the host need not know.
        """
        for group, rate in zip(self.groups, rates, strict=True):
            together: dict[tuple[torch.dtype, bool], list[tuple[nn.Parameter, Tensor]]] = {}
            for p in group:
                if p.grad is not None:  # the kernel takes one type and one decay at a time
                    together.setdefault((p.dtype, p in self.decayed), []).append((p, p.grad))
            for (_, decayed), moving in together.items():
                self._move(moving, rate, skip, decay=DECAY if decayed else 0.0)

    def _move(
        self, moving: Sequence[tuple[nn.Parameter, Tensor]], rate: float, skip: Tensor | None, *, decay: float
    ) -> None:
        moments = [self._moments_of(p) for p, _ in moving]
        means, squares, steps = (list(part) for part in zip(*moments, strict=True))
        parameters, gradients = zip(*moving, strict=True)
        foreign.fused_adam(
            parameters,
            gradients,
            means,
            squares,
            steps,
            rate=rate,
            betas=BETAS,
            epsilon=EPSILON,
            decay=decay,
            skip=skip,
        )

    def _moments_of(self, parameter: nn.Parameter) -> _Moments:
        if parameter not in self._moments:
            self._moments[parameter] = _Moments(
                mean=torch.zeros_like(parameter),
                square=torch.zeros_like(parameter),
                steps=torch.zeros((), dtype=torch.float32, device=parameter.device),
            )
        return self._moments[parameter]
