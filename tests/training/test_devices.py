"""Every encoder computes where its tensors lie, a GPU included; seen without one, on tensors that have no values.

A fake tensor knows its shape and its device, and an operator on tensors of two devices fails as it does for real.
"""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mmda_bench.backbone import sequences
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.tiny import WIDTH, Tiny, TinyEncoder
from mmda_bench.dataset import MODALITIES
from mmda_bench.training import batches
from tests.support import checkpoints

pytestmark = pytest.mark.slow

GPU = torch.device("cuda", 0)


def on_gpu(mode, tensor):
    fake = mode.from_tensor(tensor.detach())
    with mode:
        return fake.to(GPU)


def move(mode, module):
    """``module.to(GPU)``, with tensors that have no values."""
    for part in module.modules():
        for tensors in (part._parameters, part._buffers):
            tensors.update({name: on_gpu(mode, value) for name, value in tensors.items() if value is not None})
    return module


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    weights = checkpoints.save_all(folder)
    timm = {**weights, "visual": checkpoints.save_vit(folder / "timm")}
    return {"tiny": Tiny(), "paper": checkpoints.SmallPaper(weights), "timm": checkpoints.SmallPaper(timm)}


def raw(backbone, modality):
    pictures = np.zeros((backbone.frames, backbone.frame_size, backbone.frame_size, 3), np.float32)
    return {"A": np.zeros(8000, np.float32), "L": ["i", "am", "so", "happy"], "V": pictures}[modality]


CASES = [("tiny", m) for m in MODALITIES] + [("paper", m) for m in MODALITIES] + [("timm", "V")]


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_prefix_and_trainable_layers_run_on_a_gpu(backbones, name, modality):
    mode, backbone = FakeTensorMode(), backbones[name]
    encoder = backbone.encoder(modality)
    tokens = on_gpu(mode, encoder.tokens(raw(backbone, modality)))
    move(mode, encoder)
    with mode, torch.no_grad():
        features = encoder.prefix(tokens)
        assert features.device == GPU
        mask = torch.ones(2, len(features), dtype=torch.bool, device=GPU)
        assert encoder.layers(torch.stack([features, features]), mask).device == GPU


def test_a_tensor_that_stays_behind_is_noticed(monkeypatch):
    stray = torch.zeros(WIDTH)
    whole = TinyEncoder.prefix
    monkeypatch.setattr(TinyEncoder, "prefix", lambda self, tokens: whole(self, tokens) + mode.from_tensor(stray))
    mode, encoder = FakeTensorMode(), Tiny().encoder("L")
    tokens = on_gpu(mode, encoder.tokens(["happy"]))
    move(mode, encoder)
    with mode, torch.no_grad(), pytest.raises(RuntimeError, match="device"):
        encoder.prefix(tokens)


def test_batches_stay_on_a_gpu_when_they_are_joined_augmented_and_cut_by_length(monkeypatch):
    mode = FakeTensorMode()
    for module in (batches, sequences):
        monkeypatch.setattr(module, "sent", lambda tensor, device: on_gpu(mode, tensor))
    lengths = torch.tensor([5, 2, 4, 3])
    on_host = {m: Sequences(torch.zeros(4, 5, WIDTH), torch.arange(5) < lengths[:, None]) for m in MODALITIES}
    batch = {m: value.to(GPU) for m, value in on_host.items()}
    joined = batches.join(batch, batches.augmented(batch, np.random.default_rng(0), drop=0.0))
    assert {value.device for one in joined.values() for value in (one.values, one.mask)} == {GPU}
    parts = joined["L"].by_length(4)
    assert {value.device for rows, part in parts for value in (rows, part.values, part.mask)} == {GPU}
    assert [part.mask.shape[1] for _, part in parts] == [2, 3, 4, 5]
