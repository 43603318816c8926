"""A term beside its formula written out without reversal layers.

A reversal by λ turns the gradient g of the plain loss into −λ g for whatever lies before it, and leaves the gradient to
the discriminator as it is: that is what the comparison uses.
"""

import slow_losses as slow
import torch
from staging import grads
from torch import Tensor

from mmda_bench.functional.adversarial import warmup

CASES = [(2, 2), (3, 5), (20, 4)]  # (classes, batch): batches of 2, odd, fewer than classes
PROGRESS = 0.3
LAMBDA = warmup(PROGRESS)


def assert_adversarial(
    term: Tensor, plain: Tensor, features: list[Tensor], weights: list[Tensor], coeff: float
) -> None:
    """Equal values; −coeff times the plain gradient at the features, the plain gradient at the weights."""
    torch.testing.assert_close(term.double(), plain.double(), rtol=1e-5, atol=1e-7)
    for mine, theirs in zip(grads(term, features), grads(plain, features), strict=True):
        torch.testing.assert_close(mine, -coeff * theirs, rtol=1e-5, atol=1e-8)
    for mine, theirs in zip(grads(term, weights), grads(plain, weights), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-7)  # predictions are taken in float32


def slow_softmax(logits: Tensor) -> Tensor:
    return torch.stack([torch.stack(slow.softmax(row)) for row in logits])
