"""Equal budgets, streams that do not touch each other, a guarded choice, and curves that equal plain enumeration."""

import doctest
import importlib
import math
from dataclasses import replace
from itertools import combinations, pairwise
from statistics import mean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmda_bench import selection
from mmda_bench.registry import METHODS, Choice, Entry, LogUniform, Uniform, UsageError, register_method
from mmda_bench.selection import (
    Outcome,
    Setting,
    admits,
    at,
    best_first,
    choose,
    default_validator,
    draws,
    expected_best,
    judge,
    own_validators,
    rank_sum,
    ranked,
    regret,
    scores_of,
    spearman,
    trials,
)

few = settings(max_examples=15, deadline=None)
numbers = st.floats(0, 1).map(lambda x: round(x, 2))  # coarse, so that there are equals
maybe = st.one_of(st.none(), numbers)
runs = st.lists(st.tuples(maybe, maybe), min_size=1, max_size=7).map(
    lambda rows: [list(column) for column in zip(*rows, strict=True)]
)


def entry(space=None, parameters=None, **facts):
    return Entry("mine", "methods", "a test", "", "", facts, parameters or {}, space or {})


SPACE = {"weight": LogUniform(0.1, 10.0), "hidden": Choice((128, 256)), "layers": Uniform(1, 4)}
DEFAULTS = {"weight": 1.0, "hidden": 256, "layers": 2, "align_on": "joint"}


@pytest.mark.parametrize("name", METHODS.names())
def test_trial_0_is_the_published_setting_and_every_method_has_the_same_number(name):
    found = trials(METHODS.entry(name))
    assert found[0] == Setting(params=METHODS.entry(name).settings(), rate=1.0, pretrained_rate=1.0)
    assert len(found) == 16
    assert len({(one.rate, one.pretrained_rate) for one in found}) == 16, "the two rates are searched for all, DT too"


def test_a_parameter_more_or_a_trial_more_moves_no_other_draw():
    fewer, more = (
        trials(entry(SPACE, DEFAULTS), 9),
        trials(entry({"new": Uniform(0, 1), **SPACE}, {**DEFAULTS, "new": 0.5}), 20),
    )
    for one, other in zip(fewer, more, strict=False):
        assert (one.rate, one.pretrained_rate) == (other.rate, other.pretrained_rate)
        assert one.params == {name: value for name, value in other.params.items() if name != "new"}


def test_streams_differ_by_method_parameter_study_and_from_the_rates():
    streams = [
        draws("own", "a", "weight", count=8),
        draws("own", "b", "weight", count=8),
        draws("own", "a", "rate", count=8),
        draws("common", "a", "rate", count=8),
        draws("own", "a", "weight", count=8, study=1),
    ]
    assert len({tuple(stream) for stream in streams}) == len(streams)
    drawn = trials(entry({"rate": LogUniform(0.3, 3.0)}, {"rate": 1.0}), 8)[1:]
    assert all(one.params["rate"] != one.rate for one in drawn), "a method's own rate is not the optimiser's"
    assert trials(entry(SPACE, DEFAULTS), 4, study=1)[1:] != trials(entry(SPACE, DEFAULTS), 4)[1:]
    assert trials(entry(SPACE, DEFAULTS), 4, study=1) == trials(entry(SPACE, DEFAULTS), 4, study=1)


@given(seed=st.integers(0, 10_000), power=st.integers(0, 5))
@few
def test_a_stream_fills_its_range_evenly(seed, power):
    points = draws("stream", seed, count=2**power)
    assert sorted((points * 2**power).astype(int)) == list(range(2**power))


def test_two_parameters_are_tried_high_and_low_in_all_combinations():
    """Plain one-dimensional Sobol streams always leave two of the four out."""
    high = [draws("own", "mine", name, count=15) > 0.5 for name in range(20)]
    seen = [len(set(zip(a.tolist(), b.tolist(), strict=True))) for a, b in combinations(high, 2)]
    assert mean(seen) > 3.9


@given(low=st.floats(0.01, 10), factor=st.floats(1.01, 1e4), point=st.floats(0, 1, exclude_max=True))
@few
def test_a_range_is_kept_and_a_whole_number_stays_one(low, factor, point):
    high = low * factor
    for space in (Uniform(low, high), LogUniform(low, high)):
        value = at(space, point, 1.0)
        assert low <= value <= high
        assert value == pytest.approx(float(f"{value:.3g}"), rel=5e-3)
        assert isinstance(at(Uniform(1, 9), point, 3), int)
    assert at(LogUniform(low, high), 0.5, 1.0) == pytest.approx(math.sqrt(low * high), rel=1e-3)
    assert at(Uniform(low, high), 0.5, 1.0) == pytest.approx((low + high) / 2, rel=1e-3)


