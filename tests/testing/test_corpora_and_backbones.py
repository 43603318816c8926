"""The contracts of readers and backbones: each fault that a new one is likely to have is found and named."""

from dataclasses import replace
from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from mmda_bench.dataset import ClipError
from mmda_bench.errors import ContractError
from mmda_bench.registry import DATASETS
from mmda_bench.testing import backbone_contract, dataset_contract

AVATARS = DATASETS.get("avatars")


@pytest.fixture(scope="module")
def utterances():
    """The first eight."""
    return list(islice(AVATARS().utterances(None), 8))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"licence": ""}, "lacks licence"),
        ({"classes": ("calm", "calm")}, "two or more different"),
        ({"fractions": (0.5, 0.5, 0.5)}, "sum to 1"),
        ({"modalities": ("A", "L")}, "this version reads"),
    ],
)
def test_a_card_that_tells_too_little(fault, message):
    with pytest.raises(ContractError, match=message):
        dataset_contract.card(SimpleNamespace(card=replace(AVATARS.card, **fault)))


def test_a_class_that_one_half_lacks(utterances):
    corpus = SimpleNamespace(name="avatars", card=AVATARS.card, utterances=[replace(u, label=0) for u in utterances])
    with pytest.raises(ContractError, match=r"has no utterance in .* it needs about eight"):
        dataset_contract.classes_everywhere(corpus)


def test_clips_that_change_and_clips_that_cannot_be_read(utterances):
    changing = [replace(utterances[0], waveform=lambda: np.random.default_rng().random(1600, "f4"))]
    with pytest.raises(ContractError, match=r"waveform\(\) of utterance .* another clip each time"):
        dataset_contract.clips(SimpleNamespace(name="mine", some=changing))

    def damaged():
        raise ClipError("cut short")

    damage = [replace(one, waveform=damaged) for one in utterances]
    with pytest.raises(ContractError, match="none of 8 clips can be read; see mmda-bench data verify mine"):
        dataset_contract.clips(SimpleNamespace(name="mine", some=damage))
    half = SimpleNamespace(name="mine", some=[*damage[:2], *utterances[2:4]])
    assert dataset_contract.clips(half) == "4 clips loaded twice, 2 unreadable"


def subject(features=lambda *_, **__: torch.zeros(3, 4), cache_dtype="float16", **encoder):
    """A backbone of which only the sound is looked at."""
    whole = SimpleNamespace(pool="mean", width=4, frozen=nn.Identity(), layers=nn.Linear(4, 4), modules=list)
    vars(whole).update(encoder)
    backbone = SimpleNamespace(cache_dtype=cache_dtype)
    return SimpleNamespace(encoders={"A": whole}, features=features, backbone=backbone)


SHARED = nn.Linear(4, 4)


@pytest.mark.parametrize(
    ("check", "fault", "message"),
    [
        (backbone_contract.loads, {"pool": "max"}, "pool of the acoustic encoder is 'max'"),
        (backbone_contract.prefix, {"width": 5}, r"gives \(3, 4\); expected \(steps, width\) of width 5"),
        (backbone_contract.prefix, {"features": lambda _: torch.full((3, 4), torch.nan)}, "not finite"),
        (backbone_contract.prefix, {"features": lambda _: torch.rand(3, 4)}, "another output each time"),
        (backbone_contract.cached, {"features": lambda _: torch.full((3, 4), 1e9)}, "set cache_dtype = 'float32'"),
        (backbone_contract.frozen, {"layers": SHARED, "frozen": SHARED}, "frozen and trained at once"),
        (backbone_contract.frozen, {"layers": nn.Identity()}, "no trained layer"),
    ],
)
def test_a_backbone_at_fault(check, fault, message):
    with pytest.raises(ContractError, match=message):
        check(subject(**fault))
