"""A picture, a tone and a video of both, and what is said while a clip is read."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np

from mmda_bench.data.media.write import held, write_mp4
from mmda_bench.dataset import substitutions

RATE = Fraction(25)
RAMP = np.arange(0, 240, 10, dtype=np.uint8)
SCENE = np.stack(np.broadcast_arrays(RAMP[:16, None], 255 - RAMP[None, :24], np.uint8(90)), axis=2)  # (16, 24, 3)
TONE = (0.3 * np.sin(np.arange(16_000) / 9)).astype(np.float32)


def noted(load: Callable, *arguments, **options) -> tuple[np.ndarray, str]:
    """What ``load`` gives, and what it says beside it."""
    with substitutions() as said:
        return load(*arguments, **options), "; ".join(said)


def video(path: Path, *, count: int = 12, sound: np.ndarray | None = None) -> Path:
    """``SCENE`` fourfold, held still, in H.264."""
    write_mp4(path, held(SCENE.repeat(4, 0).repeat(4, 1)[None], count), RATE, sound)
    return path
