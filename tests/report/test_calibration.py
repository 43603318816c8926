"""Calibration and detection of errors, against loops over utterances."""

import numpy as np
import pytest

from mmda_bench.metrics import error_detection, expected_calibration_error


@pytest.fixture
def predicted():
    rng = np.random.default_rng(4)
    probabilities = rng.dirichlet(np.full(4, 0.5), 300)
    labels = np.where(rng.random(300) < 0.6, probabilities.argmax(1), rng.integers(0, 4, 300))
    return probabilities, labels


def test_the_calibration_error_is_the_weighted_gap_of_every_bin(predicted):
    probabilities, labels = predicted
    total = 0.0
    for k in range(15):
        low, high = k / 15, (k + 1) / 15
        inside = [i for i, p in enumerate(probabilities) if low < max(p) <= high]
        if inside:
            accuracy = sum(probabilities[i].argmax() == labels[i] for i in inside) / len(inside)
            confidence = sum(max(probabilities[i]) for i in inside) / len(inside)
            total += len(inside) / len(labels) * abs(accuracy - confidence)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(total)


def test_certain_and_always_right_is_calibrated_and_always_wrong_is_not():
    probabilities = np.eye(4)[[0, 1, 2, 3]]
    assert expected_calibration_error(probabilities, np.arange(4)) == 0
    assert expected_calibration_error(probabilities, (np.arange(4) + 1) % 4) == 1


def test_detection_is_the_share_of_right_and_wrong_pairs_in_the_right_order(predicted):
    probabilities, labels = predicted
    right = probabilities.argmax(1) == labels
    confidence = probabilities.max(1)
    pairs = [(a, b) for a in confidence[right] for b in confidence[~right]]
    expected = sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)
    assert error_detection(probabilities, labels) == pytest.approx(expected)


def test_there_is_nothing_to_detect_where_all_are_right_or_all_wrong():
    probabilities = np.eye(4)[[0, 1, 2, 3]]
    assert error_detection(probabilities, np.arange(4)) is None
    assert error_detection(probabilities, (np.arange(4) + 1) % 4) is None
