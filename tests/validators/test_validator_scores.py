"""Every validator is the formula it says, whatever the order of utterances and classes, and finite at the edges."""

import doctest
import importlib

import numpy as np
import pytest
import slow_validators as slow
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from slow_validators import lin

from mmda_bench.errors import UsageError
from mmda_bench.registry import VALIDATORS
from mmda_bench.validators import score
from mmda_bench.validators.dev import risk
from mmda_bench.validators.mano import matrix_norm
from mmda_bench.validators.mcc import class_confusion

NAMES = ["anchor", "bnm", "class-ami", "corr-c", "dev", "ensv", "entropy", "im", "mano", "mcc", "snd", "source"]
seeds, sizes, classes = st.integers(0, 10_000), st.integers(2, 12), st.integers(2, 5)
few = settings(max_examples=10, deadline=None)


def draw(seed, n=8, K=4, *, scale=2.0):
    """Everything that a validator may see but labels of the target, at random; dev's weights are left to its z."""
    rng, m, d = np.random.default_rng(seed), n + 3, 6
    logits = scale * rng.standard_normal((n, K))
    return {
        "target_logits": logits,
        "target_probs": softmax(logits, axis=1),
        "target_z": rng.standard_normal((n, d)),
        "anchor_probs": softmax(rng.standard_normal((n, K)), axis=1),
        "source_probs": softmax(rng.standard_normal((m, K)), axis=1),
        "source_labels": rng.integers(0, K, m),
        "source_z": rng.standard_normal((m, d)) + 0.3,
        "pool": softmax(rng.standard_normal((5, n, K)), axis=2),
        "index": 2,
    }


def asked(name, seen):
    return {array: seen[array] for array in VALIDATORS.entry(name).sees if array in seen}


P, P_SOURCE, LABELS = softmax(lin(12, 4, 2), axis=1), softmax(lin(12, 4, 1), axis=1), np.arange(12) % 4
W = 1 + 0.5 * lin(12, 1, 5)[:, 0].astype(np.float64)
POOL = np.stack([softmax(lin(12, 4, k), axis=1) for k in (1, 2, 3)])


@pytest.mark.parametrize(
    ("name", "seen", "value"),
    [
        ("entropy", {"target_probs": P}, -1.29723108),
        ("im", {"target_probs": P}, 0.0886662),
        ("bnm", {"target_probs": P}, 0.24855644),
        ("corr-c", {"target_probs": P}, 1.17320895),
        ("mcc", {"target_logits": lin(12, 4, 2)}, -0.7424655),
        ("snd", {"target_probs": P}, 1.59695089),
        ("mano", {"target_logits": lin(12, 4, 2)}, 0.45494622),
        ("dev", {"source_probs": P_SOURCE, "source_labels": LABELS, "weights": W}, -1.64112126),
        ("ensv", {"pool": POOL, "index": 0}, 0.75),
        ("ensv", {"pool": POOL, "index": 1}, 7 / 12),
        ("ensv", {"pool": POOL, "index": 2}, 0.75),
    ],
)
def test_reference_values(name, seen, value):
    assert VALIDATORS.get(name)(**seen) == pytest.approx(value, abs=1e-7)


def test_reference_values_of_the_parts():
    losses = -np.log(P_SOURCE[np.arange(12), LABELS])
    assert (W * losses).mean() == pytest.approx(1.82242927, abs=1e-7)
    assert risk(W, losses) == pytest.approx(1.64112126, abs=1e-7)
    assert class_confusion(lin(12, 4, 2), temperature=1.0) == pytest.approx(0.70458651, abs=1e-7)
    assert matrix_norm(P.astype(np.float64)) == pytest.approx(0.30949247, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds, n=sizes, K=classes, scale=st.sampled_from([0.5, 5.0, 30.0]))
@few
def test_equals_a_slow_independent_version(name, seed, n, K, scale):
    seen = asked(name, draw(seed, n, K, scale=scale))
    expected = getattr(slow, name.replace("-", "_"))(**seen)
    assume(expected is not None)  # a cluster that runs empty: what follows is the library's choice
    assert VALIDATORS.get(name)(**seen) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_the_table_of_the_specification_is_complete():
    assert sorted(NAMES) == sorted(VALIDATORS.names())
    assert not any(VALIDATORS.entry(name).oracle for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds, n=sizes, K=classes)
