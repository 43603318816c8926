"""The layout of MIntRec2.0: tables and clips in scope, and what lies beside them and is not read."""

from functools import partial
from pathlib import Path

from mmda_bench.data.export import each, talking_clip, write_origin
from mmda_bench.data.ids import inside
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.mintrec2.layout import CLIPS, COLUMNS, SCOPE, SERIES, TABLES

PARTS = tuple(zip(TABLES, (0.66, 0.78, 1.0), strict=True))  # where each part ends
PER_DIALOGUE = 8
TIME = "00:00:02,035"


def write_mintrec2(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
    folder = task.out / SCOPE
    for name in (CLIPS[0], "audio_data", "video_data"):
        (folder / name).mkdir(parents=True)
    (folder / "audio_data" / "audio_feats.pkl").write_bytes(b"never opened")
    numbered = list(enumerate(task.utterances))
    write = partial(_write, folder / CLIPS[0])
    skipped: dict[str, str] = {}
    rows, ids = [], {}
    for (i, utterance), reason in zip(numbered, each(write, numbered, task), strict=True):
        if reason is not None:
            skipped[utterance.id] = reason
            continue
        text = " ".join(utterance.text.split())  # a tab or a line break would end the field
        label = task.card.classes[utterance.label]
        series = utterance.section if utterance.section in SERIES else SERIES[i % len(SERIES)]
        place = (str(i // PER_DIALOGUE), str(i % PER_DIALOGUE))
        rows.append((*place, text, label, TIME, TIME, series, utterance.speaker or ""))
        ids[_name(i)] = utterance.id
    first = 0
    for name, share in PARTS:
        end = round(share * len(rows))
        lines = ["\t".join(row) for row in [COLUMNS, *rows[first:end]]]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
        first = end
    write_origin(task, ids)
    return skipped


def _name(position: int) -> str:
    return f"dia{position // PER_DIALOGUE}_utt{position % PER_DIALOGUE}"


def _write(folder: Path, numbered: tuple[int, Utterance]) -> str | None:
    position, utterance = numbered
    return talking_clip(inside(folder, _name(position), ".mp4"), utterance)
