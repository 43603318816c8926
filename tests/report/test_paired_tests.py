"""The tests of significance, against slow loops with the same draws, and by simulation of what they promise."""

import numpy as np
import pytest
import slow_f1
from scipy import stats
from sklearn.metrics import f1_score

from mmda_bench.protocol import name_hash
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
        st.Sample(st.weighted_f1(labels, m, ones, classes=CLASSES)[0], part)
        for m, part in zip(models, parts, strict=True)
    ]


def sklearn_f1(labels, predicted):
    return f1_score(labels, predicted, labels=range(CLASSES), average="weighted", zero_division=0)


def counted_f1(labels, predicted):
    return slow_f1.weighted_f1(labels, predicted, classes=CLASSES)


def slow_draws(labels, model, rows, score=counted_f1):
    return np.array([[score(labels[row], seed[row]) for seed in model] for row in rows])


def slow_distribution(values, draws):
    """Means over seeds of every draw, with a normal deviate for what utterances leave of the variance of seeds.

    Its sign is that of the statistic.
    """
    seeds = len(values)
    means = [sum(row) / seeds for row in draws]
    if seeds == 1:
        return np.array(means)
    centred = draws - draws.mean(0)
    spread = [row - row.mean() for row in centred]  # how far the seeds of a draw part, for reasons of utterances
    by_utterances = sum((row**2).sum() for row in spread) / (seeds - 1) / (len(draws) - 1)
    observed = sum((v - sum(values) / seeds) ** 2 for v in values) / (seeds - 1)
    error = (max(0.0, observed - by_utterances) / seeds) ** 0.5
    noise = np.random.default_rng(name_hash("seeds", seeds, len(draws))).standard_normal(len(draws))
    sign = 1 if sum(values) >= 0 else -1
    return np.array([mean + sign * error * z for mean, z in zip(means, noise, strict=True)])


def slow_percentile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def slow_p(distribution):
    below, above = sum(d <= 0 for d in distribution), sum(d >= 0 for d in distribution)
    return min(1.0, 2 * (min(below, above) + 1) / (len(distribution) + 1))


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
    draws = 200
    rows = st.resamples(len(labels), names=["test"], draws=draws)
    values = {name: np.array([counted_f1(labels, seed) for seed in model]) for name, model in models.items()}
    drawn = {name: slow_draws(labels, model, rows) for name, model in models.items()}
    fast = dict(zip(models, samples(labels, list(models.values()), draws=draws), strict=True))

    for name in models:
        slow = slow_distribution(values[name], drawn[name])
        limits = [slow_percentile(slow, 0.025), slow_percentile(slow, 0.975)]
        np.testing.assert_allclose(st.interval(fast[name]), limits, rtol=1e-5)

    best, found = st.from_the_best(fast)
    assert best == max(values, key=lambda name: values[name].mean())
    others = [name for name in models if name != best]
    slow = {n: slow_distribution(values[n] - values[best], drawn[n] - drawn[best]) for n in others}
    p_values = [slow_p(slow[n]) for n in others]
    for name, p in zip(others, p_values, strict=True):
        limits = [slow_percentile(slow[name], 0.025), slow_percentile(slow[name], 0.975)]
        np.testing.assert_allclose([found[name].low, found[name].high], limits, rtol=1e-4, atol=1e-6)
        assert found[name].p == pytest.approx(p)
    for level in (0.01, 0.03, 0.05, 0.2, 0.5):
        rejected = {others[i] for i in holm_rejects(p_values, level)}
        assert {name for name in others if found[name].adjusted <= level} == rejected
    bold = {best} | {name for name in others if not found[name].significant}
    assert bold == set(models) - {others[i] for i in holm_rejects(p_values, st.ALPHA)}
    assert best in "ab"
    assert {"c"} == set(models) - bold, "the weak one is out; the unstable one cannot be told from the best"


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


def test_the_difference_of_two_methods_is_the_mirror_image_of_that_the_other_way_round():
    rng = np.random.default_rng(0)
    a, b = (st.Sample(rng.normal(0.5, 0.05, 3), rng.normal(0.5, 0.02, (1000, 3))) for _ in range(2))
    assert st.seed_error(a - b) > 0
    (there, back) = (st.differences([one])[0] for one in (a - b, b - a))
    assert (there.low, there.high, there.p) == (-back.high, -back.low, back.p)


def test_the_average_column_is_averaged_within_seeds_and_draws():
    rng = np.random.default_rng(0)
    parts = [st.Sample(rng.random(3), rng.random((50, 3))) for _ in range(3)]
    joint = st.average(parts)
    assert joint.values.tolist() == pytest.approx([sum(p.values[k] for p in parts) / 3 for k in range(3)])
    assert joint.draws[7, 1] == pytest.approx(sum(p.draws[7, 1] for p in parts) / 3)


