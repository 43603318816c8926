"""What training does, held against the same thing written out: objective, rates, modes, seeds, scores."""

from copy import deepcopy
from dataclasses import replace

import pytest
import slow_losses as slow
import torch
import torch.nn.functional as F
from few_steps import BATCH, CPU, EPOCHS, RATES, close, features, rows_of
from hand_made import make_cell
from torch import nn

from mmda_bench import registry, training
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.features.corpus import read_labels
from mmda_bench.functional.adversarial import warmup
from mmda_bench.protocol import SUPERVISED, name_hash
from mmda_bench.training import Trainer
from mmda_bench.training import cell as training_cell

pytestmark = pytest.mark.slow

FACTORS = (1.0, 1.0, 0.6, 0.2)  # of the learning rates, epoch by epoch: the released code's halves, stretched


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
