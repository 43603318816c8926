"""The README is true: its commands run, its tables are those of the code and of the stored results."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmda_bench import catalogue
from mmda_bench.registry import Registry

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def commands():
    """Every command of the README's shell blocks, in order, without its comment."""
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    lines = [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


def block(name):
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", README, re.S).group(1).strip()


def test_make_targets_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    assert {"bench", "test"} <= named <= targets


def test_every_other_command_is_ours():
    assert {line.split()[0] for line in commands()} == {"make", "mmda-bench"}


@pytest.mark.slow
def test_commands_work_in_the_order_of_the_readme(tmp_path):
    """For real in an empty folder, but for length: sweeps are planned with --dry-run and the export is cut short."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "MMDA_BENCH_CACHE": str(tmp_path / "cache")}
    for line in (line for line in commands() if line.startswith("mmda-bench ")):
        words = shlex.split(line)[1:]
        if words[0] == "run":
            words.append("--dry-run")
        if words[:2] == ["data", "export"]:
            words += ["--limit", "40"]
        command = [sys.executable, "-m", "mmda_bench.cli", *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_the_table_of_methods_is_the_registrys():
    assert block("methods") == catalogue.as_markdown(Registry("methods", "mmda_bench.methods")).strip()


def test_the_tables_of_results_are_the_stored_ones():
    stored = (ROOT / "results" / "leaderboard.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n?)+", block("results"), re.M)
    assert tables
    for table in tables:
        assert table.strip() in stored
