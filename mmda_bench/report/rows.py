"""What a table is made of: scores over seeds, rows, failures, and the board that holds them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import NATURAL, Protocol, said_synthetic
from mmda_bench.registry import DATASETS
from mmda_bench.report.missing import Hole
from mmda_bench.report.paired_tests import Difference
from mmda_bench.report.reference_rows import PREFERRED
from mmda_bench.report.search import Tuned
from mmda_bench.report.steadiness import MARK, oscillates, spreads
from mmda_bench.store import Record, scores_of

AVERAGE = "ave."
COLUMNS = (*MODALITIES, AVERAGE)
BASELINE = "dt"
SOURCE_BOUND = "DT, source test"
EXTERNAL = "external:"  # before the name of what was submitted, which may be that of a method


@dataclass(frozen=True)
class Score:
    """Percent over seeds. ``seeds``: value by seed; ``expected``: how many seeds the board has; ``failed``: statuses of
    the cells that failed. ``mean`` and ``sd`` are None where there is nothing that may be averaged."""

    seeds: Mapping[int, float]
    expected: int
    failed: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return len(self.seeds) == self.expected and not self.failed

    @property
    def mean(self) -> float | None:
        """Not over the survivors of failures: those are a biased choice."""
        return fmean(self.seeds.values()) if self.seeds and not self.failed else None

    @cached_property
    def sd(self) -> float | None:
        return stdev(self.seeds.values()) if len(self.seeds) > 1 and not self.failed else None


@dataclass(frozen=True)
class Row:
    """A line of a table. ``records``: what it is made from, of any status, by anchor and seed; ``parameters``: trained.

    By column, in percent and only where predictions are stored (:mod:`mmda_bench.report.significance`): ``intervals``;
    ``from_best``, the difference from the best row; ``best``, the columns where it is that row; ``bold``, the columns
    where it is in the bold set; ``trust``, the expected calibration error and the area under the curve of
    detecting errors (:mod:`mmda_bench.report.calibration`).
    ``macro``: F1 averaged over classes alike, by column; empty where the records lack the F1 of classes.
    """

    method: str
    label: str
    title: str
    off: tuple[str, ...]
    scores: Mapping[str, Score]
    minutes: float | None
    memory_mb: float | None
    records: Sequence[Record] = ()
    parameters: int | None = None
    best: frozenset[str] = frozenset()
    bold: frozenset[str] = frozenset()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    from_best: Mapping[str, Difference] = field(default_factory=dict)
    trust: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    macro: Mapping[str, Score] = field(default_factory=dict)

    @property
    def anchors(self) -> tuple[str, ...]:
        """The scenarios that it has a score for, in the order of the columns."""
        return tuple(column for column in self.scores if column != AVERAGE)

    @cached_property
    def steady(self) -> bool:
        """Whether its seeds and its last epochs lie close enough together for the row to be set in bold."""
        return not spreads(score.sd for score in self.scores.values()) and not oscillates(self.records)

    @property
    def marked(self) -> str:
        """The title, with a dagger where the row is not steady."""
        return self.title if self.steady else f"{self.title} {MARK}"


@dataclass(frozen=True)
class Failure:
    """A cell that ran and has no score."""

    label: str
    anchor: str
    seed: int
    status: str
    reason: str


@dataclass(frozen=True)
class Board:
    """One corpus under one signature. ``rows``: Table 1; ``ablation``: Table 2, by method, with the components;
    ``references``: bounds and what the heads of DT give, which are no methods; ``extra``: seeds beyond the board's,
    left out; ``fingerprints``: of the corpora that the cells read; of several, files changed under the same version.
    ``external``: submitted predictions, which are no runs of ours. ``corpus_title``: as the records have it, "" in
    older ones. ``synthetic``: whether the corpus is. ``untested``: why a column has no bold set;
    ``pairs``: differences of the average of every two rows, tested among themselves; ``ranks``: by label, the places
    (first, last) that they leave open, from :data:`~mmda_bench.statistics.LEAST_SEEDS` seeds on. ``gains``: by label
    and column, how far a row is above the best label-free reference, Holm-adjusted within the column. ``gaps``: by
    label, how far the average of a line is above that of DT, each a comparison of its own. ``tuning``: what the trials
    behind a tuned board say in hindsight. ``family``: of the head of one (:mod:`mmda_bench.report.suites`), its boards,
    itself first; ``brief``: another of them, whose scores the head shows together."""

    dataset: str
    signature: str
    protocol: Protocol
    seeds: tuple[int, ...]
    rows: Sequence[Row]
    ablation: Mapping[str, Sequence[Row]]
    components: Mapping[str, tuple[str, ...]]
    references: Sequence[Row]
    failures: Sequence[Failure]
    holes: Sequence[Hole]
    extra: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    fingerprints: tuple[str, ...] = ()
    external: Sequence[Row] = ()
    corpus_title: str = ""
    synthetic: bool = False
    untested: Mapping[str, str] = field(default_factory=dict)
    pairs: Mapping[tuple[str, str], Difference] = field(default_factory=dict)
    ranks: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    gains: Mapping[tuple[str, str], Difference] = field(default_factory=dict)
    gaps: Mapping[str, Difference] = field(default_factory=dict)
    tuning: Tuned | None = None
    family: Sequence["Board"] = ()
    brief: bool = False

    @property
    def corpus(self) -> str:
        """With its version, as in the signature: "avatars:v4"."""
        return self.signature.split("|")[1]

    @property
    def drawn_by(self) -> list[str]:
        """What the draws of test utterances follow from: corpus with version, split."""
        return self.signature.split("|")[1:3]

    @property
    def best_reference(self) -> Row | None:
        """The label-free reference with the highest average; None where none has one. Of equal ones the first of
        :data:`~mmda_bench.report.reference_rows.PREFERRED`."""
        by_label = {row.label: row for row in self.references if row.scores[AVERAGE].complete}
        whole = [by_label[name] for name in PREFERRED if name in by_label]
        return max(whole, key=lambda row: row.scores[AVERAGE].mean or 0.0, default=None)

    @property
    def anchors(self) -> tuple[str, ...]:
        """Its scenarios: the three anchors, or the one of a natural pair, which has none."""
        return tuple(column for column in self.scored if column != AVERAGE)

    @property
    def scored(self) -> tuple[str, ...]:
        """Every column that its rows have scores in, the average last."""
        return next((tuple(row.scores) for row in (*self.rows, *self.references)), COLUMNS)

    @property
    def columns(self) -> tuple[str, ...]:
        """Those that its tables show: of a natural pair the average is its only scenario."""
        return self.anchors if NATURAL in self.scored else self.scored

    @property
    def lines(self) -> list[Row]:
        """The rows of Table 1, and those of Table 2 that are not among them."""
        main = {row.label for row in self.rows}
        others = {row.label: row for rows in self.ablation.values() for row in rows if row.label not in main}
        return [*self.rows, *others.values()]

    @property
    def records_signature(self) -> str:
        """As the records have it: without seeds."""
        return re.sub(r"\|seeds:[^|]*", "", self.signature)

    @property
    def title(self) -> str:
        entry = DATASETS.entries().get(self.dataset)
        return said_synthetic(self.corpus_title or (entry.title if entry else self.dataset), self.synthetic)


def per_class(row: Row, anchor: str | None = None) -> dict[str, float]:
    """F1 in percent by class name: mean over the seeds of an anchor, or over all cells."""
    found: dict[str, list[float]] = {}
    for record in row.records:
        if record["status"] != "ok" or anchor not in (None, record["key"]["anchor"]):
            continue
        values = scores_of(record).get("per_class_f1") or []
        names = (record.get("dataset") or {}).get("classes") or [str(i) for i in range(len(values))]
        for name, value in zip(names, values, strict=False):
            found.setdefault(name, []).append(100 * value)
    return {name: fmean(values) for name, values in found.items()}
