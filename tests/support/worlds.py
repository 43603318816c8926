"""Two plug-in corpora with natural domains: ``worlds`` has two sections, ``elsewhere`` other names for its classes."""

from functools import partial

import numpy as np

from mmda_bench.dataset import Card, Dataset, Shift, Utterance
from mmda_bench.registry import register_dataset

FACTS = {
    "version": "v1",
    "shift": Shift(noise=0.01, brightness=0.5, visual_noise=0.01, masked=0.4),
    "licence": "none",
    "citation": "none",
    "obtain": "nothing to obtain",
    "needs_root": False,
    "backbone": "tiny",
    "synthetic": True,
    "fractions": (0.4, 0.1, 0.5),
}


def waveform(seed: int, level: float) -> np.ndarray:
    return (level * np.sin(np.arange(4_000) * (0.05 + 0.02 * (seed % 3)))).astype(np.float32)


def frames(seed: int, level: float) -> np.ndarray:
    return np.full((10, 48, 48, 3), int(255 * level) + seed % 3, np.uint8)


def utterance(name: str, i: int, label: int, section: str | None, level: float) -> Utterance:
    text = f"number {('one', 'two', 'three')[label % 3]} again"
    sound, pictures = partial(waveform, i, level), partial(frames, i, level)
    return Utterance(
        id=f"{name}_{i}", text=text, label=label, waveform=sound, frames=pictures, section=section, speaker=None
    )


@register_dataset("worlds", title="Worlds")
class Worlds(Dataset):
    card = Card(name="worlds", title="Worlds", classes=("calm", "glad", "odd"), sections=("left", "right"), **FACTS)

    def utterances(self, root):
        for i in range(120):
            section = ("left", "right")[i % 2]
            yield utterance("w", i, (i // 2) % 3, section, {"left": 0.1, "right": 0.4}[section])

    def unusable(self, root):
        return [("table line 3", "no label")]

    def remarks(self, root):
        return ["2 files of another system are ignored"]


@register_dataset("elsewhere", title="Elsewhere")
class Elsewhere(Dataset):
    card = Card(
        name="elsewhere", title="Elsewhere", classes=("joy", "delight", "calm", "anger"),
        known_as={"joy": "glad", "delight": "glad"}, **FACTS,
    )  # fmt: skip

    def utterances(self, root):
        for i in range(80):
            yield utterance("e", i, i % 4, None, 0.3)
