"""LUHP, its memory included, against a slow version that goes through the utterances one by one."""

from typing import Any

import pytest
import slow_losses as slow
import torch
import torch.nn.functional as F
from staging import grads, stage
from torch import Tensor

from mmda_bench.functional.adversarial import warmup
from mmda_bench.method import Target
from mmda_bench.testing.rehearsal import SIZE, Rehearsal

CASES = [(2, 2, 0), (3, 8, 0), (3, 8, 1), (20, 6, 2)]  # (classes, batch, seed)


def unit(row: Tensor) -> Tensor:
    return row / torch.sqrt((row * row).sum())


def slow_terms(rehearsal: Rehearsal, method: Any, target: Target, progress: float) -> dict[str, Tensor]:
    """The three target terms from the memory as it is now, for the same random numbers as the next call of ``loss``."""
    memory, z, logits, n = method.memory, target.z["joint"], target.logits["joint"], len(target.ids)
    unit_z = torch.stack([unit(row) for row in z])
    bank_p = memory.probs / n
    bank_labels = torch.tensor([row.tolist().index(max(row.tolist())) for row in bank_p])
    label, confidence = slow.neighbour_pseudo_labels(unit_z, memory.z, bank_p, target.ids, 5)
    losses = [-torch.log(slow.softmax(row)[y]) for row, y in zip(logits, label, strict=True)]
    self_training = sum(a * x for a, x in zip(confidence, losses, strict=True)) / sum(confidence)

    arguments = (unit_z, torch.tensor(label), torch.tensor(confidence, dtype=torch.float64), memory.z, bank_labels)
    triplet = slow.hard_triplet(*arguments, memory.certainty, target.ids, 5, 0.3, False)

    certain = slow.certainty(unit_z, torch.tensor(label), memory.z, bank_labels, target.ids, 5)
    low = []
    for i, y in enumerate(label):
        stored = [w for w, other in zip(memory.certainty.tolist(), bank_labels.tolist(), strict=True) if other == y]
        if stored and certain[i] >= sum(stored) / len(stored):
            low.append(i)
    random = torch.rand(2, len(low), generator=rehearsal.generator)
    partner = random[1].argsort().tolist()
    reuse = 0 * z.sum()
    for position, i in enumerate(low):
        j, share = low[partner[position]], random[0, position].item()
        mixed = share * z[i] + (1 - share) * z[j]
        probs = slow.softmax(rehearsal.network.heads["joint"](4.0 * mixed))
        reuse = reuse - (share * torch.log(probs[label[i]] + 1e-5) + (1 - share) * torch.log(probs[label[j]] + 1e-5))
    return {
        "self": progress * 0.2 * self_training,
        "triplet": progress * triplet,
        "reuse": progress * 0.2 * reuse / max(len(low), 1),
        "certain": torch.tensor(certain),
        "low": torch.tensor(low),
    }


