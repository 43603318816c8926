"""An anchor that is told wrongly or not at all: what the method sees, and what stays as it is."""

from dataclasses import replace

import pytest
import torch
from hand_made import make_cell

from mmda_bench.registry import DATASETS
from mmda_bench.training import Trainer, run_cell
from mmda_bench.training.batches import Loader

CPU = torch.device("cpu")


def told(told_anchor, method="a3d2", anchor="V"):
    cell = make_cell(method, anchor, epochs=1)
    protocol = replace(cell.protocol, told_anchor=told_anchor)
    return replace(cell, version=DATASETS.get("avatars").card.version, protocol=protocol)


def test_a_method_believes_what_it_is_told_and_the_shift_is_that_of_the_truth(small_corpus):
    wrong = Trainer(told("L"), small_corpus.corpus, CPU)
    assert (wrong.method.ctx.anchor, wrong.method.ctx.drifts) == ("L", ("A", "V"))
    assert wrong.assumed is None
    rows = small_corpus.corpus.parts["target", "test"][:4]
    right = Loader(told(""), small_corpus.corpus, CPU, size=4, with_target=True).features("target", rows)
    seen = wrong.loader.features("target", rows)
    assert all(torch.equal(seen[m].values, right[m].values) for m in "ALV")


@pytest.mark.parametrize("anchor", "ALV")
def test_a_method_that_is_not_told_finds_the_anchor_before_it_trains(small_corpus, anchor):
    trainer = Trainer(told("none", anchor=anchor), small_corpus.corpus, CPU)
    assert trainer.method.ctx.anchor == trainer.assumed["modality"] == anchor
    assert trainer.assumed["accuracy"][anchor] < 0.75


def test_what_was_assumed_is_in_the_record_and_nothing_else_differs(small_corpus):
    found = run_cell(told("none"), root=None, cache=small_corpus.cache).record
    right = run_cell(told(""), root=None, cache=small_corpus.cache).record
    assert found["status"] == "ok", found["reason"]
    assert found["metrics"]["assumed_anchor"]["modality"] == "V"
    assert "assumed_anchor" not in right["metrics"]
    assert found["curves"]["terms"] == right["curves"]["terms"], "found rightly, it trains as if it were told"
