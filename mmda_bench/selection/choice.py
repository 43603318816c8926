"""Which trial is taken, by scores that know no target label, and what that costs.

Lists have one item per trial, in the order of the trials. A trial that failed or diverged has ``None`` in place of its
numbers: it is never chosen, and it is spent.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata, spearmanr

from mmda_bench.registry import UsageError

GUARD = 0.05  # of source-validation F1 in [0, 1], below that of the published setting
TIE = 1e-9  # what two ways of adding the same numbers may differ by

Numbers = Sequence[float | None]


def choose(scores: Numbers, source_f1: Numbers, guard: float = GUARD) -> int | None:
    """The trial with the best score among those that the guard admits, of equals the earliest; None if there is none.

    ``scores``: of a validator. ``source_f1``: weighted F1 on source validation, in [0, 1].

    >>> choose([0.1, 0.9, 0.5, None], [0.8, 0.7, 0.78, None])
    2
    """
    order, admitted = ranked(scores, source_f1, guard), admits(source_f1, guard)
    return order[0] if order and admitted[order[0]] else None


def admits(source_f1: Numbers, guard: float = GUARD) -> list[bool]:
    """Which trials have a source-validation F1 that is not more than ``guard`` below that of trial 0.

    If trial 0 itself failed, the median of the others stands for it [ours].

    >>> admits([0.8, 0.75, 0.7, None])
    [True, True, False, False]
    """
    known = [value for value in source_f1 if value is not None and math.isfinite(value)]
    if not known:
        return [False] * len(source_f1)
    first = source_f1[0]
    standard = first if first is not None and math.isfinite(first) else float(np.median(known))
    return [value is not None and value >= standard - guard - TIE for value in source_f1]


def ranked(scores: Numbers, source_f1: Numbers, guard: float = GUARD) -> list[int]:
    """The trials that have a finite score, best first: those that the guard admits before the others.

    Raises :class:`UsageError` for lists of different lengths.

    >>> ranked([0.1, 0.9, 0.5, None], [0.8, 0.7, 0.78, None])
    [2, 0, 1]
    """
    if len(scores) != len(source_f1):
        raise UsageError(f"{len(scores)} scores and {len(source_f1)} source F1: expected one of each for every trial")
    admitted = admits(source_f1, guard)
    scored = [
        (not admitted[i], -value, i) for i, value in enumerate(scores) if value is not None and math.isfinite(value)
    ]
    return [i for _, _, i in sorted(scored)]


def rank_sum(*scores: Numbers) -> list[float | None]:
    """The sum of the ranks of every trial by several validators, the best rank the highest; equals share a rank.

    A trial that lacks one of the scores has None, and takes part in no ranking.

    >>> rank_sum([1.0, 2.0, 3.0], [5.0, 9.0, None])
    [2.0, 4.0, None]
    """
    usable = [all(v is not None and math.isfinite(v) for v in row) for row in zip(*scores, strict=True)]
    kept = [[v for v, keep in zip(one, usable, strict=True) if keep] for one in scores]
    sums = iter(np.sum([rankdata(one) for one in kept], axis=0).tolist() if any(usable) else [])
    return [float(next(sums)) if keep else None for keep in usable]


def scores_of(validator: str, table: Mapping[str, Numbers]) -> Numbers:
    """The scores of a validator, from the scores by name; ``"bnm+ensv"`` is the rank sum of the two.

    Raises :class:`UsageError` for a name without scores.

    >>> scores_of("bnm+ensv", {"bnm": [0.1, 0.2], "ensv": [0.5, 0.5]})
    [2.5, 3.5]
    """
    if validator in table:
        return table[validator]
    lacking = [part for part in validator.split("+") if part not in table]
    if lacking:
        raise UsageError(
            f"validator {validator}: there are no scores of {', '.join(lacking)}; there are {', '.join(table)}"
        )
    return rank_sum(*(table[part] for part in validator.split("+")))


def regret(values: Numbers, chosen: int | None) -> float:
    """How far the chosen trial is below the best one, in the units of ``values`` (target F1). No choice is worth 0.

    Raises :class:`UsageError` where no trial has a value.

    >>> regret([60.0, 80.0, None], 0)
    20.0
    """
    known = [value for value in values if value is not None]
    if not known:
        raise UsageError("no trial has a value: there is nothing to regret")
    taken = None if chosen is None else values[chosen]
    return max(known) - (0.0 if taken is None else taken)


def expected_best(values: Numbers, k: int, *, order: Sequence[int] | None = None) -> float:
    """The expected value of the trial that is taken out of ``k`` of the n trials, drawn without replacement; exact.

    ``order``: the trials by preference, as of :func:`ranked`; without it the best value is taken: the curve of an
    oracle. Trial order[r] is taken in C(n − 1 − r, k − 1) of the C(n, k) subsets. A subset in which nothing can be
    taken, since all its trials failed, is worth 0 [ours].

    Raises :class:`UsageError` for a ``k`` that is not from 1 to n.

    >>> expected_best([1.0, 2.0, 3.0], 2)  # of {1, 2}, {1, 3} and {2, 3}: 2, 3 and 3
    2.6666666666666665
    >>> expected_best([1.0, 2.0, 3.0], 3, order=[0, 1, 2])
    1.0
    """
    n = len(values)
    if not 1 <= k <= n:
        raise UsageError(f"the best of {k}: expected 1 to {n}, the number of trials")
    if order is None:
        order = sorted((i for i in range(n) if values[i] is not None), key=lambda i: -(values[i] or 0.0))
    taken = [(values[i] or 0.0) * math.comb(n - 1 - rank, k - 1) for rank, i in enumerate(order)]
    return math.fsum(taken) / math.comb(n, k)


def spearman(scores: Numbers, values: Numbers) -> float | None:
    """Rank correlation over the trials that have both, in [−1, 1]; 0 where all scores are equal, as they order nothing.

    None where it says nothing of the validator: fewer than three trials, or equal values.

    >>> spearman([0.1, 0.2, 0.3], [60.0, 70.0, 80.0])
    1.0
    """
    pairs = [
        (s, v) for s, v in zip(scores, values, strict=True) if s is not None and v is not None and math.isfinite(s)
    ]
    if len(pairs) < 3 or len({v for _, v in pairs}) == 1:
        return None
    if len({s for s, _ in pairs}) == 1:
        return 0.0
    return float(spearmanr(*zip(*pairs, strict=True)).statistic)
