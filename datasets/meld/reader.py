"""MELD: 13,708 utterances of a television series with seven emotions, read from MELD.Raw.

::

    DIR/train_sent_emo.csv dev_sent_emo.csv test_sent_emo.csv          each of them also in train/, dev/ or test/
    DIR/train_splits/dia0_utt0.mp4                                     also in train/train_splits and so on
    DIR/dev_splits_complete/dia0_utt0.mp4
    DIR/output_repeated_splits_test/dia0_utt0.mp4

A clip's name is unique within its part alone: ``dia125_utt3`` is three different utterances, so an id begins with the
part. Of five rows the clip is known to be broken; they are counted with the reason, whatever a copy holds. Four of the
emotions are those of IEMOCAP: ``--dataset iemocap --target meld`` is a natural pair.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmda_bench.data.corpus_files import broken_remark, completed, corpus_root, files_remark, refused
from mmda_bench.data.ids import inside, name_fault
from mmda_bench.data.media.video import read_pictures, read_sound
from mmda_bench.data.tables import CP1252, encoding_remark, read_csv
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.meld.layout import COLUMNS, EMOTIONS, PARTS
from mmda_bench.errors import DataError
from mmda_bench.registry import register_dataset

BROKEN: Mapping[str, str] = {
    "train_dia125_utt3": "its clip cannot be decoded",
    "dev_dia110_utt7": "its clip was never published",
    "test_dia38_utt4": "its clip is cut wrongly: it is 305 seconds long",
    "test_dia220_utt0": "its clip is cut wrongly: it is 235 seconds long",
    "train_dia309_utt0": "its clip is cut wrongly: it is 41 seconds long",
}


@register_dataset("meld", title="MELD, 7 emotions", layout=True)
class MELD(Dataset):
    """A television series with seven emotions, from MELD.Raw; ``--data-root DIR`` names its folder."""

    card = Card(
        name="meld",
        title="MELD",
        version="v1",
        classes=tuple(EMOTIONS),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="annotations GPL-3.0; the clips are excerpts of a television series, for research",
        citation="Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations, "
        "ACL 2019",
        obtain="https://github.com/declare-lab/MELD leads to MELD.Raw.tar.gz (10.9 GB); unpack it and the three "
        "archives in it; an example of the layout: mmda-bench data export avatars --layout meld --out DIR",
        expected={
            "utterances": 13_708,
            "train_*": 9_989,
            "dev_*": 1_109,
            "test_*": 2_610,
            "neutral": 6_436,
            "joy": 2_308,
            "surprise": 1_636,
            "anger": 1_607,
            "sadness": 1_002,
            "disgust": 361,
            "fear": 358,
        },
        known_as={name: other for name, other in EMOTIONS.items() if other != name},
    )  # fmt: skip

    def describe(self, root: Path | None) -> Card:
        """The card; its version gets digits of its own where the counts are not those of the whole corpus."""
        root = _existing(root)
        clips = [_clip(root, row) for row in _read(root)[0]]
        tables = [_table(root, part) for part in PARTS]
        return completed(self.card, root, list(self.utterances(root)), tables=tables, media=clips)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All rows, in the order of train, dev and test."""
        root = _existing(root)
        for row in _read(root)[0]:
            path = _clip(root, row)
            lost = partial(refused, BROKEN[row.id]) if row.id in BROKEN else None
            yield Utterance(
                id=row.id,
                text=row.text,
                label=self.card.classes.index(row.emotion),
                speaker=row.speaker or None,
                waveform=lost or partial(read_sound, path),
                frames=lost or partial(read_pictures, path),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Rows that are no utterance: another number of fields, an unknown emotion, a clip's second row."""
        return _read(_existing(root))[1]

    def remarks(self, root: Path | None) -> Iterable[str]:
        """Clips without a row, files of other programs, tables in cp1252, and rows whose clip is known to be broken."""
        root = _existing(root)
        rows, _ = _read(root)
        known = {_clip(root, row) for row in rows}
        clips = [path for part in PARTS for path in sorted(_folder(root, part).glob("*.mp4"))]
        foreign = [p for p in clips if p.name.startswith(("._", "final_videos_test"))]
        without = [path for path in clips if path not in known and path not in foreign]
        for files, what in ((without, "clips have no annotation and are not used"), (foreign, "files are no clips")):
            yield from files_remark([path.name for path in files], what)
        yield from encoding_remark((_table(root, part) for part in PARTS), fallback=CP1252)
        yield from broken_remark([row.id for row in rows if row.id in BROKEN])

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.meld.writer import write_meld

        return write_meld(task)


@dataclass(frozen=True)
class _Row:
    part: str
    clip: str
    text: str
    speaker: str
    emotion: str

    @property
    def id(self) -> str:
        return f"{self.part}_{self.clip}"


def _existing(root: Path | None) -> Path:
    root = corpus_root(root, MELD.card, ["*"] if root is not None else [])
    for part, folder in PARTS.items():
        for wanted in (f"{part}_sent_emo.csv", folder):
            if _found(root, part, wanted) is None:
                corpus_root(root, MELD.card, [wanted])
    return root


def _found(root: Path, part: str, name: str) -> Path | None:
    """A table or folder of a part, which lies in the corpus's folder or in one named like the part."""
    return next((path for path in (root / name, root / part / name) if path.exists()), None)


def _table(root: Path, part: str) -> Path:
    return _found(root, part, f"{part}_sent_emo.csv") or root


def _folder(root: Path, part: str) -> Path:
    return _found(root, part, PARTS[part]) or root


def _clip(root: Path, row: _Row) -> Path:
    return inside(_folder(root, row.part), row.clip, ".mp4")


def _read(root: Path) -> tuple[list[_Row], list[tuple[str, str]]]:
    """The rows of all tables, and (table and line, reason) of those that are none."""
    rows: list[_Row] = []
    wrong: list[tuple[str, str]] = []
    lines: dict[str, str] = {}
    for part in PARTS:
        path = _table(root, part)
        table = read_csv(path, fallback=CP1252)  # UTF-8 with curly quotes; a copy in cp1252 circulates as well
        header = next(table, (1, []))[1]
        if tuple(header) != COLUMNS:
            raise DataError(f"{path} starts with {header}, expected the columns {', '.join(COLUMNS)}")
        for line, cells in table:
            where = f"{path.name} line {line}"
            if reason := _fault(cells, part, lines):
                wrong.append((where, reason))
                continue
            speaker, emotion = cells[2].strip(), cells[3].strip()
            row = _Row(part, f"dia{cells[5].strip()}_utt{cells[6].strip()}", cells[1], speaker, emotion)
            lines[row.id] = where
            rows.append(row)
    return rows, wrong


def _fault(cells: list[str], part: str, lines: Mapping[str, str]) -> str:
    """What is wrong with a row, or ""."""
    if len(cells) != len(COLUMNS):
        return f"{len(cells)} fields, expected {len(COLUMNS)}"
    if cells[3].strip() not in MELD.card.classes:
        return f"unknown emotion {cells[3]!r}"
    name = f"dia{cells[5].strip()}_utt{cells[6].strip()}"
    if fault := name_fault(name):
        return fault
    return f"a second row of the clip in {lines[f'{part}_{name}']}" if f"{part}_{name}" in lines else ""
