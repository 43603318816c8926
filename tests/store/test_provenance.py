"""Where a record comes from."""

import subprocess
from pathlib import Path

import pytest
import torch

from mmda_bench.store import provenance
from mmda_bench.version import __version__

CHECKOUT = Path(__file__).resolve().parents[2]


def test_a_record_says_on_what_and_with_what_it_was_made():
    found = provenance.origin(torch.device("cpu"))
    assert found["device"] == "cpu"
    assert found["hardware"]["gpu"] is None
    assert (found["hardware"]["cpus"] or 0) > 0
    assert found["versions"]["mmda-bench"] == __version__
    assert torch.__version__.startswith(found["versions"]["torch"])


@pytest.mark.skipif(not (CHECKOUT / ".git").exists(), reason="not a checkout")
def test_a_record_names_the_commit_of_the_checkout():
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert (provenance.origin(torch.device("cpu"))["commit"] or "").removesuffix("+") == git.stdout.strip()
