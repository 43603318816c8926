"""The layout of MIntRec: train.tsv, dev.tsv and test.tsv, and raw_data/S05/E16/329.mp4 with sound."""

from functools import partial
from pathlib import Path

from mmda_bench.data.export import each, talking_clip, write_origin
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.mintrec.layout import CLIPS, COLUMNS, TABLES

PARTS = tuple(zip(TABLES, (0.6, 0.8, 1.0), strict=True))  # where each part ends


def write_mintrec(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
    skipped: dict[str, str] = {}
    rows, ids = [], {}
    numbered = list(enumerate(task.utterances))
    for (i, utterance), reason in zip(numbered, each(partial(_write_clip, task.out), numbered, task), strict=True):
        if reason is not None:
            skipped[utterance.id] = reason
            continue
        text = " ".join(utterance.text.split())  # a tab or a line break would end the field
        rows.append((*_place(i), text, task.card.classes[utterance.label]))
        ids["_".join(_place(i))] = utterance.id
    first = 0
    for name, share in PARTS:
        end = round(share * len(rows))
        lines = ["\t".join(row) for row in [COLUMNS, *rows[first:end]]]
        (task.out / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        first = end
    (task.out / CLIPS).mkdir(exist_ok=True)
    write_origin(task, ids)
    return skipped


def _place(position: int) -> tuple[str, str, str]:
    """Season, episode and clip: the clip's number is unpadded, as in the files."""
    return f"S{4 + position % 3:02d}", f"E{1 + position // 3 % 20:02d}", str(position + 1)


def _write_clip(out: Path, numbered: tuple[int, Utterance]) -> str | None:
    position, utterance = numbered
    season, episode, clip = _place(position)
    path = out / CLIPS / season / episode / f"{clip}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    return talking_clip(path, utterance)
