"""The frozen prefix: run once per (corpus, modality, clean or shifted, backbone), kept on disk, shared by all cells.

The outputs lie in shards of a fixed number of utterances, memory-mapped when read. A shard that is finished stays,
whatever ends the process: the same command goes on from there. Their digests are verified before every sweep, and what
is damaged is made again, alone.
"""

import contextlib
import errno
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from mmda_bench import registry
from mmda_bench.backbone.base import Backbone
from mmda_bench.data.corpora import reader_of
from mmda_bench.data.legibility import Legibility, check_legible, legibility
from mmda_bench.data.splits import split_halves
from mmda_bench.data.validation import check_readable, read_card, read_utterances, reading
from mmda_bench.dataset import MODALITIES, NAMES, Card, Dataset, Utterance
from mmda_bench.errors import DataError, ResourceError
from mmda_bench.features.cache import SHARD, Place, damaged, discard_damaged, locked, place_of, room_for
from mmda_bench.features.corpus import TARGET_LABELS, Corpus, read_corpus
from mmda_bench.features.encode import Job, Shard, load_encoder
from mmda_bench.features.missing import without_missing
from mmda_bench.features.shards import intact, read_index, seal
from mmda_bench.features.workers import encoding
from mmda_bench.machine.disk import Disk
from mmda_bench.protocol import CORRUPT, DOMAINS, UNSHIFTED, Protocol, canonical_json, name_hash
from mmda_bench.registry import Plugin
from mmda_bench.shifts import effective_shift
from mmda_bench.shifts.corruptions import parse_corruptions
from mmda_bench.shifts.corruptions.lexical import SHARE_OF_WORDS
from mmda_bench.shifts.scripts import all_units
from mmda_bench.store import atomic

VARIANTS: tuple[str, ...] = ("clean", "shifted")
INDEX = "corpus.json"
VOICES = 32  # utterances of the target domain that may be heard behind another one
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
Progress = Callable[[str, int, int], None]
Parts = dict[tuple[str, str], list[int]]


@dataclass(frozen=True)
class Preparation:
    """One corpus as one protocol and backbone see it, and where that lies on disk."""

    dataset: str
    root: Path | None
    protocol: Protocol
    weights: tuple[tuple[str, str], ...]
    reader: Dataset
    card: Card
    place: Place

    def read(self) -> tuple[list[Utterance], Parts]:
        """All utterances, and their positions by (domain, split). Raises :class:`DataError`."""
        utterances = read_utterances(self.reader, self.card, self.root)
        parts = split_halves(
            [u.id for u in utterances],
            [u.label for u in utterances],
            dataset=self.dataset,
            split=self.protocol.split,
            fractions=self.card.fractions,
            domains=[u.domain for u in utterances],
        )
        return utterances, parts

    def shards(self, utterances: Sequence[Utterance], parts: Parts) -> list[Shard]:
        """Every shard of the corpus, modality by modality."""
        target = {p for (domain, _), positions in parts.items() if domain == "target" for p in positions}
        rows = [(p, u, p in target) for p, u in enumerate(utterances)]
        shards = []
        for m, job in self.jobs(utterances, parts).items():
            for first in range(0, len(rows), SHARD):
                some = tuple(rows[first : first + SHARD])
                variants = VARIANTS[:1]
                if any(is_target for *_, is_target in some):
                    variants += VARIANTS[1:] if self.protocol.shift != UNSHIFTED else ()
                    variants += ("absent",) if m in self.protocol.missing else ()
                shards.append(Shard(job, some, {v: self.place.shard(v, m, first) for v in variants}))
        return shards

    def opened(self) -> Corpus:
        """What lies there. Raises :class:`FileNotFoundError` where it is not complete."""
        corpus = replace(read_corpus(self.place.shifted), card=self.card)
        if not self.protocol.missing:
            return corpus
        return without_missing(corpus, self.protocol, self.place, dataset=self.dataset)

    def complete(self) -> bool:
        """Whether everything that the cells read lies there, as it was written."""
        if not intact(self.place.shifted):
            return False
        shards = json.loads((self.place.shifted / INDEX).read_text())["shards"]
        paths = [self.place.clean.parent / path for v in VARIANTS for m in MODALITIES for path in shards[v][m]]
        paths += [self.place.absent / Path(path).name for m in self.protocol.missing for path in shards["shifted"][m]]
        return all(path.is_dir() for path in paths)

    def jobs(self, utterances: Sequence[Utterance], parts: Parts) -> dict[str, Job]:
        """What all shards of a modality have in common, by modality."""
        target = [utterances[p] for (domain, _), positions in parts.items() if domain == "target" for p in positions]
        shift, steps = effective_shift(self.card.shift, self.protocol), parse_corruptions(self.protocol.shift)
        jobs = {m: Job(self.dataset, self.protocol.backbone, m, shift, self.weights) for m in MODALITIES}
        for m in dict.fromkeys(step.corruption.modality for step in steps):
            mine = [step for step in steps if step.corruption.modality == m]
            needs = {step.corruption.needs for step in mine}
            jobs[m] = replace(jobs[m], corruption=CORRUPT + "+".join(map(str, mine)))
            if "words" in needs:
                jobs[m] = replace(jobs[m], words=tuple(sorted({w for u in utterances for w in all_units(u.text)})))
            if "voices" in needs:
                jobs[m] = replace(jobs[m], voices=self._voices(target))
        return jobs

    def _voices(self, target: Sequence[Utterance]) -> tuple[Utterance, ...]:
        """Some utterances of the target domain, the same ones whatever the order of the files."""
        return tuple(sorted(target, key=lambda u: name_hash("voices", self.dataset, u.id))[:VOICES])


