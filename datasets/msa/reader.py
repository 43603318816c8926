"""MOSI, MOSEI and CH-SIMS, in the layout that the tools of MMSA write and read.

::

    DIR/label.csv                   video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode
    DIR/Raw/<video_id>/<clip_id>.mp4

Labels run from −3 to 3 (CH-SIMS: −1 to 1). The classes are negative (below 0) and positive (above 0); clips with the
label 0 are left out, and counted. Ids are texts: ``0001`` stays so. ``mode`` is not read: the protocol splits every
corpus itself. CH-SIMS is Chinese, which the embedded backbone cannot read: ``data verify`` says so.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mmda_bench.data.corpus_files import completed, corpus_root
from mmda_bench.data.ids import inside, name_fault
from mmda_bench.data.media.video import read_pictures, read_sound
from mmda_bench.data.tables import read_csv, uneven
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.msa.layout import CLIPS, COLUMNS, TABLE
from mmda_bench.errors import DataError
from mmda_bench.registry import register_dataset

NEEDED = COLUMNS[:4]
LARGEST = 3.0


@register_dataset("msa", title="Sentiment in the layout of MMSA, 2 classes", layout=True)
class MSA(Dataset):
    """Sentiment corpora (MOSI, MOSEI, CH-SIMS) from label.csv and Raw/; ``--data-root DIR`` names the folder."""

    card = Card(
        name="msa",
        title="Sentiment corpus",
        version="v1",
        classes=("negative", "positive"),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="that of the corpus",
        citation="that of the corpus; the layout: Mao et al., M-SENA: An Integrated Platform for Multimodal Sentiment "
        "Analysis, ACL 2022 (demonstrations)",
        obtain="https://github.com/thuiar/MMSA leads to MOSI, MOSEI and CH-SIMS with label.csv and Raw/",
    )

    def describe(self, root: Path | None) -> Card:
        """The card; as one layout holds several corpora, its version is a digest of the table."""
        root = _existing(root)
        rows = _read(root).rows
        media = [_clip(root, row) for row in rows]
        card = completed(self.card, root, list(self.utterances(root)), tables=[root / TABLE], media=media)
        content = repr([(row.id, row.text, row.value) for row in rows])
        version = f"{card.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
        title = f"{card.title} {root.name}" if card.title == self.card.title else card.title
        return replace(card, version=version, title=title)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All rows with a label other than 0, in the order of the table."""
        root = _existing(root)
        for row in _read(root).rows:
            path = _clip(root, row)
            yield Utterance(
                id=row.id,
                text=row.text,
                label=int(row.value > 0),
                waveform=partial(read_sound, path),
                frames=partial(read_pictures, path),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Rows that are no utterance: a label that is no number from −3 to 3, a clip's second row, an odd name."""
        return _read(_existing(root)).wrong

    def remarks(self, root: Path | None) -> Iterable[str]:
        """How many clips have the label 0."""
        neutral = _read(_existing(root)).neutral
        if neutral:
            yield f"{neutral} clips have the label 0, neither negative nor positive, and are left out"

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.msa.writer import write_msa

        return write_msa(task)


@dataclass(frozen=True)
class _Row:
    video: str
    clip: str
    text: str
    value: float

    @property
    def id(self) -> str:
        return f"{self.video}_{self.clip}"


@dataclass(frozen=True)
class _Table:
    rows: list[_Row]
    wrong: list[tuple[str, str]]
    neutral: int


def _existing(root: Path | None) -> Path:
    return corpus_root(root, MSA.card, (TABLE, CLIPS))


def _clip(root: Path, row: _Row) -> Path:
    return inside(inside(root / CLIPS, row.video), row.clip, ".mp4")


def _read(root: Path) -> _Table:
    rows: list[_Row] = []
    wrong: list[tuple[str, str]] = []
    lines: dict[str, str] = {}
    neutral = 0
    table = read_csv(root / TABLE)
    header = next(table, (1, []))[1]
    if missing := [name for name in NEEDED if name not in header]:
        raise DataError(f"{root / TABLE} lacks the columns {', '.join(missing)}; expected {', '.join(COLUMNS)}")
    for line, fields in table:
        where = f"{TABLE} line {line}"
        if reason := uneven(fields, header):
            wrong.append((where, reason))
            continue
        cells = dict(zip(header, fields, strict=True))
        try:
            video, clip, text = (cells[name].strip() for name in NEEDED[:3])
            row = _Row(video, clip, text, float(cells["label"] or "nan"))
        except ValueError:
            wrong.append((where, f"label {cells['label']!r} is no number"))
            continue
        if reason := _fault(row, lines):
            wrong.append((where, reason))
            continue
        lines[row.id] = where
        neutral += row.value == 0
        rows += [row] if row.value else []
    return _Table(rows, wrong, neutral)


def _fault(row: _Row, lines: dict[str, str]) -> str:
    """What is wrong with a row, or ""."""
    if fault := name_fault(row.video, row.clip, row.id):
        return fault
    if not abs(row.value) <= LARGEST:  # nor is a NaN
        return f"label {row.value:g} is not from −3 to 3"
    return f"a second row of the clip in {lines[row.id]}" if row.id in lines else ""
