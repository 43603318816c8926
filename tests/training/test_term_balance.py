"""How strongly each term of a loss acts at the representations is recorded once an epoch, and changes nothing."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_made import make_cell
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmda_bench.backbone.network import DIMS
from mmda_bench.method import Source, Target
from mmda_bench.protocol import SUPERVISED
from mmda_bench.store.faults import unlike
from mmda_bench.store.record import Curves as RecordedCurves
from mmda_bench.training import Trainer, trainer
from mmda_bench.training.curves import Curves, gradient_norms

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
EPOCHS = 3


@pytest.fixture
def make(small_corpus):
    def trainer_of(method, heads="plain", **params):
        cell = make_cell(method, "V", **params)
        protocol = replace(cell.protocol, batch=16, epochs=EPOCHS, heads=heads)
        return Trainer(replace(cell, protocol=protocol), small_corpus.corpus, CPU)

    return trainer_of


@pytest.mark.parametrize(
    ("method", "params"),
    [("pcl", {}), ("a3d2", {}), ("dada", {"alternate": True})]
    + [pytest.param(name, {}, marks=pytest.mark.deep) for name in ("dt", SUPERVISED, "luhp", "mcd", "daln")]
    + [pytest.param("a3d2-released", {"start": 0.3}, marks=pytest.mark.deep)],
)
def test_training_has_the_same_bits_without_it(make, monkeypatch, method, params):
    watched = make(method, **params)
    watched.train()
    monkeypatch.setattr(trainer, "gradient_norms", lambda terms, z: None)
    plain = make(method, **params)
    plain.train()
    assert all(map(torch.equal, watched.parameters, plain.parameters))
    assert all(map(torch.equal, watched.method.buffers(), plain.method.buffers()))
    assert watched.curves == plain.curves or method == "a3d2-released"  # NaN before its transport starts
    assert all(math.isnan(x) for norms in plain.history.gradients.values() for one in norms.values() for x in one)


def finite_differences(term, leaf: Tensor) -> float:
    """The norm of the gradient of ``term()`` at ``leaf``, entry by entry."""
    total = 0.0
    for i in range(leaf.numel()):
        values = []
        for step in (1e-6, -1e-6):
            with torch.no_grad():
                leaf.view(-1)[i] += step
                values.append(float(term()))
                leaf.view(-1)[i] -= step
        total += ((values[0] - values[1]) / 2e-6) ** 2
    return math.sqrt(total)


def test_the_norm_is_that_of_all_representations_of_a_modality_by_whatever_way():
    torch.manual_seed(0)
    z = {m: [torch.randn(2, 3, dtype=torch.float64, requires_grad=True) for _ in range(2)] for m in "ALV"}
    heads = {m: torch.randn(9 if m == "joint" else 3, 2, dtype=torch.float64) for m in (*"ALV", "joint")}

    def logits(m):
        return torch.cat([torch.cat([z[x][i] for x in ("ALV" if m == "joint" else m)], 1) for i in (0, 1)]) @ heads[m]

    terms = {
        "through the joint head": lambda: logits("joint").softmax(1)[:, 0].sum(),
        "at one modality": lambda: 3.0 * logits("L").square().mean(),
        "of one domain": lambda: z["A"][1].sin().sum() + z["V"][1].sum(),
    }
    found = gradient_norms([term() for term in terms.values()], z)
    for row, term in zip(found, terms.values(), strict=True):
        for value, m in zip(row.tolist(), "ALV", strict=True):
            slow = math.hypot(*(finite_differences(term, one) for one in z[m]))
            assert value == pytest.approx(slow, rel=1e-4, abs=1e-6)
    assert found[1].tolist()[::2] == [0, 0]
    assert all(tensor.grad is None for tensors in z.values() for tensor in tensors)


def test_it_is_measured_in_the_last_step_of_every_epoch(make, monkeypatch):
    mine, steps = make("dann"), []

    def loss(source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        steps.append(progress)
        return {"steps": len(steps) * target.z["L"].sum()}

    monkeypatch.setattr(mine.method, "loss", loss)
    mine.train()
    per_epoch, root = len(steps) // EPOCHS, math.sqrt(16 * 256)
    assert mine.history.gradients["steps"]["L"] == pytest.approx([per_epoch * (i + 1) * root for i in range(EPOCHS)])
    assert mine.history.gradients["steps"]["V"] == [0] * EPOCHS
    assert all(norm > 0 for norms in mine.history.gradients["ib"].values() for norm in norms)


def test_a_second_view_is_among_the_representations(make, monkeypatch):
    mine, sizes = make("pcl"), []
    monkeypatch.setattr(trainer, "gradient_norms", lambda terms, z: sizes.append({m: [*map(len, z[m])] for m in z}))
    mine.train()
    assert sizes == EPOCHS * [{m: [32, 16] for m in "ALV"}]
    assert set(DIMS) - set("ALV") == {"joint"}, "which is made of the others"


def test_where_the_domains_go_apart_the_ways_through_the_heads_of_both_count(make, monkeypatch):
    mine, passes = make("dann", heads="bn"), []

    def loss(source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"head": target.logits["L"].square().sum(), "z": source.z["L"].sum() + target.z["L"].sum()}

    monkeypatch.setattr(mine.method, "loss", loss)
    mine.network.register_forward_hook(lambda module, given, found: passes.append(found))
    expected = []

    def slow(terms, z):
        (_, _), (own, logits) = passes[-2:]  # source, then target
        (gradient,) = torch.autograd.grad(logits["L"].square().sum(), own["L"], retain_graph=True)
        expected.append(float(gradient.norm()))
        return gradient_norms(terms, z)

    monkeypatch.setattr(trainer, "gradient_norms", slow)
    mine.train()
    assert mine.history.gradients["head"]["L"] == pytest.approx(expected, rel=1e-5)
    assert min(expected) > 0
    assert mine.history.gradients["head"]["A"] == [0] * EPOCHS
    assert mine.history.gradients["z"]["L"] == pytest.approx([math.sqrt(2 * 16 * 256)] * EPOCHS)


def test_the_anchor_drag_of_a3d2_has_the_gradient_that_its_docstring_states(make):
    mine = make("a3d2")
    mine.train()
    norms = mine.history.gradients["add_L"]
    assert norms["L"] == pytest.approx([10 / (256 * math.sqrt(16))] * EPOCHS, rel=1e-4)
    assert norms["A"] == [0] * EPOCHS
    lows, highs = zip(*mine.history.ranges["add_L"], strict=True)
    assert min(lows) >= 10 * (1 - 1 / 256)
    assert max(highs) <= 10 * (1 + 1 / 256)


@given(st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=2, max_size=2), min_size=1, max_size=9))
def test_ranges_and_means_are_those_of_the_steps(steps):
    curves, last = Curves(len(steps)), len(steps) - 1
    for i, values in enumerate(steps):
        curves.add(i, ["one", "two"], torch.tensor([*values, 0.0]), torch.ones(2, 3) * i if i == last else None)
        curves.close_epoch(1)
    for place, name in enumerate(("one", "two")):
        values = [float(np.float32(step[place])) for step in steps]
        assert curves.terms[name] == values
        assert curves.ranges[name] == [[min(values[: i + 1]), max(values[: i + 1])] for i in range(len(steps))]
        assert curves.gradients[name]["A"][-1] == last


def test_a_term_that_comes_late_or_goes_stands_in_its_own_epochs():
    curves = Curves(3)
    for names in (["ib"], ["ib", "late"], ["ib"]):
        curves.add(0, names, torch.ones(len(names) + 1), torch.ones(len(names), 3))
        curves.close_epoch(1)
    assert [value == 1 for value in curves.terms["late"]] == [False, True, False]
    assert [value == 1 for value in curves.gradients["late"]["V"]] == [False, True, False]
    assert str(curves.ranges["late"]) == "[[nan, nan], [1.0, 1.0], [1.0, 1.0]]"


def test_a_record_takes_what_is_recorded_and_refuses_what_is_not():
    curves = Curves(1)
    curves.add(0, ["ib"], torch.ones(2), torch.ones(1, 3))
    curves.close_epoch(1)
    assert unlike(RecordedCurves, curves.as_json(), extra="forbid") == ""
    assert unlike(RecordedCurves, {"gradients": {"ib": {"A": [-1.0]}}}).startswith(
        "gradients.ib.A[0]: expected a number"
    )
    assert "[lowest, highest]" in unlike(RecordedCurves, {"ranges": {"ib": [[1.0]]}})
