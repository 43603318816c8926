"""Every example in a docstring runs."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "mmda_bench").rglob("*.py")
    if ">>> " in path.read_text("utf-8") and "templates" not in path.parts
)
DEAR = "mmda_bench.testing."  # their examples run whole checks


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", [pytest.param(name, marks=pytest.mark.deep) if name.startswith(DEAR) else name for name in MODULES]
)
def test_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert found.failed == 0
