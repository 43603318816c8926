"""The rooms of the house: what may import what. A room imports only rooms on lower floors."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ENGINE = ROOT / "mmda_bench"
FLOORS = (  # lowest first
    {"errors", "version", "units"},
    {"dataset", "machine"},
    {"functional"},
    {"protocol"},
    {"metrics", "published", "shifts", "validator"},
    {"registry"},
    {"method", "backbone", "store", "validators"},
    {"data", "modules", "selection"},
    {"features", "report", "sweep"},  # report and sweep never import each other
    {"training"},
    {"testing"},
    {"config"},
    {"tuning", "task"},
    {"api"},
    {"cli", "contract"},
    {"__main__", "__init__"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
AUTHORS = {  # what the two folders of plug-ins-in-waiting may see
    "methods": {"__init__", "method", "functional", "modules", "registry"},
    "datasets": {"backbone", "data", "dataset", "errors", "features", "protocol", "registry", "shifts", "datasets"},
}
MOST_FILES, MOST_LINES, LONGEST_FUNCTION = 16, 350, 60


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


def arrows(path: Path) -> Iterator[str]:
    """The rooms that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "mmda_bench":
            known = [alias.name if alias.name in {*FLOOR, *AUTHORS} else "__init__" for alias in node.names]
            names = [f"mmda_bench.{name}" for name in known]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (name.split(".")[1] for name in names if name.startswith("mmda_bench."))


def test_no_arrow_points_up_and_there_is_no_circle():
    found = {(room_of(path), to) for path in files(ENGINE) for to in arrows(path) if to != room_of(path)}
    between = sorted(pair for pair in found if pair[0] != "__init__")  # the front door opens lazily into every room
    print(f"{len(FLOOR)} rooms on {len(FLOORS)} floors, {len(between)} arrows")
    wrong = [f"{here} -> {to}" for here, to in between if FLOOR.get(to, len(FLOORS)) >= FLOOR[here]]
    assert wrong == []


def test_methods_and_datasets_see_only_what_their_authors_need():
    wrong = [
        f"{path.relative_to(ROOT)} -> {to}"
        for folder, allowed in AUTHORS.items()
        for path in files(ROOT / folder)
        for to in arrows(path)
        if to not in allowed
    ]
    assert wrong == []


def test_the_engine_names_no_method_and_no_corpus_in_its_imports():
    assert [path.name for path in files(ENGINE) if {"methods", "datasets"} & set(arrows(path))] == []


def private(path: Path) -> Iterator[str]:
    """The private names of other libraries that a file uses."""
    tree = ast.parse(path.read_text("utf-8"))
    foreign = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            foreign |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("mmda_bench"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            yield from (name for name in names if name.startswith("_") and not name.startswith("__"))
            foreign |= {alias.asname or alias.name for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
            owner = node.value
            while isinstance(owner, ast.Attribute):
                owner = owner.value
            if isinstance(owner, ast.Name) and owner.id in foreign - {"os"}:  # os._exit is documented
                yield ast.unparse(node)


def test_private_names_of_other_libraries_are_used_in_one_file_alone():
    found = {
        path.relative_to(ROOT).as_posix(): sorted({*private(path)})
        for folder in (ENGINE, *map(ROOT.joinpath, AUTHORS))
        for path in files(folder)
    }
    known = found.pop("mmda_bench/machine/foreign.py")
    assert "torch._fused_adam_" in known
    assert {path: names for path, names in found.items() if names} == {}


def test_rooms_files_and_functions_are_small():
    top = [path.name for path in ENGINE.glob("*.py")]
    assert len(top) <= MOST_FILES, top
    everything = [path for folder in ("mmda_bench", "methods", "datasets") for path in files(ROOT / folder)]
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in everything}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in everything
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in functions.items() if length > LONGEST_FUNCTION} == {}
