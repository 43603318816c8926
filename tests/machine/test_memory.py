"""Memory: its peak is a cell's own, running out is known by its words, and what is left over goes back to the GPU.

Peak memory of preparing and of training does not depend on the size of the corpus.
"""

import errno
import subprocess
import sys

import pytest
import torch

from mmda_bench.machine import memory
from tests.benchmarks.bench_memory import STAGES, measure

CPU, GPU = torch.device("cpu"), torch.device("cuda")


OWN_PEAK = """
import numpy, torch
from mmda_bench.machine import memory
cpu = torch.device("cpu")
memory.start_memory_peak(cpu)
print(memory.peak_memory_mb(cpu))
ballast = numpy.ones(2**26, numpy.uint8)
print(memory.peak_memory_mb(cpu))
del ballast
memory.start_memory_peak(cpu)
print(memory.peak_memory_mb(cpu))
"""


@pytest.mark.slow
def test_the_memory_of_a_cell_is_its_own_and_not_its_predecessors():
    """In a process of its own: in this one, what earlier tests left may be given back in between."""
    output = subprocess.run([sys.executable, "-c", OWN_PEAK], check=True, capture_output=True, text=True).stdout
    before, with_64_mb, after = map(float, output.split())
    assert with_64_mb > before + 50
    assert after < before + 30


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 17179869184 bytes."),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
)
def test_running_out_is_known_by_its_type_or_its_words(error):
    assert memory.ran_out(error)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"),
        OSError(errno.ENOSPC, "No space left on device"),
        KeyError("memory"),
    ],
)
def test_other_errors_are_not_taken_for_it(error):
    assert not memory.ran_out(error)


def test_the_advice_is_that_of_the_device():
    assert "--gpus-per-cell 1" in memory.advice(GPU)
    assert "--jobs 1" in memory.advice(CPU)


def test_what_is_left_over_goes_back_to_a_gpu_even_one_that_fails(monkeypatch):
    calls = []

    def empty_cache():
        calls.append("emptied")
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    memory.give_back(CPU)
    assert calls == []
    memory.give_back(GPU)
    assert calls == ["emptied"]


@pytest.mark.deep
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    few, many = measure(330, tmp_path), measure(600, tmp_path)
    cache = many["cache"] - few["cache"]
    assert cache > 40, "MB"
    for stage in STAGES:
        assert many[stage] - few[stage] < 0.1 * cache
