"""The frozen prefix: run once per (corpus, modality, clean or shifted, backbone), kept on disk, shared by all cells.

A cache entry is a folder of memory-mapped arrays, written under a temporary name and renamed when complete. Its key
names everything that determines the content; its digest is verified by the driver before a sweep, and an entry that is
damaged is made again. Every utterance is encoded alone at its true length, so that batch composition cannot matter.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmda_bench import registry, shifts
from mmda_bench.backbone.corpus import TARGET_LABELS, Corpus, read_corpus
from mmda_bench.backbone.ragged import RaggedWriter
from mmda_bench.backbone.spec import Backbone, Encoder, sample_frames
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, MODALITIES, NAMES, Card, ClipError, DataError, Utterance
from mmda_bench.protocol import Protocol, canonical_json, effective_shift, split_halves

CHUNK = 48  # utterances a worker process encodes before it hands the result back
UNREADABLE_SHARE = 0.2  # a corpus of which more than this cannot be read is not scored
Progress = Callable[[str, int, int], None]


def raw_input(utterance: Utterance, modality: str, backbone: Backbone) -> Any:
    """One modality of an utterance as every backbone gets it: clipped sound, words, or resized pictures."""
    if modality == "A":
        waveform = np.asarray(utterance.waveform(), np.float32)[:MAX_SAMPLES]
        return np.pad(waveform, (0, max(0, MIN_SAMPLES - len(waveform))))
    if modality == "L":
        return utterance.text.split()
    frames = sample_frames(utterance.frames(), count=backbone.frames)
    side = backbone.frame_size
    if frames.shape[1:3] == (side, side):
        return frames
    return np.stack([np.asarray(Image.fromarray(f).resize((side, side), Image.Resampling.BILINEAR)) for f in frames])


@dataclass(frozen=True)
class Job:
    """What a worker process needs to encode one modality of a chunk of utterances."""

    dataset: str
    backbone: str
    modality: str
    protocol: Protocol
    card: Card
    plugins: tuple[str, ...] = ()


_encoders: dict[tuple[str, str], Encoder] = {}


@torch.no_grad()
def encode(job: Job, chunk: Sequence[tuple[Utterance, bool]]) -> list[tuple[np.ndarray, np.ndarray | None] | str]:
    """Clean and, for the pairs whose flag is set, shifted prefix outputs; the reason instead where unreadable."""
    torch.set_num_threads(1)
    for plugin in job.plugins:
        registry.load_plugin(plugin)
    backbone: Backbone = registry.BACKBONES.get(job.backbone)()
    if (job.backbone, job.modality) not in _encoders:
        _encoders[job.backbone, job.modality] = backbone.encoder(job.modality)
    encoder = _encoders[job.backbone, job.modality]
    if encoder.frozen.training:
        raise RuntimeError(
            f"the frozen prefix of {job.backbone}/{job.modality} is in train mode; its outputs would vary"
        )
    shift = effective_shift(job.card.shift, job.protocol)
    dtype = np.dtype(backbone.cache_dtype)

    def run(raw: Any) -> np.ndarray:
        return encoder.prefix(encoder.tokens(raw)).numpy().astype(dtype)

    results: list[tuple[np.ndarray, np.ndarray | None] | str] = []
    for utterance, shifted in chunk:
        try:
            raw = raw_input(utterance, job.modality, backbone)
        except (ClipError, OSError) as error:
            results.append(str(error))
            continue
        rng = shifts.draw(job.dataset, utterance.id, job.modality)
        corrupted = (
            shifts.corrupt(job.modality, raw, shift=shift, rng=rng, mask=encoder.mask_token) if shifted else None
        )
        clean = shifts.normalise_frames(raw) if job.modality == "V" else raw
        results.append((run(clean), run(corrupted) if shifted else None))
    return results


def prepare(
    dataset: str,
    *,
    root: Path | None,
    protocol: Protocol,
    cache: Path,
    progress: Progress | None = None,
    jobs: int = 1,
    plugins: Sequence[str] = (),
) -> Corpus:
    """Make, or verify, everything that the cells of a sweep read: split, labels and prefix outputs.

    Raises :class:`DataError` when the corpus is missing or unusable, or when the disk is full.
    """
    reader = registry.DATASETS.get(dataset)()
    card: Card = reader.describe(root)
    backbone: Backbone = registry.BACKBONES.get(protocol.backbone)()
    folder = corpus_folder(dataset, card=card, backbone=backbone, protocol=protocol, cache=cache)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_suffix(".lock")):
            if not _intact(folder):
                if folder.exists():
                    print(f"the cache {folder} is damaged; making it again", file=sys.stderr)
                    shutil.rmtree(folder)
                _build(folder, dataset, reader, card, root, protocol, progress, jobs, tuple(plugins))
    except OSError as error:
        advice = "free some space there or choose another folder with MMDA_BENCH_CACHE"
        raise DataError(f"cannot write the cache {folder.parent}: {error.strerror or error}; {advice}") from error
    return read_corpus(folder)


def open_corpus(dataset: str, *, root: Path | None, protocol: Protocol, cache: Path) -> Corpus:
    """The corpus that :func:`prepare` made, by the same arguments; prepares it first if it is not there."""
    card = registry.DATASETS.get(dataset)().describe(root)
    backbone: Backbone = registry.BACKBONES.get(protocol.backbone)()
    folder = corpus_folder(dataset, card=card, backbone=backbone, protocol=protocol, cache=cache)
    if not (folder / "corpus.json").is_file():
        return prepare(dataset, root=root, protocol=protocol, cache=cache)
    return read_corpus(folder)


def corpus_folder(dataset: str, *, card: Card, backbone: Backbone, protocol: Protocol, cache: Path) -> Path:
    """Where the prepared corpus lies: named by everything that determines its content."""
    key = {
        "dataset": dataset,
        "version": card.version,
        "reader": _source_digest(dataset),
        "backbone": backbone.identity(),
        "dtype": backbone.cache_dtype,
        "frames": [backbone.frames, backbone.frame_size],
        "shift": asdict(effective_shift(card.shift, protocol)),
        "split": [protocol.split, *card.fractions],
        "engine": hashlib.sha256(Path(__file__).read_bytes() + Path(shifts.__file__).read_bytes()).hexdigest(),
    }
    digest = hashlib.sha256(canonical_json(key).encode()).hexdigest()[:12]
    return cache / "prefix" / f"{dataset}-{card.version}-{protocol.backbone}-{digest}"


def _source_digest(dataset: str) -> str:
    """Digest of the reader's source and of the files beside it that share its name (avatars, avatars_voice, ...)."""
    module = sys.modules[registry.DATASETS.get(dataset).__module__]
    path = Path(module.__file__ or "")
    files = sorted(path.parent.glob(f"{path.stem}*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _build(
    folder: Path,
    dataset: str,
    reader: Any,
    card: Card,
    root: Path | None,
    protocol: Protocol,
    progress: Progress | None,
    jobs: int,
    plugins: tuple[str, ...],
) -> None:
    try:
        utterances = list(reader.utterances(root))
    except OSError as error:
        raise DataError(f"cannot read {dataset} at {root}: {error}; check the path and its permissions") from error
    parts = split_halves(
        [u.id for u in utterances],
        [u.label for u in utterances],
        dataset=dataset,
        split=protocol.split,
        fractions=card.fractions,
        halves=[u.half for u in utterances],
    )
    half_of = {p: half for (half, _), positions in parts.items() for p in positions}
    flagged = [(u, half_of[i] == "target") for i, u in enumerate(utterances)]
    temporary = folder.with_name(f".tmp-{folder.name}-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    skipped: dict[int, str] = {}
    try:
        for modality in MODALITIES:
            job = Job(dataset, protocol.backbone, modality, protocol, card, plugins)
            writers = {}
            for variant in ("clean", "shifted"):
                (temporary / f"{modality}-{variant}").mkdir(parents=True)
                writers[variant] = RaggedWriter(temporary / f"{modality}-{variant}")
            done = 0
            for results in _encode_all(job, flagged, jobs):
                for position, result in enumerate(results, start=done):
                    if isinstance(result, str):
                        skipped.setdefault(position, result)
                        continue
                    writers["clean"].append(position, result[0])
                    if result[1] is not None:
                        writers["shifted"].append(position, result[1])
                done += len(results)
                if progress:
                    progress(f"{dataset}: {NAMES[modality]} features", done, len(flagged))
            if not writers["clean"].positions:
                first = next(iter(skipped.values()), "the corpus is empty")
                raise DataError(f"no utterance of {dataset} could be read; the first reason: {first}")
            for writer in writers.values():
                writer.close()
        _check_readable(dataset, card, parts, skipped, utterances)
        index = {
            "ids": [u.id for u in utterances],
            "classes": list(card.classes),
            "fingerprint": _fingerprint(utterances, card),
            "skipped": [[utterances[p].id, reason] for p, reason in sorted(skipped.items())],
            "parts": [[*key, [p for p in value if p not in skipped]] for key, value in parts.items()],
            "source_labels": {p: u.label for p, u in enumerate(utterances) if half_of[p] == "source"},
        }
        (temporary / "corpus.json").write_text(json.dumps(index))
        target = {p: u.label for p, u in enumerate(utterances) if half_of[p] == "target"}
        (temporary / TARGET_LABELS).write_text(json.dumps(target))
        (temporary / "digest").write_text(_digest(temporary))
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _encode_all(job: Job, flagged: list[tuple[Utterance, bool]], jobs: int) -> Iterator[list]:
    """Results chunk by chunk, in order; several processes if ``jobs`` > 1, at most two chunks each in flight."""
    rows = iter(flagged)
    chunks = iter(lambda: tuple(islice(rows, CHUNK)), ())
    if jobs <= 1 or len(flagged) <= CHUNK:
        yield from (encode(job, chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
        waiting = [pool.submit(encode, job, chunk) for chunk in islice(chunks, 2 * jobs)]
        while waiting:
            result = waiting.pop(0).result()
            waiting += [pool.submit(encode, job, chunk) for chunk in islice(chunks, 1)]
            yield result


def _check_readable(
    dataset: str,
    card: Card,
    parts: dict[tuple[str, str], list[int]],
    skipped: dict[int, str],
    utterances: list[Utterance],
) -> None:
    """Refuse a corpus that lost too much, or a class of a training or test set, to unreadable clips."""
    if len(skipped) > UNREADABLE_SHARE * len(utterances):
        reasons = "; ".join(list(skipped.values())[:3])
        raise DataError(f"{len(skipped)} of {len(utterances)} utterances of {dataset} cannot be read: {reasons} ...")
    for (half, part), positions in parts.items():
        present = {utterances[p].label for p in positions if p not in skipped}
        missing = [name for i, name in enumerate(card.classes) if i not in present]
        if missing and part != "validation":
            raise DataError(
                f"class {missing[0]!r} of {dataset} has no readable utterance in {half} {part}; "
                "every class needs at least two utterances in the training and test set of each half"
            )


def _fingerprint(utterances: Sequence[Utterance], card: Card) -> str:
    """Digest of ids, texts and labels: what identifies the corpus that a record was made on."""
    content = [[u.id, u.text, card.classes[u.label]] for u in utterances]
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()[:16]


def _digest(folder: Path) -> str:
    """Digest of the names and contents of all files below ``folder`` but the digest itself."""
    total = hashlib.blake2b(digest_size=16)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "digest"):
        total.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                total.update(block)
    return total.hexdigest()


def _intact(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return (folder / "digest").read_text() == _digest(folder)
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time prepares a corpus; a second one waits and then finds it made."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
