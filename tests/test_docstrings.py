"""Every public name has an example, and every example in a docstring runs."""

import doctest
import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import published
import pytest

import mmda_bench

ROOT = Path(__file__).resolve().parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "mmda_bench").rglob("*.py"))
    if "templates" not in path.parts
}
WITH_EXAMPLES = {name: path.read_text("utf-8") for name, path in MODULES.items() if ">>> " in path.read_text("utf-8")}
WHOLE_CHECKS = ("authors", "backbone_contract", "dataset_contract", "method_contract", "process_contract")
DEAR = {f"mmda_bench.testing.{name}" for name in WHOLE_CHECKS}  # their examples run whole checks
ROOMS = ("functional", "metrics", "validators", "testing")
FILES = ("mmda_bench.modules", "mmda_bench.units", *(f"mmda_bench.{room}" for room in ROOMS))


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", [pytest.param(name, marks=pytest.mark.deep) if name in DEAR else name for name in WITH_EXAMPLES]
)
def test_examples_run(module, tmp_path, monkeypatch, whole_avatars):
    monkeypatch.chdir(tmp_path)
    if '("results"' in WITH_EXAMPLES[module]:
        published.link(tmp_path / "results", "dt,a3d2", 1)
    found = doctest.testmod(import_module(module), optionflags=doctest.ELLIPSIS)
    assert found.attempted
    assert found.failed == 0


def exported() -> Iterator[tuple[str, object]]:
    """What the front door offers. Two of its names are packages as well, which are called as the functions are."""
    api = import_module("mmda_bench.api")
    for name in mmda_bench.__all__:
        yield f"mmda_bench.{name}", getattr(api if name in mmda_bench.PACKAGES else mmda_bench, name)


def defined() -> Iterator[tuple[str, object]]:
    """What the files for authors define, but for the single checks of a contract: their titles say what they hold."""
    for name in MODULES:
        if not name.startswith(FILES):
            continue
        module = import_module(name)
        checks = {*getattr(module, "CHECKS", {}).values()}
        for attribute, value in vars(module).items():
            own = getattr(value, "__module__", "") == name and (inspect.isfunction(value) or inspect.isclass(value))
            if own and not attribute.startswith("_") and value not in checks:
                yield f"{name}.{attribute}", value


def without_example(names: Iterator[tuple[str, object]]) -> set[str]:
    return {name for name, value in names if ">>> " not in (value.__doc__ or "")}


@pytest.mark.slow
def test_every_exported_name_has_an_example():
    assert without_example(exported()) == set()


@pytest.mark.slow
def test_what_authors_build_on_has_examples():
    assert without_example(defined()) == set()
