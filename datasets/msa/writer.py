"""The layout of MMSA: label.csv, and an mp4 with sound for each clip in the folder of its video."""

from functools import partial
from pathlib import Path

from mmda_bench.data.export import each, talking_clip, write_origin
from mmda_bench.data.ids import inside
from mmda_bench.data.tables import write_csv
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.msa.layout import CLIPS, COLUMNS, TABLE

PER_VIDEO = 12
VALUES = {"negative": -1.8, "positive": 1.2}


def write_msa(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
    rows, ids, skipped = [], {}, {}
    numbered = list(enumerate(task.utterances))
    for (i, u), reason in zip(numbered, each(partial(_write, task.out / CLIPS), numbered, task), strict=True):
        if reason is not None:
            skipped[u.id] = reason
            continue
        label = task.card.classes[u.label]
        video, clip = _place(i)
        rows.append((video, clip, u.text, VALUES[label], "", "", "", label.capitalize(), ("train", "test")[i % 2]))
        ids[f"{video}_{clip}"] = u.id
    (task.out / CLIPS).mkdir(exist_ok=True)
    write_csv(task.out / TABLE, [COLUMNS, *rows])
    write_origin(task, ids)
    return skipped


def _place(position: int) -> tuple[str, str]:
    """Video and clip; clips are numbered with zeros in front, as in CH-SIMS."""
    return f"video_{position // PER_VIDEO:04d}", f"{position % PER_VIDEO + 1:04d}"


def _write(folder: Path, numbered: tuple[int, Utterance]) -> str | None:
    position, utterance = numbered
    video, clip = _place(position)
    path = inside(inside(folder, video), clip, ".mp4")
    path.parent.mkdir(parents=True, exist_ok=True)
    return talking_clip(path, utterance)
