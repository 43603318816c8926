"""Sound and pictures of a prepared folder: whatever wav and jpg a corpus has, in the form that every reader yields."""

import os
import re
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mmda_bench.data.media.file_rules import COMPLETE, check_whole
from mmda_bench.data.media.picture_rules import read_pictures_of, ten_of
from mmda_bench.data.media.sound_rules import heard, samples_needed
from mmda_bench.dataset import SAMPLE_RATE, substituted
from mmda_bench.errors import ClipError

WAV = ("WAV", "WAVEX", "RF64", "W64", "NIST")  # what goes by the suffix .wav


def read_waveform(path: Path) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1], at most 5.01 s, at least 25 ms. Raises :class:`ClipError`.

    A wav of another rate is resampled and named; the sound of a video, which has hardly ever this rate, is not.
    """
    if not path.is_file():
        raise ClipError(f"{path} is missing")
    try:
        check_whole(path)
        with soundfile.SoundFile(path) as file:
            rate, kind, promised = file.samplerate, file.format, file.frames
            needed = samples_needed(rate, name=str(path))
            channels = file.read(needed, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        found = _sound_of_another_kind(path)
        if found is None:
            raise ClipError(f"{path} is not readable sound: {error}") from error
        return found
    if not len(channels):
        raise ClipError(f"{path} has no samples (length zero)")
    if len(channels) < COMPLETE * min(needed, promised):
        raise ClipError(f"{path} is truncated: it promises {promised:,} samples, {len(channels):,} can be read")
    if kind not in WAV:
        substituted(f"{kind} content under the name {path.suffix}")
    if rate != SAMPLE_RATE:
        substituted(f"resampled from {rate} Hz")
    return heard(channels.T, rate, name=str(path))


def _sound_of_another_kind(path: Path) -> NDArray[np.float32] | None:
    """The sound of a file that libsndfile does not know (an mp4 or m4a under the name .wav); None if there is none."""
    from mmda_bench.data.media.video import read_sound

    try:
        return read_sound(path, needed=True)
    except ClipError:
        return None


def read_frames(folder: Path) -> NDArray[np.uint8]:
    """(10, H, W, 3) uint8 RGB at pictures int(i·n/10), padded by repetition. Raises :class:`ClipError`."""
    if not folder.is_dir():
        raise ClipError(f"{folder} is missing: expected a folder of jpg")
    names = sorted((entry.name for entry in os.scandir(folder) if is_picture(entry.name)), key=_natural)
    if not names:
        raise ClipError(f"{folder} contains no jpg")
    chosen = ten_of(len(names))
    different = sorted(set(chosen))
    pictures = dict(zip(different, read_pictures_of([folder / names[i] for i in different]), strict=True))
    return np.stack([pictures[i] for i in chosen])


def is_picture(name: str) -> bool:
    """Whether a file name is that of a jpg; hidden files (macOS leaves ``._*``) are not."""
    return name.lower().endswith((".jpg", ".jpeg")) and not name.startswith(".")


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sort key in which frame_10 comes after frame_9."""
    return [(1, 0, part) if i % 2 == 0 else (0, int(part), "") for i, part in enumerate(re.split(r"(\d+)", name))]
