"""Float32 is float32, the record says so, and the process is as before. And what a worker need not import."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hand_made import make_cell

from mmda_bench import registry
from mmda_bench.machine.arithmetic import exact_float32, precision_of
from mmda_bench.store import faults
from mmda_bench.training import run_cell

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


def settings():
    return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic


@pytest.fixture
def reduced():
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    yield
    torch.set_float32_matmul_precision(before)


def test_reduced_precision_is_off_inside_and_as_before_outside(reduced):
    before = settings()
    with exact_float32():
        assert settings() == ("highest", False, True)
    assert settings() == before
    with pytest.raises(KeyError), exact_float32():
        raise KeyError
    assert settings() == before


def test_a_record_says_in_what_precision_its_numbers_were_made(small_corpus, reduced):
    cell = replace(make_cell("dt", epochs=1), version=registry.DATASETS.get("avatars").card.version)
    record = run_cell(cell, root=None, cache=small_corpus.cache, device="cpu").record
    assert record["precision"] == {
        "device": "cpu",
        "matmul": "highest",
        "tf32": {"matmul": False, "cudnn": False},
        "autocast": None,
        "deterministic": True,
    }
    assert faults.fault(record) == ""
    assert settings()[0] == "medium"


def test_autocast_is_named_by_its_type():
    assert precision_of(CPU, autocast=torch.bfloat16)["autocast"] == "bfloat16"


def test_a_worker_that_trains_imports_neither_the_compiler_nor_what_scores_need():
    code = (
        "import sys, mmda_bench.training; print([m for m in ('torch._dynamo', 'sklearn', 'ray') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_wrong_name_is_told_before_torch_is_imported():
    calls = """
import sys
import mmda_bench as mb
for call in (mb.prepare, mb.verify):
    try:
        call("avatar")
    except mb.UsageError:
        print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", calls], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]
