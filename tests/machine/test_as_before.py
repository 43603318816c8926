"""What somebody's code changes in the process is named and put back; what cannot be is named apart."""

import os
import random
import sys
import warnings

import numpy as np
import pytest
import sklearn
import torch
import torch.nn.functional as F
from torch import nn

from mmda_bench import functional
from mmda_bench.machine.as_before import as_before, same
from mmda_bench.machine.replaced import names
from mmda_bench.training import trainer


def patched(*arguments, **named):
    raise AssertionError("nobody is to call this any more")


SETTINGS = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "products": lambda: torch.set_float32_matmul_precision("medium"),
    "tf32": lambda: setattr(torch.backends.cudnn, "allow_tf32", not torch.backends.cudnn.allow_tf32),
    "benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "denormals": lambda: torch.set_flush_denormal(True),
    "deterministic": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "numpy errors": lambda: np.seterr(all="raise"),
    "scikit-learn": lambda: sklearn.set_config(assume_finite=True),
    "warnings": lambda: warnings.simplefilter("error"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "environment": lambda: os.environ.update(MMDA_BENCH_EXAMPLE="1"),
    "sys.path": lambda: sys.path.insert(0, "/nowhere"),
    "recursion": lambda: sys.setrecursionlimit(5000),
}
REPLACED = {
    "torch.nn.functional.cross_entropy": lambda: setattr(F, "cross_entropy", patched),
    "torch.nn.modules.linear.Linear.forward": lambda: setattr(nn.Linear, "forward", patched),
    "torch.Tensor.wasserstein": lambda: setattr(torch.Tensor, "wasserstein", patched),
    "torch.nn.modules.linear.Linear.prototypes": lambda: setattr(nn.Linear, "prototypes", {}),
    "torch.nn.modules.module._global_forward_hooks": (lambda: nn.modules.module.register_module_forward_hook(patched)),
    "numpy.mean": lambda: setattr(np, "mean", patched),
    "random.shuffle": lambda: setattr(random, "shuffle", patched),
    "mmda_bench.functional.domain_loss": lambda: setattr(functional, "domain_loss", patched),
    "mmda_bench.training.trainer.EVALUATION_BATCH": lambda: setattr(trainer, "EVALUATION_BATCH", 7),
}


@pytest.mark.parametrize("change", SETTINGS.values(), ids=SETTINGS)
def test_a_changed_setting_is_named_and_put_back(change):
    with as_before(libraries=False) as outside, as_before(libraries=False) as changes:
        change()
    of_libraries = ("the environment (TORCH", "the filters of")  # of torch, which imports more of itself for some
    assert (
        len([name for name in changes.put_back if change is SETTINGS["warnings"] or not name.startswith(of_libraries)])
        == 1
    )
    assert changes.lasting == []
    assert outside.all == [], "nothing was left to put back"


def test_settings_that_were_put_back_are_not_named_among_what_libraries_hold():
    before = names()
    for change in SETTINGS.values():
        with as_before(libraries=False):
            change()
    assert list(before.differences()) == []


@pytest.mark.slow
def test_what_is_replaced_in_libraries_is_named_and_put_back():
    """Looking at all libraries takes long, so all of it is replaced at once."""
    before, function = names(), F.cross_entropy
    with as_before() as outside, as_before() as changes:
        for change in REPLACED.values():
            change()
    assert sorted(changes.put_back) == sorted(REPLACED)
    assert changes.lasting == []
    assert outside.all == [], "nothing was left to put back"
    assert list(before.differences()) == []
    assert F.cross_entropy is function


def test_random_states_are_put_back_without_a_word():
    drawn = []
    for _ in range(2):
        with as_before() as changes:
            drawn.append([random.random(), np.random.random(), torch.rand(()).item()])
        assert changes.all == []
    assert drawn[0] == drawn[1]


def test_what_cannot_be_put_back_is_named_apart():
    mode = torch.inference_mode()
    with as_before() as changes:
        mode.__enter__()
    mode.__exit__(None, None, None)
    assert changes.lasting == ["the inference mode of torch"]


def fails():
    np.seterr(divide="raise")
    raise ZeroDivisionError


def test_a_body_that_fails_is_put_back_as_well():
    with pytest.raises(ZeroDivisionError), as_before():
        fails()
    assert np.geterr()["divide"] == "warn"


def test_settings_alone_are_looked_at_where_that_is_asked(monkeypatch):
    monkeypatch.setattr(F, "cross_entropy", F.cross_entropy)
    with as_before(libraries=False) as changes:
        F.cross_entropy = patched
        np.seterr(all="raise")
    assert changes.put_back == ["what numpy does on errors (divide, invalid, over, under)"]


@pytest.mark.slow
def test_a_library_that_is_imported_in_the_body_is_no_change():
    sys.modules.pop("this", None)
    with as_before() as changes:
        __import__("colorsys")
    assert changes.all == []


def test_settings_are_compared_by_value():
    assert same({"a": (1, np.arange(3))}, {"a": (1, np.arange(3))})
    assert not same({"a": (1, np.arange(3))}, {"a": (1, np.arange(4))})
    assert not same([torch.zeros(2)], [torch.ones(2)])
