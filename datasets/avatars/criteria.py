"""What a corpus must show before it is used to compare methods: the criteria of the calibration, as pure functions.

They see two things only: DT (direct transfer, with the heads of its single modalities) and the reference trained on
target labels. No adaptation method enters, so none can be favoured. The limits for four emotions were fixed before the
search. How the limits on drift heads follow the number of classes was fixed after a first look at the intents, where a
modality alone reaches .24 to .39, and before the settings that were calibrated there.
"""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import SUPERVISED

DT = "dt"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one cell says. All scores are weighted F1 in [0, 1].

    ``f1``, ``heads``: on target test, of the prediction and of the head of each modality. ``fused``, ``in_domain``: the
    same on source test. ``largest``: share of the target test set that gets the most frequent prediction.
    ``seconds``: processor time of the cell, which other work on the machine changes less than it does the clock.
    """

    setting: str
    method: str
    anchor: str
    seed: int
    f1: float
    heads: Mapping[str, float]
    fused: float
    in_domain: Mapping[str, float]
    largest: float
    steps: int
    seconds: float


def measured(setting: str, record: Mapping[str, Any], *, seconds: float) -> Measured:
    """The numbers of a record of ``run_cell``, which took ``seconds``.

    Raises :class:`ValueError` for a cell that did not finish.
    """
    if record["status"] != "ok":
        raise ValueError(f"{record['signature']}: the cell is {record['status']}: {record['reason']}")
    target, source = record["metrics"]["target_test"], record["metrics"]["source_test"]
    predicted = [sum(column) for column in zip(*target["confusion"], strict=True)]
    return Measured(
        setting=setting,
        method=record["key"]["method"],
        anchor=record["key"]["anchor"],
        seed=record["key"]["seed"],
        f1=target["weighted_f1"],
        heads={m: target["heads"][m] for m in MODALITIES},
        fused=source["weighted_f1"],
        in_domain={m: source["heads"][m] for m in MODALITIES},
        largest=max(predicted) / sum(predicted),
        steps=record["steps"],
        seconds=seconds,
    )


@dataclass(frozen=True)
class Verdict:
    """One criterion: what was found, at the worst ``place``, and what is asked."""

    criterion: str
    found: float
    asked: float
    at_least: bool
    place: str

    @property
    def passed(self) -> bool:
        return self.found >= self.asked if self.at_least else self.found <= self.asked


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One setting, all its seeds. Scores are means over seeds, by anchor; those of heads by (anchor, modality).

    ``spread``: standard deviation of DT over seeds (n − 1), 0 for one seed. ``largest``: over seeds, the largest share
    that DT gives to one class. ``seconds``: of the slower of the two rows, the median over its seeds.
    """

    seeds: int
    dt: Mapping[str, float]
    spread: Mapping[str, float]
    supervised: Mapping[str, float]
    heads: Mapping[tuple[str, str], float]
    in_domain: Mapping[str, float]
    fused: float
    largest: Mapping[str, float]
    steps: int
    seconds: Mapping[str, float]

    def anchor_head(self, anchor: str) -> float:
        """DT's head of the modality that does not shift: adaptation by ignoring the drifts."""
        return self.heads[anchor, anchor]

    @property
    def drift_heads(self) -> dict[tuple[str, str], float]:
        """DT's heads of the shifted modalities."""
        return {key: value for key, value in self.heads.items() if key[0] != key[1]}


