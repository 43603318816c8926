"""MIntRec: 2,224 utterances of a television series with twenty intents, read from its own clips.

::

    DIR/train.tsv dev.tsv test.tsv          season episode clip text label, separated by tabs, nothing quoted
    DIR/raw_data/S05/E16/329.mp4

The three official parts are merged: the protocol splits every corpus itself. The feature files that come with the
corpus (``*.pkl``) are not needed and never opened.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from mmda_bench.data.corpus_files import completed, corpus_root
from mmda_bench.data.ids import inside, name_fault
from mmda_bench.data.media.video import read_pictures, read_sound
from mmda_bench.data.tables import CP1252, encoding_remark, read_tabs
from mmda_bench.dataset import ONE_WORD, Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.mintrec.layout import CLIPS, COLUMNS, TABLES
from mmda_bench.registry import register_dataset


@register_dataset("mintrec", title="MIntRec, 20 intents", layout=True)
class MIntRec(Dataset):
    """Television scenes with twenty intents, from the corpus's own clips; ``--data-root DIR`` names its folder."""

    card = Card(
        name="mintrec",
        title="MIntRec",
        version="v1",
        classes=(
            "Inform", "Introduce", "Oppose", "Leave", "Complain", "Care", "Praise", "Arrange", "Comfort", "Greet",
            "Agree", "Apologise", "Advise", "Criticize", "Thank", "Taunt", "Prevent", "Flaunt", "Ask for help", "Joke",
        ),
        shift=Shift(noise=0.005, brightness=0.3, visual_noise=0.05, masked=0.2),
        licence="its authors' own; not to be redistributed",
        citation="Zhang et al., MIntRec: A New Dataset for Multimodal Intent Recognition, ACM Multimedia 2022",
        obtain="https://github.com/thuiar/MIntRec leads to the raw data: train.tsv, dev.tsv, test.tsv and raw_data/; "
        "an example of the layout: mmda-bench data export avatars-intent --layout mintrec --out DIR",
        expected={"utterances": 2_224, "Complain": 286, "Joke": 51, ONE_WORD: 57},
    )  # fmt: skip

    def describe(self, root: Path | None) -> Card:
        """The card; its version gets digits of its own where the counts are not those of the whole corpus."""
        root = _existing(root)
        clips = [_clip(root, *row[:3]) for row in _read(root)[0]]
        tables = [root / name for name in TABLES]
        return completed(self.card, root, list(self.utterances(root)), tables=tables, media=clips)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All rows, in the order of train, dev and test."""
        root = _existing(root)
        for season, episode, clip, text, label in _read(root)[0]:
            path = _clip(root, season, episode, clip)
            yield Utterance(
                id=f"{season}_{episode}_{clip}",
                text=text,
                label=self.card.classes.index(label),
                waveform=partial(read_sound, path),
                frames=partial(read_pictures, path),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Rows that are no utterance: another number of columns, an unknown label, a second row of one clip."""
        return _read(_existing(root))[1]

    def remarks(self, root: Path | None) -> Iterable[str]:
        """Tables that are not UTF-8, as copies from a spreadsheet."""
        root = _existing(root)
        return encoding_remark((root / name for name in TABLES), fallback=CP1252)

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.mintrec.writer import write_mintrec

        return write_mintrec(task)


def _existing(root: Path | None) -> Path:
    return corpus_root(root, MIntRec.card, (*TABLES, CLIPS))


def _clip(root: Path, season: str, episode: str, clip: str) -> Path:
    return inside(inside(inside(root / CLIPS, season), episode), clip, ".mp4")


def _read(root: Path) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """The rows of all tables, and (table and line, reason) of those that are none."""
    rows: list[list[str]] = []
    wrong: list[tuple[str, str]] = []
    lines: dict[str, str] = {}
    for name in TABLES:
        for number, row in read_tabs(root / name, COLUMNS):
            where = f"{name} line {number}"
            if reason := _fault(row, lines):
                wrong.append((where, reason))
            else:
                lines["_".join(row[:3])] = where
                rows.append(row)
    return rows, wrong


def _fault(row: list[str], lines: dict[str, str]) -> str:
    """What is wrong with a row, or ""."""
    if len(row) != len(COLUMNS):
        return f"{len(row)} columns, expected {len(COLUMNS)}"
    if row[4] not in MIntRec.card.classes:
        return f"unknown label {row[4]!r}"
    together = "_".join(row[:3])
    if fault := name_fault(*row[:3], together):
        return fault
    before = lines.get(together)
    return f"a second row of the clip in {before}" if before else ""