def test_choices_are_tried_equally_often_and_the_types_are_those_of_the_defaults():
    found = [one.params for one in trials(entry(SPACE, DEFAULTS), 17)[1:]]
    assert sorted(one["hidden"] for one in found) == [128] * 8 + [256] * 8
    assert {type(one["layers"]) for one in found} == {int}
    assert {one["align_on"] for one in found} == {"joint"}
    assert sum(one["weight"] < 1 for one in found) == 8
    rates = [one.rate for one in trials(entry(), 17)[1:]]
    assert 0.3 <= min(rates) < 0.4 < 2.5 < max(rates) <= 3
    assert sum(rate < math.sqrt(0.9) for rate in rates) == 8


def test_what_makes_a_variant_is_not_searched():
    assert {one.params["gamma2"] for one in trials(METHODS.entry("fdd-kl"), 8)} == {0.0}
    assert len({one.params["gamma2"] for one in trials(METHODS.entry("fdd"), 8)}) == 8


def test_what_cannot_be_tried_is_said():
    with pytest.raises(UsageError, match="0 trials: expected at least 1"):
        trials(entry(), 0)
    with pytest.raises(
        UsageError, match=r"mine has a range for 'weight', which is none of its .*mmda-bench check mine"
    ):
        trials(entry(SPACE), 2)
    with pytest.raises(UsageError, match="'high' is no range"):
        at("high", 0.5, 1.0)


def slow_choice(scores, source_f1, guard=0.05):
    """The trial itself, by going through them one after the other."""
    standard = source_f1[0]
    if standard is None:
        known = [value for value in source_f1 if value is not None]
        standard = median(known) if known else None
    best = None
    for i, (score, f1) in enumerate(zip(scores, source_f1, strict=True)):
        if score is None or f1 is None or f1 < standard - guard - 1e-9:
            continue
        if best is None or score > scores[best]:
            best = i
    return best


@given(runs)
@few
def test_the_choice_is_the_best_admitted_trial(run):
    assert choose(*run) == slow_choice(*run)


def test_the_guard_holds_off_a_trial_that_forgot_the_source():
    scores, source_f1 = [0.2, 0.9, 0.5], [0.8, 0.74, 0.75]
    assert choose(scores, source_f1) == 2
    assert choose(scores, source_f1, guard=0.1) == 1
    assert ranked(scores, source_f1) == [2, 0, 1]


def test_a_failed_trial_is_never_chosen_and_counts():
    scores, source_f1, values = [0.2, None, 0.5, math.nan], [0.8, None, 0.8, 0.8], [0.6, None, 0.8, 0.9]
    assert choose(scores, source_f1) == 2
    assert choose([None, None], [None, None]) is None
    assert choose([math.nan, 0.1], [0.8, 0.1]) is None, "all that is left forgot the source"
    order = ranked(scores, source_f1)
    assert expected_best(values, 1, order=order) == pytest.approx((0.6 + 0.8) / 4), "two of four trials are spent"
    assert admits([None, 0.5, 0.6, 0.9]) == [False, False, True, True]
    with pytest.raises(UsageError, match="2 scores and 1 source F1"):
        choose([1, 2], [1])


@given(runs)
@few
def test_the_curve_of_a_choice_equals_all_subsets(run):
    """The guard is that of the whole study, as trial 0 is the published setting whatever else is drawn."""
    values, scores = run
    order = ranked(scores, [value if value is None else 0.9 for value in scores])
    for k in range(1, len(values) + 1):
        taken = [next((i for i in order if i in subset), None) for subset in combinations(range(len(values)), k)]
        assert expected_best(values, k, order=order) == pytest.approx(
            mean(0 if i is None else values[i] or 0 for i in taken)
        )


@given(st.lists(maybe, min_size=1, max_size=7))
@few
def test_the_curve_of_the_oracle_equals_all_subsets_and_rises_to_the_best(values):
    worth = [value or 0.0 for value in values]
    curve = [expected_best(values, k) for k in range(1, len(values) + 1)]
    slow = [mean(max(subset) for subset in combinations(worth, k)) for k in range(1, len(values) + 1)]
    assert curve == pytest.approx(slow)
    assert curve[-1] == max(worth)
    assert all(a <= b + 1e-12 for a, b in pairwise(curve))


@pytest.mark.parametrize("k", [0, 3])
def test_there_is_no_best_of_more_trials_than_there_are(k):
    with pytest.raises(UsageError, match=f"best of {k}: expected 1 to 2"):
        expected_best([1.0, 2.0], k)


def test_regret_is_what_the_oracle_would_have_had_more():
    assert regret([0.5, None, 0.9], 0) == pytest.approx(0.4)
    assert regret([0.5, None, 0.9], 2) == 0
    assert regret([0.5, None, 0.9], None) == 0.9
    with pytest.raises(UsageError, match="nothing to regret"):
        regret([None], None)


