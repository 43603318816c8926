"""What the trials behind a tuned board say in hindsight: numbers alone, in percent of weighted F1 on the target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmda_bench.report.paired_tests import Difference

if TYPE_CHECKING:
    from mmda_bench.selection import Judgement


@dataclass(frozen=True)
class Scores:
    """Of the trials of one method in one column: that of the published setting (None where it failed), that which the
    validator took, the best (an oracle's choice), and the worst of those that ended well."""

    published: float | None
    chosen: float
    oracle: float
    worst: float


@dataclass(frozen=True)
class Searched:
    """One method. ``validator``: that which chose. By column: ``scores`` and ``regret``, the oracle's trial minus the
    chosen one. ``expected``: by k from 1, the score of what the validator takes of k trials, expected over all subsets
    of that size, mean over the scenarios; ``at_best``: the same of the oracle. ``failed`` of ``trials``, in all
    scenarios. ``studies``: averages of the winners on the report seeds, a study each."""

    label: str
    title: str
    validator: str
    scores: Mapping[str, Scores]
    regret: Mapping[str, Difference]
    expected: Sequence[float]
    at_best: Sequence[float]
    trials: int
    failed: int
    studies: Sequence[float | None] = ()


@dataclass(frozen=True)
class Verdict:
    """How well a validator would have chosen, in all scenarios and by anchor; ``in_use``: it chose for some method."""

    overall: "Judgement"
    by_anchor: "Mapping[str, Judgement]"
    in_use: bool


@dataclass(frozen=True)
class Tuned:
    """``methods`` in the order of the table, ``verdicts`` best first. ``own``: by method, the validators that compute a
    loss of it and are judged without it."""

    methods: Sequence[Searched]
    verdicts: Sequence[Verdict]
    own: Mapping[str, Sequence[str]] = field(default_factory=dict)
