"""Optimal transport between the dimensions of two representations (A3D2). Marks: see :mod:`mmda_bench.functional`."""

import math

import numpy as np
import torch
from torch import Tensor

from mmda_bench.functional.precision import full_precision


@torch.no_grad()
def transport_plan(cost: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """Exact optimal plan π* = argmin ⟨cost, π⟩ with π1 = a, πᵀ1 = b: (n, m) → (n, m). A3D2 eq. 7. No gradient.

    ``a`` (n,), ``b`` (m,) ≥ 0 with equal sums, uniform unless given. Between equal uniform marginals an optimal plan is
    a permutation/n, found by scipy's assignment solver in float64; otherwise POT's network simplex. Where several plans
    are optimal, one of them. A cost with NaN or ∞ has no optimum: the independent plan a bᵀ, so that the loss shows it.
    """
    n, m = cost.shape
    costs = cost.detach().to("cpu", torch.float64)
    rows = torch.full((n,), 1.0 / n, dtype=torch.float64) if a is None else a.to("cpu", torch.float64)
    columns = torch.full((m,), 1.0 / m, dtype=torch.float64) if b is None else b.to("cpu", torch.float64)
    if rows.shape != (n,) or columns.shape != (m,):
        raise ValueError(f"cost is {n}×{m}; the marginals have shapes {tuple(rows.shape)} and {tuple(columns.shape)}")
    total, other = rows.sum().item(), columns.sum().item()
    if min(rows.min().item(), columns.min().item()) < 0 or not math.isclose(total, other, rel_tol=1e-5):
        raise ValueError(f"marginals must be non-negative with equal sums; the sums are {total:g} and {other:g}")
    if not np.isfinite(costs.numpy()).all():
        return torch.outer(rows, columns / other).to(cost)
    if n == m and bool((rows == rows[0]).all()) and bool((columns == columns[0]).all()):
        from scipy.optimize import linear_sum_assignment

        i, j = linear_sum_assignment(_with_potentials(costs.numpy()))
        plan = torch.zeros_like(cost)
        plan[torch.from_numpy(i), torch.from_numpy(j)] = rows.to(cost)
        return plan
    import ot

    solved, log = ot.emd(rows.numpy(), (columns * (total / other)).numpy(), costs.numpy(), numItermax=10**8, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"no exact plan for the {n}×{m} cost: {log['warning']}")
    return torch.from_numpy(solved).to(cost)


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
    """C = 1 − Zᵀ Z_0/B, the cost between dimensions: (B, p), (B, q) → (p, q), in [0, 2] for unit rows. A3D2 eq. 7."""
    return 1.0 - z_drift.T @ z_anchor / len(z_drift)


@full_precision
def anchor_drag(z_drift: Tensor, z_anchor: Tensor) -> Tensor:
    """⟨C, π*⟩, C = 1 − Zᵀ Z_0/B over the dimensions of (B, p) representations, a scalar. A3D2 eqs. 7–9.

    Both marginals 1/p uniform; the gradient passes through C alone, to drift and anchor (envelope theorem).
    """
    cost = dimension_cost(z_drift, z_anchor)
    return (cost * transport_plan(cost)).sum()
