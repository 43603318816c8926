import numpy as np
import pytest
import slow_losses as slow

from mmda_bench.metrics import evaluate, scores


def test_weighted_f1_equals_the_count_by_hand():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
    result = scores(labels, predicted, classes=4)
    assert result["weighted_f1"] == pytest.approx(slow.weighted_f1(labels.tolist(), predicted.tolist()))
    assert result["accuracy"] == pytest.approx(np.mean(labels == predicted))
    assert np.array(result["confusion"]).sum() == 60
    assert result["confusion"][1][2] == int(((labels == 1) & (predicted == 2)).sum())


def test_a_class_nobody_predicts_or_has_is_zero_and_not_nan():
    result = scores(np.array([0, 0, 1]), np.array([0, 0, 0]), classes=3)
    assert result["per_class_f1"] == pytest.approx([0.8, 0, 0])
    assert result["support"] == [2, 1, 0]


def test_heads_are_scored_each_for_itself():
    labels = np.array([0, 1])
    right, wrong = np.eye(2), np.eye(2)[::-1]
    result = evaluate(labels, right, {"A": right, "joint": wrong})
    assert result["heads"] == {"A": 1.0, "joint": 0.0}
