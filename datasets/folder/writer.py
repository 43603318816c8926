"""The layout of a prepared folder: labels.csv (or label_s.csv + label_t.csv), a wav and ten jpg an utterance."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

from PIL import Image

from mmda_bench.data.export import each
from mmda_bench.data.ids import inside
from mmda_bench.data.media.write import write_wav
from mmda_bench.data.tables import write_csv
from mmda_bench.data.validation import load_pictures, load_sound
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.folder.layout import COLUMNS, TABLES
from mmda_bench.errors import ClipError, DataError

JPEG_QUALITY = 95
FACTS = "dataset.json"
TABLE = {domain: name for name, domain in TABLES}


def write_folder(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read.

    Raises :class:`DataError` before it writes anything if the ids of the corpus are no names of files of their own.
    """
    _check_places(task)
    if len(tables := {TABLE[u.domain] for u in task.utterances}) > 1 and TABLE[None] in tables:
        raise DataError(f"{task.card.name} says the domain of some utterances alone, and this layout of all or of none")
    skipped: dict[str, str] = {}
    rows: dict[str, list[tuple[str, ...]]] = {TABLE[u.domain]: [] for u in task.utterances}
    for utterance, reason in zip(
        task.utterances, each(partial(_write_clip, task.out), task.utterances, task), strict=True
    ):
        if reason is not None:
            skipped[utterance.id] = reason
            continue
        label = task.card.classes[utterance.label]
        names = _names(utterance.id)
        rows[TABLE[utterance.domain]].append((*names, utterance.text, "", label, utterance.speaker or ""))
    for name, table in rows.items():
        write_csv(task.out / name, [(*COLUMNS, "speaker"), *table])
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
    (task.out / FACTS).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return skipped


def _write_clip(out: Path, utterance: Utterance) -> str | None:
    """Sound and pictures of one utterance; the reason instead where they cannot be read."""
    try:
        waveform, frames = load_sound(utterance), load_pictures(utterance)
    except ClipError as error:
        return str(error)
    sound, pictures = _places(out, utterance.id)
    write_wav(sound, waveform)
    pictures.mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(pictures / f"{i:02d}.jpg", quality=JPEG_QUALITY, subsampling=0)
    return None


def _places(out: Path, utterance_id: str) -> tuple[Path, Path]:
    """Where the sound and the pictures of an utterance go."""
    stem = "_".join(_names(utterance_id))
    return inside(out, stem, ".wav"), inside(out, stem)


def _check_places(task: ExportTask) -> None:
    """No file of one utterance may be that of another, or a table (as with the ids ``a`` and ``a_0``)."""
    taken = {inside(task.out, name): name for name in (*TABLE.values(), FACTS)}
    for utterance in task.utterances:
        for place in _places(task.out, utterance.id):
            if place in taken:
                raise DataError(
                    f"the utterance {utterance.id} of {task.card.name} and {taken[place]} would both be written to "
                    f"{place.name} in this layout; rename one of them"
                )
            taken[place] = utterance.id


def _names(utterance_id: str) -> tuple[str, str]:
    """video_id and clip_id, which joined by _ give the id again (an id without _ gets the clip 0)."""
    video, underscore, clip = utterance_id.rpartition("_")
    return (video, clip) if underscore and video and clip else (utterance_id, "0")
