"""How often the tests of the leaderboard are wrong, and what they find: simulated runs of methods that are known.

``python -m tests.benchmarks.simulate_tests [--simulations 2000] [--out results/simulation.md]``

**The model** [ours]. Whether method m, trained with seed k, is right at utterance i is drawn in three parts: how hard
the utterance is for everybody, what method m makes of it with any seed, and chance. All three are normal. Their sum is
compared with the quantile of the accuracy of (m, k), which varies over seeds with a given standard deviation.
:data:`SHARED` and :data:`OWN`, the shares of the first two parts, give the correlations that the stored predictions of
avatars v3 have (medians): .66 between two seeds of a method, .47 between two methods.

The score is accuracy, because its variance over resampled utterances has a closed form; a test shows that drawing
resamples gives the same. Everything else is :mod:`mmda_bench.statistics`.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from scipy import special
from tabulate import tabulate

from mmda_bench.protocol import name_hash
from mmda_bench.report.paired_tests import ALPHA, Estimate, estimate

SHARED, OWN = 0.68, 0.18  # of the variance behind one answer: of the utterance, of the method at the utterance
UTTERANCES, ACCURACY = 750, 0.7
SEEDS, SPREADS = (3, 5, 10), (0, 2, 4, 8)  # of a method; points of accuracy, standard deviation over seeds
FAMILY, GAP = 10, 8  # equal methods in a table; points between two methods that differ
AT_ONCE = 3_000_000  # answers in memory


@dataclass(frozen=True)
class Runs:
    """Scores of S simulated tables in points. ``by_seed``: (S, M, K); ``by_utterance``: (S, M, N), the share of seeds
    that are right, times 100."""

    by_seed: np.ndarray
    by_utterance: np.ndarray

    def __sub__(self, other: "Runs") -> "Runs":
        return Runs(self.by_seed - other.by_seed, self.by_utterance - other.by_utterance)

    def method(self, which: int) -> "Runs":
        """One method of every table."""
        return Runs(self.by_seed[:, which, None], self.by_utterance[:, which, None])

    def best(self) -> "Runs":
        """The method with the highest mean of every table."""
        rows = self.by_seed.mean(2).argmax(1)[:, None, None]
        return Runs(np.take_along_axis(self.by_seed, rows, 1), np.take_along_axis(self.by_utterance, rows, 1))


def simulate(
    simulations: int, *, accuracies: Sequence[float], seeds: int, spread: float, utterances: int = UTTERANCES
) -> Iterator[Runs]:
    """Tables of methods with these accuracies in [0, 1], whose seeds spread by ``spread`` points, some at a time."""
    rng = np.random.default_rng(name_hash("simulation", *accuracies, seeds, spread, utterances))
    methods = len(accuracies)
    size = max(1, AT_ONCE // (methods * seeds * utterances))
    for first in range(0, simulations, size):
        shape = (min(size, simulations - first), methods, seeds, utterances)
        accuracy = np.array(accuracies)[:, None] + spread / 100 * rng.standard_normal(shape[:3])
        limit = special.ndtri(np.clip(accuracy, 0.01, 0.99)).astype(np.float32)[..., None]
        parts = ((SHARED, (shape[0], 1, 1, utterances)), (OWN, (*shape[:2], 1, utterances)), (1 - SHARED - OWN, shape))
        latent = sum(np.float32(share**0.5) * rng.standard_normal(of, np.float32) for share, of in parts)
        right = latent < limit
        yield Runs(100 * right.mean(3), 100 * right.mean(2, dtype=np.float64))


def tested(runs: Runs) -> Estimate:
    """The estimate of :mod:`mmda_bench.statistics` for every method of every table: (S, M)."""
    (_, _, utterances), seeds = runs.by_utterance.shape, runs.by_seed.shape[2]
    drawn, between = runs.by_utterance.var(2) / utterances, runs.by_seed.var(2, ddof=1)
    return estimate(runs.by_seed.mean(2), drawn, between, utterances=utterances, seeds=seeds)


def normal(runs: Runs) -> Estimate:
    """With quantiles of the normal distribution in place of t: the error of few seeds is taken for known."""
    return Estimate(*(getattr(tested(runs), part) for part in ("mean", "error")), df=np.float64(1e9))


def over_seeds(runs: Runs) -> Estimate:
    """The t test over the K scores, as if runs on the same utterances were independent."""
    seeds = runs.by_seed.shape[2]
    error = np.sqrt(runs.by_seed.var(2, ddof=1) / seeds)
    return Estimate(runs.by_seed.mean(2), error, np.full(error.shape, seeds - 1.0))


Test = Callable[[Runs], Estimate]
TESTS: Mapping[str, Test] = {"t, Satterthwaite": tested, "normal deviate": normal, "t over seeds alone": over_seeds}


def called_different(simulations: int, test: Test, *, gap: float = 0.0, **options: float) -> float:
    """Share of comparisons of two methods, ``gap`` points apart, with p below 5 %."""
    pair = (ACCURACY + gap / 200, ACCURACY - gap / 200)
    found = [test(r.method(0) - r.method(1)).p_value for r in simulate(simulations, accuracies=pair, **options)]
    return float(np.mean(np.concatenate(found) < ALPHA))


def covered(simulations: int, *, gap: float = 0.0, of_difference: bool = True, **options: float) -> float:
    """Share of 95 % intervals, of a difference or of one method's score, that hold the true value."""
    pair = (ACCURACY + gap / 200, ACCURACY - gap / 200)
    truth = gap if of_difference else 100 * pair[0]
    inside = []
    for runs in simulate(simulations, accuracies=pair, **options):
        low, high = tested(runs.method(0) - runs.method(1) if of_difference else runs.method(0)).interval()
        inside.append((low <= truth) & (truth <= high))
    return float(np.mean(np.concatenate(inside)))


