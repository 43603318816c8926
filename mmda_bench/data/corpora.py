"""Corpora by name: a dataset, one section of it (``mintrec2[friends]``), or a natural pair (``iemocap--meld``).

A pair is a corpus whose two domains are two corpora: the first is the source, the second the target. Its classes are
those that both have, by the names that their cards give them; nothing in it is an anchor.
"""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from mmda_bench.data.validation import read_card
from mmda_bench.dataset import Card, Dataset, Shift, Utterance
from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import DOMAINS, PAIR, SYNTHETIC, corpus_names
from mmda_bench.registry import DATASETS

NAMED = re.compile(r"([^\[\]]+?)(?:\[([^\[\]]+)\])?")
UNSHIFTED = Shift(noise=0.0, brightness=1.0, visual_noise=0.0, masked=0.0)


def settled_name(name: str) -> str:
    """``name`` as cells have it. Raises :class:`UsageError` for a dataset or section that does not exist.

    >>> settled_name("Avatars")
    'avatars'
    """
    parts = name.split(PAIR)
    if len(parts) > len(DOMAINS) or not all(parts):
        raise UsageError(f"dataset {name!r}: expected one corpus, or two for --dataset and --target")
    return PAIR.join(_settled(part) for part in parts)


def check_known(name: str, stored: Iterable[str]) -> None:
    """Raise :class:`UsageError` for a corpus that is neither among ``stored`` nor made of registered datasets.

    >>> check_known("avatars", [])
    >>> check_known("avatarss", [])
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: unknown dataset 'avatarss': did you mean avatars?
    """
    known = list(dict.fromkeys([*stored, *DATASETS.names()]))
    if name not in known and not all(DATASETS.find(part) for part in corpus_names(name).values()):
        hint = suggest(name, known) or f"; known: {', '.join(known)}"
        raise UsageError(f"unknown dataset {name!r}{hint}")


def _settled(name: str) -> str:
    match = NAMED.fullmatch(name.strip())
    if match is None:
        raise UsageError(f"dataset {name!r}: expected a name, or name[section] such as mintrec2[friends]")
    entry = DATASETS.entry(match[1])
    if match[2] is None:
        return entry.name
    sections = DATASETS.get(entry.name).card.sections
    section = match[2].strip().lower()
    if section not in sections:
        known = f"; known: {', '.join(sections)}" if sections else "; it has none"
        raise UsageError(f"{entry.name} has no section {match[2]!r}{suggest(section, list(sections)) or known}")
    return f"{entry.name}[{section}]"


def reader_of(name: str) -> Dataset:
    """The reader of a corpus. Raises :class:`UsageError` for one that does not exist."""
    first, *second = settled_name(name).split(PAIR)
    return Pair(_single(first), _single(second[0]), first, second[0]) if second else _single(first)


def datasets_of(name: str) -> list[str]:
    """The registered datasets behind a corpus: one, or the two of a pair.

    >>> datasets_of("avatars--avatars-intent")
    ['avatars', 'avatars-intent']
    """
    return [part.partition("[")[0] for part in settled_name(name).split(PAIR)]


def _single(name: str) -> Dataset:
    dataset, _, section = name.partition("[")
    reader: Dataset = DATASETS.get(dataset)()
    return Section(reader, section.removesuffix("]")) if section else reader


class Section(Dataset):
    """One natural domain of a corpus, as a corpus."""

    def __init__(self, reader: Dataset, section: str) -> None:
        self.reader, self.section = reader, section

    def describe(self, root: Path | None) -> Card:
        card = self.reader.describe(root)
        return replace(
            card, name=f"{card.name}[{self.section}]", title=f"{card.title}, {self.section}", expected={}, sections=()
        )

    def utterances(self, root: Path | None) -> Iterator[Utterance]:
        return (u for u in self.reader.utterances(root) if u.section == self.section)

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        return self.reader.unusable(root)

    def remarks(self, root: Path | None) -> Iterable[str]:
        return self.reader.remarks(root)


