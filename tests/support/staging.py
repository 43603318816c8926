"""A method ready to be compared with its formula: in float64, without dropout, its inputs leaves of the graph."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmda_bench.method import Source, Target
from mmda_bench.registry import METHODS
from mmda_bench.testing.rehearsal import Rehearsal


def stage(
    name: str, classes: int = 3, batch: int = 5, *, anchor: str = "A", **params: Any
) -> tuple[Rehearsal, Any, Source, Target]:
    """A method in float64 without dropout, and a batch of each domain whose z["joint"] and logits are leaves."""
    entry = METHODS.entry(name)
    rehearsal = Rehearsal(
        replace(entry, parameters={**entry.parameters, **params}), classes=classes, batch=batch, anchor=anchor
    )
    source, target = rehearsal.batches()
    for domain in (source, target, target.view2):
        for mapping in (domain.z, domain.logits) if domain is not None else ():
            for m in mapping:
                mapping[m] = mapping[m].detach().double().requires_grad_()  # type: ignore[index]
    rehearsal.network.double()
    method = rehearsal.method.double().eval()
    return rehearsal, method, source, target


def grads(value: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    found = torch.autograd.grad(value, inputs, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(x) if g is None else g for g, x in zip(found, inputs, strict=True)]
