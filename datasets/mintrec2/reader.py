"""MIntRec2.0: 9,304 utterances of three television series with thirty intents, read from its own clips.

::

    DIR/in-scope/train.tsv dev.tsv test.tsv     eight columns separated by tabs, nothing quoted
    DIR/in-scope/raw_data/dia0_utt3.mp4         or in-scope/video/, as some users rename it

The three series are sections: ``mintrec2[superstore]``, ``mintrec2[friends]``, ``mintrec2[bigbang]``. Its twenty labels
that MIntRec has as well are spelled alike, so ``--dataset mintrec --target mintrec2[bigbang]`` is a natural pair. What
lies in ``out-of-scope/`` and ``total/`` and the feature files (``*.pkl``) are not used and never opened.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmda_bench.data.corpus_files import completed, corpus_root
from mmda_bench.data.ids import inside, name_fault
from mmda_bench.data.media.video import read_pictures, read_sound
from mmda_bench.data.tables import CP1252, encoding_remark, read_tabs
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.mintrec2.layout import CLIPS, COLUMNS, SCOPE, SERIES, TABLES
from mmda_bench.registry import register_dataset


@register_dataset("mintrec2", title="MIntRec2.0, 30 intents", layout=True)
class MIntRec2(Dataset):
    """Three television series with thirty intents, from their own clips; ``--data-root DIR`` names the folder."""

    card = Card(
        name="mintrec2",
        title="MIntRec2.0",
        version="v1",
        classes=(
            "Acknowledge", "Advise", "Agree", "Apologise", "Arrange", "Ask for help", "Asking for opinions", "Care",
            "Comfort", "Complain", "Confirm", "Criticize", "Doubt", "Emphasize", "Explain", "Flaunt", "Greet", "Inform",
            "Introduce", "Invite", "Joke", "Leave", "Oppose", "Plan", "Praise", "Prevent", "Refuse", "Taunt", "Thank",
            "Warn",
        ),
        shift=Shift(noise=0.005, brightness=0.3, visual_noise=0.05, masked=0.2),
        licence="CC BY-NC-SA 4.0",
        citation="Zhang et al., MIntRec2.0: A Large-scale Benchmark Dataset for Multimodal Intent Recognition and "
        "Out-of-scope Detection in Conversations, ICLR 2024",
        obtain="https://github.com/thuiar/MIntRec2.0 leads to the data; of it the folder in-scope (13 GB) is read",
        expected={"utterances": 9_304},
        sections=SERIES,
    )  # fmt: skip

    def describe(self, root: Path | None) -> Card:
        """The card; its version gets digits of its own where the counts are not those of the whole corpus."""
        root = _existing(root)
        clips = [_clip(root, row.name) for row in _read(root)[0]]
        tables = [root / SCOPE / name for name in TABLES]
        return completed(self.card, root, list(self.utterances(root)), tables=tables, media=clips)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All rows in scope, in the order of train, dev and test."""
        root = _existing(root)
        for row in _read(root)[0]:
            path = _clip(root, row.name)
            yield Utterance(
                id=row.name,
                text=row.text,
                label=self.card.classes.index(row.label),
                speaker=f"{row.series}_{row.speaker}" if row.speaker else None,
                section=row.series,
                waveform=partial(read_sound, path),
                frames=partial(read_pictures, path),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Rows that are no utterance: another number of columns, an unknown label or series, a clip's second row."""
        return _read(_existing(root))[1]

    def remarks(self, root: Path | None) -> Iterable[str]:
        """Tables that are not UTF-8, as copies from a spreadsheet."""
        folder = _existing(root) / SCOPE
        return encoding_remark((folder / name for name in TABLES), fallback=CP1252)

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.mintrec2.writer import write_mintrec2

        return write_mintrec2(task)


@dataclass(frozen=True)
class _Row:
    name: str
    text: str
    label: str
    series: str
    speaker: str


def _existing(root: Path | None) -> Path:
    root = corpus_root(root, MIntRec2.card, [f"{SCOPE}/{name}" for name in TABLES])
    if not any((root / SCOPE / folder).is_dir() for folder in CLIPS):
        corpus_root(root, MIntRec2.card, [f"{SCOPE}/{CLIPS[0]}"])
    return root


def _clip(root: Path, name: str) -> Path:
    folder = next(folder for folder in CLIPS if (root / SCOPE / folder).is_dir())
    return inside(root / SCOPE / folder, name, ".mp4")


def _read(root: Path) -> tuple[list[_Row], list[tuple[str, str]]]:
    """The rows of all tables, and (table and line, reason) of those that are none."""
    rows: list[_Row] = []
    wrong: list[tuple[str, str]] = []
    lines: dict[str, str] = {}
    for name in TABLES:
        for number, cells in read_tabs(root / SCOPE / name, COLUMNS):
            where = f"{name} line {number}"
            if reason := _fault(cells, lines):
                wrong.append((where, reason))
                continue
            dialogue, utterance, text, label, _, _, series, speaker = cells
            row = _Row(f"dia{dialogue}_utt{utterance}", text, label, series.lower(), speaker)
            lines[row.name] = where
            rows.append(row)
    return rows, wrong


def _fault(cells: list[str], lines: dict[str, str]) -> str:
    """What is wrong with a row, or ""."""
    if len(cells) != len(COLUMNS):
        return f"{len(cells)} columns, expected {len(COLUMNS)}"
    if cells[3] not in MIntRec2.card.classes:
        return f"unknown label {cells[3]!r}"
    if cells[6].lower() not in SERIES:
        return f"unknown series {cells[6]!r}"
    name = f"dia{cells[0]}_utt{cells[1]}"
    if fault := name_fault(name):
        return fault
    return f"a second row of the clip in {lines[name]}" if name in lines else ""
