"""Scores of evaluated utterances: pure functions of labels, predictions and probabilities."""

from mmda_bench.metrics.scores import (
    BINS,
    distances,
    error_detection,
    evaluate,
    expected_calibration_error,
    scores,
    weighted_f1,
)

__all__ = ["BINS", "distances", "error_detection", "evaluate", "expected_calibration_error", "scores", "weighted_f1"]
