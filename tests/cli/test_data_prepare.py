"""``data prepare`` and the statements about disk on the command line."""

import json
import re
import sys

import noise
import pytest
from typer.testing import CliRunner

from mmda_bench.backbone.tiny import WIDTH
from mmda_bench.cli.main import app
from mmda_bench.features import prepare

pytestmark = pytest.mark.usefixtures("unwatched")


@pytest.fixture
def call(tmp_path):
    def invoke(*arguments, count=60, **wrong):
        root = noise.lay_out(tmp_path / "root", count, **wrong)
        options = ["--data-root", str(root), "--plugin", noise.__file__, "--cache", str(tmp_path / "cache")]
        return CliRunner().invoke(app, [*arguments, *options])

    return invoke


def test_it_prepares_what_run_then_finds(call, tmp_path):
    answer = call("data", "prepare", "noise", "--jobs", "1", silent=[3], unreadable=[5])
    assert answer.exit_code == 0, answer.output
    assert "noise: visual features: 60/60" in answer.stderr
    assert "left out: n_5: 5.wav is empty" in answer.stderr
    assert "used, but not as the files have it: n_3: acoustic: silent or missing sound" in answer.stderr
    assert re.search(r"60 utterances of noise are prepared, \d+\.\d [kM]B: ", answer.stdout)
    again = call("data", "prepare", "noise", silent=[3], unreadable=[5])
    assert "features" not in again.output
    run = ("run", "--dataset", "noise", "--methods", "dt", "--seeds", "1", "--no-bounds")
    results = tmp_path / "results"
    plan = call(*run, "--dry-run", "--results", str(results), silent=[3], unreadable=[5])
    assert "disk for the cached prefixes: nothing more needed in " in plan.output


def test_a_dry_run_states_the_disk_that_is_needed_and_free(call, tmp_path):
    run = ("run", "--dataset", "noise", "--methods", "dt", "--seeds", "1", "--no-bounds", "--dry-run")
    text = call(*run, "--results", str(tmp_path / "results")).output
    assert re.search(r"disk for the cached prefixes: at most \d+\.\d [kM]B needed in ", text)
    disk = json.loads(call(*run, "--json", "--results", str(tmp_path / "results")).output)["disk"]
    assert disk["needed_bytes"] == 90 * (63 * WIDTH * 4 + 12 * WIDTH * 4 + 4 * 5 * WIDTH * 4)
    assert disk["free_bytes"] > 0
    two = json.loads(call(*run, "--json", "--splits", "2", "--results", str(tmp_path / "results")).output)["disk"]
    assert two["needed_bytes"] * 90 == disk["needed_bytes"] * 120, "two splits share the clean shards"
    assert not (tmp_path / "cache").exists()


def test_an_interruption_says_how_to_go_on(call, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(prepare, "prepare", interrupt)
    monkeypatch.setattr(sys, "argv", ["mmda-bench", "data", "prepare", "noise"])
    answer = call("data", "prepare", "noise")
    assert answer.exit_code == 130
    assert "The same command goes on from there:\n  mmda-bench data prepare noise" in answer.stderr


def test_a_severity_or_a_corpus_that_makes_no_sense_is_refused(call):
    assert call("data", "prepare", "noise", "--severity", "-1").exit_code == 2
    assert "did you mean noise?" in call("data", "prepare", "nois").output
    refused = call("data", "prepare", "noise", unreadable=list(range(30)))
    assert refused.exit_code == 4
    assert "30 of 60 utterances of noise cannot be read" in refused.output
