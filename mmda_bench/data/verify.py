"""Looks through a corpus: what is there and what is missing, what cannot be read, and whether it can be used."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmda_bench import registry
from mmda_bench.data.corpora import reader_of
from mmda_bench.data.legibility import Legibility, check_legible, legibility
from mmda_bench.data.splits import split_halves
from mmda_bench.data.validation import check_readable, load_pictures, load_sound, read_card, read_utterances, reading
from mmda_bench.dataset import NAMES, Card, Utterance, substitutions, tally
from mmda_bench.errors import ClipError, DataError, UsageError
from mmda_bench.machine.as_before import silent
from mmda_bench.machine.pool import deaths_explained, process_pool
from mmda_bench.protocol import name_hash
from mmda_bench.registry import Plugin

if TYPE_CHECKING:
    from mmda_bench.backbone.base import Backbone

SHOWN = 20  # entries of a list in the report for people; the other form has all
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Clip:
    """What decoding one utterance gave: the reason where it failed, whether its sound is silence, and what a loader
    substituted. ``refused``: why the reader breaks its contract, "" if it does not."""

    sound: str | None
    pictures: str | None
    silent: bool
    substituted: str
    refused: str


@dataclass
class Verification:
    """What was found. ``counts``: name to (found, expected). ``unusable``: (where, why) of entries of the tables that
    are no utterance. ``no_sound``, ``no_pictures``: reasons by id. ``silent``: ids whose sound is silent or missing.
    ``substituted``: by id, what the loaders put in the place of what the files have.
    ``lexical``: what the shift changes of the texts and ``backbone`` knows of their words. ``remarks``: what the reader
    leaves out on purpose. ``warnings``: what is allowed and probably not meant. ``problem``: why the corpus cannot be
    used, "" if it can."""

    dataset: str
    root: str | None
    title: str = ""
    version: str = ""
    utterances: int = 0
    decoded: int = 0
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    classes: dict[str, int] = field(default_factory=dict)
    unusable: list[tuple[str, str]] = field(default_factory=list)
    no_sound: dict[str, str] = field(default_factory=dict)
    no_pictures: dict[str, str] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)
    substituted: dict[str, str] = field(default_factory=dict)
    backbone: str = ""
    lexical: Legibility | None = None
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def usable(self) -> bool:
        return not self.problem

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a program."""
        counts = {name: {"found": found, "expected": expected} for name, (found, expected) in self.counts.items()}
        return {**asdict(self), "counts": counts, "usable": self.usable}


def verify(
    dataset: str,
    *,
    root: Path | None,
    sample: int | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    plugins: Sequence[str | Path | Plugin] = (),
    backbone: str | None = None,
    weights: Mapping[str, str] | None = None,
) -> Verification:
    """Hold the corpus under ``root`` against its card and decode every clip, or ``sample`` of them chosen by hash.

    ``backbone``, with ``weights`` where they are not its own: whose vocabulary the texts are held against; without
    one, the corpus's own backbone is taken if it is embedded, since another would have to be downloaded.
    What is wrong with the corpus is in the answer. Raises :class:`UsageError` for an unknown ``dataset`` and
    numbers below 1, and :class:`ResourceError` when a process is killed.
    """
    for name, number in (("sample", sample), ("jobs", jobs)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}: expected at least 1, or None for all")
    reader = reader_of(dataset)
    found = Verification(dataset, None if root is None else str(root))
    try:
        card = read_card(reader, dataset, root)
        utterances = read_utterances(reader, card, root)
        with reading(dataset, root, "unusable()"):
            found.unusable = list(reader.unusable(root))
        with reading(dataset, root, "remarks()"):
            found.remarks = list(reader.remarks(root))
    except DataError as error:
        found.problem = str(error)
        return found
    found.title, found.version, found.utterances = card.title, card.version, len(utterances)
    found.counts = {name: (count, card.expected[name]) for name, count in tally(card, utterances).items()}
    labels = Counter(u.label for u in utterances)
    found.classes = {name: labels[i] for i, name in enumerate(card.classes)}
    found.warnings = alike_classes(card.classes)
    _read_texts(found, card, [u.text for u in utterances], backbone, weights)
    chosen = _sample(dataset, utterances, sample)
    found.decoded = len(chosen)
    unreadable = {}
    for position, clip in _decoded(utterances, chosen, jobs, progress, tuple(plugins)):
        name = utterances[position].id
        if clip.sound is not None:
            found.no_sound[name] = clip.sound
        if clip.pictures is not None:
            found.no_pictures[name] = clip.pictures
        if clip.silent:
            found.silent.append(name)
        if clip.substituted:
            found.substituted[name] = clip.substituted
        found.problem = found.problem or clip.refused
        if reason := clip.sound or clip.pictures:
            unreadable[position] = reason
    try:
        check_readable(card, utterances, _parts(dataset, card, utterances), unreadable, tried=len(chosen))
    except DataError as error:
        found.problem = found.problem or str(error)
    return found


def alike_classes(classes: Sequence[str]) -> list[str]:
    """A warning for each group of classes that differ in capitals, accents' form, blanks or signs alone.

    >>> alike_classes(["Happy", "sad", "happy "])
    ["the classes 'Happy' and 'happy ' differ in writing alone; if they are one, give them one name"]
    """
    groups: dict[str, list[str]] = {}
    for name in classes:
        plain = "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold()))
        groups.setdefault(plain or name, []).append(name)
    return [
        f"the classes {' and '.join(map(repr, group))} differ in writing alone; if they are one, give them one name"
        for group in groups.values()
        if len(group) > 1
    ]


