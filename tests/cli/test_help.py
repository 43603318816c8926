"""What every command says of itself, and what the Tab key offers."""

import json

import pytest
import typer
from typer.testing import CliRunner

from mmda_bench.cli import reports
from mmda_bench.cli.main import app
from mmda_bench.data import export
from mmda_bench.report import choice
from mmda_bench.version import __version__


def commands(group, path=()):
    for name, command in group.commands.items():
        yield from commands(command, (*path, name)) if hasattr(command, "commands") else [((*path, name), command)]


EVERY = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("path", [(), ("data",), ("new",), *EVERY], ids=" ".join)
def test_every_help_has_an_example_that_can_be_typed(path):
    answer = CliRunner().invoke(app, [*path, "-h"])
    assert answer.exit_code == 0
    assert answer.output == CliRunner().invoke(app, [*path, "--help"]).output
    example = answer.output.partition("Example: mmda-bench ")[2].split("\n\n")[0].split()
    assert tuple(example[: len(path)]) == path
    own = next(EVERY[tuple(example[:n])] for n in (1, 2) if tuple(example[:n]) in EVERY)
    known = {option for parameter in own.params for option in parameter.opts}
    assert {word for word in example if word.startswith("--")} <= known


def test_every_argument_and_option_has_help():
    assert [
        (*path, p.name) for path, command in EVERY.items() for p in command.params if not getattr(p, "help", "")
    ] == []


@pytest.mark.parametrize("group", [(), ("data",), ("new",)])
def test_no_summary_of_a_command_is_cut_at_80_columns(group):
    said = CliRunner().invoke(app, [*group, "-h"], env={"COLUMNS": "80"}).output
    assert "..." not in said.partition("Commands:")[2]


def test_the_tables_that_the_help_names_are_those_there_are():
    assert ", ".join(choice.TABLES) == reports.TABLES
    said = " ".join(CliRunner().invoke(app, ["leaderboard", "-h"]).output.split())
    assert f"There are {reports.TABLES}." in said


def test_every_command_answers_programs():
    assert [
        path for path, command in EVERY.items() if "--json" not in {o for p in command.params for o in p.opts}
    ] == []


def test_the_version_needs_no_verb():
    answer = CliRunner().invoke(app, ["--version"])
    assert (answer.exit_code, answer.output) == (0, f"mmda-bench {__version__}\n")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("run --methods dt,dan", {"dt,dan", "dt,dann"}),
        ("run --methods adv", {"adversarial"}),
        ("run --methods all,-da", {"all,-dada", "all,-daln", "all,-dan", "all,-dann"}),
        ("run --anchors A,l", {"A,l", "A,lexical"}),
        ("run --dataset Mint", {"Mintrec", "Mintrec2"}),
        ("run --backbone ti", {"tiny"}),
        ("run --shift pap", {"paper"}),
        ("data verify min", {"mintrec", "mintrec2"}),
        ("doctor --dataset iem", {"iemocap"}),
        ("compare A3", {"A3d2", "A3d2-released"}),
        ("check iem", {"iemocap"}),
        ("submit x.csv --anchor vis", {"visual"}),
        ("leaderboard --columns A,a", {"A,acoustic", "A,ave."}),
        ("run --told-anchor n", {"none"}),
        ("run --missing l", {"l", "lV"}),
        ("run --select B", {"Bnm"}),
        ("run --heads b", {"bn"}),
        ("run --missing-in ta", {"target"}),
        ("data export avatars --layout fo", {"folder"}),
    ],
)
def test_the_tab_key_offers_what_fits(typed, offered):
    words = f"mmda-bench {typed}"
    asked = {
        "_MMDA_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1),
    }  # fmt: skip
    answer = CliRunner().invoke(app, [], prog_name="mmda-bench", env=asked)
    assert set(answer.output.split()) == offered


@pytest.mark.parametrize(
    "words", ["list Methods --format MD", "run --protocol Tuned --rerun ALL --heads BN --select BNM+Ensv --seeds x"]
)
def test_words_are_understood_in_any_case(words):
    answer = CliRunner().invoke(app, words.split())
    assert "is not one of" not in answer.output
    assert answer.exit_code == 0 or "--seeds 'x'" in answer.output


def test_programs_read_what_new_and_export_have_made(tmp_path, monkeypatch):
    def ask(*words):
        answer = CliRunner().invoke(app, [*words, "--json"])
        assert answer.exit_code == 0, answer.output
        return json.loads(answer.stdout)

    made = ask("new", "method", "mine", "--out", str(tmp_path))
    assert str(tmp_path / "mine.py") in made["files"]
    out = tmp_path / "some files"
    monkeypatch.setattr(export, "export", lambda *args, **options: export.Exported(out, 6, {"u1": "no sound"}))
    files = ask("data", "export", "Avatars", "--out", str(out))
    assert (files["utterances"], files["skipped"]) == (6, {"u1": "no sound"})
    assert files["command"] == f"mmda-bench run --dataset folder --data-root '{out}'"
