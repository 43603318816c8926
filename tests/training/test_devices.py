"""Every encoder computes where its tensors lie, a GPU included; seen without one, on tensors that have no values.

A fake tensor knows its shape and its device, and an operator on tensors of two devices fails as it does for real.
"""

import checkpoints
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mmda_bench.backbone.tiny import WIDTH, Tiny, TinyEncoder
from mmda_bench.dataset import MODALITIES

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
