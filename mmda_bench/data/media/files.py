"""Sound and pictures of a prepared folder: whatever wav and jpg a corpus has, in the form that every reader yields."""

import os
import re
from math import gcd
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import resample_poly

from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE, VIDEO_FRAMES, substituted
from mmda_bench.errors import ClipError


def read_waveform(path: Path) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1], at most 5.01 s, at least 25 ms. Raises :class:`ClipError`.

    A wav of another rate is resampled and named; the sound of a video, which has hardly ever this rate, is not.
    """
    if not path.is_file():
        raise ClipError(f"{path} is missing")
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            needed = -(-MAX_SAMPLES * rate // SAMPLE_RATE) + rate // 10  # a little more, for the filter's edge
            channels = file.read(needed, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise ClipError(f"{path} is not readable sound: {error}") from error
    if not len(channels):
        raise ClipError(f"{path} has no samples (length zero)")
    sound = channels.mean(axis=1)
    if not np.isfinite(sound).all():
        raise ClipError(f"{path} contains samples that are not numbers")
    if rate != SAMPLE_RATE:
        substituted(f"resampled from {rate} Hz")
    return conform(sound, rate)


def conform(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Mono ``sound`` at ``rate`` Hz in the form of the contract: 16 kHz, in [−1, 1], from 25 ms to 5.01 s."""
    if rate != SAMPLE_RATE:
        common = gcd(rate, SAMPLE_RATE)
        sound = resample_poly(sound, SAMPLE_RATE // common, rate // common)
    sound = np.clip(sound[:MAX_SAMPLES], -1, 1).astype(np.float32)
    return np.pad(sound, (0, max(0, MIN_SAMPLES - len(sound))))


def read_frames(folder: Path) -> NDArray[np.uint8]:
    """(10, H, W, 3) uint8 RGB at pictures int(i·n/10), padded by repetition. Raises :class:`ClipError`."""
    if not folder.is_dir():
        raise ClipError(f"{folder} is missing: expected a folder of jpg")
    names = sorted((entry.name for entry in os.scandir(folder) if is_picture(entry.name)), key=_natural)
    if not names:
        raise ClipError(f"{folder} contains no jpg")
    chosen = ten_of(len(names))
    pictures: dict[int, NDArray[np.uint8]] = {}
    size: tuple[int, int] | None = None
    for i in sorted(set(chosen)):
        try:
            with Image.open(folder / names[i]) as opened:
                picture = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise ClipError(f"{folder / names[i]} is not a readable picture: {error}") from error
        size = size or picture.size
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        pictures[i] = np.asarray(picture)
    return np.stack([pictures[i] for i in chosen])


def ten_of(count: int) -> list[int]:
    """Which of ``count`` pictures are taken: int(i·count/10), or all of them and the last one repeated."""
    return [i * count // VIDEO_FRAMES if count > VIDEO_FRAMES else min(i, count - 1) for i in range(VIDEO_FRAMES)]


def is_picture(name: str) -> bool:
    """Whether a file name is that of a jpg; hidden files (macOS leaves ``._*``) are not."""
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which frame_10 comes after frame_9."""
    return [(1, 0, part) if i % 2 == 0 else (0, int(part), "") for i, part in enumerate(re.split(r"(\d+)", name))]
