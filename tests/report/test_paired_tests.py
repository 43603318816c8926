"""The tests of significance, against slow loops with the same draws, and by simulation of what they promise."""

import numpy as np
import pytest
import slow_f1
from hypothesis import given
from hypothesis.strategies import floats, integers
from scipy import stats
from sklearn.metrics import f1_score

from mmda_bench.report import paired_tests as st

CLASSES = 4


def answers(rng, labels, accuracy, seeds=1):
    """Predicted classes (seeds, N) of a model that errs independently at every utterance, to any other class."""
    wrong = (labels + rng.integers(1, CLASSES, (seeds, len(labels)))) % CLASSES
    return np.where(rng.random((seeds, len(labels))) < accuracy, labels, wrong)


def samples(labels, models, *, draws, names=("test",)):
    """A sample per model from predicted classes (K, N)."""
    scores = st.resampled_f1(labels, np.concatenate(models), classes=CLASSES, names=names, draws=draws)
    ones = np.ones((1, len(labels)))
    parts = np.split(scores, np.cumsum([len(m) for m in models])[:-1], axis=1)
    return [
        st.Sample(st.weighted_f1(labels, m, ones, classes=CLASSES)[0], part.mean(1), len(labels))
        for m, part in zip(models, parts, strict=True)
    ]


def sklearn_f1(labels, predicted):
    return f1_score(labels, predicted, labels=range(CLASSES), average="weighted", zero_division=0)


def counted_f1(labels, predicted):
    return slow_f1.weighted_f1(labels, predicted, classes=CLASSES)


def slow_draws(labels, model, rows, score=counted_f1):
    return np.array([[score(labels[row], seed[row]) for seed in model] for row in rows])


def slow_estimate(values, draws, utterances):
    """Mean, its error and its degrees of freedom, term by term; ``draws``: a list per resample, a number per seed."""
    seeds = len(values)
    means = [sum(row) / seeds for row in draws]
    centre = sum(means) / len(means)
    by_utterances = sum((m - centre) ** 2 for m in means) / (len(means) - 1)
    mean = sum(values) / seeds
    if seeds == 1:
        return mean, by_utterances**0.5, utterances - 1
    by_seeds = sum((v - mean) ** 2 for v in values) / (seeds - 1) / seeds
    total = by_utterances + by_seeds
    df = total**2 / (by_utterances**2 / (utterances - 1) + by_seeds**2 / (seeds - 1))
    return mean, total**0.5, df


def slow_interval(mean, error, df):
    return stats.t.interval(0.95, df, loc=mean, scale=error)


def slow_p(mean, error, df):
    return 2 * stats.t.sf(abs(mean) / error, df)


def holm_rejects(p_values, level):
    """Holm's procedure as published: step down until one is not rejected."""
    rejected = set()
    for step, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > level / (len(p_values) - step):
            break
        rejected.add(index)
    return rejected