@pytest.mark.parametrize(("classes", "batch", "seed"), CASES)
def test_terms_and_gradients(classes: int, batch: int, seed: int) -> None:
    rehearsal, method, source, target = stage("luhp", classes, batch)
    random = torch.Generator().manual_seed(seed)  # a memory as it may be in the middle of training
    probs = (2 * torch.randn(SIZE, classes, generator=random)).softmax(1)
    method.memory.write(torch.arange(SIZE), torch.randn(SIZE, 48, generator=random), probs)
    by_class = torch.linspace(0.5, 1.5, classes)[method.memory.labels]  # so that θ⁺ and θ⁻ are far apart
    method.memory.certainty.copy_(by_class + 0.2 * torch.randn(SIZE, generator=random))
    rehearsal.generator.manual_seed(seed)
    expected = slow_terms(rehearsal, method, target, 0.4)
    rehearsal.generator.manual_seed(seed)
    terms = method.loss(source, target, 0.4)
    inputs = [target.z["joint"], target.logits["joint"], *rehearsal.network.heads["joint"].parameters()]
    for name in ("self", "triplet", "reuse"):
        torch.testing.assert_close(terms[name].double(), expected[name].double(), rtol=1e-4, atol=1e-6)
        for mine, theirs in zip(grads(terms[name], inputs), grads(expected[name], inputs), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(terms["triplet"], expected["triplet"], rtol=1e-8, atol=1e-12)  # all of it in float64
    torch.testing.assert_close(method.memory.certainty[target.ids], expected["certain"].double(), rtol=1e-4, atol=1e-6)
    d = method.discriminator
    plain = slow.domain_loss(d(source.z["joint"]), d(target.z["joint"]))
    torch.testing.assert_close(terms["domain"], plain)
    (mine,), (theirs,) = (grads(value, [source.z["joint"]]) for value in (terms["domain"], plain))
    torch.testing.assert_close(mine, -warmup(0.4) * theirs)


def test_the_three_target_terms_rise_from_zero_with_progress() -> None:
    def values(progress: float) -> dict[str, float]:
        rehearsal, method, source, target = stage("luhp", 3, 8)
        rehearsal.generator.manual_seed(0)
        return {name: term.item() for name, term in method.loss(source, target, progress).items()}

    start, half, late = values(0.0), values(0.5), values(1.0)
    assert start["self"] == start["triplet"] == start["reuse"] == 0
    assert start["domain"] > 0
    for name in ("self", "triplet", "reuse"):
        assert late[name] == pytest.approx(2 * half[name])


def test_memory_is_filled_before_training_and_written_after_each_step() -> None:
    _, method, source, target = stage("luhp", 3, 8)
    assert (method.memory.z.norm(dim=1) - 1).abs().max() < 1e-6
    assert torch.equal(method.memory.certainty, torch.ones(SIZE, dtype=torch.float64))
    before = method.memory.z.clone()
    target.z["joint"].data.neg_()
    method.loss(source, target, 0.5)
    assert torch.equal(method.memory.z, before)  # not yet: the step has not been taken
    method.after_step()
    torch.testing.assert_close(method.memory.z[target.ids], F.normalize(target.z["joint"].detach(), dim=1))
    others = torch.ones(SIZE, dtype=torch.bool)
    others[target.ids] = False
    assert torch.equal(method.memory.z[others], before[others])
    probs = torch.stack([torch.stack(slow.softmax(row)) for row in target.logits["joint"].detach()])
    written = method.memory.probs[target.ids] / len(target.ids)
    torch.testing.assert_close(written, probs**2 / (probs**2).sum(0), rtol=1e-5, atol=1e-7)
    assert not method.memory.z.requires_grad


def test_its_first_filling_does_not_depend_on_the_batches_of_the_pass() -> None:
    memories = [stage("luhp", 3, batch)[1].memory for batch in (5, 8, 24)]
    for memory in memories[1:]:
        torch.testing.assert_close(memory.probs, memories[0].probs, rtol=1e-4, atol=1e-6)


def test_the_official_code_often_takes_the_own_entry_as_farthest_positive() -> None:
    values = []
    for keep in (False, True):
        _, method, source, target = stage("luhp", 2, 8, keep_own_entry=keep)
        values.append(method.loss(source, target, 0.5)["triplet"].item())
    assert values[1] < values[0]  # the own entry is the nearest of all: its distance is 0


@pytest.mark.parametrize("case", ["never filled", "one class in memory", "nothing low in uncertainty"])
def test_awkward_memories_give_finite_terms(case: str) -> None:
    _, method, source, target = stage("luhp", 3, 8)
    memory = method.memory
    if case == "never filled":
        memory.z.zero_()
        memory.probs.zero_()
    elif case == "one class in memory":
        memory.probs.copy_(torch.tensor([0.0, 3.0, 0.0]).expand(SIZE, 3))
    else:
        memory.certainty.fill_(1e6)
    terms = method.loss(source, target, 0.5)
    for name, term in terms.items():
        assert term.isfinite(), name
        assert all(g.isfinite().all() for g in grads(term, [target.z["joint"], target.logits["joint"]])), name
    if case == "nothing low in uncertainty":
        assert terms["reuse"].item() == 0
