"""The host waits for the device once a step at most: seen on a CPU, where everything is noted that waits on a GPU."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import make_cell

from mmda_bench import registry
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.functional.adversarial import nuclear_wasserstein
from mmda_bench.functional.transport import PlansTogether, anchor_drag, transport_plan
from mmda_bench.machine.transfer import Fetched
from mmda_bench.method import Method
from mmda_bench.registry import register_method
from mmda_bench.training import Trainer, run_cell
from tests.benchmarks.gpu.waits import Waits, of_each_step

CPU = torch.device("cpu")


@pytest.fixture
def trainer(small_corpus):
    def make(method, *, batch=16, epochs=2):
        cell = make_cell(method, "V")
        protocol = replace(cell.protocol, batch=batch, epochs=epochs)
        return Trainer(replace(cell, protocol=protocol), small_corpus.corpus, CPU)

    return make


PAPER = registry.METHODS.names("all")
OTHERS = [pytest.param(name, marks=pytest.mark.deep) for name in registry.METHODS.names() if name not in PAPER]


@pytest.mark.slow
@pytest.mark.parametrize("method", [*PAPER, *OTHERS])
def test_a_step_waits_once_at_most(trainer, method):
    waits = of_each_step(trainer(method, batch=24))
    assert len(waits) == 4, "two in each epoch"
    assert max(map(len, waits)) <= 1, waits
    assert max(map(len, waits)) > 0, "nothing is ever read: then nothing would be found"


@pytest.mark.slow
def test_batches_that_are_cut_by_length_cost_no_wait(trainer, monkeypatch):
    monkeypatch.setattr(Tiny, "length_groups", 3)
    assert max(map(len, of_each_step(trainer("pcl")))) == 1


def test_a_step_of_a3d2_waits_for_its_plans_alone(trainer):
    for step in of_each_step(trainer("a3d2")):
        assert [what.partition(":")[0] for what in step] == ["an event at transport.py"]


@pytest.mark.parametrize(
    "look",
    [
        lambda x: x.sum().item(),
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: x[x > 0],
        lambda x: x[[0, 1]],
        lambda x: x[np.array([0])],
        lambda x: torch.tensor(1.0, device=x.device),
        lambda x: bool((x > 0).all()),
        lambda x: torch.linalg.svdvals(x),
        lambda x: Fetched(x).numpy(),
    ],
)
def test_whatever_waits_is_noted(look):
    with Waits() as waits:
        look(torch.eye(2))
    assert len(waits.found) == 1


def test_what_has_arrived_meanwhile_costs_no_wait():
    with Waits() as waits:
        first, second = Fetched(torch.ones(1)), Fetched(torch.ones(1))
        second.numpy(), first.numpy(), second.numpy()
    assert len(waits.found) == 1


def test_copies_that_run_by_themselves_and_arithmetic_are_no_waits():
    with Waits() as waits:
        x = torch.eye(2).to(CPU, non_blocking=True).to(torch.float64)
        x[torch.tensor([0])] = 1.0 if waits.found else 2.0
    assert [what.partition(" ")[0] for what in waits.found] == ["tensor"], "the index alone, made of a list"


# --- Nothing is lost by reading later


@pytest.fixture
def planted(monkeypatch):
    def plant(name, loss):
        cls = register_method(name, title=name, paper="test")(type(name, (Method,), {"loss": loss}))
        for entry in registry.read_class(cls, "test"):
            monkeypatch.setitem(registry.METHODS.entries(), entry.name, entry)
            monkeypatch.setitem(registry.METHODS._classes, entry.name, cls)

    return plant


@pytest.fixture
def record(small_corpus):
    def run(name, *, batch, epochs):
        cell = make_cell(name)
        version = registry.DATASETS.get("avatars").card.version
        cell = replace(cell, version=version, protocol=replace(cell.protocol, batch=batch, epochs=epochs))
        return run_cell(cell, root=None, cache=small_corpus.cache, device="cpu").record

    return run


@pytest.mark.parametrize("step", range(4))
def test_a_loss_that_is_not_finite_is_found_in_its_own_step_and_nothing_after_it_is_kept(planted, record, step):
    seen = []

    def loss(self, source, target, progress):
        seen.append(progress)
        bad = math.inf if len(seen) == step + 1 else 0.0
        return {"fine": target.z["A"].sum() * 0, "bad": target.z["A"].square().sum() * bad}

    planted("late", loss)
    found = record("late", batch=24, epochs=2)  # two steps an epoch
    assert found["status"] == "diverged"
    assert found["reason"] == f"the loss term bad is inf at step {step} of 4"
    assert found["steps"] == step
    assert {len(values) for values in found["curves"]["terms"].values()} == ({1} if step >= 2 else set())
    assert found["metrics"] is None
    assert len(seen) <= step + 2


def test_a_step_that_fails_because_of_the_one_before_is_not_blamed(planted, record):
    def loss(self, source, target, progress):
        if progress > 0:
            raise ValueError("cannot go on from there")
        return {"bad": target.z["A"].sum() * math.nan}

    planted("fails", loss)
    found = record("fails", batch=24, epochs=1)
    assert (found["status"], found["reason"]) == ("diverged", "the loss term bad is nan at step 0 of 2")


def test_terms_that_are_finite_with_an_infinite_sum_are_found(planted, record):
    def loss(self, source, target, progress):
        huge = target.z["A"].sum() * 0 + 3e38
        return {"one": huge, "two": huge}

    planted("huge", loss)
    assert "the loss term sum is inf at step 0" in record("huge", batch=24, epochs=1)["reason"]


def test_a_loss_that_is_not_finite_moves_no_parameter(planted, trainer):
    def loss(self, source, target, progress):
        return {"bad": target.z["A"].sum() * (math.nan if progress > 0 else 1.0)}

    planted("moves", loss)
    mine = trainer("moves", epochs=1)
    weights = []
    mine.method.after_step = lambda: weights.append(mine.network.heads["A"].weight.detach().clone())
    with pytest.raises(Exception, match="bad is nan at step 1"):
        mine.train()
    assert torch.equal(weights[0], weights[1])
    assert weights[0].isfinite().all()


# --- Plans that are solved together


def units(seed, width=12):
    rng = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(6, width, generator=rng), dim=1).requires_grad_()


@pytest.mark.parametrize("known", [False, True])
def test_plans_together_give_the_same_values_and_gradients(known):
    inputs = [units(seed) for seed in range(3)]

    def terms():
        return {m: 10.0 * anchor_drag(inputs[i], inputs[2]) for i, m in enumerate("AL")}

    alone = terms()
    expected = torch.autograd.grad(sum(alone.values()), inputs)
    with Waits() as waits, PlansTogether(inputs if known else (), CPU) as plans:
        together = plans.solved(terms())
    assert len(waits.found) == 1
    assert all(type(term) is torch.Tensor and torch.equal(term, alone[m]) for m, term in together.items())
    found = torch.autograd.grad(sum(together.values()), inputs)
    assert all(map(torch.equal, found, expected))


@pytest.mark.parametrize(
    "use",
    [
        lambda x: x,
        lambda x: x * 3,
        lambda x: 0.5 * x,
        lambda x: -x,
        lambda x: x + 1.0,
        lambda x: 1.0 - x,
        lambda x: x * torch.tensor(2.0),
        lambda x: torch.tensor(2.0) * x,
        lambda x: torch.stack([x, 2 * x]).sum(),
        lambda x: x.float().detach(),
        lambda x: torch.tensor(x.item()),
        lambda x: torch.where(x > 0, x, x / 2),
    ],
)
def test_a_pending_plan_may_be_used_as_any_tensor(use):
    z, anchor = units(0), units(1)
    expected = use(anchor_drag(z, anchor))
    with PlansTogether() as plans:
        found = plans.solved({"x": use(anchor_drag(z, anchor))})["x"]
    assert torch.equal(found, expected)
    assert found.requires_grad == expected.requires_grad


def test_outside_a_step_nothing_is_pending():
    with PlansTogether():
        pass
    assert type(anchor_drag(units(0), units(1))) is torch.Tensor


def test_one_plan_is_one_wait():
    with Waits() as waits:
        transport_plan(torch.rand(5, 5))
    assert len(waits.found) == 1


@pytest.mark.parametrize("classes", [2, 4, 20])
def test_nuclear_norms_taken_together_are_those_taken_one_by_one(classes):
    source, target = (units(seed, classes).softmax(1) for seed in range(2))
    one_by_one = torch.linalg.matrix_norm(source, "nuc") / 6 - torch.linalg.matrix_norm(target, "nuc") / 6
    assert torch.equal(nuclear_wasserstein(source, target), one_by_one)
    torch.testing.assert_close(nuclear_wasserstein(source, target[:4]), nuclear_wasserstein(source, target[:4].clone()))
