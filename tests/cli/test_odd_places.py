"""Terminals, folders and users that are not as usual."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmda_bench.cli.options import at_home
from mmda_bench.cli.output import say
from mmda_bench.errors import UsageError
from mmda_bench.report.formats import markdown
from mmda_bench.report.formats.latex import tex
from mmda_bench.units import shown

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
POOLED = """
from mmda_bench.machine.pool import process_pool

if __name__ == "__main__":
    with process_pool(1) as pool:
        print(pool.submit(abs, -3).result())
"""


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "mmda_bench", *arguments], capture_output=True, text=True, cwd=ROOT,
        env=os.environ | environment,
    )  # fmt: skip


def test_a_terminal_that_knows_ascii_alone_gets_numbers_for_the_other_characters():
    done = command("list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u" in done.stdout


def test_a_tilde_that_no_shell_has_read_is_the_home_folder(tmp_path):
    done = command("new", "method", "mine", "--out=~/new", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "new" / "mine.py").is_file()
    missing = command("status", "--results", "~/nowhere", HOME=str(tmp_path))
    assert str(tmp_path / "nowhere") in missing.stderr
    assert at_home([Path("~/a"), Path("b")]) == [Path.home() / "a", Path("b")]


def test_a_home_folder_that_nobody_knows_is_a_message():
    with pytest.raises(UsageError, match=r"home folder of this user is not known \(HOME\); write the whole path"):
        at_home(Path("~nobody-of-this-name/x"))


def test_what_steers_a_terminal_is_written_out(capsys):
    say("a name: \x1b]0;title\x07\x1b[2J\r\x9b31m, and on\n\tin the next line")
    assert capsys.readouterr().out == "a name: \\x1b]0;title\\x07\\x1b[2J\\r\\x9b31m, and on\n\tin the next line\n"
    assert shown("größer – 愛") == "größer – 愛"


@pytest.mark.parametrize("name", ["=1+1", " =1+1", "\r=1+1", "\n=1+1", "＝1+1", "\u00a0＠SUM(A1)", "a\r=1+1", "\t-2"])
def test_no_cell_of_a_csv_is_a_formula_or_ends_its_line(name):
    text = markdown.csv_lines([dict.fromkeys(markdown.CSV_COLUMNS, name)])
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert len(text.splitlines()) == 2
    assert {value.strip()[:1] for value in row.values()} <= {"'", "a"}


def test_no_control_character_reaches_latex():
    assert tex("a\x1b[0m\x00b\x7f") == "a?{[}0m?b?"


@pytest.mark.parametrize("length", [20, 90])
def test_a_long_folder_for_temporary_files_hinders_no_pool(tmp_path, length):
    """As under Slurm: names of sockets have at most 107 characters."""
    folder = tmp_path / "x".rjust(max(1, length - len(str(tmp_path)) - 1), "t")
    folder.mkdir()
    script = tmp_path / "pooled.py"
    script.write_text(POOLED)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_files_that_are_named_like_libraries_hide_none(tmp_path):
    """Neither from the program nor from the processes that it starts."""
    for name in ("random", "numpy", "torch", "typer", "tempfile", "datasets"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong library')")
    script = tmp_path.with_name("pooled.py")
    script.write_text(POOLED)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for words in (["-m", "mmda_bench", "list", "--json"], [str(script)]):
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
