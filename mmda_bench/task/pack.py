"""Writes a task: one scenario as files, source with labels, target shifted and without.

::

    DIR/README.md             the rules, and how to read the files
    DIR/task.json             corpus, anchor, drifts, classes, signature
    DIR/source.csv            id,split,label,text
    DIR/target.csv            id,split,text
    DIR/test-ids.txt          the utterances to predict
    DIR/example.csv           a file of predictions of the right form
    DIR/clips/<id>.npz        waveform and frames
    DIR/baseline.py           a baseline that needs scikit-learn alone
    DIR-key.json              beside it, not to be handed out: what the ids stand for, and the labels

Nothing in DIR leads from a target utterance to its label but what is seen, heard and said in it: ids are drawn by a
secret, everything is in the order of ids, files have one time and no names of people or scenes.
"""

import csv
import json
import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mmda_bench import registry, shifts
from mmda_bench.data.export import check_free, each, new_folder
from mmda_bench.data.validation import check_readable
from mmda_bench.dataset import MODALITIES, Card, ExportTask, Utterance
from mmda_bench.errors import ClipError, UsageError
from mmda_bench.features.encode import Job, raw_input, shifted, voices_of
from mmda_bench.features.prepare import Parts, Preparation
from mmda_bench.protocol import SPLITS, name_hash
from mmda_bench.task.key import key_of, place_of_key
from mmda_bench.task.rules import readme

MASK = "[MASK]"  # the word in the place of a hidden one
CLIPS = "clips"
MOMENT = 946_684_800  # the time of every file: the first second of 2000


@dataclass(frozen=True)
class Pack:
    """What was written: the folder to hand out, the key to keep, how many utterances, why others are not there, and
    the licence of the corpus, which is that of the folder."""

    out: Path
    key: Path
    utterances: int
    skipped: Mapping[str, str]
    licence: str


@dataclass(frozen=True)
class View:
    """How clips are written: ``jobs`` by modality say what a shift does, ``drifts`` which modalities of the target."""

    out: Path
    backbone: str
    weights: tuple[tuple[str, str], ...]
    jobs: Mapping[str, Job]
    drifts: tuple[str, ...]


@dataclass(frozen=True)
class Clip:
    """An utterance, the name that it gets, and whether it is of the target."""

    name: str
    utterance: Utterance
    target: bool


def write_task(
    this: Preparation,
    anchor: str,
    out: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
    jobs: int = 1,
) -> Pack:
    """Write the scenario of ``anchor`` to the folder ``out``, which must not exist or be empty, and its key beside it.

    Raises :class:`UsageError` for an anchor that there is not or a folder with something in it, and
    :class:`~mmda_bench.errors.DataError` when the corpus cannot be used.
    """
    if anchor not in MODALITIES:
        raise UsageError(f"--anchor {anchor!r}: expected one of {', '.join(MODALITIES)}")
    out = check_free(out)
    if (place := place_of_key(out)).exists():
        raise UsageError(f"{place} is the key of another task and is not overwritten; choose another folder")
    utterances, parts = this.read()
    check_readable(this.card, utterances, parts, {})
    clips = _named(utterances, parts)
    drifts = tuple(m for m in MODALITIES if m != anchor)
    with new_folder(out) as made:
        (made / CLIPS).mkdir()
        view = View(made, this.protocol.backbone, this.weights, this.jobs(utterances, parts), drifts)
        task = ExportTask(this.card, utterances, made, progress, jobs)
        written = list(zip(clips, each(partial(_write_clip, view), clips, task), strict=True))
        skipped = {clip.utterance.id: reason for clip, (_, reason) in written if reason}
        check_readable(
            this.card, utterances, parts, {p: skipped[u.id] for p, u in enumerate(utterances) if u.id in skipped}
        )
        texts = {clip.name: text for clip, (text, reason) in written if not reason}
        names = {clip.utterance.id: clip.name for clip in clips if clip.name in texts}
        key = key_of(this, anchor, utterances, parts, names)
        _write_tables(made, this.card, utterances, parts, names, texts)
        facts = {**key["task"], "drifts": list(drifts)}
        (made / "task.json").write_text(_json(facts), encoding="utf-8")
        (made / "README.md").write_text(readme(facts, this.card, out.name), encoding="utf-8")
        (made / "baseline.py").write_bytes(Path(__file__).with_name("baseline.py").read_bytes())
        place.write_text(_json(key), encoding="utf-8")
        for path in [*made.rglob("*"), made]:
            os.utime(path, (MOMENT, MOMENT))
    return Pack(out, place, len(texts), skipped, this.card.licence)


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _named(utterances: Sequence[Utterance], parts: Parts) -> list[Clip]:
    """Every utterance under a new name, in the order of these: both come from a secret that is not kept."""
    secret = secrets.token_hex(16)
    target = {p for (domain, _), positions in parts.items() if domain == "target" for p in positions}
    clips = [Clip(f"u{name_hash(secret, u.id):016x}", u, p in target) for p, u in enumerate(utterances)]
    return sorted(clips, key=lambda clip: clip.name)


def _write_clip(view: View, clip: Clip) -> tuple[str, str]:
    """The text of an utterance after its sound and pictures are written; or "" and why they cannot be read."""
    backbone = registry.BACKBONES.get(view.backbone)(dict(view.weights))
    try:
        seen = {m: raw_input(clip.utterance, m, backbone) for m in MODALITIES}
    except ClipError as error:
        return "", str(error)
    for m in MODALITIES:
        if clip.target and m in view.drifts:
            job = view.jobs[m]
            seen[m] = shifted(job, seen[m], clip.utterance, mask=MASK, heard=voices_of(job))
        elif m == "V":
            seen[m] = shifts.normalise_frames(seen[m])
    waveform = np.round(32767 * seen["A"]).astype(np.int16)
    path = view.out / CLIPS / f"{clip.name}.npz"
    np.savez_compressed(path, waveform=waveform, frames=seen["V"].astype(np.float16))
    return " ".join(seen["L"]), ""


def _write_tables(
    out: Path, card: Card, utterances: Sequence[Utterance], parts: Parts, names: Mapping[str, str],
    texts: Mapping[str, str],
) -> None:  # fmt: skip
    """The two tables in the order of names, the ids to predict, and an example of what is handed in."""
    split_of = {p: (domain, split) for (domain, split), positions in parts.items() for p in positions}
    rows: dict[str, list[tuple[str, ...]]] = {"source": [], "target": []}
    for p, utterance in enumerate(utterances):
        if utterance.id in names:
            (domain, split), name = split_of[p], names[utterance.id]
            label = [card.classes[utterance.label]] if domain == "source" else []
            rows[domain].append((name, split, *label, texts[name]))
    assert {row[1] for table in rows.values() for row in table} <= set(SPLITS)
    test = sorted(row[0] for row in rows["target"] if row[1] == "test")
    even = [f"{1 / len(card.classes):.6f}"] * len(card.classes)
    _table(out / "source.csv", ["id", "split", "label", "text"], sorted(rows["source"]))
    _table(out / "target.csv", ["id", "split", "text"], sorted(rows["target"]))
    _table(out / "example.csv", ["id", *card.classes], [(name, *even) for name in test])
    (out / "test-ids.txt").write_text("".join(f"{name}\n" for name in test), encoding="utf-8")


def _table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
