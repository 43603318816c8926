"""What every corpus reader must keep to: ``mmda-bench check NAME --data-root DIR`` and :func:`check_dataset`."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mmda_bench.data.export import export
from mmda_bench.data.splits import split_halves
from mmda_bench.data.validation import load_pictures, load_sound, read_card, read_utterances
from mmda_bench.dataset import MODALITIES, Card, ClipError, Dataset, Utterance
from mmda_bench.errors import ContractError
from mmda_bench.registry import DATASETS
from mmda_bench.testing.checks import Check, entry_of, run_checks
from mmda_bench.testing.process_contract import LEFT, USED, check_left, check_used

DECODED = 8  # utterances whose clips are loaded
EXPORTED = 4


@dataclass(frozen=True)
class Corpus:
    """A reader, and the folder that it reads.

    >>> len(Corpus("avatars", None).some)
    8
    """

    name: str
    root: Path | None

    @cached_property
    def reader(self) -> Dataset:
        return DATASETS.get(self.name)()

    @cached_property
    def card(self) -> Card:
        return read_card(self.reader, self.name, self.root)

    @cached_property
    def utterances(self) -> list[Utterance]:
        return read_utterances(self.reader, self.card, self.root)

    @property
    def some(self) -> list[Utterance]:
        """A few utterances, evenly spaced."""
        chosen = np.unique(np.linspace(0, len(self.utterances) - 1, DECODED).astype(int))
        return [self.utterances[i] for i in chosen]


def check_dataset(subject: str | type, root: str | Path | None = None) -> list[Check]:
    """Run every check on a dataset, named or given as its class. ``root``: its folder, if it needs one.

    Raises :class:`UsageError` for an unknown name. Whatever the reader does wrong is in the answer.

    >>> all(check.passed for check in check_dataset("avatars"))
    True
    """
    entry = entry_of(subject, DATASETS)
    return run_checks(CHECKS, Corpus(entry.name, None if root is None else Path(root)), first=READABLE)


def readable(corpus: Corpus) -> str:
    return f"{corpus.card.title} {corpus.card.version}, {len(corpus.utterances):,} utterances"


def card(corpus: Corpus) -> str:
    facts = corpus.card
    empty = [name for name in ("title", "version", "licence", "citation", "obtain") if not getattr(facts, name)]
    if empty:
        raise ContractError(f"the card lacks {', '.join(empty)}; a reader of a table wants to know")
    if len(facts.classes) < 2 or len(set(facts.classes)) < len(facts.classes):
        raise ContractError(f"the card has the classes {facts.classes}; expected two or more different names")
    if abs(sum(facts.fractions) - 1) > 1e-6 or min(facts.fractions) < 0:
        raise ContractError(f"the card's fractions are {facts.fractions}; expected three shares that sum to 1")
    if tuple(facts.modalities) != MODALITIES:
        raise ContractError(f"the card's modalities are {facts.modalities}; this version reads {MODALITIES}")
    return f"{len(facts.classes)} classes"


def repeatable(corpus: Corpus) -> str:
    again = read_utterances(DATASETS.get(corpus.name)(), corpus.card, corpus.root)
    facts = [[(u.id, u.text, u.label, u.speaker, u.domain) for u in some] for some in (corpus.utterances, again)]
    if facts[0] != facts[1]:
        raise ContractError("a second reading gives others, or another order; sort what the file system lists")
    return ""


def classes_everywhere(corpus: Corpus) -> str:
    everything = corpus.utterances
    labels = [u.label for u in everything]
    parts = split_halves(
        [u.id for u in everything], labels, dataset=corpus.name, split=0, fractions=corpus.card.fractions,
        domains=[u.domain for u in everything],
    )  # fmt: skip
    for (domain, part), positions in parts.items():
        absent = set(range(len(corpus.card.classes))) - {labels[p] for p in positions}
        if absent and part != "validation":
            name = corpus.card.classes[min(absent)]
            raise ContractError(f"class {name!r} has no utterance in {domain} {part}; it needs about eight in all")
    return ""


def clips(corpus: Corpus) -> str:
    failed = 0
    for utterance in corpus.some:
        try:
            sounds, pictures = ([load(utterance) for _ in range(2)] for load in (load_sound, load_pictures))
        except ClipError:
            failed += 1
            continue
        for name, (first, second) in (("waveform", sounds), ("frames", pictures)):
            if not np.array_equal(first, second):
                raise ContractError(f"{name}() of utterance {utterance.id} gives another clip each time it is called")
    if failed == len(corpus.some):
        raise ContractError(f"none of {failed} clips can be read; see mmda-bench data verify {corpus.name}")
    return f"{len(corpus.some)} clips loaded twice, {failed or 'none'} unreadable"


def layout(corpus: Corpus) -> str:
    if not DATASETS.entry(corpus.name).facts.get("layout"):
        return "it offers no layout (register_dataset(..., layout=True) and export() would)"
    with TemporaryDirectory() as folder:
        done = export(corpus.reader, corpus.name, Path(folder) / "out", root=corpus.root, limit=EXPORTED)
    if done.skipped:
        raise ContractError(f"its own utterances cannot be written: {next(iter(done.skipped.items()))}")
    return f"{done.utterances} utterances written in its own layout"


def left(corpus: Corpus) -> str:
    return check_left(DATASETS.entry(corpus.name), lambda: content(corpus.name, corpus.root))


def used(corpus: Corpus) -> str:
    return check_used(DATASETS.entry(corpus.name), content, corpus.root)


def content(name: str, root: Path | None) -> str:
    """A digest of the utterances, and of the clips of a few.

    >>> len(content("avatars", None))
    64
    """
    corpus, digest = Corpus(name, root), hashlib.sha256()
    for u in corpus.utterances:
        digest.update(repr((u.id, u.text, u.label, u.speaker, u.domain)).encode())
    for utterance in corpus.some:
        for load in (load_sound, load_pictures):
            try:
                digest.update(load(utterance).tobytes())
            except ClipError as error:
                digest.update(str(error).encode())
    return digest.hexdigest()


READABLE = "its card and its utterances keep to the contract"
CHECKS: Mapping[str, Callable[[Corpus], str]] = {
    READABLE: readable,
    LEFT: left,
    "the card says what a reader of a table must know": card,
    "a second reading gives the same": repeatable,
    "every class is trained and tested on in both domains": classes_everywhere,
    "sound and pictures are what they should be, the same each time": clips,
    "what it reads it can write, where it says so": layout,
    USED: used,
}
