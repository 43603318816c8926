"""What a reader hands over, held against its contract: one rule for ``data verify``, ``data export`` and every run.

A value that the contract excludes is the reader's fault and refuses the corpus (:class:`DataError`). A loader that
fails costs its clip alone (:class:`ClipError`), and too many of those refuse the corpus as well.
"""

import contextlib
import pickle
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mmda_bench.data.ids import EXPECTED, id_fault
from mmda_bench.dataset import Card, Dataset, Utterance
from mmda_bench.errors import ClipError, DataError, UsageError, told
from mmda_bench.protocol import DOMAINS, SYNTHETIC

PACKAGE = "mmda_bench"
UNREADABLE_SHARE = 0.2  # a corpus of which more than this cannot be read is not scored
WAVEFORM = "(samples,) float32 in [−1, 1], mono at 16 kHz"
FRAMES = "(T, H, W, 3) uint8 RGB, usually of T = 10"


@contextmanager
def reading(dataset: str, root: Path | None, call: str) -> Iterator[None]:
    """Whatever a reader raises in the body, its method ``call``, becomes a :class:`DataError` that names it. What it
    prints is no answer of ours: standard output may be read as JSON."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except (DataError, UsageError, MemoryError):
        raise
    except OSError as error:
        raise DataError(f"cannot read {dataset} at {root}: {error}; check the path and its permissions") from error
    except (Exception, SystemExit) as error:
        raise DataError(
            f"the reader of {dataset} failed in {call}: {told(error)}; correct it, or tell its "
            "author; for a traceback: mmda-bench --debug ..."
        ) from error


def read_card(reader: Dataset, name: str, root: Path | None) -> Card:
    """What ``reader``, known as ``name``, says of the corpus under ``root``. Raises :class:`DataError`.

    The version of a synthetic corpus ends in :data:`~mmda_bench.protocol.SYNTHETIC`, so that every signature says it
    and no score of it stands beside one of recorded people; the embedded corpora are known by their names.
    """
    with reading(name, root, "describe()"):
        card = reader.describe(root)
        embedded = not card.needs_root and not card.natural and type(reader).__module__.startswith(f"{PACKAGE}.")
        if not card.synthetic or embedded or card.version.endswith(SYNTHETIC):
            return card
        return replace(card, version=card.version + SYNTHETIC)


def read_utterances(reader: Dataset, card: Card, root: Path | None, *, limit: int | None = None) -> list[Utterance]:
    """All utterances under ``root``, or the first ``limit``. Raises :class:`DataError`, also for what is none."""
    with reading(card.name, root, "utterances()"):
        utterances = list(islice(reader.utterances(root), limit))
    _check_utterances(card, utterances)
    return utterances


def _check_utterances(card: Card, utterances: Sequence[Utterance]) -> None:
    first: dict[str, int] = {}
    for position, utterance in enumerate(utterances):
        if not isinstance(utterance, Utterance):
            raise DataError(f"{card.name}: number {position} is {_shown(utterance)}, expected an Utterance")
        if not isinstance(utterance.id, str) or not utterance.id:
            raise DataError(f"{card.name}: number {position} has the id {_shown(utterance.id)}, expected a name")
        if fault := id_fault(utterance.id):  # it may become the name of a file
            raise DataError(f"{card.name}: number {position} has the id {_shown(utterance.id)}: {fault}; {EXPECTED}")
        if (before := first.setdefault(utterance.id, position)) != position:
            raise DataError(
                f"{card.name}: utterance {utterance.id} appears twice, as number {before} and {position}; every id "
                "must be unique"
            )
        for name, found, right, expected in _fields(utterance, card):
            if not right:
                what = f"{name} {_shown(found)} ({type(found).__name__})"
                raise DataError(f"{card.name}: utterance {utterance.id} has the {what}, expected {expected}")
    if utterances:
        _check_picklable(card, utterances[0])


def _fields(utterance: Utterance, card: Card) -> Iterator[tuple[str, Any, bool, str]]:
    """(field, value, whether it is right, what is expected) of all that is known before a clip is loaded."""
    label, text, domain, speaker = utterance.label, utterance.text, utterance.domain, utterance.speaker
    classes = len(card.classes)
    known = type(label) is int and 0 <= label < classes  # numpy's integers cannot be written as JSON
    yield "label", label, known, f"an int from 0 to {classes - 1}, an index into the card's classes"
    yield "text", text, isinstance(text, str), "a str"
    section, sections = utterance.section, card.sections
    yield "section", section, not sections or section in sections, f"one of {', '.join(map(repr, sections))}"
    yield "domain", domain, domain is None or domain in DOMAINS, f"None or one of {', '.join(map(repr, DOMAINS))}"
    yield "speaker", speaker, speaker is None or isinstance(speaker, str), "None or a str"
    for name in ("waveform", "frames"):
        loader = getattr(utterance, name)
        yield name, loader, callable(loader), "a function that loads it"


def _check_picklable(card: Card, utterance: Utterance) -> None:
    try:
        pickle.dumps(utterance)
    except Exception as error:  # pickle raises whatever the object's own methods raise
        raise DataError(
            f"{card.name}: utterance {utterance.id} cannot be handed to another process: {error}; its loaders must be "
            "picklable: functools.partial of a function of the module instead of a lambda or an inner function"
        ) from error


def load_sound(utterance: Utterance) -> np.ndarray:
    """The waveform, (samples,) in [−1, 1]. Raises :class:`ClipError` where the loader fails, :class:`DataError` for a
    value that is no waveform."""
    sound = _loaded(utterance.waveform)
    if not (isinstance(sound, np.ndarray) and sound.ndim == 1 and np.issubdtype(sound.dtype, np.floating)):
        raise _refused(utterance, "waveform", _form(sound), WAVEFORM)
    if not (np.abs(sound) <= 1).all():  # nor is a NaN
        raise _refused(utterance, "waveform", f"values up to {np.abs(sound).max():g}", WAVEFORM)
    return sound


def load_pictures(utterance: Utterance) -> np.ndarray:
    """The frames, (T, H, W, 3) uint8. Raises :class:`ClipError` where the loader fails, :class:`DataError` for a value
    that is no series of pictures."""
    frames = _loaded(utterance.frames)
    if not (isinstance(frames, np.ndarray) and frames.ndim == 4 and frames.shape[3] == 3 and frames.dtype == np.uint8):
        raise _refused(utterance, "frames", _form(frames), FRAMES)
    if not frames.size:
        raise _refused(utterance, "frames", f"no pictures, {_form(frames)}", FRAMES)
    return frames


def _loaded(load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (ClipError, DataError):
        raise
    except (Exception, SystemExit) as error:
        from mmda_bench.machine.memory import ran_out  # torch, which a reader may do without

        if ran_out(error):  # is no property of the clip
            raise
        raise ClipError(told(error)) from error


def _shown(value: object) -> str:
    return " ".join(repr(value).split())[:80]


def _form(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"({', '.join(map(str, value.shape))}{',' * (value.ndim == 1)}) {value.dtype}"
    return "None" if value is None else f"a {type(value).__name__}"


def _refused(utterance: Utterance, loader: str, found: str, expected: str) -> DataError:
    return DataError(f"{loader}() of utterance {utterance.id} gives {found}; expected {expected}: correct the reader")


def check_readable(
    card: Card,
    utterances: Sequence[Utterance],
    parts: Mapping[tuple[str, str], Sequence[int]],
    unreadable: Mapping[int, str],
    *,
    tried: int | None = None,
) -> None:
    """Refuse a corpus that lost too much, or a class of a training or test set, to clips that cannot be read.

    ``parts``: positions by (domain, split). ``unreadable``: position to reason. ``tried``: how many utterances were
    looked at, if not all. Raises :class:`DataError`.
    """
    tried = len(utterances) if tried is None else tried
    if not utterances:
        raise DataError(f"{card.name} has no utterances")
    if len(unreadable) > UNREADABLE_SHARE * tried:
        reasons = "; ".join(list(unreadable.values())[:3])
        raise DataError(f"{len(unreadable)} of {tried} utterances of {card.name} cannot be read: {reasons} ...")
    for (domain, part), positions in parts.items():
        present = {utterances[p].label for p in positions if p not in unreadable}
        missing = [name for i, name in enumerate(card.classes) if i not in present]
        if missing and part != "validation":
            raise DataError(
                f"class {missing[0]!r} of {card.name} has no readable utterance in {domain} {part}; "
                "every class needs at least two utterances in the training and test set of each domain"
            )
