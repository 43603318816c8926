"""What training does, held against the same thing written out: rows, labels, objective, rates, modes, views, seeds."""

import math
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import slow_losses as slow
import torch
import torch.nn.functional as F
from hand_made import make_cell
from torch import Tensor, nn

from mmda_bench import registry, training
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.features.corpus import read_labels
from mmda_bench.functional.adversarial import warmup
from mmda_bench.method import Method
from mmda_bench.protocol import SUPERVISED, name_hash
from mmda_bench.training import Trainer
from mmda_bench.training import cell as training_cell
from mmda_bench.training.batches import augmented

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
BATCH, EPOCHS = 16, 4
FACTORS = (1.0, 1.0, 0.6, 0.2)  # of the learning rates, epoch by epoch: the released code's halves, stretched
RATES = (3e-4, 1e-3)


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


@contextmanager
def method_of(trainer, method):
    """The trainer with another method, and without anything that belonged to its own."""
    trainer.method, trainer.views = method, method.target_views
    yield trainer


def rows_of(corpus, half, seed, step):
    """The rows of the training set of ``half`` in a step: a new permutation every epoch."""
    count = len(corpus.parts[half, "train"])
    rng = np.random.default_rng(name_hash("order", half, seed))
    per_epoch = count // BATCH
    permutations = [rng.permutation(count) for _ in range(step // per_epoch + 1)]
    start = step % per_epoch * BATCH
    return permutations[-1][start : start + BATCH]


def features(corpus, half, rows, *, shifted=(), part="train"):
    """The features of these rows one by one, padded with zeros to the longest."""
    batch = {}
    for m in "ALV":
        store = corpus.features[m, "shifted" if m in shifted else "clean"]
        found = [torch.from_numpy(np.array(store[corpus.parts[half, part][row]])).float() for row in rows]
        lengths = torch.tensor([len(x) for x in found])
        mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
        batch[m] = Sequences(nn.utils.rnn.pad_sequence(found, batch_first=True), mask)
    return batch


def objective(logits, z, labels, beta):
    """L_IB over the three modalities and the joint representation."""
    terms = [-logits[m].log_softmax(1)[range(len(labels)), labels].mean() for m in ("A", "L", "V", "joint")]
    terms += [beta / 2 * torch.log(z[m].var(0, correction=0) + 1e-6).sum() for m in ("A", "L", "V", "joint")]
    return sum(terms)


def written_out(name, corpus, discriminator):
    """Train as :class:`Trainer` should: two forward passes, plain Adam; the mean objective of each epoch and the
    network. ``discriminator``: a fresh one for DANN. Without dropout, whose numbers depend on the order of calls."""
    torch.manual_seed(name_hash("network", 0))
    network = MultimodalNetwork(Tiny(), len(corpus.classes))
    pretrained = [p for m in "ALV" for p in network.encoders[m].pretrained.parameters()]
    known = {id(p) for p in pretrained}
    fresh = [p for p in network.parameters() if id(p) not in known]
    fresh += [] if discriminator is None else [*discriminator.parameters()]
    optimiser = torch.optim.Adam([{"params": pretrained}, {"params": fresh}], foreach=False)
    steps = len(corpus.parts["source", "train"]) // BATCH
    curve = []
    for epoch in range(EPOCHS):
        for group, rate in zip(optimiser.param_groups, RATES, strict=True):
            group["lr"] = rate * FACTORS[epoch]
        total = 0.0
        for step in range(epoch * steps, (epoch + 1) * steps):
            seen, labels = {}, {}
            for half, shifted in (("source", ()), ("target", ("A", "V"))):
                rows = rows_of(corpus, half, 0, step)
                seen[half] = network(features(corpus, half, rows, shifted=shifted))
                positions = [corpus.parts[half, "train"][row] for row in rows]
                labels[half] = torch.from_numpy(read_labels(corpus, half, positions))
            (z, logits), (z_target, logits_target) = seen["source"], seen["target"]
            loss = ib = objective(logits, z, labels["source"], 1e-3)
            if name == SUPERVISED:
                loss = loss + objective(logits_target, z_target, labels["target"], 1e-3)
            if discriminator is not None:
                coeff = warmup(step / (EPOCHS * steps))
                for z_half, domain in ((z["joint"], 0.0), (z_target["joint"], 1.0)):
                    # the discriminator minimises, what lies before it gets −λ times that gradient
                    reversed_z = z_half.detach() * (1 + coeff) - coeff * z_half
                    verdict = discriminator(reversed_z)
                    loss = loss + 0.5 * F.binary_cross_entropy_with_logits(verdict, torch.full_like(verdict, domain))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += ib.item()
        curve.append(total / steps)
    return network, curve


@pytest.mark.parametrize("name", ["dt", "dann", SUPERVISED])
def test_training_equals_the_same_steps_written_out(name, trainer, corpus, monkeypatch):
    monkeypatch.setattr(Tiny, "dropout", 0.0)
    mine = trainer(name)
    trained = discriminator = None
    if name == "dann":
        (trained,) = mine.method.discriminators.values()
        for module in trained.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        discriminator = deepcopy(trained)
    mine.train()
    network, curve = written_out(name, corpus, discriminator)
    assert mine.curves["ib"] == pytest.approx(curve, rel=1e-4, abs=1e-4)
    # What they compute, not their weights: some change nothing (a key's bias), and Adam moves them all the same.
    with torch.no_grad():
        batch = features(corpus, "target", range(BATCH), shifted=("A", "V"))
        (z, logits), (expected_z, expected) = (one.eval()(batch) for one in (mine.network, network))
        for m in ("A", "L", "V", "joint"):
            torch.testing.assert_close(z[m], expected_z[m], rtol=0, atol=1e-3)
            torch.testing.assert_close(logits[m], expected[m], rtol=0, atol=2e-2)
        if discriminator is not None:
            verdicts = [one(expected_z["joint"]) for one in (trained, discriminator)]
            torch.testing.assert_close(*verdicts, rtol=0, atol=2e-3)


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


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


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


@torch.no_grad()
@pytest.mark.parametrize(("half", "shifted"), [("source", ()), ("target", ("A", "V"))])
def test_predictions_are_those_of_the_shifted_features_in_eval_mode(half, shifted, trainer, corpus):
    mine = trainer("dt")
    mine.network.train()
    mine.method.train()
    positions = corpus.parts[half, "test"]
    z, logits, probabilities = mine.predict(half, positions)
    mine.network.eval()
    expected_z, expected = mine.network(features(corpus, half, range(len(positions)), shifted=shifted, part="test"))
    for m in ("A", "L", "V", "joint"):
        close(torch.from_numpy(logits[m]), expected[m])
        close(torch.from_numpy(z[m]), expected_z[m])
    close(torch.from_numpy(probabilities), expected["joint"].softmax(1))
    clean, _ = mine.network(features(corpus, half, range(len(positions)), part="test"))
    same = {m: torch.allclose(torch.from_numpy(z[m]), clean[m], atol=1e-4) for m in "ALV"}
    assert same == {m: m not in shifted for m in "ALV"}


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


def test_the_network_and_the_batches_do_not_depend_on_the_method(trainer, corpus):
    mine = {name: trainer(name) for name in ("dt", "dann", "cdan")}
    weights = [torch.cat([p.flatten() for p in t.network.parameters()]) for t in mine.values()]
    assert all(torch.equal(weights[0], other) for other in weights[1:])
    other = torch.cat([p.flatten() for p in trainer("dt", seed=1).network.parameters()])
    assert not torch.equal(weights[0], other)
    assert rows_of(corpus, "source", 0, 0).tolist() != rows_of(corpus, "source", 1, 0).tolist()
    for t in mine.values():
        batch = next(t.loader.batches(ahead=False))
        assert batch.source_rows.tolist() == rows_of(corpus, "source", 0, 0).tolist()


def test_the_reference_run_follows_the_target_labels(trainer, corpus):
    mine, other = trainer(SUPERVISED), trainer(SUPERVISED)
    other.target_labels = (other.target_labels + 1) % len(corpus.classes)
    for t in (mine, other):
        t.train()
    assert set(mine.curves) == {"ib", "target_ib"}
    assert mine.curves["target_ib"][0] != other.curves["target_ib"][0]
    assert mine.curves["ib"][-1] != other.curves["ib"][-1]


def test_every_trained_parameter_moves_and_the_frozen_prefix_is_not_among_them(trainer):
    mine = trainer("a3d2")
    names = [name for name, _ in mine.network.named_parameters()]
    assert len(mine.parameters) == len(names) + len(list(mine.method.parameters()))
    assert not any("frozen" in name for name in names)
    assert sum(".pretrained." in name for name in names) == len(mine.network.pretrained_parameters())
    before = [p.detach().clone() for p in mine.parameters]
    mine.train()
    assert not any(torch.equal(a, b) for a, b in zip(before, mine.parameters, strict=True))


def test_a_record_has_the_scores_of_each_head_and_the_distance_of_each_modality(small_corpus):
    planned = replace(make_cell("dt", "V", epochs=1), version=registry.DATASETS.get("avatars").card.version)
    outcome = training.run_cell(planned, root=None, cache=small_corpus.cache)
    corpus, outputs = small_corpus.corpus, outcome.outputs
    mine = Trainer(planned, corpus, CPU)
    mine.train()
    for half in ("source", "target"):
        positions = corpus.parts[half, "test"]
        labels = read_labels(corpus, half, positions)
        _, logits, _ = mine.predict(half, positions)
        heads = outcome.record["metrics"][f"{half}_test"]["heads"]
        for m, value in logits.items():
            stored = torch.from_numpy(value).softmax(1).half().numpy()  # scored as stored, ties and all
            right = slow.weighted_f1(labels.tolist(), stored.argmax(1).tolist())
            assert heads[m] == pytest.approx(right)
    for m in "ALV":
        (z_s, y_s), (z_t, y_t) = (
            (torch.from_numpy(outputs[f"{h}_test/z_{m}"]).float(), torch.from_numpy(outputs[f"{h}_test/labels"]).long())
            for h in ("source", "target")
        )
        expected = slow.category_distance(z_s, y_s, z_t, y_t, len(corpus.classes))
        assert outcome.record["metrics"]["category_distance"][m] == pytest.approx(float(expected), rel=1e-4)
    assert len({round(v, 6) for v in outcome.record["metrics"]["category_distance"].values()}) == 3


def test_registered_methods_are_not_needed_to_see_a_target(trainer):
    assert registry.METHODS.get("dt").target_views == 0
    mine = trainer("dt")
    assert next(mine.loader.batches(ahead=False)).target is None
    mine.train()
    assert math.isfinite(mine.curves["ib"][-1])


class MuteError(Exception):
    def __str__(self):
        raise ValueError


@pytest.mark.parametrize("error", [GeneratorExit(), BaseException("x"), MuteError()])
def test_whatever_a_method_raises_is_a_failed_record(error, monkeypatch, tmp_path):
    def fail(*_):
        raise error

    monkeypatch.setattr(training_cell, "_run", fail)
    record = training_cell.run_cell(make_cell(), root=None, cache=tmp_path).record
    assert record["status"] == "failed"
    assert record["reason"].startswith(type(error).__name__)
