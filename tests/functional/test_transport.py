"""Transport plans are exact: against a linear program, two solvers against each other, and on awkward costs."""

import math

import numpy as np
import ot
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from torch import Tensor

from mmda_bench import functional as mm
from mmda_bench.functional.transport import _with_potentials


def random_cost(n: int, m: int, seed: int) -> Tensor:
    return torch.rand(n, m, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tied_cost(n: int, m: int, seed: int) -> Tensor:
    return (3 * random_cost(n, m, seed)).round()


def nearly_flat_cost(n: int, m: int, seed: int) -> Tensor:
    """What A3D2 sees: entries within 0.01 of each other, just below 1."""
    return 1.0 - 0.01 * random_cost(n, m, seed)


COSTS = {"random": random_cost, "tied": tied_cost, "nearly flat": nearly_flat_cost}


def linear_program(cost: Tensor, a: np.ndarray, b: np.ndarray) -> float:
    """min ⟨cost, π⟩ over π ≥ 0 with marginals a and b, by HiGHS."""
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    columns = np.kron(np.ones(n), np.eye(m))
    solved = linprog(
        cost.numpy().ravel(), A_eq=np.vstack([rows, columns])[:-1], b_eq=np.concatenate([a, b])[:-1], method="highs"
    )
    assert solved.status == 0
    return float(solved.fun)


@given(size=st.integers(1, 24), seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(COSTS)))
@settings(max_examples=12, deadline=None)
def test_value_of_the_linear_program_with_uniform_marginals(size: int, seed: int, kind: str) -> None:
    cost = COSTS[kind](size, size, seed)
    uniform = np.full(size, 1 / size)
    value = (cost * mm.transport_plan(cost)).sum().item()
    assert value == pytest.approx(linear_program(cost, uniform, uniform), abs=1e-9)


@pytest.mark.parametrize("shape", [(2, 7), (6, 4), (8, 8)])
@pytest.mark.parametrize("kind", COSTS)
def test_value_of_the_linear_program_with_given_marginals(kind: str, shape: tuple[int, int]) -> None:
    cost = COSTS[kind](*shape, 0)
    a, b = (random_cost(1, size, 9)[0] + 0.1 for size in shape)
    a, b = a / a.sum(), b / b.sum()
    plan = mm.transport_plan(cost, a, b)
    assert (cost * plan).sum().item() == pytest.approx(linear_program(cost, a.numpy(), b.numpy()), abs=1e-9)
    torch.testing.assert_close(plan.sum(1), a)
    torch.testing.assert_close(plan.sum(0), b)


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize("size", [4, 64, 128])
def test_assignment_and_network_simplex_agree(kind: str, size: int) -> None:
    cost = COSTS[kind](size, size, 1)
    uniform = np.full(size, 1 / size)
    assert (cost * mm.transport_plan(cost)).sum().item() == pytest.approx(
        float(ot.emd2(uniform, uniform, cost.numpy())), abs=1e-9
    )


