"""What must hold outside the checkout: a wheel, elsewhere, and no folder that hides a library."""

import importlib.util
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command, cwd=ROOT):
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # it may name the checkout
    done = subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def test_our_datasets_folder_does_not_hide_the_library_of_that_name():
    found = importlib.util.find_spec("datasets")
    assert found is None or found.origin is None or not Path(found.origin).is_relative_to(ROOT)
    assert not (ROOT / "datasets" / "__init__.py").exists()


PACKAGED = ("mmda_bench", "methods", "datasets")


def sources():
    """The files of the packaged folders that git has, or would take."""
    return run("git", "ls-files", "-co", "--exclude-standard", *PACKAGED).split()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A wheel built from this tree, in an environment that shares the libraries and nothing else."""
    place = tmp_path_factory.mktemp("wheel")
    copy = place / "source"
    copy.mkdir()
    for name in [*sources(), "pyproject.toml", "README.md", "LICENSE"]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(place), str(copy))
    venv.create(place / "venv", with_pip=False)
    libraries = [p for p in sys.path if p.endswith("site-packages")]
    target = next((place / "venv").glob("lib/python*/site-packages"))
    (target / "libraries.pth").write_text("\n".join(libraries))
    wheel = next(place.glob("*.whl"))
    run(sys.executable, "-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target), str(wheel))
    return place / "venv" / "bin" / "python", target, place


@pytest.mark.system
def test_the_wheel_holds_every_file_of_every_room_and_no_other(installed):
    *_, place = installed
    with zipfile.ZipFile(next(place.glob("*.whl"))) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {name if name.startswith("mmda_bench/") else f"mmda_bench/{name}" for name in sources()}
    assert sorted(expected - packed) == [], "not in the wheel: name the room in pyproject.toml, [tool.setuptools]"
    assert sorted(packed - expected) == [], "in the wheel and not in git"


@pytest.mark.system
def test_a_wheel_lists_all_methods_and_runs_a_cell_elsewhere(installed):
    python, target, place = installed
    where = run(str(python), "-c", "import mmda_bench; print(mmda_bench.__file__)", cwd=place).strip()
    assert Path(where).is_relative_to(target), "the wheel must be what runs, not the checkout"
    listed = run(str(python), "-c", "from mmda_bench.cli import main; main()", "list", "methods", cwd=place)
    for name in ("dt", "dann", "cdan", "mada", "daln", "pcl", "fdd", "luhp", "dada", "a3d2"):
        assert re.search(rf"^{name} ", listed, re.M), name
    script = place / "one_cell.py"
    script.write_text(ONE_CELL)
    assert "ok" in run(str(python), str(script), cwd=place)


ONE_CELL = """
from itertools import islice
from pathlib import Path
from mmda_bench import Cell, Protocol, registry, run_cell
reader = registry.DATASETS.get("avatars")
whole = reader.utterances
reader.utterances = lambda self, root: islice(whole(self, root), 200)
protocol = Protocol(backbone="tiny", epochs=1)
cell = Cell(method="dt", dataset="avatars", version=reader.card.version, anchor="A", seed=0, protocol=protocol)
print(run_cell(cell, root=None, cache=Path("cache")).record["status"])
"""
