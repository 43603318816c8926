"""What a corruption is: a pure function of one modality's raw input, of a strength and of a generator."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEVERITIES = 5


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What some corruptions take from elsewhere.

    ``mask``: the word that hides a word. ``words``: every word of the corpus, which a recogniser may mistake for
    another. ``voices``: waveforms, (samples,) at 16 kHz, of other speakers of the same domain.
    """

    mask: str = "[MASK]"
    words: tuple[str, ...] = ()
    voices: Sequence[Any] = field(default=(), hash=False)


NOWHERE = Surroundings()
Change = Callable[[Any, float, np.random.Generator, Surroundings], Any]


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """One corruption at five severities.

    ``modality``: "A", "L" or "V", the only one that it changes. ``levels``: its strength at severity 1 to 5, in
    ``unit``. ``origin``: where the levels come from, or "ours". ``needs``: what it takes of its surroundings,
    "words" or "voices" or "".

    Called on a raw input (waveform (samples,) float32 in [−1, 1], list of words, or frames (T, H, W, 3) uint8) it
    gives another of the same kind. Draws are nested: from one generator state, a higher severity scales the same
    noise, or changes the same places and more. Severity 0 is the input itself.
    """

    name: str
    modality: str
    levels: tuple[float, ...]
    unit: str
    origin: str
    change: Change
    needs: str = ""

    def __call__(self, raw: Any, *, severity: int, rng: np.random.Generator, around: Surroundings = NOWHERE) -> Any:
        if isinstance(severity, bool) or severity not in range(SEVERITIES + 1):
            raise ValueError(f"severity {severity!r} of {self.name}: expected a whole number from 0 to {SEVERITIES}")
        return self.change(raw, self.levels[int(severity) - 1], rng, around) if severity else raw


def corruption(
    name: str, modality: str, *levels: float, unit: str, origin: str, needs: str = ""
) -> Callable[[Change], Corruption]:
    """Make a :class:`Corruption` of a function (raw, level, rng, around) to raw."""

    def make(change: Change) -> Corruption:
        return Corruption(
            name=name, modality=modality, levels=levels, unit=unit, origin=origin, change=change, needs=needs
        )

    return make
