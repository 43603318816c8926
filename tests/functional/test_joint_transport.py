"""Plans between utterances or classes of the two domains: what makes them optimal, by other solvers and by POT."""

import math
import warnings

import numpy as np
import ot
import pytest
import slow_more_losses as slow
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from mmda_bench import functional as mm
from tests.functional.test_more_functional import batches, close, cost, draw, inputs, seeds

few = settings(max_examples=6, deadline=None)


def test_pots_other_regularisation_is_another_loss() -> None:
    """POT's default has become "kl": with it JUMBOT's loss is .2611, so that the plan must name the entropy."""
    costs, uniform = cost(0.1, 0.1).double().numpy(), ot.unif(12)
    losses, mass = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("kl", "entropy"):
            plan = ot.unbalanced.sinkhorn_knopp_unbalanced(uniform, uniform, costs, 0.1, 1.0, reg_type=kind)
            losses[kind], mass[kind] = float((plan * costs).sum()), float(plan.sum())
    assert losses == {"kl": close(0.26112669), "entropy": close(0.33084919)}
    assert mass == pytest.approx({"kl": 0.8166, "entropy": 1.0347}, abs=5e-5)
    ours = (cost(0.1, 0.1) * mm.unbalanced_plan(cost(0.1, 0.1))).sum().item()
    assert ours == close(losses["entropy"])


@given(seed=seeds, n=batches, m=batches)
@few
def test_the_unbalanced_plan_meets_the_conditions_of_its_optimum(seed: int, n: int, m: int) -> None:
    """Where the objective is least, its derivative C + ε log π + τ log(π1·n) + τ log(πᵀ1·m) is 0 in every cell."""
    costs = draw(seed, n, m).abs()
    plan = mm.unbalanced_plan(costs, regularisation=0.2, marginal=0.7)
    slope = costs + 0.2 * plan.log()
    slope = slope + 0.7 * (n * plan.sum(1, keepdim=True)).log() + 0.7 * (m * plan.sum(0, keepdim=True)).log()
    torch.testing.assert_close(slope, torch.zeros(n, m, dtype=torch.float64), rtol=0, atol=1e-4)


@given(seed=seeds, n=batches, m=batches, mass=st.floats(0.1, 1.0))
@few
def test_exact_and_partial_plans_are_as_cheap_as_linear_programs_make_them(
    seed: int, n: int, m: int, mass: float
) -> None:
    costs = draw(seed, n, m).abs()
    a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    partial = mm.joint_plan(costs, "partial", regularisation=0.1, marginal=1.0, mass=mass)
    assert float((partial * costs).sum()) == pytest.approx(slow.cheapest(costs.numpy(), a, b, mass), abs=1e-7)
    assert float(partial.sum()) == pytest.approx(mass)
    assert bool((partial.sum(1) <= 1 / n + 1e-9).all())
    assert bool((partial.sum(0) <= 1 / m + 1e-9).all())
    exact = mm.joint_plan(costs, "exact", regularisation=0.1, marginal=1.0, mass=mass)
    assert float((exact * costs).sum()) == pytest.approx(slow.cheapest(costs.numpy(), a, b), abs=1e-7)


@pytest.mark.parametrize("n", [6, 7, 48, 49])
def test_all_of_the_mass_may_be_moved_although_its_parts_do_not_quite_sum_to_one(n: int) -> None:
    costs = draw(0, n, n).abs()
    torch.testing.assert_close(mm.partial_plan(costs, mass=1.0).sum(1), torch.full((n,), 1 / n, dtype=torch.float64))


@pytest.mark.parametrize("mass", [0.0, -0.1, 1.1, math.nan])
def test_a_mass_that_is_no_share_is_refused(mass: float) -> None:
    with pytest.raises(ValueError, match="expected a share above 0, at most 1"):
        mm.partial_plan(torch.eye(2), mass=mass)


def test_an_unknown_plan_is_named() -> None:
    with pytest.raises(ValueError, match="'best'; one of exact, unbalanced, partial"):
        mm.joint_plan(torch.eye(2), "best", regularisation=0.1, marginal=1.0, mass=0.5)


@given(seed=seeds, n=st.integers(6, 8), c=st.integers(2, 3))
@few
def test_the_transport_of_mixtures_is_that_of_their_gaussians(seed: int, n: int, c: int) -> None:
    """By hand-made Gaussians and a linear program, and by POT, which knows full covariances."""
    z_s, z_t, probs = (inputs(seed, n, c)[key] for key in ("z_s", "z_t", "p_t"))
    own = torch.arange(n) % c
    source, target = slow.gaussians(z_s, F.one_hot(own, c).double()), slow.gaussians(z_t, probs)
    costs = [
        [sum((a - b) ** 2 for a, b in zip([*m, *d], [*u, *e], strict=True)).item() for _, u, e in target]
        for _, m, d in source
    ]
    weights = [np.array([w for w, _, _ in side]) for side in (source, target)]
    ours = mm.mixture_transport(z_s, own, z_t, probs)
    assert ours.item() == pytest.approx(slow.cheapest(np.array(costs), *weights), rel=1e-4, abs=1e-5)
    means = [np.array([[v.item() for v in m] for _, m, _ in side]) for side in (source, target)]
    squares = [np.array([np.diag([v.item() ** 2 for v in d]) for _, _, d in side]) for side in (source, target)]
    assert ours.item() == pytest.approx(float(ot.gmm.gmm_ot_loss(*means, *squares, *weights)), rel=1e-4, abs=1e-5)


def test_the_gradient_of_the_transport_of_mixtures_is_that_of_its_cost() -> None:
    z_s, z_t, probs = (inputs(2, 6, 2)[key] for key in ("z_s", "z_t", "p_t"))
    own = torch.arange(6) % 2
    assert torch.autograd.gradcheck(lambda s, t: mm.mixture_transport(s, own, t, probs.detach()), [z_s, z_t])


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("options", [{}, {"information": 5.0, "bandwidth": 1.0}])
def test_the_informed_plan_is_that_of_the_published_rounds(seed: int, options: dict[str, float]) -> None:
    own = torch.arange(6) % 2
    z_s, z_t = (draw(seed + k, 6, 3) + 4 * own.unsqueeze(1) for k in (0, 9))
    options = {"information": 100.0, "bandwidth": 0.5, "regularisation": 1.0, **options}
    plan = mm.information_plan(z_s, z_t, own, **options)
    np.testing.assert_allclose(plan.numpy(), slow.information_plan(z_s, z_t, own, **options), atol=2e-5)


def test_information_keeps_the_classes_of_the_source_together() -> None:
    """Two target clusters, equally far from both classes: distance alone splits the classes over them."""
    own, side = torch.arange(12) % 2, torch.arange(12) // 6
    z_s = torch.stack([own * 4.0, torch.zeros(12)], 1) + 0.3 * draw(0, 12, 2)
    z_t = torch.stack([torch.full((12,), 2.0), side * 4.0 - 2.0], 1) + 0.3 * draw(1, 12, 2)
    plans = mm.information_plan(z_s, z_t, own), mm.transport_plan(mm.squared_distances(z_s, z_t).sqrt())
    purity = [max((2 * plan[own == 0][:, side == k].sum()).item() for k in (0, 1)) for plan in plans]
    assert purity[0] == pytest.approx(1.0, abs=1e-6)
    assert purity[1] < 0.9
