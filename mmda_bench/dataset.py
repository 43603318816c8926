"""The contract of a dataset: all that the author of a corpus reader needs to read.

A dataset is a :class:`Card` (facts) and an iterator of :class:`Utterance` over a root folder. It splits nothing, shifts
nothing, encodes nothing: the engine does, in the same way for every corpus, and hides the target labels.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from mmda_bench.errors import ClipError, DataError

if TYPE_CHECKING:
    import numpy as np

T = TypeVar("T")

__all__ = [
    "MAX_SAMPLES", "MIN_SAMPLES", "MODALITIES", "NAMES", "ONE_WORD", "SAMPLE_RATE", "VIDEO_FRAMES", "Card", "ClipError",
    "DataError", "Dataset", "ExportTask", "Shift", "Utterance", "modality", "substituted", "substitutions", "tally",
]  # fmt: skip

MODALITIES = ("A", "L", "V")
NAMES = {"A": "acoustic", "L": "lexical", "V": "visual", "joint": "joint"}
SAMPLE_RATE = 16_000
MAX_SAMPLES = 80_160  # 5.01 s: 250 WavLM frames
MIN_SAMPLES = 400
VIDEO_FRAMES = 10


def modality(word: str) -> str:
    """The letter of a modality from its letter or its name, in any case; what is neither comes back in capitals.

    >>> modality("a"), modality("Acoustic"), modality("smell")
    ('A', 'A', 'SMELL')
    """
    word = word.strip()
    return next((letter for letter in MODALITIES if word.lower() == NAMES[letter]), word.upper())


_substituted: ContextVar[list[str] | None] = ContextVar("substituted", default=None)


def substituted(reason: str) -> None:
    """For a loader to call where it gives something else than the clip holds: the utterance is used, and ``reason``
    ("resampled from 8000 Hz") is named in every record.

    >>> with substitutions() as said:
    ...     substituted("resampled from 8000 Hz")
    >>> said
    ['resampled from 8000 Hz']
    """
    said = _substituted.get()
    if said is not None and reason not in said:
        said.append(reason)


@contextmanager
def substitutions() -> Iterator[list[str]]:
    """Collects what the loaders that are called in the body say with :func:`substituted`.

    >>> with substitutions() as said:
    ...     pass
    >>> said
    []
    """
    said: list[str] = []
    token = _substituted.set(said)
    try:
        yield said
    finally:
        _substituted.reset(token)


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Strength of the three corruptions at severity 1 (paper, section 4).

    ``noise``: variance of the Gaussian noise on the waveform in [−1, 1]. ``brightness``: factor on the frames;
    ``visual_noise``: variance of the noise on the normalised frames. ``masked``: share of the words masked.

    >>> Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4).masked
    0.4
    """

    noise: float
    brightness: float
    visual_noise: float
    masked: float


@dataclass(frozen=True, kw_only=True)
class Card:
    """Facts about a corpus. ``classes``: label names, in the order of their indices. ``expected``: counts that
    ``data verify`` holds the files against, by the names that :func:`tally` knows. ``fractions``: train, validation and
    test share of each domain. ``files``: a digest of what lies on disk, for a reader that can tell: when it changes, a
    prepared corpus is made again; unlike ``version`` it is no part of the signature. ``sections``: its natural domains
    (:class:`Utterance`). ``known_as``: the name under which other corpora know a class, where it is another one: it
    decides what a natural pair scores. ``natural``: that the two domains are two corpora, and nothing is an anchor.

    >>> card = Card(
    ...     name="mine", title="Mine", version="v1", classes=("no", "yes"), licence="free", citation="Me, 2026",
    ...     obtain="from me", shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
    ... )
    >>> card.fractions
    (0.6, 0.2, 0.2)
    """

    name: str
    title: str
    version: str
    classes: tuple[str, ...]
    shift: Shift
    licence: str
    citation: str
    obtain: str
    synthetic: bool = False
    needs_root: bool = True
    modalities: tuple[str, ...] = MODALITIES
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    backbone: str = "paper"
    expected: Mapping[str, int] = field(default_factory=dict)
    files: str = ""
    sections: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)
    natural: bool = False


def _takes_half(cls: type[T]) -> type[T]:
    """Let ``half`` stand for ``domain``, in the constructor and as an attribute."""
    made = cls.__init__

    @functools.wraps(made)
    def init(self: T, *, half: str | None = None, **fields: Any) -> None:
        made(self, **(fields if half is None else fields | {"domain": half}))

    setattr(cls, "__init__", init)  # noqa: B010
    setattr(cls, "half", property(attrgetter("domain")))  # noqa: B010
    return cls


