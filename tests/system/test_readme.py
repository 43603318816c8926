"""The README is true: its commands run, its tables are those of the code and of the stored results."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmda_bench.registry import Registry, catalogue

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


def call(line, folder, *more):
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MMDA_BENCH_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "mmda_bench.cli", *shlex.split(line.split("  #")[0])[1:], *more]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def checkout(tmp_path):
    """A folder that holds nothing but the published records."""
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "runs").symlink_to(ROOT / "results" / "runs")
    return tmp_path


def block(name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.S).group(1).strip()


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"bench", "test"} <= named <= targets


def test_every_other_command_is_ours():
    assert {line.split()[0] for line in commands()} == {"make", "mmda-bench"}


@pytest.mark.slow
def test_commands_work_in_the_order_of_the_readme(checkout):
    """For real in an empty folder, but for length: sweeps are planned with --dry-run and exports are cut short."""
    for line in (line for line in commands() if line.startswith("mmda-bench ")):
        more = {"run": ["--dry-run"], "data export": ["--limit", "430" if "mintrec" in line else "40"]}
        words = line.split()
        done = call(line, checkout, *more.get(words[1], more.get(" ".join(words[1:3]), [])))
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_what_needs_the_readers_own_files_says_that_they_are_missing(checkout):
    found = commands_on_data_we_lack()
    assert {line.split()[1] for line in found} == {"data", "run", "submit"}
    for line in found:
        done = call(line, checkout)
        assert done.returncode == 4, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr


def test_the_table_of_methods_is_the_registrys():
    assert block("methods") == catalogue.as_markdown(Registry("methods", "mmda_bench.methods")).strip()


def test_the_tables_of_results_are_the_stored_ones():
    stored = (ROOT / "results" / "leaderboard.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n?)+", block("results"), re.M)
    assert tables
    for table in tables:
        assert table.strip() in stored