def test_what_has_fewer_seeds_is_averaged_before_the_difference():
    rng = np.random.default_rng(0)
    two, three = (st.Sample(rng.random(k), rng.random((10, k))) for k in (2, 3))
    for found, sign in ((three - two, 1), (two - three, -1)):
        assert found.values == pytest.approx(sign * (three.values - two.values.mean()))
        assert found.draws[4] == pytest.approx(sign * (three.draws[4] - two.draws[4].mean()))


def test_equal_predictions_differ_by_nothing_with_p_one(hand_made):
    labels, models = hand_made
    one, same = samples(labels, [models["a"], models["a"]], draws=100)
    found = st.differences([one - same])[0]
    assert (found.mean, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_what_differs_by_the_order_of_adding_alone_counts_as_equal():
    """Else p would depend on the processor."""
    noise = np.random.default_rng(0).choice([-1e-13, 1e-13], (200, 1))
    assert st.p_value(st.Sample(np.zeros(1), noise)) == 1


def test_the_error_of_the_seeds_is_what_utterances_do_not_explain():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.02, (20_000, 3))
    assert st.seed_error(st.Sample(np.array([0.5]), noise[:, :1])) == 0
    assert st.seed_error(st.Sample(np.array([0.50, 0.51, 0.49]), 0.5 + noise)) == 0, "less than utterances alone give"
    values = np.array([0.3, 0.5, 0.7])
    expected = np.sqrt((0.04 - 0.02**2) / 3)
    assert st.seed_error(st.Sample(values, values + noise)) == pytest.approx(expected, rel=1e-3)


def rejections(repetitions, *, accuracies, seeds, size, spread=0.0, draws=400):
    """Share of simulated comparisons of two methods that are called different at 5 %."""
    rng = np.random.default_rng(5)
    rejected = 0
    for repetition in range(repetitions):
        labels = rng.integers(0, CLASSES, size)
        models = [
            np.concatenate([answers(rng, labels, a + spread * rng.standard_normal()) for _ in range(seeds)])
            for a in accuracies
        ]
        first, second = samples(labels, models, draws=draws, names=(repetition,))
        rejected += st.p_value(first - second) < st.ALPHA
    return rejected / repetitions


def expected_rate(difference, accuracies, seeds, size):
    """Of the test with normal errors. The variance between three seeds that know nothing of each other is, over its
    expectation, exponentially distributed; where it exceeds it, the test adds the excess to that of the utterances."""
    error = np.sqrt(sum(a * (1 - a) for a in accuracies) / size / seeds)
    if seeds == 1:
        inflation, weight = np.array([1.0]), np.array([1.0])
    else:
        assert seeds == 3
        share = (np.arange(2000) + 0.5) / 2000
        inflation, weight = np.maximum(1, -np.log(1 - share)), np.full(2000, 1 / 2000)
    z, limit = difference / error, stats.norm.isf(st.ALPHA / 2) * np.sqrt(inflation)
    return float((weight * (stats.norm.sf(limit - z) + stats.norm.cdf(-limit - z))).sum())


@pytest.mark.parametrize(("seeds", "nominal"), [(1, 0.05), (3, 0.038)])
def test_two_equal_methods_are_called_different_at_the_nominal_rate(seeds, nominal):
    assert expected_rate(0.0, (0.7, 0.7), seeds, 300) == pytest.approx(nominal, abs=1e-3)
    rate = rejections(800, accuracies=(0.7, 0.7), seeds=seeds, size=300)
    assert abs(rate - nominal) < 3.3 * np.sqrt(nominal * (1 - nominal) / 800), rate


@pytest.mark.parametrize(("seeds", "accuracies"), [(1, (0.65, 0.75)), (3, (0.68, 0.74))])
def test_a_true_difference_is_found_as_often_as_the_formula_says(seeds, accuracies):
    power = expected_rate(accuracies[1] - accuracies[0], accuracies, seeds, 300)
    assert 0.5 < power < 0.9
    rate = rejections(300, accuracies=accuracies, seeds=seeds, size=300)
    assert abs(rate - power) < 0.02 + 3.3 * np.sqrt(power * (1 - power) / 300), (rate, power)


def test_a_spread_over_seeds_is_not_taken_for_a_difference(monkeypatch):
    """Not at the nominal rate, which three seeds cannot give, but far from what ignoring them would."""
    with_seeds = rejections(200, accuracies=(0.7, 0.7), seeds=3, size=300, spread=0.06)
    monkeypatch.setattr(st, "seed_error", lambda sample: 0.0)
    without = rejections(200, accuracies=(0.7, 0.7), seeds=3, size=300, spread=0.06)
    assert with_seeds < 0.26
    assert without > 2 * with_seeds


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
