"""What ``status`` knows of a sweep in another terminal, alive or dead."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hand_made import make_cell, make_record

from mmda_bench.cli import console
from mmda_bench.cli.progress import Progress
from mmda_bench.machine import others
from mmda_bench.store import Store
from mmda_bench.sweep import heartbeat


@pytest.fixture
def sweep():
    return heartbeat.Sweep(total=4, before=2, command="mmda-bench run --methods dt", signature=make_cell().signature)


def left_behind(results, sweep):
    path = results / heartbeat.FOLDER / f"{sweep.host}-{sweep.pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(vars(sweep)))
    return path


def ended_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_sweep_is_seen_with_what_it_told_while_it_runs_and_not_after(tmp_path, sweep):
    with heartbeat.Heartbeat(tmp_path, sweep) as beacon:
        beacon.tell(replace(sweep, finished=3, failed=1, running=["dt anchor=A seed=0"], left_s=60.0))
        seen = heartbeat.read(tmp_path)
        assert [(one.finished, one.failed, one.running, one.left_s) for one in seen] == [
            (3, 1, ["dt anchor=A seed=0"], 60.0)
        ]
        assert seen[0].alive
    assert heartbeat.read(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_sweep_of_another_user_left_stops_nobody(tmp_path, sweep, monkeypatch):
    def refuse(path, **options):
        raise PermissionError(1, "Operation not permitted", str(path))

    left_behind(tmp_path, replace(sweep, pid=ended_process()))
    monkeypatch.setattr(Path, "unlink", refuse)
    with heartbeat.Heartbeat(tmp_path, sweep):
        assert len(heartbeat.read(tmp_path)) == 2


def test_a_killed_sweep_is_known_by_its_process_even_if_the_number_is_taken_again(sweep):
    assert sweep.alive
    assert not replace(sweep, pid=ended_process()).alive
    assert not replace(sweep, pid=ended_process(), born=None).alive
    if sweep.born is not None:
        assert not replace(sweep, born=sweep.born - 1).alive, "another process with the same number"


def test_a_killed_sweep_whose_parent_has_not_looked_yet_is_dead(sweep):
    process = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert not others.exists(process.pid), "a zombie is none"
        assert not replace(sweep, pid=process.pid, born=others.born(os.getpid())).alive
        assert others.born(process.pid) is None
    finally:
        process.wait()


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("failed", "[" * 100_000), ("failed", "[[[]]]"), ("total", "-1"), ("total", "1.5"), ("finished", "true"),
        ("command", "1e308"), ("signature", "null"), ("running", "1.5"), ("running", "[1]"), ("stage", "1e100"),
        ("left_s", "NaN"), ("left_s", "[]"), ("left_s", "-1"), ("host", "{}"), ("pid", '"\\u0000"'), ("pid", "0"),
        ("pid", str(10**30)), ("born", '["a"]'), ("started", '"host"'), ("heard", '"\\u001b[31mred"'),
        ("heard", "1e308"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_and_passed_over(tmp_path, sweep, capsys, where, text):
    path = left_behind(tmp_path, sweep)
    path.write_text(json.dumps({**vars(sweep), where: "HERE"}).replace('"HERE"', text))
    left_behind(tmp_path, replace(sweep, host="node-7", heard=0.0))
    assert [one.host for one in heartbeat.read(tmp_path)] == ["node-7"]
    console.show_status(Store(tmp_path), as_json=False)
    said = capsys.readouterr().out
    assert said.count("A sweep ") == 1
    assert f"unreadable: .sweeps/{path.name}: " in said
    with heartbeat.Heartbeat(tmp_path, sweep):
        assert len(heartbeat.read(tmp_path)) == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", "5", '{"total": 1}', "\udcff"])
def test_a_file_of_something_else_is_passed_over(tmp_path, sweep, text):
    left_behind(tmp_path, sweep).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert heartbeat.read(tmp_path) == []


def test_what_a_later_version_tells_besides_does_no_harm(tmp_path, sweep):
    path = left_behind(tmp_path, sweep)
    path.write_text(json.dumps({**vars(sweep), "more": 1}))
    assert heartbeat.read(tmp_path) == [replace(sweep, running=[])]


def test_on_another_machine_a_sweep_is_dead_when_it_is_silent(sweep):
    elsewhere = replace(sweep, host="node-7", pid=1, born=1)
    assert elsewhere.alive
    assert not replace(elsewhere, heard=elsewhere.heard - 2 * heartbeat.SILENCE_S).alive


def test_the_next_sweep_clears_what_a_dead_one_of_this_machine_left(tmp_path, sweep):
    dead = left_behind(tmp_path, replace(sweep, pid=ended_process()))
    other = dead.with_name("node-7-1.json")
    other.write_text(json.dumps(vars(replace(sweep, host="node-7", pid=1, heard=0.0))))
    (dead.parent / "broken.json").write_text("{half")
    with heartbeat.Heartbeat(tmp_path, sweep):
        assert not dead.exists()
        assert other.exists(), "its own machine knows better"
        assert {one.host for one in heartbeat.read(tmp_path)} == {"node-7", sweep.host}


def test_a_folder_that_cannot_be_written_does_not_stop_a_sweep(tmp_path, sweep):
    (tmp_path / "file").write_text("")
    with heartbeat.Heartbeat(tmp_path / "file", sweep) as beacon:
        beacon.tell(sweep)


def test_status_shows_a_running_sweep_with_the_table_so_far(tmp_path, capsys):
    store = Store(tmp_path)
    cells = [make_cell("dann", anchor, 0) for anchor in "ALV"]
    with Progress(cells, done=1, terminal=False, results=tmp_path) as progress:
        for cell in cells:
            progress.on_start(cell)
        for cell, status in zip(cells, ("ok", "failed"), strict=False):
            record = make_record(cell, 0.612) | {"status": status, "reason": "no luck"}
            store.write(cell, record, None)
            progress.on_result(cell, record)
        capsys.readouterr()
        console.show_status(store, as_json=False)
        text = capsys.readouterr().out
        console.show_status(store, as_json=True)
        document = json.loads(capsys.readouterr().out)
    assert f"A sweep is running (process {os.getpid()} on " in text
    assert "2 of 3 cells run, 1 failed, 1 running; about 7 s left\n  dann anchor=V seed=0\n" in text
    assert "So far:" in text
    assert "61.20" in text
    assert "– (failed)" in text
    assert "failed: avatars dann anchor=L seed=0: no luck" in text
    told = document["sweeps"][0]
    assert (told["total"], told["before"], told["finished"], told["failed"]) == (3, 1, 2, 1)
    assert told["alive"]
    console.show_status(store, as_json=False)
    assert "sweep" not in capsys.readouterr().out


def test_status_says_how_to_continue_a_sweep_that_died(tmp_path, capsys, sweep):
    left_behind(tmp_path, replace(sweep, pid=ended_process(), finished=1))
    console.show_status(Store(tmp_path), as_json=False)
    text = capsys.readouterr().out
    assert "A sweep died (process" in text
    assert "1 of 4 cells run, none failed. The same command runs the others:\n  mmda-bench run --methods dt" in text


def test_a_sweep_started_from_the_command_line_is_seen_from_another_process(tmp_path, figureless, monkeypatch):
    from types import SimpleNamespace

    from typer.testing import CliRunner

    from mmda_bench import training
    from mmda_bench.cli.main import app
    from mmda_bench.features import prepare

    seen = []
    look = (
        "import sys, json, pathlib; from mmda_bench.sweep import heartbeat as h; "
        "print(json.dumps([h.as_json(s) for s in h.read(pathlib.Path(sys.argv[1]))]))"
    )

    def run_cell(cell, **options):
        if cell.anchor == "V":
            answer = subprocess.run(
                [sys.executable, "-c", look, str(tmp_path)], capture_output=True, text=True, check=True
            )
            seen.extend(json.loads(answer.stdout))
        return SimpleNamespace(record=make_record(cell), outputs=None)

    monkeypatch.setattr(training, "run_cell", run_cell)
    monkeypatch.setattr(
        prepare, "prepare", lambda *args, **options: SimpleNamespace(skipped=[], substituted=[], lexical=None)
    )
    monkeypatch.setattr(sys, "argv", ["mmda-bench", "run", "--methods", "dt"])
    arguments = ["run", "--methods", "dt", "--seeds", "1", "--no-bounds", "--jobs", "0", "--results", str(tmp_path)]
    answer = CliRunner().invoke(app, [*arguments, "--cache", str(tmp_path / "cache")])
    assert answer.exit_code == 0, answer.output
    assert [(one["alive"], one["finished"], one["running"]) for one in seen] == [(True, 2, ["dt anchor=V seed=0"])]
    assert seen[0]["command"] == "mmda-bench run --methods dt"
    assert not Path(tmp_path / heartbeat.FOLDER).exists()
