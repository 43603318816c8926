"""The README is true: its commands run, its tables are those of the code and of the stored results."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from few import first_of_each_class
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.registry import DATASETS, Registry, catalogue

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def commands():
    """Every command of the README's shell blocks, in order, without its comment."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def commands_on_data_we_lack():
    """The indented ones: they name a corpus, weights or a file of the reader's."""
    text = README.replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.startswith("    mmda-bench ")]


def words_of(line):
    return shlex.split(line.split("  #")[0])[1:]


@pytest.fixture
def call(tmp_path, monkeypatch, undrawn):
    """Calls a command in a folder that holds nothing but the published records. Figures are laid out, not rendered."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs").symlink_to(ROOT / "results" / "runs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMDA_BENCH_CACHE", str(tmp_path / "cache"))

    def invoke(line, *more):
        words = [*words_of(line), *more]
        monkeypatch.setattr(sys, "argv", ["mmda-bench", *words])
        return CliRunner().invoke(app, words)

    return invoke


@pytest.fixture
def few_intents(monkeypatch):
    """``avatars-intent`` cut to four utterances of each class."""
    reader = DATASETS.get("avatars-intent")
    whole = reader.utterances
    monkeypatch.setattr(reader, "utterances", lambda self, root: first_of_each_class(whole(self, root), 4))


def block(name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.S).group(1).strip()


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"bench", "test"} <= named <= targets


def test_every_other_command_is_ours():
    assert {line.split()[0] for line in commands()} == {"make", "mmda-bench"}


@pytest.mark.system
def test_commands_work_in_the_order_of_the_readme(call, few_intents):
    """For real in an empty folder, but for length: sweeps are planned with --dry-run and corpora are cut short."""
    for line in (line for line in commands() if line.startswith("mmda-bench ")):
        words = words_of(line)
        more = ["--dry-run"] if words[0] == "run" else []
        if words[:3] == ["data", "export", "avatars"]:
            more = ["--limit", "40"]
        done = call(line, *more)
        assert done.exit_code == 0, f"{line}\n{done.output[-2000:]}\n{done.exception!r}"


def test_a_command_works_in_a_process_of_its_own(tmp_path):
    line = next(line for line in commands() if line.startswith("mmda-bench list"))
    command = [sys.executable, "-c", "from mmda_bench.cli import main; main()", *words_of(line)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "dann" in done.stdout


def test_what_needs_the_readers_own_files_says_that_they_are_missing(call):
    found = commands_on_data_we_lack()
    assert {line.split()[1] for line in found} == {"data", "run", "submit"}
    for line in found:
        done = call(line)
        assert done.exit_code == 4, f"{line}\n{done.output[-2000:]}"
        assert "Traceback" not in done.stderr


def test_the_table_of_methods_is_the_registrys():
    assert block("methods") == catalogue.as_markdown(Registry("methods", "mmda_bench.methods")).strip()


def test_the_tables_of_results_are_the_stored_ones():
    stored = (ROOT / "results" / "leaderboard.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n?)+", block("results"), re.M)
    assert tables
    for table in tables:
        assert table.strip() in stored