def test_rectangular_costs_have_uniform_marginals_by_default() -> None:
    plan = mm.transport_plan(random_cost(3, 6, 0))
    torch.testing.assert_close(plan.sum(1), torch.full((3,), 1 / 3, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(0), torch.full((6,), 1 / 6, dtype=torch.float64))


@given(size=st.integers(1, 20), seed=st.integers(0, 10_000), kind=st.sampled_from(sorted(COSTS)))
@settings(max_examples=15, deadline=None)
def test_a_uniform_plan_is_a_permutation_over_p(size: int, seed: int, kind: str) -> None:
    plan = mm.transport_plan(COSTS[kind](size, size, seed))
    assert (plan > 0).sum(0).tolist() == (plan > 0).sum(1).tolist() == [1] * size
    torch.testing.assert_close(plan.sum(0), torch.full((size,), 1 / size, dtype=torch.float64))
    torch.testing.assert_close(plan.sum(1), torch.full((size,), 1 / size, dtype=torch.float64))


@pytest.mark.parametrize("kind", COSTS)
@pytest.mark.parametrize("size", [2, 24, 128])
def test_potentials_move_every_assignment_by_the_same_amount(kind: str, size: int) -> None:
    costs = COSTS[kind](size, size, 3).numpy()
    difference = costs - _with_potentials(costs)
    np.testing.assert_allclose(difference, difference[:, :1] + difference[:1] - difference[0, 0], atol=1e-12)


def outlier(n: int) -> Tensor:
    cost = random_cost(n, n, 0)
    cost[:, 3] += 1e6  # beyond what Sinkhorn's exponentials hold: every row but one must leave this column alone
    return cost


@pytest.mark.parametrize("cost", [torch.full((12, 12), 0.5), outlier(12), 1e200 * random_cost(12, 12, 0)])
def test_extreme_costs_are_solved_exactly_too(cost: Tensor) -> None:
    uniform = np.full(12, 1 / 12)
    scale = cost.max().item()
    value = (cost * mm.transport_plan(cost)).sum().item() / scale
    assert value == pytest.approx(linear_program(cost.double() / scale, uniform, uniform), abs=1e-9)


@given(n=st.integers(1, 8), m=st.integers(1, 8), seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_any_plan_has_its_marginals(n: int, m: int, seed: int) -> None:
    a, b = random_cost(1, n, seed)[0] + 0.01, random_cost(1, m, seed + 1)[0] + 0.01
    b = b * a.sum() / b.sum()  # of any total mass, not of 1 only
    plan = mm.transport_plan(random_cost(n, m, seed), a, b)
    assert bool((plan >= 0).all())
    torch.testing.assert_close(plan.sum(1), a)
    torch.testing.assert_close(plan.sum(0), b)


@given(seed=st.integers(0, 10_000), size=st.integers(2, 9))
@settings(max_examples=12, deadline=None)
def test_permuting_rows_and_columns_permutes_the_plan(seed: int, size: int) -> None:
    cost = random_cost(size, size, seed)
    rows, columns = (torch.randperm(size, generator=torch.Generator().manual_seed(seed + i)) for i in range(2))
    torch.testing.assert_close(mm.transport_plan(cost[rows][:, columns]), mm.transport_plan(cost)[rows][:, columns])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_plan_keeps_dtype_and_takes_no_gradient(dtype: torch.dtype) -> None:
    plan = mm.transport_plan(random_cost(4, 4, 0).to(dtype).requires_grad_())
    assert plan.dtype == dtype
    assert not plan.requires_grad


def test_unequal_marginals_are_refused() -> None:
    cost = random_cost(2, 2, 0)
    with pytest.raises(ValueError, match="equal sums"):
        mm.transport_plan(cost, torch.tensor([0.5, 0.5]), torch.tensor([0.5, 0.9]))
    with pytest.raises(ValueError, match="equal sums"):
        mm.transport_plan(cost, torch.tensor([1.5, -0.5]), torch.tensor([0.5, 0.5]))
    with pytest.raises(ValueError, match=r"2×2.*\(3,\)"):
        mm.transport_plan(cost, torch.ones(3) / 3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_cost_without_optimum_shows_in_the_loss_and_raises_nothing(bad: float) -> None:
    cost = random_cost(3, 3, 0)
    cost[1, 2] = bad
    assert not (cost * mm.transport_plan(cost)).sum().isfinite()


def units(batch: int, width: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(batch, width, generator=generator, dtype=torch.float64), dim=1)


@pytest.mark.parametrize("seed", range(3))
def test_anchor_drag_by_finite_differences(seed: int) -> None:
    """Where the optimum is unique, the gradient through C alone is the gradient of the optimal value."""
    drift, anchor = units(5, 4, seed).requires_grad_(), units(5, 4, seed + 10).requires_grad_()
    assert torch.autograd.gradcheck(mm.anchor_drag, (drift, anchor))


@pytest.mark.parametrize("batch", [2, 6])
def test_anchor_drag_equals_the_slow_version(batch: int) -> None:
    drift, anchor = units(batch, 5, 0), units(batch, 5, 1)
    cost = torch.zeros(5, 5, dtype=torch.float64)
    for i in range(5):
        for j in range(5):
            cost[i, j] = 1 - sum(float(drift[n, i] * anchor[n, j]) for n in range(batch)) / batch
    uniform = np.full(5, 0.2)
    assert mm.anchor_drag(drift, anchor).item() == pytest.approx(linear_program(cost, uniform, uniform), abs=1e-9)


def test_anchor_drag_is_symmetric_and_least_for_equal_representations() -> None:
    drift, anchor = units(6, 8, 0), units(6, 8, 1)
    torch.testing.assert_close(mm.anchor_drag(drift, anchor), mm.anchor_drag(anchor, drift))
    shuffled = anchor[:, torch.tensor([3, 1, 0, 2, 7, 6, 5, 4])]
    torch.testing.assert_close(mm.anchor_drag(shuffled, anchor), mm.anchor_drag(anchor, anchor))
    assert mm.anchor_drag(anchor, anchor) < mm.anchor_drag(drift, anchor)
    assert mm.anchor_drag(anchor, anchor).item() == pytest.approx(1 - anchor.square().sum().item() / 6 / 8)


def test_identical_utterances_give_a_finite_gradient() -> None:
    drift = torch.full((4, 16), 0.25, requires_grad=True)
    mm.anchor_drag(drift, torch.full((4, 16), 0.25)).backward()
    assert drift.grad is not None
    assert drift.grad.isfinite().all()
