"""The corruptions of a drifting modality: pure functions of an array and a generator.

A shift is drawn once per utterance and modality, from names and not from call order (:func:`draw`): every method, epoch
and worker sees the same target, and a shifted utterance can be cached. (The released code draws new noise at every
access and masks the same positions in every sentence.) The strengths come from
:func:`mmda_bench.shifts.effective_shift`; at severity 0 every function returns the clean input. At another severity
the same noise is scaled and the same order of words is masked further, so a severity curve varies one thing only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmda_bench.dataset import MODALITIES, Shift
from mmda_bench.protocol import CORRUPT, UNSHIFTED, Protocol, name_hash
from mmda_bench.shifts.scripts import units

MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet's channels, which every visual backbone here expects
STD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, kw_only=True)
class EightBitShift(Shift):
    """A shift that rounds darkened pictures to whole brightness values, 0 to 255."""

    eight_bit: bool = True


def draw(corpus: str, utterance_id: str, modality: str, *, seed: int = 0) -> np.random.Generator:
    """The generator of the one shift of this utterance in this modality."""
    return np.random.default_rng(name_hash("shift", seed, corpus, utterance_id, modality))


def shift_waveform(waveform: NDArray[Any], *, noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add N(0, ``noise``) to a waveform in [−1, 1] and clip to [−1, 1] [paper, section 4]. ``noise`` is a variance."""
    clean = np.asarray(waveform, np.float32)
    if noise == 0:
        return clean.copy()
    return np.clip(clean + _gaussian(clean.shape, noise, rng), -1, 1)


def normalise_frames(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(T, H, W, 3) uint8 RGB to float32 of about zero mean and unit variance: (frames/255 − MEAN) / STD."""
    return _normalise(frames, 1.0)


def shift_frames(
    frames: NDArray[np.uint8], *, brightness: float, noise: float, rng: np.random.Generator, eight_bit: bool = False
) -> NDArray[np.float32]:
    """Darken by the factor ``brightness``, normalise, then add N(0, ``noise``) [paper, section 4].

    (T, H, W, 3) uint8 RGB to float32 normalised frames. The noise comes after normalising and is not clipped.
    ``eight_bit``: what is darkened is rounded to 0 … 255, as in the released code.
    """
    if eight_bit:
        frames, brightness = np.rint(np.clip(np.float32(brightness) * frames, 0, 255)).astype(np.uint8), 1.0
    dark = _normalise(frames, brightness)
    if noise > 0:
        dark += _gaussian(dark.shape, noise, rng)
    return dark


def masked_count(units: int, share: float) -> int:
    """How many of a text's ``units`` are masked: round(``share`` · units), but at least one unit always stays.

    >>> [masked_count(n, 0.4) for n in (0, 1, 2, 5)]
    [0, 0, 1, 2]
    """
    return max(0, min(round(share * units), units - 1))


def mask_words(words: Sequence[str], *, share: float, mask: str, rng: np.random.Generator) -> list[str]:
    """Replace :func:`masked_count` of the n words by ``mask``, at random positions; at least one word always stays.

    In a script without spaces the characters are masked, not the whole sentence
    (:func:`mmda_bench.shifts.scripts.units` [ours]); what stays of it between two masks stays in one piece.
    """
    parts = units(words)
    total = sum(map(len, parts))
    hidden = set(rng.permutation(total)[: masked_count(total, share)].tolist())
    masked: list[str] = []
    position = 0
    for part in parts:
        for i, unit in enumerate(part):
            if position in hidden:
                masked.append(mask)
            elif i and position - 1 not in hidden:
                masked[-1] += unit
            else:
                masked.append(unit)
            position += 1
    return masked


def corrupt(modality: str, raw: Any, *, shift: Shift, rng: np.random.Generator, mask: str = "[MASK]") -> Any:
    """The shift of one modality: a waveform for "A", a list of words for "L", uint8 frames for "V" (float32 back)."""
    if modality == "A":
        return shift_waveform(raw, noise=shift.noise, rng=rng)
    if modality == "L":
        return mask_words(raw, share=shift.masked, mask=mask, rng=rng)
    if modality == "V":
        eight_bit = isinstance(shift, EightBitShift)
        return shift_frames(raw, brightness=shift.brightness, noise=shift.visual_noise, rng=rng, eight_bit=eight_bit)
    raise ValueError(f"modality {modality!r} has no shift; expected one of {', '.join(MODALITIES)}")


def _gaussian(shape: tuple[int, ...], variance: float, rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.standard_normal(shape, dtype=np.float32) * np.float32(np.sqrt(variance))


def _normalise(frames: NDArray[np.uint8], brightness: float) -> NDArray[np.float32]:
    # one multiplication and one addition for each of the three channels: frames are most of a corpus's bytes
    scale = (np.float32(brightness / 255) / STD).astype(np.float32)
    return np.asarray(frames, np.float32) * scale - MEAN / STD


def effective_shift(shift: Shift, protocol: Protocol) -> Shift:
    """The corruption at the protocol's severity: variances, darkening (towards 1) and masked share are scaled.

    Shift "released" takes the numbers of the two noises as standard deviations, as the published code does, and
    "released-8bit" rounds darkened pictures as well. Beyond 1 pictures go no darker than black and no more words are
    masked than there are. A shift ``corrupt:NAME@S`` has its corruption in the place of these three.
    """
    if protocol.shift == UNSHIFTED or protocol.shift.startswith(CORRUPT):
        return Shift(noise=0.0, brightness=1.0, visual_noise=0.0, masked=0.0)
    power = 1 if protocol.shift == "paper" else 2
    s = protocol.severity
    kind = EightBitShift if protocol.shift == "released-8bit" else Shift
    return kind(
        noise=s * shift.noise**power,
        brightness=max(0.0, (1 - s) + s * shift.brightness),
        visual_noise=s * shift.visual_noise**power,
        masked=min(1.0, s * shift.masked),
    )