@few
def test_the_order_of_utterances_does_not_matter(name, seed, n, K):
    seen, rng = draw(seed, n, K), np.random.default_rng(seed + 1)
    source, target = rng.permutation(n + 3), rng.permutation(n)
    shuffled = {
        k: v[source] if k.startswith("source") else v[target] for k, v in seen.items() if k not in ("pool", "index")
    }
    shuffled |= {"pool": seen["pool"][:, target], "index": 2}
    assert score(name, shuffled) == pytest.approx(score(name, seen), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@given(seed=seeds, n=sizes, K=classes)
@few
def test_the_order_of_classes_does_not_matter(name, seed, n, K):
    seen, order = draw(seed, n, K), np.random.default_rng(seed + 1).permutation(K)
    renamed = {k: v[..., order] if k.endswith(("probs", "logits")) or k == "pool" else v for k, v in seen.items()}
    renamed["source_labels"] = np.argsort(order)[seen["source_labels"]]
    assert score(name, renamed) == pytest.approx(score(name, seen), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(("name", "scale"), [("mcc", 2.0), ("mano", 40.0)])
@given(seed=seeds, shift=st.floats(-100, 100))
@few
def test_a_constant_added_to_the_logits_of_an_utterance_does_not_matter(name, scale, seed, shift):
    logits = draw(seed, scale=scale)["target_logits"]
    moved = logits + shift * np.arange(len(logits))[:, None]
    assert score(name, {"target_logits": moved}) == pytest.approx(score(name, {"target_logits": logits}), rel=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_given_is_left_as_it_was(name):
    """One public version of MaNo writes the series over the logits."""
    seen = asked(name, draw(3))
    before = {array: np.copy(value) for array, value in seen.items()}
    VALIDATORS.get(name)(**seen)
    assert all(np.array_equal(before[array], seen[array]) for array in seen)


def collapsed(n=20, K=4):
    logits = np.tile([60.0, *[0.0] * (K - 1)], (n, 1))
    return {**draw(0, n, K), "target_logits": logits, "target_probs": softmax(logits, axis=1)}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("entropy", 0.0),  # perfect
        ("im", 0.0),  # the least
        ("bnm", 20**-0.5),
        ("corr-c", 1.0),  # the least
        ("mcc", -3 / 4),  # the least
        ("snd", np.log(19)),  # the greatest
        ("mano", 4**-0.25),  # the greatest
        ("class-ami", 0.0),
    ],
)
def test_a_collapse_scores_as_the_table_says(name, value):
    assert score(name, collapsed()) == pytest.approx(value, abs=1e-9)


@given(seed=seeds)
@few
def test_no_predictions_score_beyond_those_bounds(seed):
    seen = draw(seed, 20, 4)
    assert score("entropy", seen) < 0 < score("im", seen)
    assert 1 < score("corr-c", seen) <= 2
    assert -3 / 4 < score("mcc", seen) < 0
    assert score("snd", seen) < np.log(19)
    assert score("mano", seen) < 4**-0.25


def test_a_pool_that_has_mostly_collapsed_agrees_on_the_collapse():
    right, wrong = np.eye(4)[np.arange(20) % 4], np.eye(4)[np.zeros(20, int)]
    pool = np.stack([right, wrong, wrong, wrong, wrong])
    assert score("ensv", {"pool": pool, "index": 0}) == 0.25
    assert score("ensv", {"pool": pool, "index": 1}) == 1.0


def test_a_collapse_agrees_with_the_anchor_by_chance_and_the_source_is_blind_to_it():
    seen = {**collapsed(), "anchor_probs": np.eye(4)[np.arange(20) % 4]}
    assert score("anchor", seen) == 0.25
    assert score("source", seen) == score("source", draw(0, 20, 4))


EDGES = {
    "one utterance": {k: v[:, :1] if k == "pool" else v if k == "index" else v[:1] for k, v in draw(1).items()},
    "one class": draw(1, 6, 1),
    "collapsed": collapsed(6),
    "identical rows": {k: np.broadcast_to(v[..., :1, :], v.shape) if np.ndim(v) > 1 else v for k, v in draw(1).items()},
    "uniform": draw(1, scale=0.0),
    "huge logits": draw(1, scale=1e4),
    "certain and wrong on the source": {**draw(1), "source_probs": np.eye(4)[(draw(1)["source_labels"] + 1) % 4]},
    "domains apart": {**draw(1), "source_z": draw(1)["source_z"] + 1e4},
    "half precision": {k: v.astype(np.float16) if np.ndim(v) > 1 else v for k, v in draw(1).items()},
}


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.filterwarnings("error")
def test_the_edges_are_finite(name, edge):
    assert np.isfinite(score(name, EDGES[edge]))


def test_equal_weights_leave_the_plain_risk():
    losses = np.array([0.1, 0.2, 0.6])
    assert score("dev", {"weights": np.full(3, 0.1), "losses": losses}) == pytest.approx(-0.1 * losses.mean())


def test_dev_weighs_up_the_source_that_looks_like_the_target():
    z = np.linspace(-1, 1, 40)[:, None]
    seen = {"source_z": z, "target_z": 0.5 + z / 2}
    easy, hard = ((z[:, 0] < 0).astype(float), (z[:, 0] >= 0).astype(float))
    assert score("dev", {**seen, "losses": easy}) > -0.4 > score("dev", {**seen, "losses": hard})


def test_blocks_of_rows_do_not_matter_to_snd(monkeypatch):
    module = importlib.import_module("mmda_bench.validators.snd")
    whole = score("snd", draw(2, 10))
    monkeypatch.setattr(module, "ROWS", 3)
    assert score("snd", draw(2, 10)) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize("name", [*NAMES, None])
def test_the_examples_run(name):
    module = VALIDATORS.entry(name).module if name else "mmda_bench.validators"
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted
    assert not result.failed


GIVEN = {
    "target_probs": np.full((4, 2), 0.5), "target_z": np.zeros((4, 3)), "source_probs": np.full((3, 2), 0.5),
    "source_z": np.ones((3, 3)), "source_labels": np.array([0, 1, 1]), "pool": np.full((2, 4, 2), 0.5), "index": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "array", "value", "reason"),
    [
        ("source", "source_labels", [0, 1, 2], "whole numbers from 0 to 1"),
        ("dev", "source_labels", [0, 1, -1], "whole numbers from 0 to 1"),
        ("dev", "source_labels", [0, 1, 0.5], "whole numbers from 0 to 1"),
        ("ensv", "index", -1, "whole numbers from 0 to 1"),
        ("ensv", "index", 2, "whole numbers from 0 to 1"),
        ("bnm", "target_probs", [[3.0, -2.0]] * 4, "probabilities"),
        ("entropy", "target_probs", [[3.0, 2.0]] * 4, "probabilities"),
        ("im", "target_probs", [[0.5, 0.5], [1.0]], "cannot be made"),
    ],
)
def test_what_is_no_class_no_trial_and_no_probability_is_refused(name, array, value, reason):
    with pytest.raises(UsageError, match=reason):
        score(name, GIVEN | {array: value})
