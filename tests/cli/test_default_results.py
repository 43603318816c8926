"""Results of one's own lie apart from published ones, whoever opens the door and whichever."""

import inspect
import subprocess
from pathlib import Path

import pytest
from hand_made import make_cell, make_record
from typer.main import get_command
from typer.testing import CliRunner

import mmda_bench as mb
from mmda_bench.cli import app
from mmda_bench.errors import UsageError
from mmda_bench.store import DEFAULT_RESULTS, Store, existing_store


def test_git_ignores_the_default_folder_and_tracks_nothing_in_it():
    git = ["git", "-C", str(Path(__file__).resolve().parents[2])]
    ignored = subprocess.run([*git, "check-ignore", "-q", str(DEFAULT_RESULTS / "leaderboard.md")])
    tracked = subprocess.run([*git, "ls-files", str(DEFAULT_RESULTS)], capture_output=True, text=True)
    assert (ignored.returncode, tracked.stdout) == (0, "")


def test_every_verb_and_call_that_takes_a_results_folder_has_that_default():
    doors = [mb.results, mb.leaderboard, mb.compare, mb.submit]
    assert {inspect.signature(door).parameters["folder"].default for door in doors} == {DEFAULT_RESULTS}
    assert mb.Workspace().results == DEFAULT_RESULTS
    verbs = get_command(app).commands.values()
    defaults = {verb.name: p.default for verb in verbs for p in verb.params if p.name == "results"}
    assert {"run", "leaderboard", "status", "compare", "submit", "doctor"} <= set(defaults)
    assert set(defaults.values()) == {DEFAULT_RESULTS}


def test_where_only_published_results_lie_a_person_is_told_so_and_they_stay_as_they_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"no folder results/local; mmda-bench run --results results/local makes it$"):
        existing_store(DEFAULT_RESULTS)
    cell = make_cell()
    Store(tmp_path / "results").write(cell, make_record(cell), None)
    before = sorted(tmp_path.rglob("*"))
    for verb in (["status"], ["leaderboard"], ["compare", "dt", "dann"]):
        answer = CliRunner().invoke(app, verb)
        assert answer.exit_code == 2
        assert "The folder results holds 1 record: --results results" in " ".join(answer.output.split())
    assert sorted(tmp_path.rglob("*")) == before
