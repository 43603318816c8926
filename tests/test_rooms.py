"""The rooms of the house: what may import what. A room imports only rooms on lower floors."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
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
    {"listener", "task", "tuning"},
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


@cache
def parsed(source: str) -> ast.Module:
    """Of a source text, once for all tests."""
    return ast.parse(source)


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ENGINE).parts[0].removesuffix(".py")


def arrows(path: Path) -> Iterator[str]:
    """The rooms that a file imports, anywhere in it."""
    for node in ast.walk(parsed(path.read_text("utf-8"))):
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


def module_of(path: Path) -> str:
    """The name under which a file is imported; ``methods`` and ``datasets`` are joined to the package."""
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    return name if name.split(".")[0] == "mmda_bench" else f"mmda_bench.{name}"


def imported(source: str, known: Collection[str]) -> set[str]:
    """The files among ``known`` that ``source`` imports, in functions and for types alone as well."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {inner if inner in known else str(node.module) for inner in names.values()}
    return found & {*known}


def circles(graph: Mapping[str, Collection[str]]) -> list[list[str]]:
    """The files that reach each other, group by group."""
    reached: dict[str, set[str]] = {}
    for start in graph:
        ahead, reached[start] = [*graph[start]], set()
        while ahead:
            if (here := ahead.pop()) not in reached[start]:
                reached[start].add(here)
                ahead += graph[here]
    groups = {tuple(sorted({a} | {b for b in reached[a] if a in reached[b]})) for a in graph if a in reached[a]}
    return sorted([*group] for group in groups)


def test_a_circle_is_found_whether_its_imports_are_lazy_or_for_types_alone():
    sources = {
        "here.a": "from here import b",
        "here.b": "def later():\n    from here.c import name",
        "here.c": "if TYPE_CHECKING:\n    import here.a",
        "here.d": "import here.a, here.e",
        "here.e": "import os",
    }
    graph = {name: imported(source, sources) for name, source in sources.items()}
    assert circles(graph) == [["here.a", "here.b", "here.c"]]


def test_no_files_import_each_other_in_a_circle():
    everything = [path for folder in (ENGINE, *map(ROOT.joinpath, AUTHORS)) for path in files(folder)]
    sources = {module_of(path): path.read_text("utf-8") for path in everything}
    graph = {name: imported(source, sources) - {name} for name, source in sources.items()}
    found = circles(graph)
    told = [f"{a} imports {b}" for group in found for a in group for b in sorted(graph[a]) if b in group]
    assert found == [], "files import each other, lazily or for types, in a circle:\n" + "\n".join(told)


PRIVATE = re.compile(r"(?:\w+[.:])*_[A-Za-z]\w*(?:[.:]\w+)*")
BY_NAME = {
    "getattr",
    "setattr",
    "hasattr",
    "delattr",
    "attrgetter",
    "methodcaller",
    "import_module",
    "find_spec",
    "find_class",
}


def quoted(tree: ast.AST) -> Iterator[str]:
    """The private names in strings by which something is looked up, or with which a name is compared."""
    for node in ast.walk(tree):
        looked_up: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in BY_NAME:
            own = any(isinstance(one, ast.Name) and one.id in ("self", "cls") for one in node.args[:1])
            looked_up = [] if own else node.args
        elif isinstance(node, ast.Compare):
            looked_up = [node.left, *node.comparators]
        texts = [part.value for one in looked_up for part in ast.walk(one) if isinstance(part, ast.Constant)]
        yield from (text for text in texts if isinstance(text, str) and PRIVATE.fullmatch(text))


def private(source: str) -> Iterator[str]:
    """The private names of other libraries that a file uses, written out or in strings."""
    tree = parsed(source)
    yield from quoted(tree)
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


def test_a_private_name_is_seen_in_strings_too():
    source = (
        "import torch\n"
        "torch._C, getattr(torch, '_dynamo'), import_module('ray._private.worker')\n"
        "name not in ('_make_skeleton_class',), getattr(self, '_own'), name.endswith('_test'), torch.__version__\n"
    )
    assert sorted(private(source)) == ["_dynamo", "_make_skeleton_class", "ray._private.worker", "torch._C"]


def test_private_names_of_other_libraries_are_used_in_one_file_alone():
    found = {
        path.relative_to(ROOT).as_posix(): sorted({*private(path.read_text("utf-8"))})
        for folder in (ENGINE, *map(ROOT.joinpath, AUTHORS))
        for path in files(folder)
    }
    known = found.pop("mmda_bench/machine/foreign.py")
    assert {"torch._fused_adam_", "_make_skeleton_class"} <= {*known}
    assert {path: names for path, names in found.items() if names} == {}


def prints(source: str) -> Iterator[str]:
    """Where a file writes to a person's terminal by itself."""
    for node in ast.walk(parsed(source)):
        called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if called in ("print", "typer.echo") or re.fullmatch(
            r"sys\.(__)?std(out|err)(__)?\.(write|writelines)", called
        ):
            yield f"line {node.lineno}: {called}"


def test_only_the_command_line_prints_others_warn_with_a_remark():
    assert [*prints("print(1)\nsys.stderr.write('x')\nredirect_stdout(sys.stderr)")] == [
        "line 1: print",
        "line 2: sys.stderr.write",
    ]
    quiet = [path for path in files(ENGINE) if room_of(path) not in ("cli", "__main__")]
    found = {path.relative_to(ROOT).as_posix(): [*prints(path.read_text("utf-8"))] for path in quiet}
    assert {name: places for name, places in found.items() if places} == {}, "warn with mmda_bench.errors.Remark"


def test_the_number_of_the_schema_stands_in_one_place():
    found = [
        f"{path.relative_to(ROOT)} line {node.lineno}"
        for path in files(ENGINE)
        for node in ast.walk(parsed(path.read_text("utf-8")))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == "schema" and isinstance(value, ast.Constant)
    ]
    assert found == [], "use mmda_bench.store.SCHEMA"


def test_what_contributing_says_of_sizes_is_what_is_held_here():
    said = " ".join((ROOT / "CONTRIBUTING.md").read_text("utf-8").split())
    assert f"at most {MOST_FILES} Python files directly in `mmda_bench/`" in said
    assert f"at most {MOST_LINES} lines a file and {LONGEST_FUNCTION} a function" in said


def test_rooms_files_and_functions_are_small():
    top = [path.name for path in ENGINE.glob("*.py")]
    assert len(top) <= MOST_FILES, top
    everything = [path for folder in ("mmda_bench", "methods", "datasets", "tests") for path in files(ROOT / folder)]
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in everything}
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}
    functions = {
        f"{path.relative_to(ROOT)}:{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in everything
        for node in ast.walk(parsed(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: length for name, length in functions.items() if length > LONGEST_FUNCTION} == {}
