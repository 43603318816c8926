"""Corruptions of sound: (samples,) float32 at 16 kHz in [−1, 1] in, the same out. Levels [ours].

A signal-to-noise ratio is that of powers, over the parts of the utterance where somebody speaks: silence before and
after it changes nothing. What grows beyond ±1 is scaled down as a whole; nothing else changes the level.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mmda_bench.dataset import SAMPLE_RATE
from mmda_bench.shifts.corruptions.base import Surroundings, corruption

Wave = NDArray[np.float32]
Draw = np.random.Generator
FRAME = SAMPLE_RATE // 40  # 25 ms
SPEECH = 1e-4  # power over that of the loudest frame, from which a frame is speech: −40 dB
CHUNK = SAMPLE_RATE // 10  # 0.1 s
VOICES = (3, 7)  # how many others speak in a babble
DIRECT_S = 0.6  # reverberation time at which the reverberation is as strong as the direct sound
MARGIN = SAMPLE_RATE // 10  # of silence around a filtered sound, so that its end does not reach its beginning
STEEPNESS = 8  # order of the low-pass filter
MILLIONFOLD = 6 * math.log(10)  # decay of power within a reverberation time: 60 dB


@corruption("white-noise", "A", 20, 15, 10, 5, 0, unit="dB signal to noise", origin="ours")
def white_noise(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    return mixed(wave, rng.standard_normal(len(wave)), level)


@corruption("pink-noise", "A", 20, 15, 10, 5, 0, unit="dB signal to noise", origin="ours")
def pink_noise(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    """Equal power in every octave."""
    spectrum = np.fft.rfft(rng.standard_normal(len(wave)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    spectrum[0] = 0
    return mixed(wave, np.fft.irfft(spectrum, len(wave)), level)


@corruption("babble", "A", 20, 17, 15, 13, 10, unit="dB signal to noise", origin="ours", needs="voices")
def babble(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    """Three to seven of ``around.voices``, equally loud, each begun anywhere and repeated to the length of the wave."""
    spoken = [voice for voice in around.voices if speech_power(voice) > 0]
    count, order, starts = rng.integers(VOICES[0], VOICES[1] + 1), rng.permutation(len(spoken)), rng.random(VOICES[1])
    if len(spoken) < VOICES[0]:
        raise ValueError(f"babble needs at least {VOICES[0]} voices of other speakers, found {len(spoken)}")
    total = np.zeros(len(wave))
    for place, start in zip(order[:count], starts, strict=False):
        voice = spoken[place] / math.sqrt(speech_power(spoken[place]))
        total += np.resize(np.roll(voice, -int(start * len(voice))), len(wave))
    return mixed(wave, total, level)


@corruption("reverb", "A", 0.2, 0.4, 0.6, 0.8, 1.2, unit="reverberation time in s", origin="ours")
def reverb(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    """Direct sound and a tail of noise that decays by 60 dB in the reverberation time; of a longer one the same noise
    decays more slowly."""
    time = np.arange(len(wave)) / SAMPLE_RATE
    strength = math.sqrt(MILLIONFOLD / (DIRECT_S * SAMPLE_RATE))
    response = strength * rng.standard_normal(len(wave)) * np.exp(-MILLIONFOLD / 2 * time / level)
    response[0] = 1
    size = 2 * len(wave)
    return within(np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(response, size), size)[: len(wave)])


@corruption(
    "clipping", "A", 0.9, 0.8, 0.7, 0.6, 0.5, unit="quantile of the speech at which it is clipped", origin="ours"
)
def clipping(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    loud = _frames(wave)[speaking(wave)]
    if not loud.size:
        return wave.copy()
    limit = np.float32(np.quantile(np.abs(loud), level))
    return np.clip(wave, -limit, limit)


@corruption("low-pass", "A", 4, 3, 2, 1.5, 1, unit="kHz", origin="ours")
def low_pass(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    """A Butterworth response without delay."""
    size = len(wave) + MARGIN
    frequency = np.fft.rfftfreq(size, 1 / SAMPLE_RATE) / (1_000 * level)
    response = 1 / np.sqrt(1 + frequency ** (2 * STEEPNESS))
    return within(np.fft.irfft(np.fft.rfft(wave, size) * response, size)[: len(wave)])


@corruption("dropout", "A", 0.1, 0.2, 0.3, 0.4, 0.5, unit="share that is silent", origin="ours")
def dropout(wave: Wave, level: float, rng: Draw, around: Surroundings) -> Wave:
    """Chunks of 0.1 s or, the last, up to twice that; one always stays."""
    count = max(1, len(wave) // CHUNK)
    lost = rng.permutation(count)[: min(round(level * count), count - 1)]
    broken = wave.copy()
    for chunk in lost:
        broken[chunk * CHUNK : (chunk + 1) * CHUNK if chunk < count - 1 else None] = 0
    return broken


def mixed(wave: Wave, noise: NDArray[np.float64], snr: float) -> Wave:
    """``wave`` with ``noise`` at ``snr`` dB below its speech; silence stays silent."""
    power = speech_power(wave)
    if power == 0:
        return wave.copy()
    gain = math.sqrt(power / np.mean(noise**2) / 10 ** (snr / 10))
    return within(wave + gain * noise)


def speech_power(wave: Wave) -> float:
    """Mean square over the frames where somebody speaks; 0 of silence.

    >>> round(speech_power(np.concatenate([np.zeros(800), np.full(800, 0.5)]).astype(np.float32)), 3)
    0.25
    """
    loud = _frames(wave)[speaking(wave)]
    return float(np.mean(np.square(loud, dtype=np.float64))) if loud.size else 0.0


def speaking(wave: Wave) -> NDArray[np.bool_]:
    """Which frames of 25 ms are at most 40 dB below the loudest."""
    powers = np.square(_frames(wave), dtype=np.float64).mean(axis=1)
    loud: NDArray[np.bool_] = (powers > 0) & (powers >= SPEECH * powers.max(initial=0))
    return loud


def _frames(wave: Wave) -> NDArray[np.float32]:
    """(frames, 400); a rest of less than a frame is left out, a shorter wave is one frame."""
    if len(wave) < FRAME:
        return wave[None, :] if len(wave) else wave.reshape(0, 1)
    return wave[: len(wave) // FRAME * FRAME].reshape(-1, FRAME)


def within(values: NDArray[np.float64]) -> Wave:
    """Scaled down to [−1, 1] if it lies beyond."""
    peak = np.abs(values).max(initial=0)
    return (values / peak if peak > 1 else values).astype(np.float32)
