"""Optimal transport between the dimensions of two representations (A3D2). Marks: see :mod:`mmda_bench.functional`."""

import math
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmda_bench.functional.precision import full_precision
from mmda_bench.machine.transfer import Fetched, mark, sent, side_stream


@torch.no_grad()
def transport_plan(cost: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """Exact optimal plan π* = argmin ⟨cost, π⟩ with π1 = a, πᵀ1 = b: (n, m) → (n, m). A3D2 eq. 7. No gradient.

    ``a`` (n,), ``b`` (m,) ≥ 0 with equal sums, uniform unless given. Between equal uniform marginals an optimal plan is
    a permutation/n, found by scipy's assignment solver in float64; otherwise POT's network simplex. Where several plans
    are optimal, one of them. A cost with NaN or ∞ has no optimum: the independent plan a bᵀ, so that the loss shows it.

    Raises ValueError for marginals of another length, negative ones or unequal sums, RuntimeError where POT fails.

    >>> transport_plan(torch.eye(2)).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """
    return _plan(cost, Fetched(cost.double()), a, b)


@torch.no_grad()
def transport_plans(costs: Iterable[Tensor]) -> list[Tensor]:
    """The :func:`transport_plan` of each (n, m) cost, uniform marginals; for all of them the host waits for a GPU once.

    >>> [plan.tolist() for plan in transport_plans([torch.eye(2), -torch.eye(2)])]
    [[[0.0, 0.5], [0.5, 0.0]], [[0.5, 0.0], [0.0, 0.5]]]
    """
    asked = [(cost, Fetched(cost.double())) for cost in costs]
    for _, last in asked[-1:]:
        last.numpy()  # with it all others have arrived: the only wait
    return [_plan(cost, fetched) for cost, fetched in asked]


def _plan(cost: Tensor, fetched: Fetched, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """:func:`transport_plan` of a ``cost`` whose values, in float64, are on their way to the host."""
    n, m = cost.shape
    given = [None if one is None else Fetched(one.double()) for one in (a, b)]
    columns = np.full(m, 1.0 / m) if given[1] is None else given[1].numpy()  # the last first: then all have arrived
    rows = np.full(n, 1.0 / n) if given[0] is None else given[0].numpy()
    if rows.shape != (n,) or columns.shape != (m,):
        raise ValueError(f"cost is {n}×{m}; the marginals have shapes {rows.shape} and {columns.shape}")
    total, other = rows.sum().item(), columns.sum().item()
    if min(rows.min(), columns.min()) < 0 or not math.isclose(total, other, rel_tol=1e-5):
        raise ValueError(f"marginals must be non-negative with equal sums; the sums are {total:g} and {other:g}")
    costs = fetched.numpy()
    if not np.isfinite(costs).all():
        return sent(torch.from_numpy(np.outer(rows, columns / other)).to(cost.dtype), cost.device)
    if n == m and (rows == rows[0]).all() and (columns == columns[0]).all():
        from scipy.optimize import linear_sum_assignment

        column_of = sent(torch.from_numpy(linear_sum_assignment(_with_potentials(costs))[1]), cost.device)
        return torch.zeros_like(cost).scatter_(1, column_of[:, None], rows[0].item())
    import ot

    solved, log = ot.emd(rows, columns * (total / other), costs, numItermax=10**8, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"no exact plan for the {n}×{m} cost: {log['warning']}")
    return sent(torch.from_numpy(solved).to(cost.dtype), cost.device)


def _with_potentials(costs: np.ndarray) -> np.ndarray:
    """Costs (n, n) with the same optimal assignments, on which the solver takes about half the time in A3D2's steps.

    Adding a number to a row or a column moves every assignment by the same amount. These numbers are Sinkhorn's
    (Cuturi, NeurIPS 2013), near the optimal dual ones, so that most rows find their column soon [ours].
    """
    reduced = costs - costs.min(1, keepdims=True)
    with np.errstate(all="ignore"):  # constant costs, or extreme ones: no potentials then
        temperature = 0.1 * reduced.std()
        kernel = np.exp(-(reduced / temperature).astype(np.float32))
        scaling = np.ones(len(costs), np.float32)
        for _ in range(20):
            scaling = 1.0 / (kernel.T @ (1.0 / (kernel @ scaling)))
        better = reduced - temperature * np.log(scaling)
    return better if np.isfinite(better).all() else costs


@full_precision
def dimension_cost(z_drift: Tensor, z_anchor: Tensor) -> Tensor:
    """C = 1 − Zᵀ Z_0/B, the cost between dimensions: (B, p), (B, q) → (p, q), in [0, 2] for unit rows. A3D2 eq. 7.

    >>> dimension_cost(torch.eye(2), torch.eye(2)).tolist()
    [[0.5, 1.0], [1.0, 0.5]]
    """
    return 1.0 - z_drift.T @ z_anchor / len(z_drift)


@full_precision
def anchor_drag(z_drift: Tensor, z_anchor: Tensor) -> Tensor:
    """⟨C, π*⟩, C = 1 − Zᵀ Z_0/B over the dimensions of (B, p) representations, a scalar. A3D2 eqs. 7–9.

    Both marginals 1/p uniform; the gradient passes through C alone, to drift and anchor (envelope theorem).

    >>> anchor_drag(torch.eye(2), torch.eye(2)).item()
    0.5
    """
    cost = dimension_cost(z_drift, z_anchor)
    together = _together.get()
    if together is not None:
        return together.drag(cost, z_drift, z_anchor)
    return _dragged(cost, transport_plan(cost))


@full_precision
def _dragged(cost: Tensor, plan: Tensor) -> Tensor:
    return (cost * plan).sum()


# --- Several plans of one step

_together: ContextVar["PlansTogether | None"] = ContextVar("together", default=None)


class PlansTogether:
    """While it is entered, the plans of all :func:`anchor_drag` are solved at once, when the first of them is needed.

    The host then waits once in a step for a GPU, not once for every drift, and as early as the ``ready`` tensors allow:
    those are known to be computed by what the device was asked to do before this was built. The costs between them are
    worked out and copied on a stream beside the one that goes on with the other losses. The values are the same
    [ours].

    >>> z = torch.eye(3)
    >>> with PlansTogether() as plans:
    ...     terms = {"drag": 2.0 * anchor_drag(z, z)}
    ...     terms = plans.solved(terms)
    >>> torch.isclose(terms["drag"], 2.0 * anchor_drag(z, z)).item()
    True
    """

    def __init__(self, ready: Iterable[Tensor] = (), device: torch.device | None = None) -> None:
        self._ready = list(ready)
        self._stream = None if device is None else side_stream(device, "plans")
        self._computed = None if device is None else mark(device)
        self._waiting: list[_Drag] = []

    def __enter__(self) -> "PlansTogether":
        self._token = _together.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _together.reset(self._token)

    def drag(self, cost: Tensor, z_drift: Tensor, z_anchor: Tensor) -> Tensor:
        """⟨cost, π*⟩ as a :class:`Pending` tensor. ``cost`` is the cost between the two representations."""
        drag = _Drag(cost, self._fetch(cost, z_drift, z_anchor))
        self._waiting.append(drag)

        def value() -> Tensor:
            if drag.plan is None:
                self._solve()
            assert drag.plan is not None
            return _dragged(drag.cost, drag.plan)

        return Pending.until(value)

    def solved(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms as ordinary tensors; solves what is still pending."""
        return {name: _settled(term) for name, term in terms.items()}

    @torch.no_grad()
    def _fetch(self, cost: Tensor, z_drift: Tensor, z_anchor: Tensor) -> Fetched:
        known = all(any(z is one for one in self._ready) for z in (z_drift, z_anchor))
        if self._stream is None or self._computed is None or not known:
            return Fetched(cost.double())
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(self._computed)
            return Fetched(dimension_cost(z_drift, z_anchor).double())

    @torch.no_grad()
    def _solve(self) -> None:
        waiting, self._waiting = self._waiting, []
        waiting[-1].fetched.numpy()  # with the last copy all others have arrived: the only wait
        for drag in waiting:
            drag.plan = _plan(drag.cost, drag.fetched)


class _Drag:
    """A cost, its values on their way to the host, and its plan, once it is solved."""

    def __init__(self, cost: Tensor, fetched: Fetched) -> None:
        self.cost, self.fetched = cost, fetched
        self.plan: Tensor | None = None


class Pending(Tensor):
    """A scalar that is worked out at its first use. Multiplied by a number it stays pending.

    >>> pending = Pending.until(lambda: torch.tensor(2.0))
    >>> (3.0 * pending).value().item()
    6.0
    """

    _compute: Callable[[], Tensor]
    _value: Tensor | None

    @classmethod
    def until(cls, compute: Callable[[], Tensor]) -> "Pending":
        """The scalar that ``compute`` gives, which is called once at most."""
        pending = torch.empty(()).as_subclass(cls)
        pending._compute, pending._value = compute, None
        return pending

    def value(self) -> Tensor:
        """The scalar as an ordinary tensor."""
        if self._value is None:
            self._value = self._compute()
        return self._value

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in (Tensor.mul, Tensor.__mul__, Tensor.__rmul__) and len(args) == 2:
            pending, factor = args
            if isinstance(pending, Pending) and isinstance(factor, int | float):
                return cls.until(lambda: pending.value() * factor)
        return func(*_settled(args), **_settled(kwargs or {}))


def _settled(value: Any) -> Any:
    """The same with ordinary tensors in the place of pending ones, inside tuples, lists and mappings too."""
    if isinstance(value, Pending):
        return value.value()
    if isinstance(value, tuple | list):
        return type(value)(map(_settled, value)) if type(value) in (tuple, list) else value
    return {key: _settled(one) for key, one in value.items()} if type(value) is dict else value
