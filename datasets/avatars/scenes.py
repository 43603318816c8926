"""Two natural domains of the avatars: the same emotions in a studio and on a street.

Nothing is shifted by the benchmark here. The domains differ as corpora do, in all modalities at once: other people,
other favourite phrases and a livelier way of speaking, a telephone's band with an echo and a murmur, another light and
another camera, and other frequencies of the classes. ``--dataset avatars-scenes[studio] --target
avatars-scenes[street]``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmda_bench.dataset import SAMPLE_RATE, Dataset, Utterance
from mmda_bench.datasets.avatars import corpus, face, voice, words
from mmda_bench.registry import register_dataset

NAME = "avatars-scenes"
EACH = 1_800  # utterances of a scene
SEED = 6
KEPT = 0.65  # share of the phrases of each list that a scene uses: the first of them, or the last
BAND = (280.0, 3_400.0)  # Hz, of a telephone
ECHO, DELAY = 0.3, 0.032  # gain, and seconds
MURMUR = 0.006  # standard deviation of what is heard in the street
LIGHT = np.array([1.0, 0.9, 0.72], np.float32)  # of a lamp in the evening
CONTRAST, GAMMA = 0.82, 1.25
CROP = 0.84  # share of the picture that the other camera shows


@dataclass(frozen=True, kw_only=True)
class Scene:
    """``shares``: of the classes. ``cast``: numbers of the persons. ``first``: whether it uses the first phrases of
    each list, else the last. ``tempo``, ``gain``: of everybody's speech, a factor and dB. ``outside``: whether sound
    and pictures are those of a street."""

    shares: tuple[float, ...]
    cast: tuple[int, ...]
    first: bool
    tempo: float = 1.0
    gain: float = 0.0
    outside: bool = False


SCENES: Mapping[str, Scene] = {
    "studio": Scene(shares=(0.31, 0.29, 0.20, 0.20), cast=tuple(range(400, 410)), first=True),
    "street": Scene(
        shares=(0.44, 0.22, 0.16, 0.18), cast=tuple(range(420, 430)), first=False, tempo=1.1, gain=2.0, outside=True
    ),
}


def lines_of(scene: Scene) -> Mapping[str, words.Lines]:
    """The phrases that a scene uses, by class."""
    return {name: _some(lines, scene.first) for name, lines in words.EMOTIONS.items()}


def _some(lines: words.Lines, first: bool) -> words.Lines:
    def part(phrases: str) -> str:
        options = phrases.split("|")
        count = round(KEPT * len(options))
        return "|".join(options[:count] if first else options[-count:])

    return words.Lines(openings=part(lines.openings), cores=part(lines.cores), closes=part(lines.closes))


def generate(name: str, index: int) -> Utterance:
    """Utterance ``index`` of the scene ``name``: a pure function of both.

    >>> generate("street", 2).id
    'street_0002'
    """
    scene, setting = SCENES[name], corpus.SETTINGS["avatars"]
    recipe = replace(corpus.RECIPES["avatars"], lines=lines_of(scene), shares=scene.shares)
    key = (f"{NAME}[{name}]", SEED, index)
    role = corpus.role_of(recipe, *key, scene.cast, setting.incongruence, setting.intensity)
    text = words.say(recipe.lines[role.shown["L"]], role.strength["L"], corpus.stream("words", *key))
    prosody = recipe.prosody[role.shown["A"]].scaled(role.strength["A"])
    prosody = replace(prosody, tempo=prosody.tempo * scene.tempo, gain=prosody.gain + scene.gain)
    expression = recipe.expressions[role.shown["V"]].scaled(role.strength["V"])
    return Utterance(
        id=f"{name}_{index:04d}",
        text=text,
        label=role.label,
        speaker=f"avatar{role.person:02d}",
        section=name,
        waveform=partial(_waveform, text, prosody, role.person, key, scene.outside),
        frames=partial(_frames, expression, role.person, key, scene.outside),
    )


def _waveform(
    text: str, prosody: voice.Prosody, person: int, key: tuple[str, int, int], outside: bool
) -> NDArray[np.float32]:
    sound = voice.speak(text, prosody, voice.voice_of(person), corpus.stream("voice", *key))
    return on_the_phone(sound, corpus.stream("street", *key)) if outside else sound


def on_the_phone(sound: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A waveform (samples,) at 16 kHz in [−1, 1] through a telephone in a street: its band, an echo, a murmur."""
    late = int(DELAY * SAMPLE_RATE)
    heard = sound + ECHO * np.concatenate([np.zeros(late, np.float32), sound])[: len(sound)]
    spectrum = np.fft.rfft(heard)
    hertz = np.fft.rfftfreq(len(heard), 1 / SAMPLE_RATE)
    spectrum *= 1 / (1 + (BAND[0] / np.maximum(hertz, 1)) ** 4) / (1 + (hertz / BAND[1]) ** 4)
    noise = np.cumsum(rng.standard_normal(len(heard)))
    noise -= np.convolve(noise, np.ones(400) / 400, "same")  # without what is slower than 40 Hz
    murmur = MURMUR * noise / (noise.std() + 1e-9)
    return np.clip(np.fft.irfft(spectrum, len(heard)) + murmur, -1, 1).astype(np.float32)


def _frames(expression: face.Expression, person: int, key: tuple[str, int, int], outside: bool) -> NDArray[np.uint8]:
    frames = face.draw(expression, face.face_of(person), corpus.stream("face", *key))
    return in_the_evening(frames, corpus.stream("camera", *key)) if outside else frames


def in_the_evening(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(T, H, W, 3) uint8 by the light of a lamp, through another camera that stands nearer and not straight."""
    height, width = frames.shape[1:3]
    rows, columns = (round(CROP * side) for side in (height, width))
    top, left = (int(rng.integers(0, side - kept + 1)) for side, kept in ((height, rows), (width, columns)))
    cut = frames[:, top : top + rows, left : left + columns]
    near = [np.asarray(Image.fromarray(f).resize((width, height), Image.Resampling.BILINEAR)) for f in cut]
    light = (np.stack(near).astype(np.float32) / 255) ** GAMMA * LIGHT
    grey = 0.35 * (1 - CONTRAST)
    return np.clip(255 * (CONTRAST * light + grey), 0, 255).astype(np.uint8)


@register_dataset("avatars-scenes", title="Avatars in two scenes, 4 emotions (synthetic)")
class AvatarsScenes(Dataset):
    """Drawn people in a studio and on a street, two natural domains with four emotions; needs no files.

    Its difficulty was not calibrated: the scenes have the settings of ``avatars`` and differ by what this file says.
    """

    card = replace(
        corpus.Avatars.card,
        name=NAME,
        title="Avatars in two scenes, 4 emotions (synthetic)",
        version="v1",
        sections=tuple(SCENES),
        expected={"utterances": EACH * len(SCENES), **{f"{name}_*": EACH for name in SCENES}},
    )

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances, scene by scene; ``root`` is not used."""
        for name in SCENES:
            for index in range(EACH):
                yield generate(name, index)
