"""``heads="bn"``: projections and heads of A3D2's released code, as a protocol of their own."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hand_made import make_cell
from torch import nn

from mmda_bench import Protocol, registry
from mmda_bench.backbone.network import DIMS, BatchNorm, MultimodalNetwork, Normalised
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.config import RunConfig
from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED, Cell
from mmda_bench.report.missing import run_command
from mmda_bench.store.faults import unlike
from mmda_bench.store.keys import ProtocolKey
from mmda_bench.training import Trainer, run_cell

CPU = torch.device("cpu")


@pytest.fixture
def trainer(small_corpus):
    def make(method, anchor="V", **params):
        cell = make_cell(method, anchor, **params)
        protocol = replace(cell.protocol, batch=16, epochs=2, heads="bn")
        return Trainer(replace(cell, protocol=protocol), small_corpus.corpus, CPU)

    return make


def slow_block(block: nn.Module, rows: list[list[float]]) -> list[list[float]]:
    """Linear, minus the mean of the batch over its deviation, times weight plus bias, ReLU: number by number."""
    linear, norm = block[0].requires_grad_(False), block[1].requires_grad_(False)
    out = []
    for weights, bias, scale, shift in zip(linear.weight, linear.bias, norm.weight, norm.bias, strict=True):
        column = [sum(float(w) * x for w, x in zip(weights, row, strict=True)) + float(bias) for row in rows]
        mean = sum(column) / len(column)
        variance = sum((x - mean) ** 2 for x in column) / len(column)
        column = [(x - mean) / (variance + 1e-5) ** 0.5 * float(scale) + float(shift) for x in column]
        out.append([max(0.0, x) for x in column])
    return [list(row) for row in zip(*out, strict=True)]


def test_heads_are_linear_batch_norm_relu_and_the_joint_one_has_a_hidden_layer():
    torch.manual_seed(0)
    network = MultimodalNetwork(Tiny(), 3, heads="bn").train()
    z = F.normalize(torch.randn(5, 256), dim=1)
    scaled = (network.scale * z).tolist()
    expected = torch.tensor(slow_block(network.heads["A"][0], scaled))
    torch.testing.assert_close(network.classify("A", z), expected, rtol=1e-4, atol=1e-5)
    hidden, dropout, last = network.heads["joint"]
    assert (dropout.p, hidden[0].out_features) == (0.3, 128)
    dropout.p = 0.0
    z = F.normalize(torch.randn(4, 768), dim=1)
    rows = slow_block(last, slow_block(hidden, (network.scale * z).tolist()))
    torch.testing.assert_close(network.classify("joint", z), torch.tensor(rows), rtol=1e-4, atol=1e-5)
    assert all(isinstance(encoder.project, Normalised) for encoder in network.encoders.values())


def test_one_utterance_is_normalised_by_the_running_statistics():
    norm = BatchNorm(2)
    norm(torch.tensor([[0.0, 10.0], [2.0, 30.0]]))
    before = norm.running_mean.clone()
    expected = (torch.tensor([[5.0, 5.0]]) - before) / (norm.running_var + 1e-5).sqrt()
    torch.testing.assert_close(norm(torch.tensor([[5.0, 5.0]])), expected)
    assert norm(torch.zeros(0, 2)).shape == (0, 2)
    assert torch.equal(norm.running_mean, before)


def test_each_domain_has_the_statistics_of_its_own_batch(trainer, monkeypatch):
    monkeypatch.setattr(Tiny, "dropout", 0.0)
    mine, given, seen = trainer("dann"), {}, []
    mine.network.heads["joint"][1].p = 0.0
    loss, features = mine.method.loss, mine.loader.features

    def loaded(domain, positions):
        given[domain] = features(domain, positions)
        return given[domain]

    def watched(source, target, progress):
        for domain, batch in (("source", source), ("target", target)):
            z, logits = mine.network(given[domain])
            for m in DIMS:
                torch.testing.assert_close(batch.z[m], z[m], rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(batch.logits[m], logits[m], rtol=1e-4, atol=1e-4)
                assert min(batch.z[m].min(), batch.logits[m].min()) >= 0
        seen.append(progress)
        return loss(source, target, progress)

    monkeypatch.setattr(mine.loader, "features", loaded)
    monkeypatch.setattr(mine.method, "loss", watched)
    mine.train()
    assert len(seen) == mine.total_steps


def test_heads_and_what_the_method_trains_decay_and_the_encoders_do_not(trainer):
    mine = trainer("a3d2-released")
    before = {name: p.detach().clone() for name, p in mine.network.named_parameters()}
    for p in mine.parameters:
        p.grad = torch.zeros_like(p)
    mine.optimiser.step([1e-3, 1e-3])
    moved = {name for name, p in mine.network.named_parameters() if not torch.equal(p, before[name])}
    heads = {name for name, p in mine.network.named_parameters() if name.startswith("heads.") and before[name].any()}
    assert moved == heads
    assert mine.optimiser.decayed >= {*mine.method.parameters()}


MORE = [
    pytest.param(name, marks=pytest.mark.deep) for name in registry.METHODS.names("all") if name not in ("dt", "a3d2")
]


@pytest.mark.parametrize("method", ["dt", "a3d2", "a3d2-released", SUPERVISED, *MORE])
def test_every_method_of_the_paper_trains_on_them(trainer, method):
    mine = trainer(method)
    mine.train()
    z, logits, probabilities = mine.predict("target", mine.corpus.parts["target", "test"])
    assert torch.from_numpy(probabilities).isfinite().all()
    assert min(value.min() for value in (*z.values(), *logits.values())) >= 0


def test_a_record_of_them_can_be_run_again_and_is_no_cell_of_the_paper(small_corpus):
    version = registry.DATASETS.get("avatars").card.version
    protocol = Protocol(backbone="tiny", epochs=1, heads="bn")
    cell = replace(make_cell("dt", "V"), version=version, protocol=protocol)
    record = run_cell(cell, root=None, cache=small_corpus.cache, device="cpu").record
    assert record["status"] == "ok"
    assert "|heads:bn|" in record["signature"]
    assert Cell.from_key(record["key"]) == cell
    assert unlike(ProtocolKey, record["key"]["protocol"], extra="forbid") == ""
    again = RunConfig.from_record(record)
    assert again.protocol_on(registry.DATASETS.get("avatars").card) == protocol
    assert "--heads bn" in run_command(record["key"], ["dt"], ["V"], [0], rerun=False, bounds=False)
    plain = replace(cell, protocol=replace(protocol, heads="plain"))
    assert "heads" not in plain.key()["protocol"]
    assert "heads" not in plain.signature


def test_heads_that_do_not_exist_are_refused():
    with pytest.raises(UsageError, match="unknown heads 'bnn': did you mean bn"):
        RunConfig(heads="bnn").check()
