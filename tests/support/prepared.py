"""A prepared folder made by hand: its table, its sound and its pictures, and what its reader says."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.errors import DataError

HEADER = "video_id,clip_id,text,mode,emotion"
CLASSES = ("calm", "glad")


def table(count: int = 20, *, prefix: str = "v") -> list[str]:
    return [HEADER, *(f'{prefix},{i:03d},"words, number {i}",train,{CLASSES[i % 2]}' for i in range(count))]


def write(root: Path, lines: list[str], *, name: str = "labels.csv", newline: str = "\n") -> Path:
    (root / name).write_bytes(newline.join([*lines, ""]).encode())
    return root


def tone(samples: int, *, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)


def pictures(folder: Path, count: int, *, size: tuple[int, int] = (24, 16)) -> Path:
    """Flat grey pictures whose brightness is 10 times their number."""
    folder.mkdir()
    for i in range(count):
        Image.new("RGB", size, (10 * i,) * 3).save(folder / f"frame_{i}.jpg", quality=95)
    return folder


def read(root: Path | None) -> list:
    return list(Folder().utterances(root))


def broken(root: Path | None) -> str:
    """The message of the DataError that both calls raise."""
    with pytest.raises(DataError) as described:
        Folder().describe(root)
    with pytest.raises(DataError) as listed:
        read(root)
    assert str(described.value) == str(listed.value)
    return str(listed.value)
