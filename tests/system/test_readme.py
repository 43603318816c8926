"""README and docs are true: their commands and their Python run, their tables are those of the code and the results."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import published
import pytest
from few import first_of_each_class

from mmda_bench.cli import app
from mmda_bench.registry import DATASETS, Registry, catalogue
from mmda_bench.shifts.corruptions import CORRUPTIONS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MOST_WORDS = 1200
SHORTER = {"run": ["--dry-run"], "data export": ["--limit", "60"], "data verify": ["--sample", "2"]}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def commands(page: Path) -> list[str]:
    """Every command of a page's shell blocks, in order, without its comment."""
    lines = [line.split("  #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


def commands_on_data_we_lack() -> list[str]:
    """The indented ones: they name a corpus, weights or a file of the reader's."""
    text = "\n".join(page.read_text("utf-8") for page in PAGES).replace("\\\n", " ")
    return [line.strip().split("  #")[0] for line in text.splitlines() if line.startswith("    mmda-bench ")]


def call(line: str, *more: str) -> tuple[int, str]:
    """Exit code and output of a command, in this process."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            app([*shlex.split(line)[1:], *more], prog_name="mmda-bench")
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch, small_avatars, small_cache, undrawn):
    """A folder with some published records, also as those of the reader, and nothing else. Figures are not rendered."""
    for results in ("results", "results/mine", "results/local"):
        published.link(tmp_path / results, "dt,dann,cdan,a3d2", seeds=2)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMDA_BENCH_CACHE", str(small_cache))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def few_intents(monkeypatch):
    """``avatars-intent`` cut to four utterances of each class, of which two are in each half."""
    reader = DATASETS.get("avatars-intent")
    whole = reader.utterances
    monkeypatch.setattr(reader, "utterances", lambda self, root: first_of_each_class(whole(self, root), 4))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_every_command_is_ours(page):
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    assert [link for link in links if ":" not in link and not (page.parent / link).exists()] == []
    assert {line.split()[0] for line in commands(page)} <= {"make", "mmda-bench"}


def test_the_readme_is_short_and_names_targets_that_exist():
    assert len(PAGES[0].read_text("utf-8").split()) <= MOST_WORDS
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {line.split()[1] for page in PAGES for line in commands(page) if line.startswith("make ")}
    assert {"install", "bench"} <= named <= targets


@pytest.mark.system
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.name)
def test_commands_work_in_the_order_of_the_page(page, folder, few_intents):
    """For real in an empty folder, but for length: sweeps are planned with --dry-run and corpora are cut short."""
    for line in (line for line in commands(page) if line.startswith("mmda-bench ")):
        line = re.sub(r"(compare |--table .*,)mine", r"\1cdan", line)  # sweeps are only planned: mine has no cell
        words = line.split()
        more = SHORTER.get(words[1], SHORTER.get(" ".join(words[1:3]), []))
        whole = "--layout mintrec" in line or "--task" in line
        code, said = call(line, *([] if whole else more))
        assert code == 0, f"{line}\n{said[-2000:]}"


@pytest.mark.system
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_runs_in_the_order_of_the_page(page, folder):
    space = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), space)


def test_what_needs_the_readers_own_files_says_that_they_are_missing(folder):
    found = commands_on_data_we_lack()
    assert {line.split()[1] for line in found} == {"data", "run", "submit"}
    for line in found:
        code, said = call(line)
        assert code == (2 if "--plugin" in line else 4), f"{line}\n{said[-2000:]}"
        assert "Traceback" not in said


def test_one_command_of_the_readme_in_a_process_of_its_own(tmp_path):
    command = [sys.executable, "-m", "mmda_bench", "list"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.returncode == 0
    assert "a3d2" in done.stdout


def marked(page: Path, name: str) -> str:
    return re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page.read_text("utf-8"), re.S).group(1).strip()


def test_the_table_of_methods_is_the_registrys():
    assert (
        marked(ROOT / "docs" / "methods.md", "methods")
        == catalogue.as_markdown(Registry("methods", "mmda_bench.methods")).strip()
    )


def test_the_table_of_corruptions_is_complete():
    page = (ROOT / "docs" / "protocols.md").read_text("utf-8")
    assert [found.name for found in CORRUPTIONS.values() if f"`{found.name}`" not in page] == []


def test_the_tables_of_results_are_the_stored_ones():
    stored = (ROOT / "results" / "leaderboard.md").read_text("utf-8")
    tables = re.findall(r"(?:^\|.*\n?)+", marked(PAGES[0], "results"), re.M)
    assert tables
    for table in tables:
        assert table.strip() in stored
