"""Sound as a person hears it, whichever reader it comes from: one channel at 16 kHz in [−1, 1].

What changes more than a listener would notice is named in every record (:func:`mmda_bench.dataset.substituted`); what
is no sound at all raises :class:`ClipError`.
"""

from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE, substituted
from mmda_bench.errors import ClipError

RATES = (4_000, 384_000)  # Hz; a header with another rate is damaged
LOUDEST = 4.0  # what a lossy codec or a careless mix leaves beyond ±1 stays below
CLIPPED = 1e-3  # share of the samples beyond ±1 from which it is named
CANCELLED = 0.01  # power of the mixed channels over that of the channels
OFFSET = 0.1  # mean of the samples from which it is named
FAINTEST = 2.0**-15  # one step of 16 bits


def samples_needed(rate: int, *, name: str) -> int:
    """How many samples at ``rate`` Hz the longest utterance takes, and a tenth of a second for the filter's edge.

    Raises :class:`ClipError`, naming ``name``, for a rate that no recording has.

    >>> samples_needed(16_000, name="a.wav")
    81760
    """
    if not RATES[0] <= rate <= RATES[1]:
        raise ClipError(f"{name} has {rate:,} samples a second; expected {RATES[0]:,} to {RATES[1]:,}")
    return -(-MAX_SAMPLES * rate // SAMPLE_RATE) + rate // 10


def heard(channels: NDArray[np.float32], rate: int, *, name: str) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1], 25 ms to 5.01 s, from (channels, samples) at ``rate`` Hz.

    Channels are averaged; where they cancel each other the loudest is taken. Raises :class:`ClipError`, naming
    ``name``, for samples that are not numbers or far outside [−1, 1]: they were saved without their scale.
    """
    if not np.isfinite(channels).all():
        raise ClipError(f"{name} contains samples that are not numbers")
    peak = float(np.abs(channels).max())
    if peak > LOUDEST:
        raise ClipError(
            f"{name} has samples up to {peak:,.6g}, expected −1 to 1: numbers saved without their scale; divide "
            "them by what stands for full scale, 32768 where they were 16 bits"
        )
    sound = mono(channels)
    _name_what_is_odd(sound)
    return conform(sound, rate)


def mono(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of (channels, samples); the loudest of them where the mean would be silent though they are not."""
    mixed: NDArray[np.float32] = channels.mean(axis=0)
    powers = np.square(channels, dtype=np.float64).mean(axis=1)
    if np.square(mixed, dtype=np.float64).mean() >= CANCELLED * powers.mean():
        return mixed
    loudest = int(powers.argmax())
    alone: NDArray[np.float32] = channels[loudest]
    substituted(f"channel {loudest + 1} of {len(channels)} alone, as together they cancel each other")
    return alone


def _name_what_is_odd(sound: NDArray[Any]) -> None:
    low, high, mean = float(sound.min()), float(sound.max()), float(sound.mean(dtype=np.float64))
    beyond = float((np.abs(sound) > 1).mean())
    if beyond > CLIPPED:
        substituted(f"clipped: {beyond:.1%} of the samples lie beyond ±1, up to {max(-low, high):.3g}")
    if low == high != 0:
        substituted(f"silent: every sample is {low:.3g}")
    elif 0 < max(-low, high) < FAINTEST:
        substituted(f"all but silent: no sample beyond ±{max(-low, high):.1g}")
    elif abs(mean) > OFFSET and len(sound) > MIN_SAMPLES:
        substituted(f"off zero by {mean:.2g} on average")


def conform(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Mono ``sound`` at ``rate`` Hz in the form of the contract: 16 kHz, in [−1, 1], from 25 ms to 5.01 s."""
    if rate != SAMPLE_RATE:
        common = gcd(rate, SAMPLE_RATE)
        sound = resample_poly(sound, SAMPLE_RATE // common, rate // common)
    sound = np.clip(sound[:MAX_SAMPLES], -1, 1).astype(np.float32)
    return np.pad(sound, (0, max(0, MIN_SAMPLES - len(sound))))
