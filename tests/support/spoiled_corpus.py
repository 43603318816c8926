"""A plug-in corpus of 40 utterances of two classes, made of constants. ``Small.spoiled`` says what is wrong where."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmda_bench.dataset import Card, Dataset, Shift, Utterance
from mmda_bench.registry import register_dataset

SIZE = 40


def noise() -> np.ndarray:
    return np.full(400, 0.1, np.float32)


def pictures() -> np.ndarray:
    return np.zeros((10, 8, 8, 3), np.uint8)


@register_dataset("small", title="Small")
class Small(Dataset):
    card = Card(
        name="small", title="Small", version="v1", classes=("yes", "no"), needs_root=False,
        shift=Shift(noise=0, brightness=1, visual_noise=0, masked=0), licence="", citation="", obtain="",
        expected={"utterances": SIZE, "yes": 20, "u1*": 10, "one-word utterances": SIZE},
    )  # fmt: skip
    spoiled: dict[int, dict] = {}

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        for i in range(SIZE):
            whole = Utterance(id=f"u{i:02d}", text="word", label=i % 2, waveform=noise, frames=pictures)
            yield replace(whole, **self.spoiled.get(i, {}))
