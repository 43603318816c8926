"""Set-up: which Pythons, which builds of torch, and what stands before a commit."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PYTHONS = [name.rpartition(" ")[2] for name in PROJECT["classifiers"] if "Python :: 3." in name]
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"


def interpreter(version: str) -> str | None:
    """An interpreter of this version on this machine, if there is one."""
    managed = sorted(PYENV.glob(f"{version}.*/bin/python"))
    return str(managed[-1]) if managed else shutil.which(f"python{version}")


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-C", ROOT, *arguments], capture_output=True, text=True, timeout=60)


def test_the_pythons_that_are_named_begin_with_the_oldest_that_is_let_in():
    assert PYTHONS == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.parametrize("version", PYTHONS)
def test_every_file_is_one_that_this_python_reads_without_a_warning(version, tmp_path):
    found = interpreter(version)
    if found is None:
        pytest.skip(f"there is no Python {version} here")
    read = "import sys, pathlib\nfor name in sys.argv[1:]: compile(pathlib.Path(name).read_bytes(), name, 'exec')"
    files = [str(p) for folder in ("mmda_bench", "methods", "datasets", "tests") for p in (ROOT / folder).rglob("*.py")]
    done = subprocess.run([found, "-W", "error", "-c", read, *files], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-500:]


def test_no_module_is_imported_that_a_later_python_dropped():
    gone = {
        "aifc",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "imghdr",
        "mailcap",
        "msilib",
        "nis",
        "nntplib",
        "pipes",
    }
    gone |= {
        "sndhdr",
        "spwd",
        "sunau",
        "telnetlib",
        "uu",
        "xdrlib",
        "imp",
        "asynchat",
        "asyncore",
        "smtpd",
        "distutils",
    }
    for folder in ("mmda_bench", "methods", "datasets"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                assert not {name.split(".")[0] for name in names} & gone, path


def test_an_older_python_is_told_so_in_one_line(tmp_path):
    old = tmp_path / "python3.10"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10, 2); $2"\n')
    old.chmod(0o755)
    done = make("install", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}")
    assert done.returncode != 0
    first, *others = done.stderr.splitlines()
    assert re.fullmatch(
        r"mmda-bench needs Python 3\.11 or later, and \S+ is 3\.10\. Name another: make install .*", first
    )
    assert all(line.startswith("make") for line in others)
    assert not (tmp_path / "venv").exists()


def test_torch_without_cuda_is_one_variable_and_nothing_changes_without_it(tmp_path):
    place = f"VENV={tmp_path / 'venv'}"
    plain, cpu = (make("-n", "install", place, *more).stdout for more in ((), ("TORCH=cpu",)))
    assert "--extra-index-url" not in plain
    assert cpu.replace(" --extra-index-url https://download.pytorch.org/whl/cpu", "", 1).split() == plain.split()


def test_what_stands_before_a_commit_is_what_make_check_runs():
    hooks = [
        h for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"] for h in repo["hooks"]
    ]
    checked = re.findall(r"\.venv/bin/(.*)", make("-n", "check").stdout)
    told = {" ".join(line.replace("--check", "").replace(" .", "").split()) for line in checked if "pip" not in line}
    assert {hook["entry"].removeprefix(".venv/bin/") for hook in hooks} == told & {"ruff check", "ruff format", "mypy"}
    assert len(hooks) == 3
