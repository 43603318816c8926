"""``run`` and its reports where something is amiss: who reads goes away, sweeps begin anew, plug-ins change."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hand_made import make_record
from typer.testing import CliRunner

import mmda_bench
from mmda_bench import report, training
from mmda_bench.cli import console
from mmda_bench.cli.main import app
from mmda_bench.errors import DiedError, RayDiedError
from mmda_bench.features import prepare
from mmda_bench.store import Store
from mmda_bench.store.provenance import source_digest

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figureless")]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Replaces training by a stand-in: DANN fails, and the anchor L interrupts the sweep where a file says so."""

    def run_cell(cell, **options):
        if (tmp_path / "interrupt").exists() and cell.anchor == "L":
            raise KeyboardInterrupt
        record = make_record(cell, method_source=source_digest(cell.method))
        if cell.method == "dann":
            record = make_record(cell, status="failed", reason="no\nluck", metrics=None)
        return SimpleNamespace(record=record, outputs=None)

    monkeypatch.setattr(training, "run_cell", run_cell)
    monkeypatch.setattr(
        prepare, "prepare", lambda *args, **options: SimpleNamespace(skipped=[], substituted=[], lexical=None)
    )
    return tmp_path / "results"


def call(results, *arguments):
    arguments = ["run", "--methods", "dt,dann", "--seeds", "1", "--no-bounds", "--jobs", "0", *arguments]
    sys_argv, sys.argv = sys.argv, ["mmda-bench", *arguments]
    try:
        return CliRunner().invoke(app, [*arguments, "--results", str(results), "--cache", str(results.parent / "c")])
    finally:
        sys.argv = sys_argv


def test_a_run_answers_programs_in_json_and_people_beside_it(results):
    answer = call(results, "--json")
    assert answer.exit_code == 3
    document = json.loads(answer.stdout)
    assert (document["cells"], document["run"]) == (6, 6)
    assert {one["reason"] for one in document["failures"]} == {"no\nluck"}
    assert "[6/6]" in answer.stderr
    assert json.loads(call(results, "--json").stdout)["run"] == 0


def test_several_splits_are_prepared_one_by_one_and_stand_in_boards_of_their_own(results, monkeypatch):
    prepared = []

    def make(*_, protocol, **__):
        prepared.append(protocol.split)
        return SimpleNamespace(skipped=[], substituted=[], lexical=None)

    monkeypatch.setattr(prepare, "prepare", make)
    monkeypatch.setattr(report, "write_leaderboards", lambda *_, **__: [])
    answer = call(results, "--methods", "dt", "--splits", "0,2")
    assert answer.exit_code == 0, answer.output
    assert prepared == [0, 2]
    assert "dt anchor=V seed=0 split=2" in answer.output
    records = Store(results).records()[0]
    assert sorted(record["key"]["protocol"]["split"] for record in records) == [0] * 3 + [2] * 3
    assert "|split:0|" in answer.stdout
    assert "|split:2|" in answer.stdout
    answer = call(results, "--methods", "dt", "--splits", "1-2")
    assert prepared == [0, 2, 1], "only the split that was missing"
    assert "|split:0|" not in answer.stdout, "the tables of what was asked for are printed, and no others"


def test_a_sweep_that_began_anew_and_was_interrupted_says_how_to_run_only_the_rest(results, tmp_path):
    call(results)
    (tmp_path / "interrupt").touch()
    answer = call(results, "--rerun", "all")
    assert answer.exit_code == 130
    said = " ".join(answer.output.split())
    assert "1 cell run again. The same command would begin anew" in said
    assert "mmda-bench run --methods dt,dann --seeds 1 --no-bounds --jobs 0 " in said


def test_how_to_go_on_depends_on_whether_a_sweep_would_begin_anew():
    assert "runs the others:\n  mmda-bench run --rerun failed" in console.how_to_go_on("mmda-bench run --rerun failed")
    for anew in ("--rerun all", "--rerun=all"):
        assert console.how_to_go_on(f"mmda-bench run {anew} --jobs 2").endswith(
            "cells without:\n  mmda-bench run --jobs 2"
        )


def test_ctrl_c_while_the_tables_are_written_says_that_the_cells_are_stored(results, plugin, monkeypatch):
    from mmda_bench import report

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(report, "write_leaderboards", interrupted)
    answer = call(results)
    assert answer.exit_code == 130
    assert "every cell is stored" in answer.output
    assert "mmda-bench leaderboard --results" in answer.output
    plugged = call(results, "--plugin", str(plugin))
    assert "--plugin" in plugged.output.rpartition("mmda-bench leaderboard")[2]


def test_status_keeps_a_reason_on_one_line(results):
    call(results)
    answer = CliRunner().invoke(app, ["status", "--results", str(results)])
    assert "anchor=A seed=0: no luck" in answer.output


