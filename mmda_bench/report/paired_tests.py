"""What a difference between two methods is worth: paired bootstrap, intervals, p-values, Holm, the bold set. Pure.

**The statistic** of a method in a scenario is the mean over seeds of the weighted F1 on the target test set; of the
average column, the mean over the scenarios of that.

**Utterances** are resampled with replacement, 10,000 times. One draw serves all methods, seeds and scenarios at once,
as they are scored on the same utterances: comparisons are paired, and the average is taken within each draw.

**Seeds** are nested in the statistic: every draw scores all of them. They are not resampled and they are no blocks:
runs on the same utterances are not independent, and resampling three of them knows ten outcomes. What the utterances do
not explain of the variance between seeds (:func:`seed_error`) is added to every draw as a normal deviate [ours].
Methods share the seeds of network and batches here, so that differences are taken seed by seed. With one seed nothing
is known about seeds: the test then speaks of the trained models and not of the methods, and the caption says so.
How often two equal methods are called different at 5 % (simulated; 3 seeds, 750 utterances, accuracies that spread over
seeds by 0, 2, 4, 8 points): seeds ignored 5, 20, 46, 68 %; this test 4, 10, 16, 19 %; with Student deviates of two
degrees of freedom 4, 7, 8, 7 %, but then next to nothing passes Holm's correction: a difference of 18.8 points whose
seeds give 14, 20 and 22 would not. Where the spread over seeds is large, more seeds help and a finer test does not.

**The best** method of a column is picked on the same data, and the others are held against it with Holm's correction.
Picking does not harm the method that is truly best: it is left out only if another one looks significantly better, and
Bonferroni's first step bounds the chance of that by half the level. It does harm the claim about *all* tied methods:
that some one of them is left out happens more often than the level says (simulated, ten equal methods: some one in 8 %
of the tables, a given one in 1 %). Read the bold set as "may well be the best".
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmda_bench.protocol import name_hash

DRAWS = 10_000
ALPHA = 0.05
CHUNK = 500  # draws at once: bounds the memory
TIE = 1e-9  # what two ways of adding the same numbers may differ by


def resampled_f1(
    labels: np.ndarray, predicted: np.ndarray, *, classes: int, names: Sequence[object], draws: int = DRAWS
) -> np.ndarray:
    """Weighted F1 in [0, 1] of R models on ``draws`` resamples of N utterances, the same for all: (draws, R) float64.

    ``labels``: (N,) class indices; ``predicted``: (R, N). ``names`` seed the draws (:func:`resamples`).
    """
    rows = resamples(len(labels), names=names, draws=draws)
    parts = np.split(rows, range(CHUNK, draws, CHUNK))
    return np.concatenate([weighted_f1(labels, predicted, _counts(part), classes=classes) for part in parts])


def weighted_f1(labels: np.ndarray, predicted: np.ndarray, counts: np.ndarray, *, classes: int) -> np.ndarray:
    """Of R models on B weightings of N utterances: (B, R). ``counts``: (B, N), how often each utterance occurs.

    Everything that F1 needs is a sum over utterances, so that two matrix products serve all models and all draws.
    """
    every = np.arange(classes)
    truth = labels[:, None] == every  # (N, C)
    chosen = predicted.T[:, :, None] == every  # (N, R, C)
    hits = chosen & truth[:, None]
    weights = counts.astype(np.float32)  # exact, as long as no sum reaches 2^24

    def sums(which: np.ndarray) -> np.ndarray:
        return (weights @ which.reshape(len(labels), -1).astype(np.float32)).astype(np.float64)

    shape = (len(counts), len(predicted), classes)
    right, guessed, support = sums(hits).reshape(shape), sums(chosen).reshape(shape), sums(truth)
    f1 = 2 * right / np.maximum(guessed + support[:, None], 1)  # a class that is nowhere has F1 0
    return np.einsum("brc,bc->br", f1, support / support.sum(1, keepdims=True))


def resamples(size: int, *, names: Sequence[object], draws: int = DRAWS) -> np.ndarray:
    """(draws, size) positions, drawn with replacement; the same for the same names whatever else is computed."""
    rng = np.random.default_rng(name_hash("bootstrap", *names, size))
    return rng.integers(0, size, (draws, size), dtype=np.int32)


def _counts(rows: np.ndarray) -> np.ndarray:
    """How often each utterance occurs in each resample: (draws, N)."""
    draws, size = rows.shape
    flat = rows + size * np.arange(draws, dtype=np.int64)[:, None]
    return np.bincount(flat.ravel(), minlength=draws * size).reshape(draws, size)


@dataclass(frozen=True)
class Sample:
    """Scores of one method in one column, or differences of two. ``values``: (K,) by seed, as observed; ``draws``:
    (B, K), on the resamples."""

    values: np.ndarray
    draws: np.ndarray

    def __sub__(self, other: "Sample") -> "Sample":
        """Differences seed by seed; of unequal numbers of seeds, from the mean of the fewer."""
        a = self._averaged() if len(self.values) < len(other.values) else self
        b = other._averaged() if len(other.values) < len(self.values) else other
        return Sample(a.values - b.values, a.draws - b.draws)

    def _averaged(self) -> "Sample":
        return Sample(self.values.mean(keepdims=True), self.draws.mean(1, keepdims=True))

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def average(samples: Sequence[Sample]) -> Sample:
    """The mean over scenarios, within each seed and each draw."""
    return Sample(np.mean([s.values for s in samples], 0), np.mean([s.draws for s in samples], 0))


def seed_error(sample: Sample) -> float:
    """Standard error of the mean over seeds that is due to the seeds themselves.

    √(max(0, s² − u)/K): s² the variance of the K values, u the part of it that the draws of utterances produce alone.
    """
    seeds = len(sample.values)
    if seeds < 2:
        return 0.0
    covariance = np.cov(sample.draws, rowvar=False)
    by_utterances = (np.trace(covariance) - covariance.sum() / seeds) / (seeds - 1)
    return float(np.sqrt(max(0.0, sample.values.var(ddof=1) - by_utterances) / seeds))


def distribution(sample: Sample) -> np.ndarray:
    """(B,) draws of the statistic: the mean over seeds on each resample, and the error of the seeds.

    That has the sign of the mean, so that a − b is the mirror image of b − a.
    """
    draws, seeds = sample.draws.shape
    mean = sample.draws.mean(1)
    if seeds < 2:
        return mean
    rng = np.random.default_rng(name_hash("seeds", seeds, draws))
    return mean + math.copysign(seed_error(sample), sample.mean) * rng.standard_normal(draws)


def interval(sample: Sample, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Percentiles of :func:`distribution`."""
    low, high = np.quantile(distribution(sample), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def p_value(sample: Sample) -> float:
    """Two-sided, of no difference: twice the share of draws at or beyond zero. At least 2/(B+1)."""
    draws = distribution(sample)
    beyond = min(np.count_nonzero(draws <= TIE), np.count_nonzero(draws >= -TIE))
    return min(1.0, 2 * (int(beyond) + 1) / (len(draws) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of Holm (1979): the k-th smallest of n times (n − k + 1), made increasing, at most 1."""
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


@dataclass(frozen=True)
class Difference:
    """Of two methods: the first minus the second, its interval, p and p adjusted for the family it was tested in."""

    mean: float
    low: float
    high: float
    p: float
    adjusted: float

    @property
    def significant(self) -> bool:
        return self.adjusted < ALPHA


def differences(samples: Sequence[Sample]) -> list[Difference]:
    """Of each sample from zero, Holm-adjusted over all of them."""
    p_values = [p_value(sample) for sample in samples]
    return [
        Difference(sample.mean, *interval(sample), p, adjusted)
        for sample, p, adjusted in zip(samples, p_values, holm(p_values), strict=True)
    ]


def from_the_best(methods: Mapping[str, Sample]) -> tuple[str, dict[str, Difference]]:
    """The method with the highest mean (the first of equals) and every other one's difference from it.

    The bold set is the best and those whose difference is not significant.
    """
    best = max(methods, key=lambda name: methods[name].mean)
    others = [name for name in methods if name != best]
    return best, dict(zip(others, differences([methods[name] - methods[best] for name in others]), strict=True))


def all_pairs(methods: Mapping[str, Sample]) -> dict[tuple[str, str], Difference]:
    """Every method minus every later one, Holm-adjusted over all pairs."""
    names = list(methods)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    return dict(zip(pairs, differences([methods[a] - methods[b] for a, b in pairs]), strict=True))


@dataclass(frozen=True)
class Ranking:
    """Mean ranks over blocks (1 is the best), Friedman's p and Nemenyi's critical difference at 5 % (Demšar, 2006).

    Two methods whose mean ranks differ by less than ``critical`` are not told apart.
    """

    ranks: Mapping[str, float]
    blocks: int
    p: float
    critical: float


def friedman(scores: Mapping[str, Sequence[float]]) -> Ranking:
    """Of methods by their scores in the same blocks. A block is a scenario: a corpus and an anchor, its seeds averaged;
    seeds are no blocks, as they are not independent. Three to six blocks have almost no power."""
    from scipy import stats

    table = np.array(list(scores.values()))  # (methods, blocks)
    methods, blocks = table.shape
    ranks = stats.rankdata(-table, axis=0).mean(1)
    p = float(stats.friedmanchisquare(*table).pvalue) if methods > 2 else float("nan")
    q = stats.studentized_range.isf(ALPHA, methods, np.inf) / np.sqrt(2)
    critical = float(q * np.sqrt(methods * (methods + 1) / (6 * blocks)))
    return Ranking(dict(zip(scores, map(float, ranks), strict=True)), blocks, p, critical)
