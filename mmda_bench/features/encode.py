"""Runs a frozen prefix over utterances: one shard at a time, one utterance at a time.

Every utterance is encoded alone at its true length and written at once, so that batch composition cannot matter and
memory does not grow with the corpus. Float32 throughout, on whatever device; the cache's precision comes afterwards.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmda_bench import registry, shifts
from mmda_bench.backbone.base import Backbone, Encoder, sample_frames
from mmda_bench.data.validation import load_pictures, load_sound
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, NAMES, Shift, Utterance, substitutions
from mmda_bench.errors import ClipError, DataError
from mmda_bench.features.shards import ShardWriter
from mmda_bench.machine.as_before import as_before
from mmda_bench.shifts.corruptions import acoustic, parse_corruptions
from mmda_bench.shifts.corruptions.base import Surroundings
from mmda_bench.store.provenance import plugins_for

SILENT = "acoustic: silent or missing sound"


@dataclass(frozen=True)
class Job:
    """What all shards of one modality have in common, in picklable values. ``weights``: of the backbone, as pairs.

    ``corruption``: ``corrupt:NAME@S`` in the place of the shift, those of this modality; ``words`` of the corpus
    and ``voices`` of its target domain, where it needs them.
    """

    dataset: str
    backbone: str
    modality: str
    shift: Shift
    weights: tuple[tuple[str, str], ...] = ()
    corruption: str = ""
    words: tuple[str, ...] = ()
    voices: tuple[Utterance, ...] = ()


@dataclass(frozen=True)
class Shard:
    """Some utterances: ``rows`` of (position, utterance, whether it is of the target domain).

    ``folders``: where the rows go, by "clean" (all of them), "shifted" and "absent" (the target's); only what is to be
    made.
    """

    job: Job
    rows: tuple[tuple[int, Utterance, bool], ...]
    folders: Mapping[str, Path]


def raw_input(utterance: Utterance, modality: str, backbone: Backbone) -> Any:
    """One modality of an utterance as every backbone gets it: clipped sound, words, or resized pictures.

    Raises :class:`ClipError` for a clip that cannot be read and :class:`DataError` for what is no sound or picture.
    """
    if modality == "A":
        waveform = np.asarray(load_sound(utterance), np.float32)[:MAX_SAMPLES]
        return np.pad(waveform, (0, max(0, MIN_SAMPLES - len(waveform))))
    if modality == "L":
        return utterance.text.split()
    frames = sample_frames(load_pictures(utterance), count=backbone.frames)
    side = backbone.frame_size
    if frames.shape[1:3] == (side, side):
        return frames
    return np.stack([np.asarray(Image.fromarray(f).resize((side, side), Image.Resampling.BILINEAR)) for f in frames])


def prefix_device(worker: int) -> torch.device:
    """Where worker 0, 1, ... encodes: the GPUs in turn, or the processor."""
    gpus = torch.cuda.device_count()
    return torch.device("cuda", worker % gpus) if gpus else torch.device("cpu")


@lru_cache(maxsize=1)  # shards come modality by modality
def load_encoder(backbone: str, modality: str, weights: tuple[tuple[str, str], ...], device: torch.device) -> Encoder:
    """An encoder on its device. Raises :class:`DataError` when its weights cannot be read."""
    try:
        return registry.BACKBONES.get(backbone)(dict(weights)).encoder(modality).to(device)
    except OSError as error:
        raise DataError(f"the weights of {backbone}/{modality} cannot be read: {error}") from error


@contextmanager
def repeatable() -> Iterator[None]:
    """One thread, exact float32 products and fixed algorithms, without gradients; all as before afterwards.

    Reduced precision (TF32, bfloat16) would prune other tokens of a picture, and another thread count changes bits.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    try:
        torch.set_num_threads(1)
        torch.set_float32_matmul_precision("highest")
        with cudnn, torch.no_grad():
            yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


Voice = tuple[Utterance, np.ndarray]


def voices_of(job: Job) -> list[Voice]:
    """The utterances of ``job.voices`` that can be read, and their sound. Raises :class:`DataError` for too few."""
    found: list[Voice] = []
    for utterance in job.voices:
        with contextlib.suppress(ClipError):
            found.append((utterance, np.asarray(load_sound(utterance), np.float32)))
    least = acoustic.VOICES[0] + 1  # one of them may be the utterance itself
    needing = [step.corruption for step in parse_corruptions(job.corruption) if step.corruption.needs == "voices"]
    if needing and len(found) < least:
        raise DataError(
            f"{needing[0].name} needs {least} target utterances whose sound can be read; found {len(found)}"
        )
    return found


def others(heard: Sequence[Voice], utterance: Utterance) -> list[np.ndarray]:
    """The sound of other speakers, one of each; of all other utterances where too few speakers are known by name."""
    different = [(u, sound) for u, sound in heard if u.id != utterance.id]
    by_speaker = {u.speaker: sound for u, sound in reversed(different) if u.speaker and u.speaker != utterance.speaker}
    enough = len(by_speaker) >= acoustic.VOICES[0]
    return list(by_speaker.values()) if enough else [sound for _, sound in different]


def shifted(job: Job, raw: Any, utterance: Utterance, *, mask: str, heard: Sequence[Voice] = ()) -> Any:
    """``raw`` as the target domain has it, ready for the encoder: float32 normalised frames for "V"."""
    steps = parse_corruptions(job.corruption)
    if not steps:
        rng = shifts.draw(job.dataset, utterance.id, job.modality)
        return shifts.corrupt(job.modality, raw, shift=job.shift, rng=rng, mask=mask)
    around, seen = Surroundings(mask=mask, words=job.words, voices=others(heard, utterance)), raw
    for place, step in enumerate(steps):  # each has draws of its own, which stay nested whatever comes before
        rng = shifts.draw(job.dataset, utterance.id, f"{job.modality} {place}" if place else job.modality)
        seen = step.corruption(seen, severity=step.severity, rng=rng, around=around)
    return shifts.normalise_frames(seen) if job.modality == "V" else seen


def encode_shard(shard: Shard, *, worker: int = 0, tick: Callable[[], None] = lambda: None) -> None:
    """Write the prefix outputs of the shard's utterances; ``tick`` is called after each.

    An utterance that cannot be read is noted as skipped; one with silent sound, or of which the loader says so, as
    substituted. Raises :class:`DataError` for outputs that are not finite, and for what a reader must not hand over,
    and :class:`OSError` when a shard cannot be written.
    """
    job = shard.job
    backbone: Backbone = registry.BACKBONES.get(job.backbone)(dict(job.weights))
    device = prefix_device(worker)
    encoder = load_encoder(job.backbone, job.modality, job.weights, device)
    if any(module.training for module in encoder.frozen.modules()):
        raise RuntimeError(
            f"the frozen prefix of {job.backbone}/{job.modality} is in train mode; its outputs would vary"
        )
    heard = voices_of(job)
    strangers = bool(plugins_for({"backbones": job.backbone, "datasets": job.dataset}))
    with as_before(libraries=strangers), repeatable(), ExitStack() as stack:
        writers = {variant: stack.enter_context(ShardWriter(path)) for variant, path in shard.folders.items()}
        for position, utterance, target in shard.rows:
            wanted = {variant: writer for variant, writer in writers.items() if target or variant == "clean"}
            if wanted:
                _encode(job, backbone, encoder, device, position, utterance, wanted, heard)
            tick()


def _encode(
    job: Job,
    backbone: Backbone,
    encoder: Encoder,
    device: torch.device,
    position: int,
    utterance: Utterance,
    writers: Mapping[str, ShardWriter],
    heard: Sequence[Voice],
) -> None:
    try:
        with substitutions() as said:
            raw = raw_input(utterance, job.modality, backbone)
    except ClipError as error:
        for writer in writers.values():
            writer.note("skipped", position, str(error))
        return
    notes = [SILENT] if job.modality == "A" and not raw.any() else []
    notes += [f"{NAMES[job.modality]}: {reason}" for reason in said]
    for variant, writer in writers.items():
        if notes:
            writer.note("substituted", position, "; ".join(notes))
        if variant == "shifted":
            seen = shifted(job, raw, utterance, mask=encoder.mask_token, heard=heard)
        elif variant == "absent":
            seen = backbone.absent(job.modality, raw, mask=encoder.mask_token)
        else:
            seen = shifts.normalise_frames(raw) if job.modality == "V" else raw
        features = encoder.prefix(encoder.tokens(seen).to(device)).cpu().numpy()
        with np.errstate(over="ignore"):
            row = features.astype(backbone.cache_dtype)
        if not np.isfinite(row).all():
            largest = np.abs(features).max()
            raise DataError(
                f"the prefix of {job.backbone}/{job.modality} gives values up to {largest:g} for {utterance.id} "
                f"({variant}), which {row.dtype} cannot hold; a backbone may set cache_dtype = 'float32'"
            )
        writer.append(position, row)
