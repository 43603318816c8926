"""The voices of the avatars: a glottal pulse train and breath through moving formants, numpy only.

The sound carries the vowels of the sentence and a prosody: pitch, its range and slope, tempo, loudness, spectral tilt,
breath and roughness. It resembles speech enough for log-mel features and noise to behave on it as on speech.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mmda_bench.dataset import SAMPLE_RATE
from mmda_bench.protocol import name_hash

LOUDNESS = 0.053  # RMS of an average neutral utterance; over the corpus about 0.06, the level of close-talk speech
ROOM = 0.0015  # standard deviation of the microphone's own noise
SYLLABLE = 0.132  # seconds at tempo 1
SYLLABLES = (8, 10)  # fewest and most: an utterance lasts about 1 to 1.5 s
CONTROL = 80  # samples between two values of a contour
WINDOW, HOP = 512, 128

#                    first three formants in Hz
VOWELS = {"a": (750, 1250, 2550), "e": (530, 1850, 2500), "i": (300, 2250, 3000), "o": (500, 900, 2450)}
VOWELS |= {"u": (320, 850, 2300), "y": (320, 2000, 2800)}
BANDWIDTH = np.array([80, 110, 170], np.float32)
GAIN = np.array([1.0, 0.6, 0.3], np.float32)
HISSES = "sfthxzc"


@dataclass(frozen=True, kw_only=True)
class Prosody:
    """How a thing is said; the defaults are neutral speech.

    ``pitch``: semitones above the speaker's own. ``span``: depth of the accents, semitones. ``slope``: rise from start
    to end, semitones. ``tempo``: factor. ``gain``: dB. ``tilt``: dB per octave of the harmonics. ``breath``: share of
    noise. ``rough``: relative jitter of the pitch. ``attack``: sharpness of syllable onsets, 0 to 1. ``smile``: factor
    on the formants (spread lips shorten the vocal tract).
    """

    pitch: float = 0.0
    span: float = 1.2
    slope: float = -1.0
    tempo: float = 1.0
    gain: float = 0.0
    tilt: float = -11.0
    breath: float = 0.05
    rough: float = 0.010
    attack: float = 0.3
    smile: float = 1.0

    def scaled(self, strength: float) -> "Prosody":
        """Between neutral (0) and this prosody (1)."""
        plain = Prosody()
        mixed = {f.name: getattr(plain, f.name) for f in fields(self)}
        return Prosody(**{name: value + strength * (getattr(self, name) - value) for name, value in mixed.items()})


EMOTIONS: Mapping[str, Prosody] = {
    "neutral": Prosody(),
    "happy": Prosody(pitch=4.5, span=4.5, slope=2.0, tempo=1.12, gain=2.5, tilt=-9.0, rough=0.012, smile=1.06),
    "sad": Prosody(
        pitch=-2.0, span=0.6, slope=-3.0, tempo=0.82, gain=-3.0, tilt=-15.0, breath=0.16, attack=0.0, smile=0.97
    ),
    "angry": Prosody(pitch=1.5, span=2.5, slope=-3.0, tempo=1.10, gain=5.0, tilt=-5.5, rough=0.045, attack=1.0),
}


@dataclass(frozen=True)
class Voice:
    """A speaker's voice: ``pitch`` in Hz and ``tract``, the factor of the vocal tract on the formants."""

    pitch: float
    tract: float


def voice_of(person: int) -> Voice:
    """The voice of a person: odd numbers have higher ones."""
    rng = np.random.default_rng(name_hash("avatars", "voice", person))
    if person % 2:
        return Voice(pitch=rng.uniform(170, 225), tract=rng.uniform(1.06, 1.18))
    return Voice(pitch=rng.uniform(95, 135), tract=rng.uniform(0.92, 1.02))