def somebody_left_out(simulations: int, test: Test, **options: float) -> float:
    """Share of tables of ten equal methods in which at least one of them is not in bold.

    That is so when the smallest p of the comparisons with the best is below 5 % / 9, Holm's first step.
    """
    left_out = []
    for runs in simulate(simulations, accuracies=(ACCURACY,) * FAMILY, **options):
        left_out.append(test(runs - runs.best()).p_value.min(1) < ALPHA / (FAMILY - 1))
    return float(np.mean(np.concatenate(left_out)))


def some_pair_called_different(simulations: int, test: Test, **options: float) -> float:
    """Share of tables of ten equal methods in which Holm over all pairs calls some pair different: a wrong rank.

    That is so when the smallest p of all pairs is below 5 % / 45, Holm's first step.
    """
    wrong = []
    for runs in simulate(simulations, accuracies=(ACCURACY,) * FAMILY, **options):
        smallest = [test(runs - runs.method(which)).p_value.min(1) for which in range(FAMILY)]
        wrong.append(np.min(smallest, 0) < ALPHA / (FAMILY * (FAMILY - 1) / 2))
    return float(np.mean(np.concatenate(wrong)))


def table(title: str, cell: Callable[..., float]) -> str:
    """Percent by numbers of seeds (rows) and spreads (columns), in Markdown. ``cell(seeds=, spread=)`` in [0, 1]."""
    rows = [[seeds, *(f"{100 * cell(seeds=seeds, spread=s):.1f}" for s in SPREADS)] for seeds in SEEDS]
    head = ["seeds", *(f"spread {s}" for s in SPREADS)]
    return f"{title}\n\n{tabulate(rows, head, 'pipe', disable_numparse=True, colalign=['right'] * len(head))}"


def report(simulations: int) -> str:
    """All tables as one Markdown document."""

    def by_test(measure: Callable[..., float], tests: Mapping[str, Test], **options: float) -> list[str]:
        return [table(f"**{name}**", partial(measure, simulations, test, **options)) for name, test in tests.items()]

    two = {name: TESTS[name] for name in ("t, Satterthwaite", "normal deviate")}
    error = 100 * (ALPHA * (1 - ALPHA) / simulations) ** 0.5
    parts = [
        "# What the tests of the leaderboard promise, by simulation",
        f"Made by `python -m tests.benchmarks.simulate_tests --simulations {simulations}`. Percent of "
        f"{simulations:,} simulated comparisons (tables, for ten methods) on {UTTERANCES} utterances, accuracy "
        f"{100 * ACCURACY:.0f} %; a number near 5 is known to ±{error:.1f} (one standard error). Spread: standard "
        "deviation of a method's accuracy over its seeds, in points. The leaderboard uses the t test with "
        "Satterthwaite's degrees of freedom; the others are shown to say why.",
        "## Two equal methods: how often they are called different at 5 %",
        *by_test(called_different, TESTS),
        "## 95 % intervals: how often they hold the true value",
        table(f"**of a difference of {GAP} points**", partial(covered, simulations, gap=GAP)),
        table("**of the score of one method**", partial(covered, simulations, of_difference=False)),
        f"## {FAMILY} equal methods: how often at least one of them is left out of the bold set",
        *by_test(somebody_left_out, two),
        f"## {FAMILY} equal methods: how often the tests of all pairs put some method above another",
        *by_test(some_pair_called_different, two),
        f"## Two methods {GAP} points apart: how often they are called different at 5 %",
        *by_test(called_different, two, gap=GAP),
    ]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(description="Levels, coverage and power of the leaderboard's tests.")
    parser.add_argument("--simulations", type=int, default=2000, help="of each number, for example 2000")
    parser.add_argument("--out", type=Path, help="a file to write the tables to, for example results/simulation.md")
    asked = parser.parse_args()
    text = report(asked.simulations)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
