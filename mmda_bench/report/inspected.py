"""What the records and predictions of one cell, or of the cells of one method, say when looked at closely.

What a table hides: why a cell failed and where, what its loss did, which classes it confuses, and which utterances it
gets most wrong or cannot decide about.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mmda_bench.dataset import MODALITIES, Utterance
from mmda_bench.protocol import said_synthetic
from mmda_bench.report.boards import is_synthetic
from mmda_bench.store import Record

FRAME = re.compile(r'\s*File "(.+)", line (\d+), in (\S+)')
NOT_OURS = ("site-packages", "/lib/python")


@dataclass(frozen=True)
class Answer:
    """How cells answered an utterance: the mean of their ``probabilities`` by class. ``truth``: that of the true
    class ``label``; ``margin``: between the two most probable ones, 0 where the cells cannot decide."""

    id: str
    anchor: str
    label: str
    predicted: str
    truth: float
    margin: float
    probabilities: Mapping[str, float]
    text: str = ""


@dataclass(frozen=True)
class Inspected:
    """The cells of one method under one signature, or one cell. ``utterances``: of the corpus by id, where it can be
    read here; ``unread``: why not."""

    name: str
    records: Sequence[Record]
    predictions: Mapping[str, Mapping[str, np.ndarray]]
    utterances: Mapping[str, Utterance] = field(default_factory=dict, repr=False)
    unread: str = ""

    @property
    def corpus(self) -> str:
        """The title of the corpus, which says if it is synthetic."""
        known = [titles["dataset"] for r in self.records if (titles := r.get("titles")) and titles.get("dataset")]
        return said_synthetic(known[0] if known else self.records[0]["key"]["dataset"], is_synthetic(self.records))

    @property
    def signature(self) -> str:
        return self.records[0]["signature"]

    @cached_property
    def answers(self) -> list[Answer]:
        """Of every utterance of the target test set of every anchor, those that the cells get most wrong first."""
        found = [answer for anchor in MODALITIES for answer in self._answers(anchor)]
        return sorted(found, key=lambda answer: (answer.truth, answer.id, answer.anchor))

    def worst(self, count: int = 5) -> list[Answer]:
        """The utterances whose true class is least probable."""
        return self.answers[:count]

    def contested(self, count: int = 5) -> list[Answer]:
        """The utterances whose two most probable classes are closest."""
        return sorted(self.answers, key=lambda answer: (answer.margin, answer.id, answer.anchor))[:count]

    def _answers(self, anchor: str) -> list[Answer]:
        scored = [r for r in self.records if r["key"]["anchor"] == anchor and r["hash"] in self.predictions]
        if not scored:
            return []
        first, classes = self.predictions[scored[0]["hash"]], self.classes
        ids, labels = first["target_test/ids"], first["target_test/labels"]
        alike = [a for r in scored if np.array_equal((a := self.predictions[r["hash"]])["target_test/ids"], ids)]
        mean = np.mean([arrays["target_test/probabilities"].astype(np.float64) for arrays in alike], axis=0)
        ranked = np.sort(mean, axis=1)
        return [
            Answer(
                id=str(name),
                anchor=anchor,
                label=classes[label],
                predicted=classes[int(row.argmax())],
                truth=float(row[label]),
                margin=float(best - second),
                probabilities=dict(zip(classes, row.tolist(), strict=True)),
                text=self.utterances[str(name)].text if str(name) in self.utterances else "",
            )
            for name, label, row, second, best in zip(ids, labels, mean, ranked[:, -2], ranked[:, -1], strict=True)
        ]

    @cached_property
    def classes(self) -> list[str]:
        """The names of the classes, or numbers where no record has the names."""
        named = [names for r in self.records if (names := (r["dataset"] or {}).get("classes"))]
        width = max((a["target_test/probabilities"].shape[1] for a in self.predictions.values()), default=0)
        return named[0] if named else [f"class {k}" for k in range(width)]

    def confusion(self, anchor: str) -> np.ndarray | None:
        """Counts (true class, predicted class) over the seeds of an anchor; None where no cell has them."""
        targets = [((r["metrics"] or {}).get("target_test") or {}) for r in self.of(anchor)]
        found = [np.array(scores["confusion"]) for scores in targets if scores.get("confusion")]
        return np.sum(found, axis=0) if found else None

    def curves(self) -> dict[str, list[float]]:
        """Every term of the loss by epoch: the mean over cells, NaN where none has a value."""
        found: dict[str, list[list[float]]] = {}
        for record in self.records:
            for name, values in ((record.get("curves") or {}).get("terms") or {}).items():
                found.setdefault(name, []).append([np.nan if value is None else value for value in values])
        return {name: _mean(rows) for name, rows in found.items()}

    def balance(self) -> dict[str, dict[str, float]]:
        """The norm of each term's gradient at the representations by modality: the last of every cell, averaged."""
        found: dict[str, dict[str, list[float]]] = {}
        for record in self.records:
            for name, by_modality in ((record.get("curves") or {}).get("gradients") or {}).items():
                for m, values in by_modality.items():
                    known = [value for value in values if value is not None]
                    found.setdefault(name, {}).setdefault(m, []).extend(known[-1:])
        return {
            name: {m: float(np.mean(values)) for m, values in by_modality.items() if values}
            for name, by_modality in found.items()
        }

    def of(self, anchor: str) -> list[Record]:
        """The records of an anchor, by seed."""
        mine = [record for record in self.records if record["key"]["anchor"] == anchor]
        return sorted(mine, key=lambda record: record["key"]["seed"])


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """By position, over the rows that reach it and have a value there."""
    longest = max(map(len, rows))
    columns = [[row[i] for row in rows if i < len(row) and not np.isnan(row[i])] for i in range(longest)]
    return [float(np.mean(column)) if column else float("nan") for column in columns]


def place_of_failure(record: Record) -> str:
    """'methods/mine.py line 12, in loss': where the last of the author's or our own lines stands; '' if unknown.

    >>> place_of_failure({"traceback": ['  File "mine.py", line 12, in loss', "    boom()"]})  # type: ignore
    'mine.py line 12, in loss'
    """
    frames = [found.groups() for line in record.get("traceback") or () if (found := FRAME.match(line))]
    ours = [frame for frame in frames if not any(part in frame[0] for part in NOT_OURS)] or frames
    return f"{ours[-1][0]} line {ours[-1][1]}, in {ours[-1][2]}" if ours else ""
