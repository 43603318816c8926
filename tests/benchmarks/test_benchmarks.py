"""The benchmarks run; what they measure is looked at by people."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.deep
@pytest.mark.parametrize(
    ("name", "options", "line"),
    [
        ("bench_scheduling", ["--cells", "2", "--seconds", "0.2"], "wall × workers ÷ sum inside cells"),
        ("bench_full_size", ["prefix", "estimate", "--small", "--rounds", "1"], "both corpora"),
    ],
)
def test_a_benchmark_prints_its_ratio(name, options, line):
    command = [sys.executable, "-m", f"tests.benchmarks.{name}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert line in done.stdout