@_takes_half
@dataclass(frozen=True, kw_only=True)
class Utterance:
    """One utterance. Sound and pictures are loaded when they are asked for, in whatever process asks.

    ``label``: index into ``card.classes``. ``waveform()``: (samples,) float32 mono at 16 kHz in [−1, 1].
    ``frames()``: (T, H, W, 3) uint8 RGB, T = 10. Both are picklable callables and raise :class:`ClipError`; any other
    exception counts as one, and another value than these refuses the corpus.
    ``domain``: "source" or "target" if the corpus itself fixes it, else None. ``half``, its former name, still works.
    ``section``: the natural domain that it comes from (a series, a studio), one of the card's ``sections``, else None.

    >>> import numpy as np
    >>> sound, frames = np.zeros(16_000, np.float32), np.zeros((10, 48, 48, 3), np.uint8)
    >>> u = Utterance(id="u0", text="well then", label=1, half="source", waveform=sound.copy, frames=frames.copy)
    >>> u.waveform().shape, u.domain
    ((16000,), 'source')
    """

    id: str
    text: str
    label: int
    waveform: Callable[[], "np.ndarray"]
    frames: Callable[[], "np.ndarray"]
    speaker: str | None = None
    domain: str | None = None
    section: str | None = None


@dataclass(frozen=True)
class ExportTask:
    """What a corpus gets that writes ``utterances`` of another one in its own layout: below ``out``, in ``jobs``
    processes, telling ``progress`` (utterances written, utterances in all). ``card``: of the corpus written.

    >>> from mmda_bench.registry import DATASETS
    >>> ExportTask(DATASETS.get("folder").card, [], Path("out")).jobs
    1
    """

    card: Card
    utterances: Sequence[Utterance]
    out: Path
    progress: Callable[[int, int], None] | None = None
    jobs: int = 1


class Dataset:
    """Base of every corpus reader, registered with ``@register_dataset``. Its constructor takes no arguments.

    >>> class Mine(Dataset):
    ...     def utterances(self, root):
    ...         if root is None:
    ...             raise DataError("give the folder of the corpus with --data-root DIR")
    ...         return []
    >>> Mine().utterances(Path("mine"))
    []
    """

    card: ClassVar[Card]

    def describe(self, root: Path | None) -> Card:
        """The card, completed from the files where the corpus is the user's own. Cheap: called by every ``run``."""
        return self.card

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """(where, why) of every entry of the corpus's tables that cannot become an utterance: counted and reported."""
        return ()

    def remarks(self, root: Path | None) -> Iterable[str]:
        """Sentences for ``data verify``: what lies in the files and is left out on purpose, with its number."""
        return ()

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances under ``root`` in a fixed order. Raises :class:`DataError` when the corpus is unusable."""
        raise NotImplementedError(f"{type(self).__name__} must define utterances(root)")

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in the layout that this reader reads, for ``data export --layout`` with its name.

        Returns the reason for every utterance, by id, that could not be read. A dataset that defines it says so with
        ``@register_dataset(..., layout=True)``; :mod:`mmda_bench.data.export` has what writers share.
        """
        raise NotImplementedError(f"{type(self).__name__} has no layout of its own: it does not define export(task)")


ONE_WORD = "one-word utterances"


def tally(card: Card, utterances: Iterable[Utterance]) -> dict[str, int]:
    """What the files have of everything that ``card.expected`` counts.

    Its names are "utterances", "one-word utterances", a class, or a pattern of ids such as "Ses01*".

    >>> from types import SimpleNamespace
    >>> card = SimpleNamespace(classes=("no", "yes"), expected={"utterances": 2, "yes": 2, "a*": 1})
    >>> tally(card, [SimpleNamespace(id="a1", label=1), SimpleNamespace(id="b1", label=0)])
    {'utterances': 2, 'yes': 1, 'a*': 1}
    """
    everything = list(utterances)
    classes = Counter(card.classes[u.label] for u in everything)

    def count(name: str) -> int:
        if name in card.classes:
            return classes[name]
        if name == ONE_WORD:
            return sum(len(u.text.split()) == 1 for u in everything)
        return sum(fnmatchcase(u.id, "*" if name == "utterances" else name) for u in everything)

    return {name: count(name) for name in card.expected}