def preparation(
    dataset: str, *, root: Path | None, protocol: Protocol, cache: Path, weights: Mapping[str, str] | None = None
) -> Preparation:
    """What is to be prepared, and where. Raises :class:`DataError` when the corpus or the weights are not there."""
    reader = reader_of(dataset)
    card = read_card(reader, dataset, root)
    backbone: Backbone = registry.BACKBONES.get(protocol.backbone)(weights)
    place = place_of(dataset, card=card, backbone=backbone, protocol=protocol, cache=cache)
    return Preparation(dataset, root, protocol, tuple(sorted((weights or {}).items())), reader, card, place)


def prepare(
    dataset: str,
    *,
    root: Path | None,
    protocol: Protocol,
    cache: Path,
    progress: Progress | None = None,
    jobs: int = 1,
    plugins: Sequence[str | Plugin] = (),
    weights: Mapping[str, str] | None = None,
) -> Corpus:
    """Make, or verify, everything that the cells of a sweep read: split, labels and prefix outputs.

    ``jobs``: processes. A cache that is read-only but complete is used as it is. Raises :class:`DataError` when the
    corpus is missing or unusable, and :class:`~mmda_bench.errors.ResourceError` when the cache cannot be written, the
    disk is too small or memory runs out.
    """
    this = preparation(dataset, root=root, protocol=protocol, cache=cache, weights=weights)
    place = this.place
    try:
        place.lock.parent.mkdir(parents=True, exist_ok=True)
        with locked(place.lock):
            discard_damaged(place.folders)
            if not this.complete():
                _build(this, progress or (lambda *_: None), jobs, plugins)
    except OSError as error:
        if error.errno not in READ_ONLY or damaged(place.folders) or not this.complete():
            raise ResourceError(_cannot_write(this, error)) from error
    return this.opened()


def open_corpus(
    dataset: str,
    *,
    root: Path | None,
    protocol: Protocol,
    cache: Path,
    weights: Mapping[str, str] | None = None,
    version: str | None = None,
) -> Corpus:
    """The corpus that :func:`prepare` made, by the same arguments; prepares it first if it is not there.

    ``version``: that it must have; :class:`DataError` if the files have become another corpus since it was planned.
    """
    this = preparation(dataset, root=root, protocol=protocol, cache=cache, weights=weights)
    if version not in (None, this.card.version):
        raise DataError(
            f"{dataset} is at version {this.card.version}, the cell was planned for {version}: the files have changed; "
            "start the run again"
        )
    with contextlib.suppress(FileNotFoundError):
        return this.opened()
    return prepare(dataset, root=root, protocol=protocol, cache=cache, weights=weights)


def disk_needed(
    dataset: str,
    *,
    root: Path | None,
    protocol: Protocol,
    cache: Path,
    weights: Mapping[str, str] | None = None,
    splits: Sequence[int] | None = None,
) -> Disk:
    """The room that :func:`prepare` would still take, and what there is; nothing is written.

    ``splits``: for all of these split seeds, which share the clean shards; None takes that of ``protocol``.
    """
    needed: dict[Path, Shard] = {}
    for split in splits or [protocol.split]:
        drawn = replace(protocol, split=split)
        one = preparation(dataset, root=root, protocol=drawn, cache=cache, weights=weights)
        utterances, parts = one.read()
        for shard in _missing(one.shards(utterances, parts)):
            for variant, path in shard.folders.items():
                needed.setdefault(path, replace(shard, folders={variant: path}))
    return room_for(list(needed.values()), utterances, one.place.clean.parent)


def _missing(shards: Iterable[Shard]) -> list[Shard]:
    """The same shards without what lies on disk already."""
    left = [replace(s, folders={v: path for v, path in s.folders.items() if not path.is_dir()}) for s in shards]
    return [shard for shard in left if shard.folders]


