"""How strongly the terms of a method act beside L_IB, rehearsed at the sizes of training."""

from dataclasses import replace
from typing import Any

import torch

from mmda_bench.backbone.base import DIMENSION
from mmda_bench.dataset import MODALITIES
from mmda_bench.functional.objective import information_bottleneck
from mmda_bench.metrics.term_balance import verdicts
from mmda_bench.protocol import Protocol
from mmda_bench.registry import Entry
from mmda_bench.testing.rehearsal import Rehearsal
from mmda_bench.training.curves import Curves, gradient_norms

STEPS, MEASURED = 12, 3  # of a rehearsal; one in so many is measured
RATE = 1e-2  # ten times that of training, so that discriminators learn to tell the domains apart in so few steps
SIZES: dict[str, Any] = {"classes": 4, "batch": Protocol.batch, "size": 2 * Protocol.batch, "width": DIMENSION}
SCALE = 16.0  # on z in front of the heads, as the backbones have it


def rehearsed_balance(entry: Entry, **parameters: Any) -> dict[str, str]:
    """What each term's gradient at Z is beside that of L_IB (:func:`~mmda_bench.metrics.term_balance.verdicts`).

    A few steps from progress 0 to 1 on random utterances and a stand-in for the network, in batches, representations
    and heads of the sizes of training. A run on real utterances records the same of its own. ``parameters``: in the
    place of defaults.

    >>> from mmda_bench.registry import METHODS
    >>> rehearsed_balance(METHODS.entry("dann"), weight=0.01)
    {'domain_joint': "its gradient at Z is 1/990 of L_IB's: it hardly acts"}
    """
    chosen = replace(entry, parameters={**entry.parameters, **parameters})
    rehearsal, curves = Rehearsal(chosen, **SIZES, scale=SCALE), Curves(STEPS)
    for step in range(STEPS):
        source, target = rehearsal.batches(step)
        terms = {"ib": information_bottleneck(source.logits, source.z, source.labels, Protocol.beta)}
        terms |= rehearsal.terms(source, target, step / STEPS)
        values = torch.stack([term.float() for term in terms.values()])
        measured = step % MEASURED == MEASURED - 1
        z = {m: [batch.z[m] for batch in (source, target, target.view2) if batch is not None] for m in MODALITIES}
        norms = gradient_norms(terms.values(), z) if measured else None
        curves.add(step, terms, torch.cat([values, values.sum()[None]]), norms)
        if measured:
            curves.close_epoch(MEASURED)
        rehearsal.optimiser.zero_grad()
        values.sum().backward()
        rehearsal.optimiser.step([RATE])
        rehearsal.method.after_step()
    return verdicts(curves.gradients)


def balance(entry: Entry) -> str:
    """The remark of the check: a sentence for every term.

    >>> from mmda_bench.registry import METHODS
    >>> balance(METHODS.entry("dt"))
    'L_IB alone'
    """
    found = rehearsed_balance(entry)
    return "; ".join(f"{term}: {verdict}" for term, verdict in found.items()) or "L_IB alone"
