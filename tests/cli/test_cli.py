"""The command line: exit codes, messages, speed; cells are run by a stand-in."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from hand_made import make_record
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.registry import METHODS

pytestmark = pytest.mark.usefixtures("figureless")


@pytest.fixture
def failing(monkeypatch):
    """Replaces training by a stand-in; methods in the set that this returns fail."""
    from mmda_bench import training
    from mmda_bench.features import prepare

    names: set[str] = set()

    def run_cell(cell, *, root, cache, device=None, weights=None):
        if "interrupt" in names and cell.anchor == "L":
            raise KeyboardInterrupt
        if cell.method in names:
            return SimpleNamespace(
                record=make_record(cell, status="failed", reason="no luck", metrics=None), outputs=None
            )
        return SimpleNamespace(record=make_record(cell), outputs=None)

    monkeypatch.setattr(training, "run_cell", run_cell)
    monkeypatch.setattr(
        prepare, "prepare", lambda *args, **options: SimpleNamespace(skipped=[], substituted=[], lexical=None)
    )
    monkeypatch.setattr(sys, "argv", ["mmda-bench", "run", "--dataset", "avatars"])
    return names


@pytest.fixture
def call(tmp_path):
    def invoke(*arguments, results=tmp_path / "results"):
        folders = ["--results", str(results)] if arguments[0] in ("run", "leaderboard", "status", "doctor") else []
        folders += ["--cache", str(tmp_path / "cache")] if arguments[0] in ("run", "doctor") else []
        return CliRunner().invoke(app, [*arguments, *folders])

    return invoke


def run(call, *arguments, **options):
    return call("run", "--methods", "dt,dann", "--seeds", "2", "--jobs", "0", *arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "danns"], "unknown method 'danns': did you mean dann?"),
        (["--methods", "a3d2[gama1=5]"], "did you mean gamma1?"),
        (["--dataset", "avatar"], "did you mean avatars?"),
        (["--backbone", "tinny"], "did you mean tiny?"),
        (["--shift", "papr"], "did you mean paper?"),
        (["--seeds", "x"], "expected a count (3), a range (0-2) or a list (0,5)"),
        (["--anchors", "B"], "expected some of A (acoustic), L (lexical), V (visual), found b"),
        (["--gpus-per-cell", "1.5"], "expected a fraction"),
        (["--plugin", "nowhere.py"], "nowhere.py is not a file"),
        (["--jobs", "many"], "Invalid value for '--jobs'"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_one_and_exit_2(call, arguments, message):
    answer = call("run", *arguments)
    assert answer.exit_code == 2, answer.output
    assert message in " ".join(answer.output.split())
    assert "Traceback" not in answer.output


def test_a_run_prints_a_line_per_cell_and_table_1_and_a_second_run_computes_nothing(call, failing, tmp_path):
    first = run(call)
    assert first.exit_code == 0, first.output
    assert "[18/18] target-supervised anchor=V seed=1  target F1 50.0  7.0 s" in first.output
    assert "| DANN " in first.output
    assert "seeds:0-1" in first.output
    assert (tmp_path / "results" / "leaderboard.tex").is_file()
    second = run(call)
    assert second.exit_code == 0
    assert "Nothing to run: 18 cells with records in" in second.output
    assert "| DANN " in second.output


def test_failed_cells_are_named_with_the_command_that_runs_them_again(call, failing):
    failing.add("dann")
    first = run(call, "--no-bounds")
    assert first.exit_code == 3
    assert "6 of 12 cells have no score" in first.output
    assert "dann anchor=V seed=1: failed: no luck" in first.output
    assert "mmda-bench run --dataset avatars --rerun failed" in first.output
    assert "– (failed)" in first.output
    failing.clear()
    assert run(call, "--no-bounds").exit_code == 3, "a failure is a record: it is not run again unasked"
    again = run(call, "--no-bounds", "--rerun", "failed")
    assert again.exit_code == 0
    assert "6 cells to run, 6 are stored already" in again.output


def test_an_interruption_says_how_to_go_on_and_keeps_what_is_done(call, failing):
    failing.add("interrupt")
    stopped = run(call)
    assert stopped.exit_code == 130
    assert "Interrupted: 1 of 18 cells stored. The same command runs the others" in stopped.output
    failing.clear()
    assert "17 cells to run, 1 is stored already" in run(call).output


def test_a_results_folder_that_cannot_be_written_is_exit_5_before_anything_runs(call, failing, tmp_path):
    (tmp_path / "file").write_text("")
    answer = run(call, results=tmp_path / "file" / "results")
    assert answer.exit_code == 5
    assert "cannot write results to" in answer.output
    assert "[ 1/" not in answer.output


def test_a_corpus_that_is_not_there_is_exit_4(call):
    answer = call("run", "--dataset", "folder")
    assert answer.exit_code == 4
    assert "--data-root" in answer.output


def test_an_internal_error_is_one_line_and_a_traceback_only_with_debug(call, monkeypatch):
    from mmda_bench.registry import catalogue

    def broken(registry):
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(catalogue, "as_text", broken)
    answer = call("list")
    assert answer.exit_code == 1
    assert "internal error (ValueError)" in answer.output
    assert "--debug" in answer.output
    assert isinstance(CliRunner().invoke(app, ["--debug", "list"]).exception, ValueError)


def test_a_dry_run_says_what_would_run_and_writes_nothing(call, failing, tmp_path):
    answer = call("run", "--methods", "dt", "--seeds", "1", "--no-bounds", "--dry-run")
    assert "3 cells, 0 done, 3 to run; time: unknown" in answer.output
    assert not (tmp_path / "results").exists()
    call("run", "--methods", "dt", "--seeds", "1", "--no-bounds", "--jobs", "0")
    answer = call("run", "--methods", "dt", "--seeds", "2", "--no-bounds", "--dry-run", "--json", "--jobs", "1")
    document = json.loads(answer.output)
    assert (document["cells"], document["done"], len(document["missing"])) == (6, 3, 3)
    assert document["minutes"] == pytest.approx(3 * 7 / 60)


def test_status_and_leaderboard_answer_programs_too(call, failing):
    failing.add("dann")
    run(call)
    status = json.loads(call("status", "--json").output)
    assert list(status["signatures"].values()) == [{"ok": 12, "failed": 6}]
    assert status["failures"][0]["reason"] == "no luck"
    assert "12 ok" in call("status").output
    board = json.loads(call("leaderboard", "--json").output)
    assert [row["method"] for row in board["boards"][0]["table1"]] == ["dt", "dann"]


def test_list_tells_the_card_of_every_method(call):
    text, table, listed = call("list").output, call("list", "--format", "md").output, call("list", "--json").output
    for name in METHODS.names():
        assert f"{name}  " in text
        assert f"| `{name}` |" in table
    a3d2 = next(entry for entry in json.loads(listed) if entry["name"] == "a3d2")
    assert a3d2["components"] == ["aa", "add"]
    assert a3d2["search_space"]["gamma1"] == {"LogUniform": {"low": 10.0, "high": 10000.0}}
    assert len({line.replace("\\|", "").count("|") for line in table.strip().splitlines()}) == 1
    assert "avatars" in call("list", "datasets").output
    assert "tiny" in call("list", "backbones").output


@pytest.mark.slow
def test_a_plug_in_that_fails_is_an_answer(call, tmp_path):
    (tmp_path / "broken.py").write_text("import nothing_of_the_kind")
    answer = call("list", "--plugin", str(tmp_path / "broken.py"))
    assert answer.exit_code == 2
    assert "failed to import: ModuleNotFoundError" in answer.output


def test_export_writes_files_that_the_folder_reader_lists(call, tmp_path):
    answer = call("data", "export", "avatars", "--out", str(tmp_path / "files"), "--limit", "6")
    assert answer.exit_code == 0, answer.output
    assert "6 utterances of avatars are in" in answer.output
    assert "--dataset folder --data-root" in answer.output
    assert "--backbone" not in answer.output
    again = call("data", "export", "avatars", "--out", str(tmp_path / "files"))
    assert again.exit_code == 2
    assert "not empty" in again.output


def test_check_reports_every_point_of_the_contract(call, monkeypatch):
    from mmda_bench.testing import method_contract

    assert call("check", "danns").exit_code == 2
    points = [
        method_contract.Check("terms are finite", True),
        method_contract.Check("gradients", False, "none reach encoder A"),
    ]
    monkeypatch.setattr(method_contract, "check_method", lambda name: points)
    answer = call("check", "dann")
    assert answer.exit_code == 3
    assert "FAILED  gradients: none reach encoder A" in answer.output


def test_doctor_says_what_to_do_and_needs_a_writable_results_folder(call, tmp_path):
    fine = call("doctor")
    assert fine.exit_code == 0, fine.output
    assert "ok       torch" in fine.output
    (tmp_path / "file").write_text("")
    ill = call("doctor", results=tmp_path / "file")
    assert ill.exit_code == 5
    assert "MISSING  results folder" in ill.output
    assert "-> choose another folder with --results DIR" in ill.output


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["run", "--help"]])
def test_help_and_list_are_instant_and_import_neither_torch_nor_ray(arguments):
    code = (
        "import sys, mmda_bench.cli as cli\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try: cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'ray', 'numpy', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    before = os.times()
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = os.times()
    assert answer.stderr.strip() == "[]"
    spent = sum(after[2:4]) - sum(before[2:4])
    assert spent < 1.0, "processor seconds; torch alone takes two"