def _build(this: Preparation, progress: Progress, jobs: int, plugins: Sequence[str | Plugin]) -> None:
    utterances, parts = this.read()
    check_readable(this.card, utterances, parts, {})
    lexical = _legible(this, [u.text for u in utterances])
    shards = this.shards(utterances, parts)
    missing = _missing(shards)
    room = room_for(missing, utterances, this.place.clean.parent)
    if not room.enough:
        raise ResourceError(f"the disk is too small for the prefixes of {this.dataset}: {room}; {ADVICE}")
    this.place.shifted.mkdir(exist_ok=True)
    (this.place.shifted / INDEX).unlink(missing_ok=True)  # whoever looks for the corpus now, waits for it
    skipped: dict[int, str] = {}
    substituted: dict[int, str] = {}
    most = max(Counter(shard.job for shard in missing).values(), default=0)  # more processes would wait for each other
    with encoding(min(jobs, most), plugins) as encode:
        for m in MODALITIES:
            todo = [shard for shard in missing if shard.job.modality == m]
            try:
                encode(todo, _counting(progress, f"{this.dataset}: {NAMES[m]} features", todo, len(utterances)))
                for shard in (shard for shard in shards if shard.job.modality == m):
                    notes = read_index(shard.folders["clean"])
                    skipped = dict(notes["skipped"]) | skipped
                    for p, reason in notes["substituted"]:
                        substituted[p] = f"{substituted[p]}; {reason}" if p in substituted else reason
                check_readable(this.card, utterances, parts, skipped)
            except DataError:
                _forget_skipped(shards)
                raise
    _write_index(this, utterances, parts, shards, skipped, substituted, lexical)


def _legible(this: Preparation, texts: Sequence[str]) -> Legibility:
    """What the shift changes of the texts and the backbone can read of them. Raises :class:`DataError` where it can
    read nothing, before anything is encoded."""
    encoder = load_encoder(this.protocol.backbone, "L", this.weights, torch.device("cpu"))
    try:
        check_legible(texts, encoder, dataset=this.dataset, backbone=this.protocol.backbone)
        return legibility(texts, share=_share_of_words(this), encoder=encoder)
    finally:
        load_encoder.cache_clear()


def _share_of_words(this: Preparation) -> float:
    """That the protocol takes from a text. What changes words in another way, as typos, reaches every text."""
    steps = [step for step in parse_corruptions(this.protocol.shift) if step.corruption.unit == SHARE_OF_WORDS]
    shares = [step.corruption.levels[step.severity - 1] for step in steps]
    return max([effective_shift(this.card.shift, this.protocol).masked, *shares])


def _counting(progress: Progress, stage: str, todo: Sequence[Shard], total: int) -> Callable[[int], None]:
    """Tells how many of all utterances are done, those of the shards that were there included."""
    before = total - sum(len(shard.rows) for shard in todo)
    return lambda done: progress(stage, before + done, total)


def _forget_skipped(shards: Iterable[Shard]) -> None:
    """A refused corpus is repaired and tried again: what could not be read must then be read anew."""
    for path in (path for shard in shards for path in shard.folders.values()):
        if path.is_dir() and read_index(path)["skipped"]:
            shutil.rmtree(path)


def _write_index(
    this: Preparation,
    utterances: Sequence[Utterance],
    parts: Parts,
    shards: Sequence[Shard],
    skipped: Mapping[int, str],
    substituted: Mapping[int, str],
    lexical: Legibility,
) -> None:
    domain_of = {p: domain for (domain, _), positions in parts.items() for p in positions}
    labels = {domain: {p: u.label for p, u in enumerate(utterances) if domain_of[p] == domain} for domain in DOMAINS}
    with reading(this.dataset, this.root, "unusable()"):  # entries of the tables that never became utterances
        unusable = [list(entry) for entry in this.reader.unusable(this.root)]
    paths: dict[str, dict[str, list[str]]] = {v: {m: [] for m in MODALITIES} for v in VARIANTS}
    for shard in shards:
        lying = {v: path for v, path in shard.folders.items() if v in VARIANTS}
        if any(is_target for *_, is_target in shard.rows):
            lying.setdefault("shifted", shard.folders["clean"])  # of a natural pair, whose target is as it is
        for variant, path in lying.items():
            paths[variant][shard.job.modality].append(str(path.relative_to(this.place.clean.parent)))
    index = {
        "ids": [u.id for u in utterances],
        "classes": list(this.card.classes),
        "fingerprint": _fingerprint(utterances, this.card),
        "skipped": [*unusable, *([utterances[p].id, reason] for p, reason in sorted(skipped.items()))],
        "substituted": [[utterances[p].id, reason] for p, reason in sorted(substituted.items())],
        "lexical": lexical.as_json(),
        "parts": [[*key, [p for p in value if p not in skipped]] for key, value in parts.items()],
        "source_labels": labels["source"],
        "shards": paths,
    }
    folder = this.place.shifted
    for name, content in ((TARGET_LABELS, labels["target"]), (INDEX, index)):
        atomic.write_bytes(folder / name, json.dumps(content).encode())
    seal(folder)


def _fingerprint(utterances: Sequence[Utterance], card: Card) -> str:
    """Digest of ids, texts and labels: what identifies the corpus that a record was made on."""
    content = [[u.id, u.text, card.classes[u.label]] for u in utterances]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


ADVICE = "free some space there or choose another folder with --cache DIR (MMDA_BENCH_CACHE)"


def _cannot_write(this: Preparation, error: OSError) -> str:
    folder = this.place.clean.parent
    message = f"cannot write the cache {folder}: {error.strerror or error}; "
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        utterances, parts = this.read()
        room = room_for(_missing(this.shards(utterances, parts)), utterances, folder)
        message += f"{room}; what is finished is kept, and the same command goes on from there: "
    return message + ADVICE
