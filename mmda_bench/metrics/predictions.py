"""What a method's ``predict`` must give: one rule for ``mmda-bench check`` and for every run."""

from typing import Any

SUM_TOLERANCE = 1e-3  # what half precision leaves of a sum of twenty


def prediction_fault(found: Any, *, rows: int, classes: int) -> str:
    """Why ``found`` is no class probabilities of ``rows`` utterances, or "". Expected: (rows, classes), finite,
    non-negative, every row with sum 1.

    >>> import torch
    >>> prediction_fault(torch.full((2, 4), 0.25), rows=2, classes=4)
    ''
    >>> prediction_fault(torch.zeros(2), rows=2, classes=4)
    'predict returned shape (2,); expected (N, C) = (2, 4)'
    """
    from torch import Tensor

    if not isinstance(found, Tensor):
        return f"predict returned a {type(found).__name__}; expected a tensor (N, C) = ({rows}, {classes})"
    if found.shape != (rows, classes):
        return f"predict returned shape {tuple(found.shape)}; expected (N, C) = ({rows}, {classes})"
    values = found.detach().double()
    if not bool(values.isfinite().all()):
        return "predict returned values that are not finite; expected class probabilities"
    if bool((values < 0).any()):
        return f"predict returned {values.min().item():.3g}; expected class probabilities: softmax missing?"
    off = (values.sum(1) - 1).abs().max().item() if rows else 0.0
    if off > SUM_TOLERANCE:
        worst = values.sum(1)[(values.sum(1) - 1).abs().argmax()].item()
        return f"predict returned a row whose sum is {worst:.4g}; expected probabilities with sum 1: softmax missing?"
    return ""
