"""What a difference between two methods is worth: intervals, p-values, Holm's correction, the bold set. Pure.

**The statistic** of a method in a scenario is the mean over K seeds of the weighted F1 on the target test set; in the
average column it is the mean over the scenarios of that.

**Utterances** are resampled with replacement, 10,000 times. One draw serves all methods, seeds and scenarios at once,
because they are scored on the same utterances. So comparisons are paired, and the average is taken within each draw.
V_utt is the variance over the draws of the mean over seeds.

**Seeds** are paired too: in our runs a seed gives all methods the same network and the same batches. s² is the variance
of the K differences (or, for the interval of one method, of its K scores).

**The test** [ours, after Satterthwaite, 1946] is a t test with the sum of both variances:

    V = V_utt + s²/K        df = V² / (V_utt²/(N − 1) + (s²/K)²/(K − 1))        t = mean / √V

for N utterances. Its quantiles give the interval and p. The draws are the only random numbers in it, and a − b mirrors
b − a exactly. The errors that a single run makes are in both parts of V, so the test is a little cautious where seeds
agree. With one seed s² is unknown: V = V_utt, and the answer is about the trained models, not about the methods.

**How often it is wrong** (``python -m tests.benchmarks.simulate_tests``; results/simulation.md): two equal methods, 750
shared utterances, accuracies that spread over seeds by 0, 2, 4, 8 points, 2,000 simulations each. At 5 % it calls them
different in 2.1, 5.6, 7.7, 8.0 % with three seeds, in 2.6, 3.6, 5.1, 5.8 % with five, in 4.0, 3.6, 4.9, 4.9 % with ten.
Normal quantiles give up to 18.8 % with three seeds, and a t test over seeds alone up to 40.2 % with ten, because runs
on the same utterances are not independent. Intervals hold the truth in at least 92.0 % with three seeds and 94.3 % with
five and more. A difference of 8 points, at a spread of 4, is found in 40, 65, 93 % with three, five, ten seeds.

**The best** method of a column is picked on the same data, and the others are compared with it under Holm's correction.
So of ten equal methods at least one is left out of the bold set in 6.2 to 21.7 % of tables with five seeds, and in 8.9
to 15.1 % with ten. Holm over all pairs, which the ranks use, puts some of them above others in 1.3 to 16.4 %, and in
2.6 to 5.5 %. The more unlikely a difference must be to count, the more seeds it takes to judge that: five are the
least, ten are right. Read the bold set as "may well be the best".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmda_bench.protocol import name_hash

DRAWS = 10_000
ALPHA = 0.05
LEAST_SEEDS = 5  # with fewer, the test calls equal methods different more often than it says
CHUNK = 500  # draws at once: bounds the memory
TIE = 1e-9  # what two ways of adding the same numbers may differ by

Numbers = float | np.ndarray


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
    scores: np.ndarray = np.einsum("brc,bc->br", f1, support / support.sum(1, keepdims=True))
    return scores


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
    """Scores of one method in one column, or differences of two.

    ``values``: (K,) by seed, as observed. ``draws``: (B,), the mean over seeds on each resample. ``utterances``: N.
    """

    values: np.ndarray
    draws: np.ndarray
    utterances: int

    def __sub__(self, other: "Sample") -> "Sample":
        """Differences seed by seed; of unequal numbers of seeds, from the mean of the fewer."""
        most = max(len(self.values), len(other.values))
        a, b = (s.values if len(s.values) == most else s.values.mean(keepdims=True) for s in (self, other))
        return Sample(a - b, self.draws - other.draws, self.utterances)

    @property
    def mean(self) -> float:
        """The mean over seeds."""
        return float(self.values.mean())


def average(samples: Sequence[Sample]) -> Sample:
    """The mean over scenarios, within each seed and each draw."""
    values, draws = (np.mean([getattr(s, part) for s in samples], 0) for part in ("values", "draws"))
    return Sample(values, draws, samples[0].utterances)


@dataclass(frozen=True)
class Estimate:
    """A mean, its standard error and the degrees of freedom of the error: numbers, or arrays of one shape.

    >>> one = Estimate(2.0, 1.0, 4.0)
    >>> [round(float(limit), 2) for limit in one.interval()], round(float(one.p_value), 3)
    ([-0.78, 4.78], 0.116)
    """

    mean: Numbers
    error: Numbers
    df: Numbers

    def interval(self, level: float = 1 - ALPHA) -> tuple[np.ndarray, np.ndarray]:
        """The mean plus and minus a t quantile times the error, for coverage ``level`` in (0, 1)."""
        from scipy import special

        half = special.stdtrit(self.df, (1 + level) / 2) * self.error
        return np.asarray(self.mean - half), np.asarray(self.mean + half)

    @property
    def p_value(self) -> np.ndarray:
        """Two-sided, of no difference, in [0, 1]. Where the error is 0: 1 if the mean is 0 as well, else 0."""
        from scipy import special

        size, error = np.abs(self.mean), np.asarray(self.error)
        t = np.divide(size, error, out=np.where(size > TIE, np.inf, 0.0), where=error > TIE)
        return np.asarray(2 * special.stdtr(self.df, -t))


def estimate(mean: Numbers, by_utterances: Numbers, by_seeds: Numbers, *, utterances: int, seeds: int) -> Estimate:
    """The estimate of a mean over ``seeds`` runs on ``utterances`` utterances, by Satterthwaite's rule.

    ``by_utterances``: V_utt ≥ 0, the variance of the mean that is due to the utterances. ``by_seeds``: s² ≥ 0, the
    variance between the runs (0 for one seed). Numbers, or arrays of one shape. Without any variance df is N − 1.

    >>> round(float(estimate(8.0, 4.0, 15.0, utterances=750, seeds=5).df), 1)
    21.6
    """
    parts = np.asarray(by_utterances, float), np.asarray(by_seeds, float) / seeds
    total = parts[0] + parts[1]
    some = np.where(total > 0, total, 1.0)
    inverse = (parts[0] / some) ** 2 / max(utterances - 1, 1) + (parts[1] / some) ** 2 / max(seeds - 1, 1)
    df = 1 / np.where(total > 0, inverse, 1 / max(utterances - 1, 1))
    return Estimate(mean, np.sqrt(total), df)


def estimate_of(sample: Sample) -> Estimate:
    """The mean of a sample over its seeds, with its error."""
    seeds = len(sample.values)
    between = float(sample.values.var(ddof=1)) if seeds > 1 else 0.0
    drawn = float(sample.draws.var(ddof=1))
    return estimate(sample.mean, drawn, between, utterances=sample.utterances, seeds=seeds)


def interval(sample: Sample, level: float = 1 - ALPHA) -> tuple[float, float]:
    """Of the mean over seeds, with coverage ``level``."""
    low, high = estimate_of(sample).interval(level)
    return float(low), float(high)


def p_value(sample: Sample) -> float:
    """Two-sided, of a mean of zero."""
    return float(estimate_of(sample).p_value)


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


def rank_ranges(pairs: Mapping[tuple[str, str], Difference]) -> dict[str, tuple[int, int]]:
    """The places, from 1, that each method can have given the significant ones among all pairs: (first, last).

    ``pairs``: of :func:`all_pairs`. First is 1 + the number of methods that are significantly better, last is the
    number of methods − the number that are significantly worse.

    >>> clear, unclear = Difference(9.0, 7.0, 11.0, 0.001, 0.003), Difference(1.0, -2.0, 4.0, 0.5, 0.5)
    >>> rank_ranges({("a", "b"): unclear, ("a", "c"): clear, ("b", "c"): clear})
    {'a': (1, 2), 'b': (1, 2), 'c': (3, 3)}
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair))
    won = [pair if one.mean > 0 else pair[::-1] for pair, one in pairs.items() if one.significant]
    better, worse = Counter(loser for _, loser in won), Counter(winner for winner, _ in won)
    return {name: (1 + better[name], len(names) - worse[name]) for name in names}


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
