"""What a method is handed, held against the same thing made one by one: batches, views, passes, facts of the cell."""

import math
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from few_steps import EPOCHS, close, features, rows_of
from torch import Tensor

from mmda_bench import registry
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.features.corpus import read_labels
from mmda_bench.method import Method
from mmda_bench.protocol import name_hash
from mmda_bench.training import Trainer
from mmda_bench.training.batches import augmented

pytestmark = pytest.mark.slow


@contextmanager
def method_of(trainer, method):
    """The trainer with another method, and without anything that belonged to its own."""
    trainer.method, trainer.views = method, method.target_views
    yield trainer


class Witness(Method):
    """Looks at everything that a method is handed, and keeps it."""

    target_views = 2

    def __init__(self, owner: Trainer) -> None:
        super().__init__(owner.method.ctx)
        self.owner = [owner]  # not a submodule
        self.seen: list = []
        self.passed: list = []
        self.modes: list = []

    def on_start(self, target_pass):
        self.passed = list(target_pass())
        self.again = list(target_pass())

    def loss(self, source, target, progress):
        modes = {module.training for module in [*self.owner[0].network.modules(), *self.modules()]}
        self.modes.append(modes)
        self.seen.append((source, target))
        return {"nothing": source.z["joint"].sum() * 0}


@pytest.fixture
def witness(trainer, monkeypatch):
    """The trainer of a few steps without dropout and learning, so that the network is the same throughout."""
    monkeypatch.setattr(Tiny, "dropout", 0.0)
    monkeypatch.setattr(Tiny, "learning_rate", 0.0)
    mine = trainer("dann")
    mine.rates = (0.0, 0.0)
    with method_of(mine, Witness(mine)) as watched:
        watched.train()
    return mine


@torch.no_grad()
def test_a_method_sees_the_batch_that_its_ids_name(witness, corpus):
    train = {half: corpus.parts[half, "train"] for half in ("source", "target")}
    for step, (source, target) in enumerate(witness.method.seen):
        assert source.ids.tolist() == rows_of(corpus, "source", 0, step).tolist()
        assert target.ids.tolist() == rows_of(corpus, "target", 0, step).tolist()
        labels = read_labels(corpus, "source", [train["source"][i] for i in source.ids.tolist()])
        assert source.labels.tolist() == labels.tolist()
        for half, domain, shifted in (("source", source, ()), ("target", target, ("A", "V"))):
            z, logits = witness.network(features(corpus, half, domain.ids.tolist(), shifted=shifted))
            for m in ("A", "L", "V", "joint"):
                close(domain.z[m], z[m])
                close(domain.logits[m], logits[m])
    epochs = np.array_split([source.ids.tolist() for source, _ in witness.method.seen], EPOCHS)
    assert len({tuple(np.ravel(rows)) for rows in epochs}) == EPOCHS, "every epoch is shuffled anew"


@torch.no_grad()
def test_the_second_view_is_the_same_batch_augmented(witness, corpus, monkeypatch):
    _, target = witness.method.seen[0]
    assert target.view2.ids.tolist() == target.ids.tolist()
    batch = features(corpus, "target", target.ids.tolist(), shifted=("A", "V"))
    rng = np.random.default_rng(name_hash("augment", 0))
    z, _ = witness.network(augmented(batch, rng))
    for m in "ALV":
        close(target.view2.z[m], z[m])
        different = (target.view2.z[m] - target.z[m]).norm(dim=1)
        assert (different > 1e-3).float().mean() > 0.5
        assert (different < 1.0).float().mean() > 0.5, "a mild augmentation of the same utterance"


def test_the_target_pass_is_the_training_set_in_order_in_eval_mode(trainer, corpus):
    mine = trainer("dann")  # with dropout, which eval mode switches off
    mine.rates = (0.0, 0.0)
    with method_of(mine, Witness(mine)):
        mine.train()
    mine.network.eval()
    train = corpus.parts["target", "train"]
    with torch.no_grad():
        z, logits = mine.network(features(corpus, "target", range(len(train)), shifted=("A", "V")))
    for passed in (mine.method.passed, mine.method.again):
        assert torch.cat([t.ids for t in passed]).tolist() == list(range(len(train)))
        for m in ("A", "L", "V", "joint"):
            close(torch.cat([t.z[m] for t in passed]), z[m])
            close(torch.cat([t.logits[m] for t in passed]), logits[m])
    assert not any(value.requires_grad for t in mine.method.passed for value in t.z.values())
    assert mine.method.modes == [{True}] * len(mine.method.seen), "and training is in train mode"


def test_what_a_method_is_told_of_the_cell(trainer, corpus):
    mine = trainer("a3d2", "V", off=("aa",))
    ctx = mine.method.ctx
    assert (ctx.anchor, ctx.drifts, ctx.modalities) == ("V", ("A", "L"), ("A", "L", "V"))
    assert (ctx.classes, ctx.components) == (len(corpus.classes), {"add"})
    assert ctx.dims == {"A": 256, "L": 256, "V": 256, "joint": 768}
    assert ctx.source_size == len(corpus.parts["source", "train"])
    assert ctx.target_size == len(corpus.parts["target", "train"])
    assert ctx.logit_scale == Tiny.logit_scale
    z = F.normalize(torch.randn(3, 256), dim=1)
    head = mine.network.heads["A"]
    close(ctx.classify("A", z), z @ (Tiny.logit_scale * head.weight).T + head.bias)


def test_random_draws_differ_by_seed_and_by_method_and_repeat(trainer):
    def draw(method, seed) -> Tensor:
        generator = trainer(method, seed=seed).method.ctx.generator
        return torch.rand(4, generator=generator)

    assert torch.equal(draw("dada", 0), draw("dada", 0))
    assert not torch.equal(draw("dada", 0), draw("dada", 1))
    assert not torch.equal(draw("dada", 0), draw("luhp", 0))


def test_registered_methods_are_not_needed_to_see_a_target(trainer):
    assert registry.METHODS.get("dt").target_views == 0
    mine = trainer("dt")
    assert next(mine.loader.batches(ahead=False)).target is None
    mine.train()
    assert math.isfinite(mine.curves["ib"][-1])
