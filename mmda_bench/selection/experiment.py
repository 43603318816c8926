"""Which validator is the default: how validators are judged where the target labels are known, and who may not use one.

The judgement is made once, on a development draw, before the corpora that are reported.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mmda_bench.registry import VALIDATORS, Entry, UsageError
from mmda_bench.selection.choice import GUARD, Numbers, choose, regret, scores_of, spearman

CANDIDATES = ("bnm", "im", "ensv", "bnm+ensv")  # for the default: the first that is not a method's own loss


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The trials of one method in one scenario of one study, once the target labels are known. ``target_f1``,
    ``source_f1``: weighted F1 in [0, 1] on target test and source validation; ``scores``: by validator."""

    method: str
    target_f1: Numbers
    source_f1: Numbers
    scores: Mapping[str, Numbers]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How well a validator chose within methods. ``regret``: the mean, ``worst``: the greatest; ``spearman``: the mean
    rank correlation; ``outcomes``: over how many methods and scenarios."""

    validator: str
    regret: float
    worst: float
    spearman: float | None
    outcomes: int


def judge(
    validator: str, outcomes: Sequence[Outcome], *, own: Mapping[str, Collection[str]], guard: float = GUARD
) -> Judgement:
    """A validator's regret and rank correlation over ``outcomes``, without the methods whose own loss it is.

    ``own``: validators by method, see :func:`own_validators`. A scenario in which every trial failed is left out.

    Raises :class:`UsageError` where no outcome is left to judge it by.

    >>> one = Outcome(method="dt", target_f1=[0.6, 0.8, 0.7], source_f1=[0.9] * 3, scores={"im": [1.0, 2.0, 3.0]})
    >>> judgement = judge("im", [one], own={})
    >>> round(judgement.worst, 3), judgement.spearman, judgement.outcomes
    (0.1, 0.5, 1)
    """
    regrets, correlations = [], []
    for outcome in outcomes:
        if is_own(validator, own.get(outcome.method, ())) or all(value is None for value in outcome.target_f1):
            continue
        scores = scores_of(validator, outcome.scores)
        regrets.append(regret(outcome.target_f1, choose(scores, outcome.source_f1, guard)))
        correlations.append(spearman(scores, outcome.target_f1))
    if not regrets:
        raise UsageError(f"validator {validator}: no outcome of a method whose loss it is not; nothing to judge it by")
    known = [value for value in correlations if value is not None]
    return Judgement(
        validator=validator,
        regret=math.fsum(regrets) / len(regrets),
        worst=max(regrets),
        spearman=math.fsum(known) / len(known) if known else None,
        outcomes=len(regrets),
    )


def best_first(judgements: Sequence[Judgement]) -> list[Judgement]:
    """By the worst regret, then by the mean, then by name: the rule by which the order of the defaults is found."""
    return sorted(judgements, key=lambda one: (one.worst, one.regret, one.validator))


def own_validators(entry: Entry) -> frozenset[str]:
    """The validators that compute a loss of this method: those that it declares, and those it has its name from.

    >>> from mmda_bench.registry import METHODS
    >>> own_validators(METHODS.entry("dann"))
    frozenset()
    """
    named = {part for part in entry.name.split("+") if part in VALIDATORS.entries()}
    return frozenset(named) | frozenset(entry.facts.get("own_validators", ()))


def is_own(validator: str, own: Collection[str]) -> bool:
    """Whether a validator, or a part of a rank sum, is among ``own``.

    >>> is_own("bnm+ensv", {"bnm"}), is_own("ensv", {"bnm"})
    (True, False)
    """
    return validator in own or any(part in own for part in validator.split("+"))


def default_validator(entry: Entry, order: Sequence[str] = CANDIDATES) -> str:
    """The first validator of ``order`` that is not the method's own loss: a loss must not choose its own settings.

    It depends on the method alone, so that adding a method moves nobody's choice. Raises :class:`UsageError` where
    every one of them is its own.

    Raises :class:`UsageError` where all validators are its own loss.

    >>> from mmda_bench.registry import METHODS
    >>> default_validator(METHODS.entry("dann"), ("im", "bnm"))
    'im'
    """
    own = own_validators(entry)
    for validator in order:
        if not is_own(validator, own):
            return validator
    raise UsageError(f"method {entry.name}: all of {', '.join(order)} are its own loss; name another with --select")