class Pair(Dataset):
    """Two corpora as source and target, on the classes that both have; by names as :func:`settled_name` gives them."""

    def __init__(self, source: Dataset, target: Dataset, source_name: str, target_name: str) -> None:
        self.readers = {"source": source, "target": target}
        self.names = {"source": source_name, "target": target_name}

    def cards(self, root: Path | None) -> dict[str, Card]:
        """Of both corpora."""
        roots = split_roots(root)
        return {d: read_card(self.readers[d], self.names[d], roots[d]) for d in DOMAINS}

    def describe(self, root: Path | None) -> Card:
        source, target = self.cards(root).values()
        shared = shared_classes(source, target)
        together = f"{source.files} {target.files}"
        return replace(
            source,
            name=PAIR.join(self.names.values()),
            title=f"{source.title} → {target.title}",
            version=f"{_plain(source)}+{_plain(target)}+map-{_map_digest(source, target)}",
            classes=shared,
            shift=UNSHIFTED,
            licence=f"{source.licence}; {target.licence}",
            citation=f"{source.citation}; {target.citation}",
            obtain=f"{source.obtain}; {target.obtain}",
            synthetic=source.synthetic or target.synthetic,
            needs_root=source.needs_root or target.needs_root,
            expected={},
            sections=(),
            files=hashlib.sha256(together.encode()).hexdigest()[:12] if source.files or target.files else "",
            natural=True,
        )

    def utterances(self, root: Path | None) -> Iterator[Utterance]:
        cards, roots = self.cards(root), split_roots(root)
        shared = shared_classes(*cards.values())
        for domain, reader in self.readers.items():
            known = _places(cards[domain], shared)
            for u in reader.utterances(roots[domain]):
                if (place := known.get(u.label)) is not None:
                    yield replace(u, id=f"{domain}_{u.id}", label=place, domain=domain)

    def unusable(self, root: Path | None) -> Iterator[tuple[str, str]]:
        roots = split_roots(root)
        for domain, reader in self.readers.items():
            yield from ((f"{domain}: {where}", why) for where, why in reader.unusable(roots[domain]))

    def remarks(self, root: Path | None) -> Iterator[str]:
        """Of both readers, and how many utterances of each side have a class that the other side lacks."""
        cards, roots = self.cards(root), split_roots(root)
        shared = shared_classes(*cards.values())
        for domain, reader in self.readers.items():
            name, known, card = self.names[domain], _places(cards[domain], shared), cards[domain]
            yield from (f"{name}: {remark}" for remark in reader.remarks(roots[domain]))
            left = Counter(card.classes[u.label] for u in reader.utterances(roots[domain]) if u.label not in known)
            if left:
                said = ", ".join(f"{label} {count}" for label, count in left.items())
                yield f"{name}: {left.total()} utterances of classes that the other side lacks are left out ({said})"


def shared_classes(source: Card, target: Card) -> tuple[str, ...]:
    """The classes of a pair, in the order of the source. Raises :class:`UsageError` for fewer than two."""
    theirs = {_common(target, name) for name in target.classes}
    mine = dict.fromkeys(_common(source, name) for name in source.classes)
    shared = tuple(name for name in mine if name in theirs)
    if len(shared) < 2:
        raise UsageError(
            f"{source.name} and {target.name} share {len(shared)} classes: {', '.join(source.classes)} against "
            f"{', '.join(target.classes)}; a pair needs two at least"
        )
    return shared


def _common(card: Card, name: str) -> str:
    """The name under which other corpora know a class."""
    return card.known_as.get(name, name)


def _places(card: Card, shared: tuple[str, ...]) -> Mapping[int, int]:
    """Index in the pair's classes by index in the corpus's own."""
    named = [_common(card, name) for name in card.classes]
    return {i: shared.index(name) for i, name in enumerate(named) if name in shared}


def _plain(card: Card) -> str:
    """The version without what says that the corpus is synthetic: the pair says it itself."""
    return card.version.removesuffix(SYNTHETIC)


def _map_digest(source: Card, target: Card) -> str:
    """Of which class of which side became which class of the pair: another map is another corpus."""
    shared = shared_classes(source, target)
    maps = [sorted(_places(card, shared).items()) for card in (source, target)]
    named = [(card.classes[i], shared[j]) for card, pairs in zip((source, target), maps, strict=True) for i, j in pairs]
    return hashlib.sha256(repr((shared, named)).encode()).hexdigest()[:6]


def joined_roots(source: Path | None, target: Path | None) -> Path | None:
    """The folders of both corpora in one path, as in PATH; that of the source alone where it is that of both."""
    return source if target is None else Path(f"{source or ''}{os.pathsep}{target}")


def split_roots(root: Path | None) -> dict[str, Path | None]:
    """What :func:`joined_roots` joined.

    >>> split_roots(None)
    {'source': None, 'target': None}
    """
    first, found, second = str(root or "").partition(os.pathsep)
    both = (first, second if found else first)
    return {domain: Path(text) if text else None for domain, text in zip(DOMAINS, both, strict=True)}