def _read_texts(
    found: Verification, card: Card, texts: Sequence[str], backbone: str | None, weights: Mapping[str, str] | None
) -> None:
    """Fill in ``lexical``, and the problem where the backbone cannot read the corpus at all."""
    found.backbone = backbone or card.backbone
    encoder = None
    if registry.BACKBONES.find(found.backbone) is None:
        found.problem = f"the corpus's own backbone {found.backbone!r} is none; name another with --backbone"
        return
    if backbone is not None or (found.backbone in registry.BACKBONES.names() and _is_embedded(found.backbone)):
        encoder = registry.BACKBONES.get(found.backbone)(weights).encoder("L")
        try:
            check_legible(texts, encoder, dataset=found.dataset, backbone=found.backbone)
        except DataError as error:
            found.problem = str(error)
    found.lexical = legibility(texts, share=card.shift.masked, encoder=encoder)


def _is_embedded(backbone: str) -> bool:
    kind: type[Backbone] = registry.BACKBONES.get(backbone)
    return not kind.default_weights


def decode(utterance: Utterance) -> Clip:
    """Load sound and pictures of one utterance."""
    failed: dict[str, str] = {}
    notes: list[str] = []
    refused, silent = "", False
    for modality, load in (("A", load_sound), ("V", load_pictures)):
        try:
            with substitutions() as said:
                values = load(utterance)
            notes += [f"{NAMES[modality]}: {reason}" for reason in said]
            silent = silent or (modality == "A" and not values.any())
        except ClipError as error:
            failed[modality] = str(error)
        except DataError as error:
            failed[modality] = str(error)
            refused = refused or str(error)
    return Clip(failed.get("A"), failed.get("V"), silent, "; ".join(notes), refused)


def _sample(dataset: str, utterances: Sequence[Utterance], count: int | None) -> list[int]:
    """Positions, ascending; the same ones each time, and more of them for a larger count."""
    order = sorted(range(len(utterances)), key=lambda i: name_hash("verify", dataset, utterances[i].id))
    return sorted(order[:count])


def _decoded(
    utterances: Sequence[Utterance], chosen: Sequence[int], jobs: int, progress: Progress | None,
    plugins: Sequence[str | Path | Plugin],
) -> Iterator[tuple[int, Clip]]:  # fmt: skip
    """(position, what was found) in order, in ``jobs`` processes."""
    rows = [utterances[i] for i in chosen]
    with ExitStack() as stack:
        clips: Iterator[Clip] = map(decode, rows)
        if jobs > 1 and len(chosen) > 1:
            stack.enter_context(deaths_explained("a process that decodes"))
            clips = stack.enter_context(process_pool(jobs, _load_plugins, plugins)).map(decode, rows, chunksize=8)
        for done, (position, clip) in enumerate(zip(chosen, clips, strict=True), start=1):
            if progress is not None:
                progress(done, len(chosen))
            yield position, clip


def _load_plugins(plugins: Sequence[str | Path | Plugin]) -> None:
    with silent():
        for plugin in plugins:
            registry.load_plugin(plugin)


def _parts(dataset: str, card: Card, utterances: Sequence[Utterance]) -> dict[tuple[str, str], list[int]]:
    return split_halves(
        [u.id for u in utterances],
        [u.label for u in utterances],
        dataset=dataset,
        split=0,
        fractions=card.fractions,
        domains=[u.domain for u in utterances],
    )


def as_text(found: Verification) -> str:
    """A short report for people."""
    lines = [f"{found.title or found.dataset} {found.version}".strip() + f" at {found.root}" * (found.root is not None)]
    if found.utterances:
        lines.append(f"  {found.utterances} utterances: " + ", ".join(f"{k} {n}" for k, n in found.classes.items()))
    for name, (count, expected) in found.counts.items():
        lines.append(f"  {'as expected' if count == expected else 'DIFFERENT  '}  {name}: {count} of {expected}")
    lines += _listed("entries of the tables that are no utterance", found.unusable)
    if found.utterances:
        lines.append(f"  {found.decoded} of {found.utterances} utterances decoded")
    lines += _listed("whose sound cannot be read", list(found.no_sound.items()))
    lines += _listed("whose pictures are missing or cannot be read", list(found.no_pictures.items()))
    lines += _listed("whose sound is silent or missing; silence is used", [(name, "") for name in found.silent])
    lines += _listed("used with something in the place of what the files have", list(found.substituted.items()))
    lines += [f"  {remark}" for remark in found.remarks]
    if found.lexical is not None:
        lines += [f"  {remark}" for remark in found.lexical.remarks(found.backbone)]
        if found.lexical.unknown is None:
            lines.append(f"  words that {found.backbone} does not know are counted with --backbone {found.backbone}")
    lines += [f"  WARNING: {warning}" for warning in found.warnings]
    lost = len(set(found.no_sound) | set(found.no_pictures))
    verdict = "usable" + (f"; {lost} of its utterances will be left out and named in every record" if lost else "")
    return "\n".join([*lines, verdict if found.usable else f"NOT usable: {found.problem}"])


def _listed(title: str, entries: Sequence[tuple[str, str]]) -> list[str]:
    if not entries:
        return []
    lines = [f"  {len(entries)} {title}"]
    lines += [f"    {name}{f': {why}' if why else ''}" for name, why in entries[:SHOWN]]
    more = len(entries) - SHOWN
    return [*lines, f"    and {more} more; --json lists them all"] if more > 0 else lines
