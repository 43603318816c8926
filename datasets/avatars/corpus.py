"""The embedded corpus: drawn people who talk, made by numpy from numbers.

SYNTHETIC, and said so wherever a score on it is shown. It is raw like a real corpus (16 kHz sound, uint8 pictures,
English words), so that the same shifts, readers and backbones run on it; scores compare implementations of methods and
say nothing about IEMOCAP or MIntRec.

Every utterance is a pure function of its index and the arguments of :func:`generate`. A person says something in a
class; each modality shows that class, except with a small probability another one, and with an intensity of its own: no
modality suffices, fusion helps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmda_bench.dataset import MODALITIES, Card, Dataset, Shift, Utterance
from mmda_bench.datasets.avatars import face, intents, voice, words
from mmda_bench.protocol import name_hash
from mmda_bench.registry import register_dataset

UTTERANCES = 3_000
SEED = 0
CAST = tuple(range(10))
PRETRAINING_SEED = 1
PRETRAINING_CAST = tuple(range(100, 140))  # nobody of the corpus: a backbone must not know its speakers

# What makes the corpus easier or harder: how often a modality shows another class, and how strongly it shows one.
# Chosen so that fusion helps and the reference run on target labels is well above direct transfer for every anchor.
INCONGRUENCE: Mapping[str, float] = {"A": 0.10, "L": 0.14, "V": 0.13}
CONGRUENT: Mapping[str, float] = dict.fromkeys(MODALITIES, 0.0)
# Parameters of Beta distributions.
INTENSITY: Mapping[str, tuple[float, float]] = {"A": (2.6, 1.4), "L": (4.5, 1.1), "V": (2.2, 1.6)}
WEAKEST = 0.15


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the classes of a corpus read, sound and look like, and how frequent they are."""

    lines: Mapping[str, words.Lines]
    prosody: Mapping[str, voice.Prosody]
    expressions: Mapping[str, face.Expression]
    shares: tuple[float, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.lines)


RECIPES: Mapping[str, Recipe] = {
    "avatars": Recipe(
        lines=words.EMOTIONS,
        prosody=voice.EMOTIONS,
        expressions=face.EMOTIONS,
        shares=(0.31, 0.29, 0.20, 0.20),  # IEMOCAP's
    ),
    "avatars-intent": Recipe(
        lines=intents.LINES,
        prosody=intents.PROSODY,
        expressions=intents.EXPRESSIONS,
        shares=intents.SHARES,
    ),
}


@dataclass(frozen=True)
class Role:
    """Who says a thing, as which class, and for each modality the class that it shows and how intensely."""

    person: int
    label: int
    shown: Mapping[str, str]
    strength: Mapping[str, float]


def generate(
    index: int,
    *,
    recipe: str = "avatars",
    seed: int = SEED,
    cast: Sequence[int] = CAST,
    incongruence: Mapping[str, float] = INCONGRUENCE,
) -> Utterance:
    """Utterance ``index`` of a corpus: cheap, as sound and pictures are made when they are asked for.

    ``cast``: numbers of the persons. ``incongruence``: per modality, the probability of showing another class. The
    corpus itself has the defaults; pretraining takes ``PRETRAINING_SEED``, ``PRETRAINING_CAST`` and ``CONGRUENT``.
    """
    role = _role(index, recipe, seed, tuple(cast), tuple(incongruence[m] for m in MODALITIES))
    lines = RECIPES[recipe].lines[role.shown["L"]]
    text = words.say(lines, role.strength["L"], _rng("words", recipe, seed, index))
    prosody = RECIPES[recipe].prosody[role.shown["A"]].scaled(role.strength["A"])
    expression = RECIPES[recipe].expressions[role.shown["V"]].scaled(role.strength["V"])
    return Utterance(
        id=f"{recipe}_{index:04d}",
        text=text,
        label=role.label,
        speaker=f"avatar{role.person:02d}",
        waveform=partial(_waveform, text, prosody, role.person, (recipe, seed, index)),
        frames=partial(_frames, expression, role.person, (recipe, seed, index)),
    )


def _role(index: int, recipe: str, seed: int, cast: tuple[int, ...], incongruence: tuple[float, ...]) -> Role:
    rng = _rng("role", recipe, seed, index)
    classes = RECIPES[recipe].classes
    label = int(rng.choice(len(classes), p=RECIPES[recipe].shares))
    person = cast[rng.integers(len(cast))]
    shown, strength = {}, {}
    for modality, probability in zip(MODALITIES, incongruence, strict=True):
        another = (label + int(rng.integers(1, len(classes)))) % len(classes)
        shown[modality] = classes[another if rng.random() < probability else label]
        strength[modality] = float(max(WEAKEST, rng.beta(*INTENSITY[modality])))
    return Role(person, label, shown, strength)


def _rng(*names: object) -> np.random.Generator:
    """A stream of its own for everything that is drawn, so that no part of an utterance depends on another."""
    return np.random.default_rng(name_hash("avatars", *names))


def _waveform(text: str, prosody: voice.Prosody, person: int, key: tuple[str, int, int]) -> NDArray[np.float32]:
    return voice.speak(text, prosody, _voice(person), _rng("voice", *key))


def _frames(expression: face.Expression, person: int, key: tuple[str, int, int]) -> NDArray[np.uint8]:
    return face.draw(expression, _face(person), _rng("face", *key))


_voice = cache(voice.voice_of)
_face = cache(face.face_of)


@register_dataset("avatars", title="Avatars, 4 emotions (synthetic)")
class Avatars(Dataset):
    """Drawn faces, formant voices and template sentences with four emotions; comes with the package, needs no files."""

    card = Card(
        name="avatars",
        title="Avatars, 4 emotions (synthetic)",
        version="v3",
        classes=("neutral", "happy", "sad", "angry"),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),  # IEMOCAP's
        licence="MIT",
        citation="mmda-bench authors: the avatars corpus, synthetic speech, faces and sentences for testing multimodal "
        "domain adaptation. Scores on it say nothing about recorded people.",
        obtain="nothing to obtain: it is generated",
        synthetic=True,
        needs_root=False,
        fractions=(0.4, 0.1, 0.5),
        backbone="tiny",
        expected={"utterances": 3000},
    )

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances; ``root`` is not used."""
        for index in range(UTTERANCES):
            yield generate(index, recipe=self.card.name)


@register_dataset("avatars-intent", title="Avatars, 20 intents (synthetic)")
class AvatarsIntent(Dataset):
    """The same people with MIntRec's twenty intents and its shift; comes with the package, needs no files."""

    card = replace(
        Avatars.card,
        name="avatars-intent",
        title="Avatars, 20 intents (synthetic)",
        classes=tuple(intents.LINES),
        shift=Shift(noise=0.005, brightness=0.3, visual_noise=0.05, masked=0.2),  # MIntRec's
    )

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances; ``root`` is not used."""
        for index in range(UTTERANCES):
            yield generate(index, recipe=self.card.name)
