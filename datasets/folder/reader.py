"""A prepared folder: any corpus, as one table, one wav and one folder of pictures an utterance.

::

    DIR/labels.csv                       video_id,clip_id,text,mode,emotion      ("mode" is not read)
    DIR/<video_id>_<clip_id>.wav
    DIR/<video_id>_<clip_id>/*.jpg
    DIR/dataset.json                     optional, written by ``data export``: classes in their order, shift, ...

With ``label_s.csv`` and ``label_t.csv`` in the place of ``labels.csv``, as the paper's authors had them, the domains
are fixed. A column ``speaker`` is read where there is one.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mmda_bench.data.corpus_files import size_of
from mmda_bench.data.ids import EXPECTED, id_fault, inside
from mmda_bench.data.media.files import is_picture, read_frames, read_waveform
from mmda_bench.data.splits import split_halves
from mmda_bench.data.tables import read_csv, uneven
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.folder.layout import COLUMNS, TABLES
from mmda_bench.errors import DataError
from mmda_bench.protocol import DOMAINS
from mmda_bench.registry import register_dataset

REQUIRED = ("video_id", "clip_id", "text", "emotion")
EXAMPLE = "mmda-bench data export avatars --layout folder --out DIR"


@register_dataset("folder", title="Your own corpus, in a prepared folder", layout=True)
class Folder(Dataset):
    """Any corpus in the layout csv + wav + jpg; ``--data-root DIR`` names the folder."""

    card = Card(
        name="folder",
        title="Your own corpus, in a prepared folder",
        version="none",
        classes=(),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),  # IEMOCAP's, unless dataset.json has one
        licence="the corpus's own",
        citation="the corpus's own",
        obtain="write labels.csv, a wav and a folder of jpg an utterance; an example of the layout: "
        "mmda-bench data export avatars --layout folder --out DIR",
    )

    def describe(self, root: Path | None) -> Card:
        """The card with the classes of the tables, the facts of dataset.json, and a fingerprint as its version."""
        root = _existing(root)
        rows, card = self._read(root)
        return replace(card, version=_fingerprint(root, rows))

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All rows, in the order of the tables."""
        root = _existing(root)
        rows, card = self._read(root)
        for row in rows:
            yield Utterance(
                id=row.name,
                text=row.text,
                label=card.classes.index(row.emotion),
                waveform=partial(read_waveform, inside(root, row.name, ".wav")),
                frames=partial(read_frames, inside(root, row.name)),
                speaker=row.speaker,
                domain=row.domain,
            )

    def _read(self, root: Path) -> tuple[list["_Row"], Card]:
        rows = _rows(root)
        card = replace(self.card, **_facts(root))
        card = replace(card, classes=card.classes or tuple(sorted({row.emotion for row in rows})))
        _check_classes(rows, card, root)
        return rows, card

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.folder.writer import write_folder

        return write_folder(task)


@dataclass(frozen=True)
class _Row:
    name: str
    text: str
    emotion: str
    speaker: str | None
    domain: str | None


def _existing(root: Path | None) -> Path:
    if root is None:
        raise DataError(f"the dataset folder needs --data-root DIR; to get one to try: {EXAMPLE}")
    if not Path(root).is_dir():
        raise DataError(f"{root} is not a folder; --data-root must name one. To get one to try: {EXAMPLE}")
    return Path(root)


def _rows(root: Path) -> list[_Row]:
    """The rows of all tables. Raises :class:`DataError` when they are missing, unreadable or contradict each other."""
    found = [(root / name, domain) for name, domain in TABLES if (root / name).is_file()]
    names = [path.name for path, _ in found]
    if not found:
        raise DataError(f"{root} has no labels.csv (nor label_s.csv and label_t.csv); {_contents(root)}")
    if names not in (["labels.csv"], ["label_s.csv", "label_t.csv"]):
        raise DataError(
            f"{root} has {' and '.join(names)}; expected either labels.csv alone or label_s.csv + label_t.csv"
        )
    rows: list[_Row] = []
    lines: dict[str, str] = {}
    for path, domain in found:
        for line, row in _table(path, domain):
            here = f"{path.name} line {line}"
            if row.name in lines:
                raise DataError(
                    f"{root}: utterance {row.name} appears twice, in {lines[row.name]} and {here}; "
                    "every video_id + clip_id must be unique: remove or rename one"
                )
            lines[row.name] = here
            rows.append(row)
    if not rows:
        raise DataError(f"{root}: {' and '.join(names)} has a header but no rows; write one row an utterance")
    return rows


def _table(path: Path, domain: str | None) -> Iterator[tuple[int, _Row]]:
    """(line, row) of one csv."""
    rows = read_csv(path)
    header = [name.strip() for name in next(rows, (1, []))[1]]
    missing = [name for name in REQUIRED if name not in header]
    if not header:
        raise DataError(f"{path} is empty; its first line must be {','.join(COLUMNS)}")
    if missing:
        raise DataError(
            f"{path} lacks the column {', '.join(missing)}; found {', '.join(header)}; "
            f"its first line must be {','.join(COLUMNS)}"
        )
    for line, cells in rows:
        yield line, _row(cells, header, domain, f"{path} line {line}")


