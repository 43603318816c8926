"""The notebooks of docs/ run from top to bottom, in a folder like theirs, as a person would run them."""

import ast
import json
from pathlib import Path

import published
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs").glob("*.ipynb"))


def cells(path: Path, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind, in order."""
    return [
        "".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind
    ]


def run(source: str, names: dict) -> object:
    """The value of the last expression of a cell, as a notebook shows it; None where it ends with a statement."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


def test_there_are_two_of_them_and_a_page_leads_to_each():
    assert [path.name for path in NOTEBOOKS] == ["first-look.ipynb", "own-method.ipynb"]
    pages = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert all(f"]({path.name})" in pages for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_stored_without_outputs_and_names_each_cell_once(path):
    found = json.loads(path.read_text("utf-8"))
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in found["cells"] if "outputs" in cell
    )
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])


@pytest.mark.system
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_every_cell_of_a_notebook_runs_and_shows_something(
    path, tmp_path, monkeypatch, small_avatars, small_cache, undrawn
):
    published.link(tmp_path / "results", "dt,dann,luhp", seeds=2)
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    monkeypatch.setenv("XDG_CACHE_HOME", str(small_cache.parent / "notebooks"))
    names: dict = {"__name__": "__main__"}
    for number, source in enumerate(cells(path, "code")):
        shown = run(source, names)
        if not isinstance(ast.parse(source).body[-1], ast.Expr):
            continue
        text = getattr(shown, "_repr_html_", lambda: None)() or repr(shown)
        assert len(text) > 20, f"cell {number} shows nothing: {text!r}"
