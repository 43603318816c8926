"""The layout of MELD.Raw, with what makes it hard to read.

Comma-separated tables with carriage returns and curly quotes; clips whose names come back in every part; files that lie
about without a row.
"""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmda_bench.data.export import each, talking_clip, write_origin
from mmda_bench.data.ids import inside
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.meld.layout import COLUMNS, EMOTIONS, PARTS

ENDS = (("train", 0.72), ("dev", 0.8), ("test", 1.0))
PER_DIALOGUE = 10
SENTIMENTS = {"neutral": "neutral", "joy": "positive", "surprise": "positive"}  # the others are negative
Placed = tuple[str, int, Utterance]  # part, number within it, utterance


def write_meld(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
    own = {other: name for name, other in EMOTIONS.items()}
    emotions = [own.get(name, name) for name in task.card.classes]
    for folder in PARTS.values():
        (task.out / folder).mkdir()
    placed = _placed(task.utterances)
    rows: dict[str, list[tuple[str, ...]]] = {part: [] for part in PARTS}
    ids, skipped = {}, {}
    for (part, number, u), reason in zip(placed, each(partial(_write, task.out), placed, task), strict=True):
        if reason is not None:
            skipped[u.id] = reason
            continue
        dialogue, turn = divmod(number, PER_DIALOGUE)
        emotion = emotions[u.label]
        text = u.text.replace("'", "\u2019")
        facts = (str(number + 1), text, u.speaker or "", emotion, SENTIMENTS.get(emotion, "negative"))
        rows[part].append((*facts, str(dialogue), str(turn), "8", "21", "00:16:16,059", "00:16:21,731"))
        ids[f"{part}_{_name(number)}"] = u.id
    for part, lines in rows.items():
        with (task.out / f"{part}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\r\n").writerows([COLUMNS, *lines])
    (task.out / PARTS["test"] / "._dia0_utt0.mp4").write_bytes(b"Mac OS X")
    write_origin(task, ids)
    return skipped


def _placed(utterances: Sequence[Utterance]) -> list[Placed]:
    found: list[Placed] = []
    first = 0
    for part, share in ENDS:
        end = round(share * len(utterances))
        found += [(part, number, u) for number, u in enumerate(utterances[first:end])]
        first = end
    return found


def _name(number: int) -> str:
    dialogue, turn = divmod(number, PER_DIALOGUE)
    return f"dia{dialogue}_utt{turn}"


def _write(out: Path, placed: Placed) -> str | None:
    part, number, utterance = placed
    return talking_clip(inside(out / PARTS[part], _name(number), ".mp4"), utterance)
