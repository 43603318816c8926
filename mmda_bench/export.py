"""Write a corpus out as real files, in a layout that a reader of this project takes back.

That is how anybody gets an example of a layout, and how the readers are tested end to end, codecs included. A layout is
one function in ``LAYOUTS``: it gets a :class:`_Task` and writes below ``task.out``.
"""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import soundfile
from PIL import Image

from mmda_bench.dataset import SAMPLE_RATE, Card, ClipError, DataError, Dataset, Utterance
from mmda_bench.registry import UsageError, suggest

JPEG_QUALITY = 95
COLUMNS = ("video_id", "clip_id", "text", "mode", "emotion", "speaker")
TABLES = {None: "labels.csv", "source": "label_s.csv", "target": "label_t.csv"}

Progress = Callable[[int, int], None]  # (utterances written, utterances in all)


@dataclass(frozen=True)
class Exported:
    """What an export left: the folder, how many utterances, and the reason for each that could not be read."""

    out: Path
    utterances: int
    skipped: dict[str, str]


@dataclass(frozen=True)
class _Task:
    card: Card
    utterances: Sequence[Utterance]
    out: Path
    progress: Progress | None
    jobs: int


def export(
    dataset: Dataset,
    layout: str,
    out: Path,
    *,
    root: Path | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
    jobs: int = 1,
) -> Exported:
    """Write ``dataset`` (read from ``root``, if it needs one) to the folder ``out``, which must not exist or be empty.

    ``limit``: only that many utterances, from the first. ``jobs``: processes. The files appear under ``out`` all at
    once, when they are complete. Raises :class:`UsageError` for an unknown layout or a folder with something in it, and
    :class:`DataError` when the corpus is unusable or the files cannot be written.
    """
    if layout not in LAYOUTS:
        hint = suggest(layout, list(LAYOUTS))
        raise UsageError(f"unknown layout {layout!r}{hint}; known: {', '.join(LAYOUTS)}")
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; expected at least 1 utterance")
    out = Path(os.path.abspath(out))
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and nothing is overwritten; choose a new folder or remove this one")
    card = dataset.describe(root)
    utterances = list(islice(dataset.utterances(root), limit))
    partial_out = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        partial_out.mkdir(parents=True)
        skipped = LAYOUTS[layout](_Task(card, utterances, partial_out, progress, jobs))
        partial_out.replace(out)
    except OSError as error:
        raise DataError(
            f"cannot write {out}: {error.strerror or error}; nothing was left there. "
            "Free some space or choose another folder"
        ) from error
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)
    return Exported(out, len(utterances) - len(skipped), skipped)


def _folder(task: _Task) -> dict[str, str]:
    """labels.csv (or label_s.csv + label_t.csv where the corpus fixes the halves), a wav and ten jpg an utterance."""
    skipped: dict[str, str] = {}
    rows: dict[str, list[tuple[str, ...]]] = {TABLES[u.half]: [] for u in task.utterances}
    for utterance, reason in zip(task.utterances, _each(partial(_write_clip, task.out), task), strict=True):
        if reason is not None:
            skipped[utterance.id] = reason
            continue
        label = task.card.classes[utterance.label]
        names = _names(utterance.id)
        rows[TABLES[utterance.half]].append((*names, utterance.text, "", label, utterance.speaker or ""))
    for name, table in rows.items():
        with (task.out / name).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(table)
    card = task.card
    facts = {
        "title": f"{card.title}, from files",
        "origin": f"{card.name} {card.version}",
        "synthetic": card.synthetic,
        "licence": card.licence,
        "citation": card.citation,
        "classes": list(card.classes),
        "shift": asdict(card.shift),
        "fractions": list(card.fractions),
        "backbone": card.backbone,
    }
    (task.out / "dataset.json").write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return skipped


def _write_clip(out: Path, utterance: Utterance) -> str | None:
    """Sound and pictures of one utterance; the reason instead where they cannot be read."""
    try:
        waveform, frames = utterance.waveform(), utterance.frames()
    except ClipError as error:
        return str(error)
    stem = "_".join(_names(utterance.id))
    soundfile.write(out / f"{stem}.wav", waveform, SAMPLE_RATE, subtype="PCM_16")
    (out / stem).mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(out / stem / f"{i:02d}.jpg", quality=JPEG_QUALITY, subsampling=0)
    return None


def _names(utterance_id: str) -> tuple[str, str]:
    """video_id and clip_id, which joined by _ give the id again (an id without _ gets the clip 0)."""
    video, underscore, clip = utterance_id.rpartition("_")
    return (video, clip) if underscore and video and clip else (utterance_id, "0")


def _each(write: Callable[[Utterance], str | None], task: _Task) -> Iterator[str | None]:
    """``write`` for every utterance, in order and with progress, in ``task.jobs`` processes."""
    total = len(task.utterances)
    if task.jobs <= 1:
        yield from _counted(map(write, task.utterances), total, task.progress)
        return
    with ProcessPoolExecutor(task.jobs) as pool:
        yield from _counted(pool.map(write, task.utterances, chunksize=16), total, task.progress)


def _counted(results: Iterable[str | None], total: int, progress: Progress | None) -> Iterator[str | None]:
    for done, result in enumerate(results, start=1):
        if progress is not None:
            progress(done, total)
        yield result


LAYOUTS: dict[str, Callable[[_Task], dict[str, str]]] = {"folder": _folder}