def _row(cells: list[str], header: list[str], domain: str | None, where: str) -> _Row:
    if reason := uneven(cells, header):
        raise DataError(f"{where}: {reason}")
    row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for name in ("video_id", "clip_id", "emotion"):
        if not row[name]:
            raise DataError(f"{where}: {name} is empty; fill it in or remove the row")
    name = f"{row['video_id']}_{row['clip_id']}"
    if fault := id_fault(name):
        raise DataError(
            f"{where}: video_id and clip_id make {name[:80]!r}, the name of a wav and a folder: {fault}; {EXPECTED}; "
            "clips that lie elsewhere can be linked into this folder"
        )
    return _Row(name, row["text"], row["emotion"], row.get("speaker") or None, domain)


def _contents(root: Path) -> str:
    names = sorted(entry.name for entry in os.scandir(root))
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"it contains {shown or 'nothing'}; for an example of the layout: {EXAMPLE}"


def _facts(root: Path) -> dict[str, Any]:
    """Fields of the card that dataset.json sets."""
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        known = json.loads(path.read_text("utf-8"))
        if not isinstance(known, dict):
            raise TypeError(f'it holds {known!r}, expected an object such as {{"classes": [...]}}')
        facts: dict[str, Any] = {}
        for name, kind in (("title", str), ("licence", str), ("citation", str), ("backbone", str), ("synthetic", bool)):
            if name in known:
                if not isinstance(known[name], kind):
                    raise TypeError(f"{name} is {known[name]!r}, expected a {kind.__name__}")
                facts[name] = known[name]
        if "classes" in known:
            if not isinstance(known["classes"], list):
                raise TypeError(f"classes is {known['classes']!r}, expected a list of names")
            facts["classes"] = tuple(str(name) for name in known["classes"])
        if "shift" in known:
            shift = {name: float(value) for name, value in known["shift"].items()}
            wrong = [name for name, value in shift.items() if not 0 <= value <= 1]
            if wrong:
                raise ValueError(f"shift has {wrong[0]} {shift[wrong[0]]:g}, expected a number from 0 to 1")
            facts["shift"] = Shift(**shift)
        if "fractions" in known:
            train, validation, test = (float(value) for value in known["fractions"])
            if not (min(train, validation, test) >= 0 and abs(train + validation + test - 1) <= 1e-6):  # nor NaN
                raise ValueError(f"fractions {known['fractions']} are not three shares that sum to 1")
            facts["fractions"] = (train, validation, test)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} cannot be used: {error}; correct it, or remove it to use the defaults") from error
    return facts


def _check_classes(rows: list[_Row], card: Card, root: Path) -> None:
    """Every class must occur in the training and in the test set of both domains, or no score means anything."""
    unknown = sorted({row.emotion for row in rows} - set(card.classes))
    if unknown:
        raise DataError(
            f"{root}: emotion {unknown[0]!r} is not among the classes of dataset.json ({', '.join(card.classes)}); "
            "correct the row or add the class"
        )
    labels = [card.classes.index(row.emotion) for row in rows]
    if len(card.classes) < 2:
        raise DataError(f"{root}: only the class {card.classes[0]}; at least two are needed in the column emotion")
    parts = split_halves(
        [row.name for row in rows],
        labels,
        dataset=card.name,
        split=0,
        fractions=card.fractions,
        domains=[row.domain for row in rows],
    )
    for index, name in enumerate(card.classes):
        for domain in DOMAINS:
            for part in ("train", "test"):
                if not any(labels[i] == index for i in parts[domain, part]):
                    raise DataError(
                        f"{root}: empty class: {name} has {labels.count(index)} utterances of {len(rows)}, none "
                        f"in {domain}/{part}; add utterances of {name} (8 are usually enough) or drop the class"
                    )


def _fingerprint(root: Path, rows: list[_Row]) -> str:
    """Ten digits of what the folder holds: tables and dataset.json by content, media by name and size."""
    digest = hashlib.sha256()
    for name in (*(name for name, _ in TABLES), "dataset.json"):
        if (root / name).is_file():
            digest.update(f"{name}\n".encode() + (root / name).read_bytes())
    for row in rows:
        wav, folder = inside(root, row.name, ".wav"), inside(root, row.name)
        digest.update(f"{wav.name} {size_of(wav)}\n".encode())
        pictures = os.scandir(folder) if folder.is_dir() else ()
        sizes = sorted((entry.name, size_of(entry)) for entry in pictures if is_picture(entry.name))
        digest.update(repr(sizes).encode())
    return digest.hexdigest()[:10]