@pytest.fixture(scope="module")
def hand_made():
    """Labels and the predictions of four methods with three seeds: two good ones, one weak, one unstable."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, CLASSES, 60)
    models = [answers(rng, labels, accuracy, 3) for accuracy in (0.8, 0.78, 0.45)]
    models.append(np.concatenate([answers(rng, labels, accuracy) for accuracy in (0.3, 0.6, 0.9)]))
    return labels, dict(zip("abcd", models, strict=True))


def test_weighted_f1_of_every_draw_is_that_of_scikit_learn_on_the_drawn_utterances(hand_made):
    labels, models = hand_made
    rows = st.resamples(len(labels), names=["test"], draws=10)
    stacked = np.concatenate(list(models.values()))
    fast = st.resampled_f1(labels, stacked, classes=CLASSES, names=["test"], draws=10)
    np.testing.assert_allclose(fast, slow_draws(labels, stacked, rows, sklearn_f1), rtol=1e-6)
    np.testing.assert_allclose(fast, slow_draws(labels, stacked, rows), rtol=1e-6)


def test_a_class_that_is_nowhere_counts_as_scikit_learn_counts_it():
    labels, predicted = np.array([0, 0, 1]), np.array([[0, 2, 2], [3, 3, 3]])
    fast = st.weighted_f1(labels, predicted, np.ones((1, 3)), classes=5)[0]
    np.testing.assert_allclose(fast, [sklearn_f1(labels, one) for one in predicted])
    np.testing.assert_allclose(fast, [counted_f1(labels, one) for one in predicted])


def test_intervals_p_values_and_the_bold_set_equal_a_slow_computation(hand_made):
    labels, models = hand_made
    draws, size = 40, len(labels)
    rows = st.resamples(size, names=["test"], draws=draws)
    values = {name: np.array([counted_f1(labels, seed) for seed in model]) for name, model in models.items()}
    drawn = {name: slow_draws(labels, model, rows) for name, model in models.items()}
    fast = dict(zip(models, samples(labels, list(models.values()), draws=draws), strict=True))
    for name in models:
        slow = slow_estimate(values[name], drawn[name], size)
        np.testing.assert_allclose(st.interval(fast[name]), slow_interval(*slow), rtol=1e-5)

    best, found = st.from_the_best(fast)
    assert best == max(values, key=lambda name: values[name].mean())
    others = [name for name in models if name != best]
    slow = {n: slow_estimate(values[n] - values[best], drawn[n] - drawn[best], size) for n in others}
    p_values = [slow_p(*slow[n]) for n in others]
    for name, p in zip(others, p_values, strict=True):
        limits = slow_interval(*slow[name])
        np.testing.assert_allclose([found[name].low, found[name].high], limits, rtol=1e-4, atol=1e-6)
        assert found[name].p == pytest.approx(p, rel=1e-4)
    for level in (0.01, 0.03, 0.05, 0.2, 0.5):
        rejected = {others[i] for i in holm_rejects(p_values, level)}
        assert {name for name in others if found[name].adjusted <= level} == rejected
    bold = {best} | {name for name in others if not found[name].significant}
    assert bold == set(models) - {others[i] for i in holm_rejects(p_values, st.ALPHA)}
    assert best in "ab"
    assert "c" not in bold, "the weak one is out"
    assert "d" in bold, "the unstable one cannot be told from the best"


@given(
    mean=floats(-50, 50), by_utterances=floats(1e-3, 100), by_seeds=floats(0, 400),
    seeds=integers(2, 12), utterances=integers(20, 2000),
)  # fmt: skip
def test_the_degrees_of_freedom_lie_between_those_of_their_parts(mean, by_utterances, by_seeds, seeds, utterances):
    one = st.estimate(mean, by_utterances, by_seeds, utterances=utterances, seeds=seeds)
    parts = sorted((seeds - 1, utterances - 1))
    assert parts[0] * (1 - 1e-9) <= one.df <= (parts[0] + parts[1]) * (1 + 1e-9)
    assert one.error == pytest.approx((by_utterances + by_seeds / seeds) ** 0.5)
    low, high = one.interval()
    assert (one.p_value < 0.05) == (low > 0 or high < 0) or abs(one.p_value - 0.05) < 1e-6


def test_of_a_variance_of_the_seeds_alone_it_is_the_t_test_over_seeds():
    values = np.array([1.0, 2.0, 4.5, 3.0])
    found = st.p_value(st.Sample(values, np.full(10, values.mean()), 750))
    assert found == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_one_seed_leaves_the_utterances_alone():
    rng = np.random.default_rng(0)
    draws = rng.normal(0.02, 0.01, 400)
    found = st.estimate_of(st.Sample(np.array([0.02]), draws, 750))
    assert (found.error, found.df) == (pytest.approx(draws.std(ddof=1)), pytest.approx(749))


def test_all_pairs_are_one_family(hand_made):
    labels, models = hand_made
    fast = dict(zip(models, samples(labels, list(models.values()), draws=200), strict=True))
    found = st.all_pairs(fast)
    assert list(found) == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert [d.adjusted for d in found.values()] == st.holm([d.p for d in found.values()])
    assert found["a", "c"].mean == pytest.approx(fast["a"].values.mean() - fast["c"].values.mean())


def test_draws_depend_on_their_names_alone_and_not_on_what_else_is_compared(hand_made):
    labels, models = hand_made
    alone = st.resampled_f1(labels, models["a"], classes=CLASSES, names=["x"], draws=30)
    among = st.resampled_f1(labels, np.concatenate([models["c"], models["a"]]), classes=CLASSES, names=["x"], draws=30)
    np.testing.assert_array_equal(alone, among[:, 3:])
    assert not np.array_equal(alone, st.resampled_f1(labels, models["a"], classes=CLASSES, names=["y"], draws=30))


@given(integers(0, 10_000), integers(1, 6))
def test_the_difference_of_two_methods_is_exactly_the_mirror_image_of_that_the_other_way_round(number, seeds):
    rng = np.random.default_rng(number)
    a, b = (st.Sample(rng.normal(0.5, 0.05, seeds), rng.normal(0.5, 0.02, 300), 750) for _ in range(2))
    there, back = (st.differences([one])[0] for one in (a - b, b - a))
    assert (there.mean, there.low, there.high, there.p) == (-back.mean, -back.high, -back.low, back.p)


def test_the_average_column_is_averaged_within_seeds_and_draws():
    rng = np.random.default_rng(0)
    parts = [st.Sample(rng.random(3), rng.random(50), 750) for _ in range(3)]
    joint = st.average(parts)
    assert joint.values.tolist() == pytest.approx([sum(p.values[k] for p in parts) / 3 for k in range(3)])
    assert joint.draws[7] == pytest.approx(sum(p.draws[7] for p in parts) / 3)
    assert joint.utterances == 750


def test_what_has_fewer_seeds_is_averaged_before_the_difference():
    rng = np.random.default_rng(0)
    two, three = (st.Sample(rng.random(k), rng.random(10), 750) for k in (2, 3))
    for found, sign in ((three - two, 1), (two - three, -1)):
        assert found.values == pytest.approx(sign * (three.values - two.values.mean()))
        assert found.draws[4] == pytest.approx(sign * (three.draws[4] - two.draws[4]))


def test_equal_predictions_differ_by_nothing_with_p_one(hand_made):
    labels, models = hand_made
    one, same = samples(labels, [models["a"], models["a"]], draws=100)
    found = st.differences([one - same])[0]
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_what_differs_by_the_order_of_adding_alone_counts_as_equal():
    """Else p would depend on the processor."""
    noise = np.random.default_rng(0).choice([-1e-13, 1e-13], 200)
    assert st.p_value(st.Sample(noise[:3], noise, 750)) == 1


def test_what_differs_by_the_same_in_every_draw_and_seed_is_certain():
    assert st.p_value(st.Sample(np.full(3, 2.0), np.full(50, 2.0), 750)) == 0
    assert st.interval(st.Sample(np.full(3, 2.0), np.full(50, 2.0), 750)) == (2, 2)


def test_ranges_of_ranks_say_who_is_surely_above_and_below():
    def pair(mean, adjusted):
        return st.Difference(mean, mean - 1, mean + 1, adjusted, adjusted)

    pairs = {("a", "b"): pair(-3, 0.2), ("a", "c"): pair(5, 0.01), ("a", "d"): pair(9, 0.001),
             ("b", "c"): pair(8, 0.002), ("b", "d"): pair(12, 0.001), ("c", "d"): pair(4, 0.06)}  # fmt: skip
    assert st.rank_ranges(pairs) == {"a": (1, 2), "b": (1, 2), "c": (3, 4), "d": (3, 4)}
    assert st.rank_ranges({("a", "b"): pair(-3, 0.01)}) == {"a": (2, 2), "b": (1, 1)}


def test_a_method_that_is_truly_best_is_seldom_left_out_of_the_bold_set():
    """Six equal methods: each of them is truly best, and the best is picked on the same data."""
    rng = np.random.default_rng(3)
    left_out = []
    for repetition in range(150):
        labels = rng.integers(0, CLASSES, 200)
        models = {name: answers(rng, labels, 0.7) for name in "abcdef"}
        parts = samples(labels, list(models.values()), draws=400, names=(repetition,))
        _, others = st.from_the_best(dict(zip(models, parts, strict=True)))
        left_out.append(sum(d.significant for d in others.values()))
    assert np.mean(left_out) / 6 <= st.ALPHA / 2 + 0.01


def test_nemenyis_critical_difference_is_that_of_the_literature():
    """Demšar (2006), tables 5 and 6: 1.25 at 5 % for four methods on fourteen data sets."""
    rng = np.random.default_rng(0)
    scores = {name: rng.random(14) for name in "abcd"}
    found = st.friedman(scores)
    assert found.critical == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    assert found.blocks == 14
    assert sum(found.ranks.values()) == pytest.approx(10)
    assert st.friedman({"a": [3, 3, 3], "b": [2, 2, 2], "c": [1, 1, 2]}).ranks["a"] == 1
