"""Adam without PyTorch's optimiser class gives its numbers, bit for bit, and can leave out a step on the device."""

import pytest
import torch
from torch import nn

from mmda_bench.training.adam import FusedAdam

SHAPES = ((7, 5), (3,), (), (2, 3, 4))
RATES = ((1e-3, 5e-4), (1e-3, 5e-4), (2e-4, 1e-4), (2e-4, 1e-4))


def parameters(dtype=torch.float32):
    torch.manual_seed(0)
    return [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in SHAPES]


def gradients(step, dtype=torch.float32):
    """Of every parameter, but now and then none: some terms of a loss come later."""
    rng = torch.Generator().manual_seed(step)
    found = [torch.randn(shape, generator=rng, dtype=dtype) for shape in SHAPES]
    return [None if (i + step) % 3 == 0 else value for i, value in enumerate(found)]


def torchs(dtype, left_out):
    theirs = parameters(dtype)
    optimiser = torch.optim.Adam([{"params": theirs[:2]}, {"params": theirs[2:]}], fused=True)
    for step, rates in enumerate(RATES):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate
        for p, grad in zip(theirs, gradients(step, dtype), strict=True):
            p.grad = grad
        if step not in left_out:
            optimiser.step()
    return theirs


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("left_out", [(), (0,), (1, 3)])
def test_it_moves_as_torchs_own_does_and_skips_as_if_a_step_had_not_been(dtype, left_out):
    mine = parameters(dtype)
    optimiser = FusedAdam([mine[:2], mine[2:]])
    for step, rates in enumerate(RATES):
        for p, grad in zip(mine, gradients(step, dtype), strict=True):
            p.grad = grad
        optimiser.step(rates, skip=torch.tensor(float(step in left_out)))
    assert all(map(torch.equal, mine, torchs(dtype, left_out)))


def test_what_is_decayed_moves_as_torchs_own_with_weight_decay_does_and_nothing_else():
    mine, theirs = parameters(), parameters()
    optimiser = FusedAdam([mine[:2], mine[2:]], decayed=mine[1:3])
    groups = [{"params": [p], "weight_decay": 1e-4 if 1 <= i < 3 else 0.0} for i, p in enumerate(theirs)]
    reference = torch.optim.Adam(groups, fused=True)
    for step, rates in enumerate(RATES):
        for group, rate in zip(reference.param_groups, (rates[0], rates[0], rates[1], rates[1]), strict=True):
            group["lr"] = rate
        for p, other, grad in zip(mine, theirs, gradients(step), strict=True):
            p.grad = other.grad = grad
        optimiser.step(rates)
        reference.step()
    assert all(map(torch.equal, mine, theirs))


def test_a_step_that_is_skipped_moves_nothing_whatever_the_gradients_are():
    mine = parameters()
    optimiser = FusedAdam([mine])
    for p in mine:
        p.grad = torch.full_like(p, float("nan"))
    optimiser.step([0.1], skip=torch.ones(()))
    assert all(map(torch.equal, mine, parameters()))


def test_parameters_of_several_types_are_trained_together():
    mixed = [parameters()[0], parameters(torch.float64)[0]]
    optimiser = FusedAdam([mixed])
    for p in mixed:
        p.grad = torch.ones_like(p)
    optimiser.step([0.1])
    for moved, before in zip(mixed, (parameters()[0], parameters(torch.float64)[0]), strict=True):
        torch.testing.assert_close(moved, before - 0.1)  # Adam's first step is as long as the rate
    optimiser.zero_grad()
    assert [p.grad for p in mixed] == [None, None]
