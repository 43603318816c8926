"""What ``predict`` gives is held to the contract in every run, with the same words as in ``check``."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmda_bench import registry
from mmda_bench.method import Method
from mmda_bench.metrics.predictions import prediction_fault
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import register_method
from mmda_bench.testing.method_contract import check_method
from mmda_bench.training import run_cell

pytestmark = pytest.mark.slow

BAD = {
    "logits": (lambda logits: 9 * logits, "expected class probabilities: softmax missing?"),
    "hard labels": (lambda logits: logits.argmax(1), "(50,); expected (N, C) = (50, 4)"),
    "one class more": (
        lambda logits: torch.cat([logits.softmax(1), 0 * logits[:, :1]], 1),
        "predict returned shape (50, 5); expected (N, C) = (50, 4)",
    ),
    "no numbers": (lambda logits: logits.softmax(1) * torch.nan, "predict returned values that are not finite"),
    "weights": (lambda logits: logits.softmax(1) * 0.5, "a row whose sum is 0.5; expected probabilities with sum 1"),
    "an array": (lambda logits: logits.softmax(1).numpy(), "predict returned a ndarray; expected a tensor"),
}


@pytest.fixture
def plant():
    """Registers a method that predicts by a function of the joint logits."""

    def register(predict):
        class Planted(Method):
            def loss(self, source, target, progress):
                return {"mmd": (source.z["joint"].mean(0) - target.z["joint"].mean(0)).square().sum()}

            def predict(self, logits):
                return predict(logits["joint"].float())

        registry.register(register_method("planted", title="Planted", paper="none")(Planted))

    return register


def failures() -> dict[str, str]:
    return {check.title: check.detail for check in check_method("planted") if not check.passed}


@pytest.mark.parametrize("name", BAD)
def test_a_run_fails_with_the_words_of_the_contract(plant, small_corpus, name):
    predict, words = BAD[name]
    plant(predict)
    protocol = Protocol(backbone="tiny", epochs=1)
    version = small_corpus.reader.describe(None).version
    cell = Cell(method="planted", dataset="avatars", version=version, anchor="A", seed=0, protocol=protocol)
    outcome = run_cell(cell, root=None, cache=small_corpus.cache, device="cpu")
    assert (outcome.record["status"], outcome.outputs) == ("failed", None)
    assert words in outcome.record["reason"]


def test_a_prediction_that_depends_on_its_neighbours_is_found(plant):
    plant(lambda logits: (logits - logits.mean(0)).softmax(1))
    assert list(failures()) == ["an utterance's prediction does not depend on its neighbours in the batch"]
    plant(lambda logits: logits.softmax(1))
    assert failures() == {}


@dataclass
class Case:
    rows: int
    classes: int


@given(st.builds(Case, st.integers(0, 5), st.integers(2, 20)), st.sampled_from([torch.float32, torch.float16]))
def test_every_softmax_keeps_the_contract(case, dtype):
    found = (5 * torch.randn(case.rows, case.classes)).to(dtype).softmax(1)
    assert prediction_fault(found, rows=case.rows, classes=case.classes) == ""
