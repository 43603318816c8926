"""Trainers of a few steps on the small corpus, which the tests of trainers and of what methods see share."""

from dataclasses import replace

import pytest
from few_steps import BATCH, CPU, EPOCHS, RATES
from hand_made import make_cell

from mmda_bench.backbone.tiny import Tiny
from mmda_bench.training import Trainer


@pytest.fixture
def corpus(small_corpus):
    return small_corpus.corpus


@pytest.fixture
def trainer(corpus, monkeypatch):
    """Trainers of a few steps, on a backbone whose two learning rates differ."""
    monkeypatch.setattr(Tiny, "pretrained_rate", RATES[0])

    def make(method="dt", anchor="L", *, seed=0, **options):
        planned = make_cell(method, anchor, seed, **options)
        return Trainer(replace(planned, protocol=replace(planned.protocol, batch=BATCH, epochs=EPOCHS)), corpus, CPU)

    return make