def slow_ranks(values):
    return [sum(v < value for v in values) + (1 + sum(v == value for v in values)) / 2 for value in values]


@given(runs)
@few
def test_a_rank_sum_is_the_sum_of_ranks(run):
    complete = [i for i in range(len(run[0])) if None not in (run[0][i], run[1][i])]
    ranks = [slow_ranks([one[i] for i in complete]) for one in run]
    expected = dict(zip(complete, map(sum, zip(*ranks, strict=True)), strict=True))
    assert rank_sum(*run) == [expected.get(i) for i in range(len(run[0]))]
    assert scores_of("bnm+ensv", {"bnm": run[0], "ensv": run[1]}) == rank_sum(*run)


def test_a_validator_without_scores_is_said():
    with pytest.raises(UsageError, match=r"bnm\+ensv: there are no scores of ensv; there are bnm"):
        scores_of("bnm+ensv", {"bnm": [1.0]})


@given(runs)
@few
def test_spearman_is_the_correlation_of_ranks(run):
    pairs = [(s, v) for s, v in zip(*run, strict=True) if s is not None and v is not None]
    x, y = (slow_ranks([pair[j] for pair in pairs]) for j in (0, 1))
    if len(pairs) < 3 or len(set(y)) == 1:
        assert spearman(*run) is None
    elif len(set(x)) == 1:
        assert spearman(*run) == 0
    else:
        assert spearman(*run) == pytest.approx(np.corrcoef(x, y)[0, 1])


def outcome(method, target_f1, **scores):
    return Outcome(method=method, target_f1=target_f1, source_f1=[0.9] * len(target_f1), scores=scores)


OUTCOMES = [
    outcome("dann", [0.6, 0.8, 0.7], im=[1.0, 3.0, 2.0], bnm=[3.0, 2.0, 1.0]),
    outcome("mada", [0.6, 0.8, 0.7], im=[1.0, 2.0, 3.0], bnm=[1.0, 3.0, 2.0]),
    outcome("im", [0.2, 0.9, 0.8], im=[3.0, 2.0, 1.0], bnm=[1.0, 2.0, 3.0]),
    outcome("dt", [None, None, None], im=[None] * 3, bnm=[None] * 3),
]


def test_a_validator_is_judged_without_the_methods_whose_loss_it_is():
    im = judge("im", OUTCOMES, own={"im": {"im"}})
    assert (im.outcomes, im.worst, im.regret, im.spearman) == pytest.approx((2, 0.1, 0.05, 0.75))
    bnm = judge("bnm", OUTCOMES, own={"im": {"im"}})
    assert (bnm.outcomes, bnm.worst, bnm.regret) == pytest.approx((3, 0.2, 0.1))
    assert judge("im", OUTCOMES, own={}).worst == pytest.approx(0.7)
    assert [one.validator for one in best_first([bnm, im])] == ["im", "bnm"], "the least worst regret first"
    with pytest.raises(UsageError, match="nothing to judge it by"):
        judge("im", OUTCOMES[2:], own={"im": {"im"}})


def test_the_guard_is_part_of_the_judgement():
    forgot = replace(OUTCOMES[0], source_f1=[0.9, 0.1, 0.9])
    assert judge("im", [forgot], own={}).worst == pytest.approx(0.1)
    assert judge("im", [forgot], own={}, guard=1.0).worst == 0


@pytest.mark.parametrize(
    ("method", "facts", "expected"),
    [
        ("dann", {}, "bnm"),
        ("bnm", {}, "im"),
        ("im", {}, "bnm"),
        ("cdan+mcc", {}, "bnm"),
        ("cdan+bnm", {}, "im"),
        ("shot", {"own_validators": ("im", "bnm")}, "ensv"),
    ],
)
def test_a_loss_never_chooses_its_own_settings(method, facts, expected):
    one = replace(entry(**facts), name=method)
    assert default_validator(one) == expected
    assert default_validator(one, ["bnm+ensv", "im+bnm", expected]) == (
        "bnm+ensv" if method in ("dann", "im", "cdan+mcc") else expected
    )


def test_a_method_says_which_validators_are_its_own():
    @register_method("shot", title="SHOT", paper="none", own_validators=("im",))
    class Shot: ...

    facts = Shot.__mmda_registered__["shot"][1]
    assert own_validators(entry(**facts)) == {"im"}
    with pytest.raises(UsageError, match="all of im are its own loss; name another with --select"):
        default_validator(entry(**facts), ["im"])


@pytest.mark.parametrize("name", ["budget", "choice", "experiment"])
def test_the_examples_run(name):
    result = doctest.testmod(importlib.import_module(f"{selection.__name__}.{name}"))
    assert result.attempted
    assert not result.failed