def summarise(cells: Sequence[Measured]) -> Summary:
    """The summary of the cells of one setting. Raises :class:`ValueError` unless both rows have the same cells."""
    dt, supervised = ([c for c in cells if c.method == method] for method in (DT, SUPERVISED))
    places = sorted((c.anchor, c.seed) for c in dt)
    if not dt or places != sorted((c.anchor, c.seed) for c in supervised) or len(set(places)) != len(places):
        raise ValueError(f"expected one cell of {DT} and of {SUPERVISED} for each anchor and seed; DT has {places}")
    anchors = sorted({c.anchor for c in dt})
    of = {a: [c for c in dt if c.anchor == a] for a in anchors}
    return Summary(
        seeds=len(of[anchors[0]]),
        dt={a: _mean(c.f1 for c in of[a]) for a in anchors},
        spread={a: statistics.stdev([c.f1 for c in of[a]]) if len(of[a]) > 1 else 0.0 for a in anchors},
        supervised={a: _mean(c.f1 for c in supervised if c.anchor == a) for a in anchors},
        heads={(a, m): _mean(c.heads[m] for c in of[a]) for a in anchors for m in MODALITIES},
        in_domain={m: _mean(c.in_domain[m] for c in dt) for m in MODALITIES},
        fused=_mean(c.fused for c in dt),
        largest={a: max(c.largest for c in of[a]) for a in anchors},
        steps=min(c.steps for c in cells),
        seconds={a: max(_median_seconds(row, a) for row in (dt, supervised)) for a in anchors},
    )


def _median_seconds(cells: Sequence[Measured], anchor: str) -> float:
    return statistics.median(c.seconds for c in cells if c.anchor == anchor)


def _mean(values: Iterable[float]) -> float:
    return statistics.fmean(values)


def chance(shares: Sequence[float]) -> float:
    """Weighted F1 of guesses drawn with the shares of the classes: Σ p².

    >>> round(chance((0.31, 0.29, 0.20, 0.20)), 3)
    0.26
    """
    return sum(share**2 for share in shares)


def verdicts(summary: Summary, shares: Sequence[float]) -> list[Verdict]:
    """Every criterion, at the anchor or modality where it is hardest to meet. ``shares``: of the classes.

    Two kinds of limits depend on the classes. The limit on the largest class is 60 % where the most frequent class has
    31 % (four emotions); with other classes it is in the same ratio to the most frequent one. The drift heads must be
    .10 above chance and .12 below their in-domain score; where there are more than four classes a modality alone is far
    weaker, and both are in the same ratio to the distance from chance to the weakest modality in-domain (.48 with four
    emotions). All other limits hold for any corpus.
    """
    s, guess = summary, chance(shares)
    scale = 1.0 if len(shares) <= 4 else min(1.0, (min(s.in_domain.values()) - guess) / 0.48)
    kept = {f"{m} under {a}": s.heads[a, m] - guess for a, m in s.drift_heads}
    lost = {f"{m} under {a}": s.in_domain[m] - s.heads[a, m] for a, m in s.drift_heads}
    best, worst = max(s.in_domain.values()), min(s.in_domain.values())
    return [
        _worst("target-supervised above DT", {a: s.supervised[a] - s.dt[a] for a in s.dt}, 0.10),
        _worst("target-supervised above DT's anchor head", {a: s.supervised[a] - s.anchor_head(a) for a in s.dt}, 0.08),
        _worst("DT's most frequent class, share", s.largest, round(0.60 / 0.31 * max(shares), 2), at_least=False),
        _worst("drift heads of DT above chance", kept, round(0.10 * scale, 3)),
        _worst("drift heads of DT below their in-domain score", lost, round(0.12 * scale, 3)),
        _worst("distance of the modalities alone, in-domain", {"": best - worst}, 0.05, at_least=False),
        _worst("fused above the best modality, in-domain", {"": s.fused - best}, 0.05),
        _worst("spread of DT over seeds", s.spread, 0.04, at_least=False),
        _worst("steps a cell", {"": float(s.steps)}, 190),
        _worst("seconds a cell", s.seconds, 16, at_least=False),
    ]


def _worst(criterion: str, found: Mapping[str, float], asked: float, *, at_least: bool = True) -> Verdict:
    pick: Callable[..., str] = min if at_least else max
    place = pick(found, key=lambda key: found[key])
    return Verdict(criterion, found[place], asked, at_least, place)