def speak(text: str, prosody: Prosody, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1]: some of the syllables of ``text`` in this voice and prosody."""
    vowels, hisses = _syllables(text, rng)
    step = SYLLABLE / (prosody.tempo * rng.uniform(0.92, 1.09))  # seconds per syllable
    samples = int(len(vowels) * step * SAMPLE_RATE)
    seconds = np.arange(samples, dtype=np.float32) / SAMPLE_RATE
    inside = (seconds / step) % 1.0  # position in the syllable, 0 to 1

    pitch = _pitch(samples, step, prosody, voice, rng)
    phase = np.cumsum(pitch, dtype=np.float64) / SAMPLE_RATE
    pulses = _pulses(phase, float(pitch.max()), prosody.tilt + rng.normal(0, 0.9))
    swell = np.sin(np.pi * inside ** (1 - 0.6 * prosody.attack)) ** (0.8 - 0.4 * prosody.attack)
    envelope = 0.2 + 0.8 * swell
    envelope *= np.minimum(1, np.minimum(seconds, seconds[-1] - seconds) / 0.03)
    aspiration = rng.standard_normal(samples, dtype=np.float32) * prosody.breath
    voiced = _formants(((pulses + aspiration) * envelope).astype(np.float32), vowels, step, voice.tract * prosody.smile)
    voiced /= np.sqrt(np.mean(voiced**2)) + 1e-9

    hiss = np.diff(rng.standard_normal(samples + 1, dtype=np.float32))  # a difference leaves the high frequencies
    onset = np.maximum(0, 1 - inside * step / 0.035) * np.repeat(hisses, -(-samples // len(hisses)))[:samples]
    sound = voiced + 0.35 * onset * hiss
    level = LOUDNESS * 10 ** ((prosody.gain + rng.normal(0, 1.3)) / 20)
    sound = sound * level + ROOM * rng.standard_normal(samples, dtype=np.float32)
    return np.clip(sound, -1, 1).astype(np.float32)


def _syllables(text: str, rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Formants (n, 3) of n vowels spread over the sentence, and for each whether a hissing consonant opens it."""
    found = [i for i, letter in enumerate(text) if letter in VOWELS] or [0]
    count = int(rng.integers(SYLLABLES[0], SYLLABLES[1] + 1))
    chosen = [found[round(k)] for k in np.linspace(0, len(found) - 1, count)]
    vowels = np.array([VOWELS.get(text[i : i + 1], VOWELS["a"]) for i in chosen], np.float32)
    hisses = np.array([i > 0 and text[i - 1] in HISSES for i in chosen], np.float32)
    return vowels, hisses


def _pitch(samples: int, step: float, prosody: Prosody, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """Fundamental frequency in Hz at every sample."""
    knots = np.arange(samples // CONTROL + 2, dtype=np.float32) * CONTROL
    position = knots / samples
    accents = np.sin(2 * np.pi * (knots / SAMPLE_RATE / (2.3 * step) + rng.random()))
    semitones = prosody.pitch + rng.normal(0, 1.1) + prosody.span * accents * 0.5 + prosody.slope * (position - 0.5)
    hertz = voice.pitch * 2 ** (semitones / 12) * (1 + prosody.rough * rng.standard_normal(len(knots)))
    return np.interp(np.arange(samples), knots, hertz).astype(np.float32)


def _pulses(phase: NDArray[np.float64], highest: float, tilt: float) -> NDArray[np.float32]:
    """Harmonics falling by ``tilt`` dB per octave, band-limited: read from one period in a table."""
    size = 2048
    harmonics = np.arange(1, max(2, min(64, int(7000 / highest))))
    spectrum = np.zeros(size // 2 + 1, np.complex64)
    spectrum[harmonics] = harmonics ** (tilt / 6.02)
    table = np.fft.irfft(spectrum).astype(np.float32)
    table /= np.sqrt(np.mean(table**2))
    return table[(phase * size).astype(np.int64) % size]


def _formants(
    sound: NDArray[np.float32], vowels: NDArray[np.float32], step: float, tract: float
) -> NDArray[np.float32]:
    """Overlap-add filter whose three resonances glide from vowel to vowel."""
    count = len(sound) // HOP + WINDOW // HOP
    padded = np.zeros(count * HOP + WINDOW, np.float32)
    padded[WINDOW // 2 : WINDOW // 2 + len(sound)] = sound
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count] * window
    centres = np.arange(count) * HOP / SAMPLE_RATE
    middles = (np.arange(len(vowels)) + 0.5) * step
    bins = np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE).astype(np.float32)
    response = np.full((count, len(bins)), 0.015, np.float32)
    for formant in range(3):
        track = np.interp(centres, middles, vowels[:, formant] * tract).astype(np.float32)
        response += GAIN[formant] / (1 + ((bins - track[:, None]) / BANDWIDTH[formant]) ** 2)
    spectra = np.fft.rfft(windows, axis=1) * response
    filtered = np.fft.irfft(spectra, WINDOW, axis=1).astype(np.float32)
    out = np.zeros_like(padded)
    parts = WINDOW // HOP
    blocks = out[: (count + parts - 1) * HOP].reshape(-1, HOP)
    for part in range(parts):
        blocks[part : part + count] += filtered[:, part * HOP : (part + 1) * HOP]
    return out[WINDOW // 2 : WINDOW // 2 + len(sound)]