def test_a_leaderboard_of_a_folder_that_is_not_there_is_exit_2_and_makes_none(tmp_path):
    answer = CliRunner().invoke(app, ["leaderboard", "--results", str(tmp_path / "typo")])
    assert answer.exit_code == 2
    assert "there is no folder" in answer.output
    assert not (tmp_path / "typo").exists()


def test_a_sweep_that_ran_again_what_failed_and_was_interrupted_counts_that(results, tmp_path):
    call(results)
    (tmp_path / "interrupt").touch()
    said = " ".join(call(results, "--rerun", "failed").output.split())
    assert "Interrupted: 1 cell run again. The same command runs the others: mmda-bench run" in said


@pytest.mark.parametrize(
    ("option", "value", "code", "message"),
    [
        ("--timeout", "inf", 2, "a number of minutes"),
        ("--gpus-per-cell", "1.5", 2, "a whole number"),
        ("--address", "nowhere", 2, "HOST:PORT"),
        ("--address", "127.0.0.1:9", 5, "no Ray cluster answers there"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_the_corpus_is_prepared(
    results, monkeypatch, option, value, code, message
):
    monkeypatch.setattr(prepare, "prepare", lambda *arguments, **options: pytest.fail("prepared"))
    answer = call(results, option, value)
    assert (answer.exit_code, message in answer.output) == (code, True), answer.output


def test_a_run_whose_reader_goes_away_runs_to_its_end(results, monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        with pytest.raises(SystemExit) as ended:
            app(["run", "--methods", "dt", "--no-bounds", "--jobs", "0", "--results", str(results)])
    assert ended.value.code == 0
    assert len(Store(results).records()[0]) == 9
    assert (results / "leaderboard.md").exists()


def test_a_broken_pipe_that_is_not_its_output_is_an_error_and_not_the_end_of_a_reading(results, monkeypatch):
    def broken(*arguments, **options):
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(prepare, "prepare", broken)
    answer = call(results)
    assert answer.exit_code == 1
    assert "internal error (BrokenPipeError)" in answer.output


@pytest.mark.parametrize(
    ("verb", "kind"), [(["leaderboard"], "pipe"), (["status"], "pipe"), (["list"], "pipe"), (["list"], "socket")]
)
def test_a_verb_whose_reader_goes_away_ends_quietly(results, verb, kind):
    results.mkdir()  # empty: the leaderboard of more would be drawn
    arguments = [*verb, "--results", str(results)] if verb != ["list"] else verb
    if kind == "pipe":
        reading, writing = os.pipe()
    else:
        reading, writing = (end.detach() for end in socket.socketpair())
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, "-c", "from mmda_bench.cli import main; main()", *arguments],
        stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60,
        env=os.environ | {"PYTHONPATH": str(Path(mmda_bench.__file__).parents[1])},
    )  # fmt: skip
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


PLUGIN = """
from mmda_bench import Method, register_method

@register_method("changing", title="Changing", paper="a test")
class Changing(Method):
    def loss(self, source, target, progress):
        return {}
"""


@pytest.fixture
def plugin(tmp_path):
    file = tmp_path / "changing.py"
    file.write_text(PLUGIN)
    return file


def test_what_a_plug_in_prints_is_no_part_of_an_answer(results, plugin):
    plugin.write_text(f"print('hello')\n{PLUGIN}")
    answer = call(results, "--methods", "changing", "--plugin", str(plugin), "--json")
    assert json.loads(answer.stdout)["failures"] == []
    assert "hello" in answer.stderr


def test_records_of_an_edited_plug_in_are_told_from_its_own(results, plugin):
    first = call(results, "--methods", "changing", "--plugin", str(plugin))
    assert first.exit_code == 0, first.output
    assert "another version" not in first.output
    assert "another version" not in call(results, "--methods", "changing", "--plugin", str(plugin)).output
    plugin.write_text(PLUGIN + "\n# edited\n")
    answer = call(results, "--methods", "changing", "--plugin", str(plugin))
    assert "3 records of changing: made by another version of its file; --rerun all" in answer.output
    cell = next(iter(Store(results).records()[0]))
    assert cell["method_source"] != source_digest("changing")


@pytest.mark.parametrize("error", [DiedError("a process that encodes was killed"), RayDiedError("the head has died")])
def test_what_has_died_under_a_run_is_told_with_what_is_stored_and_the_command_that_goes_on(
    error, tmp_path, monkeypatch
):
    ended = []

    def execute(planned, listener):
        raise error

    monkeypatch.setattr("mmda_bench.api.execute", execute)
    monkeypatch.setattr(os, "_exit", lambda code: ended.append(code))
    arguments = [
        "run",
        "--methods",
        "dt",
        "--anchors",
        "A,V",
        "--seeds",
        "1",
        "--no-bounds",
        "--results",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "argv", ["mmda-bench", *arguments])
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == error.exit_code
    message = (
        f"mmda-bench: {error}; 0 of 2 cells stored. The same command runs the others:\n  mmda-bench run --methods dt"
    )
    assert message in done.stderr
    assert ended == ([error.exit_code] if isinstance(error, RayDiedError) else [])
