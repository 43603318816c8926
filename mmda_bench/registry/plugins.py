"""Plug-in files: read once with the helpers beside them, run so that the process stays as it was, run anew on demand.

A plug-in file may import modules that lie beside it, under names that no installed library has. It is read together
with all of them, and their content is part of its digest. Whoever runs it later, here or in a worker, runs what was
read then.
"""

import ast
import hashlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from mmda_bench.errors import UsageError, told
from mmda_bench.machine.as_before import Changes, PutBackWarning, as_before, imported_first
from mmda_bench.registry.read import read_class
from mmda_bench.registry.registry import REGISTRIES

PLUGIN_MODULE = "mmda_bench_plugin_"  # every plug-in file is imported under this and its stem


@dataclass(frozen=True)
class Plugin:
    """A plug-in file. ``sources``: it and its helpers by path, as they were when they were read, it first;
    ``helpers``: paths of helpers by the name of their module; ``registers``: (kind, name) of what it brings."""

    path: str
    sources: Mapping[str, bytes]
    helpers: Mapping[str, str] = field(default_factory=dict)
    registers: tuple[tuple[str, str], ...] = ()

    @property
    def module(self) -> str:
        """The name under which it is imported."""
        return PLUGIN_MODULE + Path(self.path).stem

    @property
    def name(self) -> str:
        return Path(self.path).name

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits: of the file; where it has helpers, of all their contents."""
        if len(self.sources) == 1:
            return hashlib.sha256(self.sources[self.path]).hexdigest()
        folder = Path(self.path).parent
        parts = (
            f"{Path(path).relative_to(folder).as_posix()} {hashlib.sha256(content).hexdigest()}"
            for path, content in sorted(self.sources.items())
        )
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def read_plugin(file: str | Path) -> Plugin:
    """A plug-in file and its helpers, read and not run. Raises :class:`UsageError` if it is no file of Python."""
    path = Path(file).expanduser().resolve()
    if not path.is_file() or path.suffix != ".py":
        raise UsageError(f"plug-in {file} is not a {'Python ' if path.is_file() else ''}file")
    try:
        sources, helpers = {str(path): path.read_bytes()}, dict[str, str]()
        waiting = [sources[str(path)]]
        while waiting:
            for top in {name.partition(".")[0] for name in _imported(waiting.pop(), everywhere=True)} - helpers.keys():
                for name, beside in _beside(path.parent, top):
                    helpers[name] = str(beside)
                    if str(beside) not in sources:
                        sources[str(beside)] = beside.read_bytes()
                        waiting.append(sources[str(beside)])
    except OSError as error:
        raise UsageError(f"plug-in {file} cannot be read: {error}") from error
    return Plugin(str(path), sources, helpers)


def _imported(source: bytes, *, everywhere: bool) -> Iterator[str]:
    """Names of the modules that a file imports; ``everywhere``: also inside functions, when they run."""
    try:
        waiting: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError):
        return  # running it says so
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if everywhere or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting += ast.iter_child_nodes(node)


def _beside(folder: Path, top: str) -> Iterator[tuple[str, Path]]:
    """Modules of the name ``top`` in ``folder``, those below it included; none if a library has this name."""
    package, alone = folder / top / "__init__.py", folder / f"{top}.py"
    if not (package.is_file() or alone.is_file()) or _is_library(top, folder):
        return
    if not package.is_file():
        yield top, alone
        return
    for path in sorted(package.parent.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def _is_library(top: str, folder: Path) -> bool:
    ours = top == __name__.partition(".")[0]  # also where a plug-in lies beside it, in a clone of this repository
    if ours or top in sys.stdlib_module_names:
        return True
    if top in HELPERS.found:
        return False
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return top in sys.modules
    origin = spec.origin if spec else None
    return spec is not None and (origin is None or folder not in Path(origin).parents)


class _Shipped(SourceFileLoader):
    """Loads a module from what was read, whatever the file holds by now."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self.content = content

    def get_data(self, path: str) -> bytes:
        return self.content if path == self.path else super().get_data(path)

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.content, self.path)


class Helpers(MetaPathFinder):
    """Finds the helpers of plug-ins by the names of their modules; no library has one of these."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[str, bytes]] = {}

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname not in self.found:
            return None
        return _spec(fullname, *self.found[fullname])

    def add(self, plugin: Plugin) -> None:
        """Raises :class:`UsageError` where another plug-in has another helper of the same name."""
        for name, path in plugin.helpers.items():
            other = self.found.get(name, (path,))[0]
            if other != path:
                raise UsageError(f"plug-ins have two helpers named {name}: {other} and {path}; rename one of them")
        self.found |= {name: (path, plugin.sources[path]) for name, path in plugin.helpers.items()}


HELPERS = Helpers()
sys.meta_path.insert(0, HELPERS)


def _spec(name: str, path: str, content: bytes) -> ModuleSpec:
    spec = importlib.util.spec_from_file_location(
        name, path, loader=_Shipped(name, path, content),
        submodule_search_locations=[str(Path(path).parent)] if Path(path).name == "__init__.py" else None,
    )  # fmt: skip
    assert spec is not None  # a loader was given
    return spec


def load_plugin(file: "str | Path | Plugin") -> Plugin:
    """Run a plug-in file and add what it registers; again, and in its place, when it or a helper has changed since.

    What it changes in this process (settings, functions of libraries) is put back, with a warning that names it.
    Raises :class:`UsageError` if it is missing, fails or is empty.
    """
    plugin = file if isinstance(file, Plugin) else read_plugin(file)
    known: Plugin | None = getattr(sys.modules.get(plugin.module), "__mmda_plugin__", None)
    if known is not None and known.path == plugin.path:
        if known.digest == plugin.digest:
            return known
        forget(known)
    return _run(plugin, str(file) if not isinstance(file, Plugin) else plugin.path)


def forget(plugin: Plugin) -> None:
    """Make as if the plug-in had never been loaded."""
    for registry in REGISTRIES:
        registry._forget(plugin.module)
    sys.modules.pop(plugin.module, None)
    for name in plugin.helpers:
        sys.modules.pop(name, None)
        HELPERS.found.pop(name, None)


def _run(plugin: Plugin, file: str) -> Plugin:
    HELPERS.add(plugin)
    for content in plugin.sources.values():
        imported_first([name for name in _imported(content, everywhere=False) if name not in plugin.helpers])
    module = importlib.util.module_from_spec(_spec(plugin.module, plugin.path, plugin.sources[plugin.path]))
    sys.modules[plugin.module] = module
    try:
        with as_before(made_by=is_plugin_module) as changes:
            module.__spec__.loader.exec_module(module)  # type: ignore[union-attr]
        found, corruptions = _declared(module, plugin), _corruptions(module)
    except UsageError as error:
        forget(plugin)
        raise UsageError(f"plug-in {file}: {error}") from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        forget(plugin)
        raise UsageError(f"plug-in {file} failed to import: {told(error)}{_hidden(error, plugin)}") from error
    registers = tuple((entry.kind, entry.name) for _, entries in found for entry in entries) + corruptions
    if not registers:
        forget(plugin)
        raise UsageError(
            f"plug-in {file} registers nothing; decorate a class with @register_method(...), or a function with "
            "@register_validator(...)"
        )
    loaded = Plugin(plugin.path, plugin.sources, plugin.helpers, registers)
    module.__dict__.update(__mmda_plugin__=loaded, __mmda_changes__=changes)
    for cls, entries in found:
        for registry in REGISTRIES:
            registry._add(entries, cls)
    if changes.all:
        warnings.warn(_said(loaded, changes.put_back, changes.lasting), PutBackWarning, stacklevel=3)
    return loaded


def _declared(module: ModuleType, plugin: Plugin) -> list[tuple[Any, list[Any]]]:
    values = [value for value in vars(module).values() if isinstance(value, (type, FunctionType))]
    return [(v, read_class(v, f"plug-in {plugin.name}")) for v in values if v.__module__ == plugin.module]


def _corruptions(module: ModuleType) -> tuple[tuple[str, str], ...]:
    """The corruptions that a plug-in file defines, which the shifts find by themselves. Raises :class:`UsageError` for
    one that has the name of ours."""
    from mmda_bench.shifts.corruptions import CORRUPTIONS, Corruption

    values = [value for value in vars(module).values() if isinstance(value, Corruption)]
    found = [value.name for value in values if CORRUPTIONS.get(value.name) is not value]
    if taken := [name for name in found if name in CORRUPTIONS]:
        raise UsageError(f"there is a corruption {taken[0]!r} already")
    return tuple(("corruptions", name) for name in found)


def _said(plugin: Plugin, put_back: list[str], lasting: list[str]) -> str:
    told = f"plug-in {plugin.name} changes, when it is loaded, {', '.join([*put_back, *lasting])}"
    if lasting:
        return f"{told}; {', '.join(lasting)} cannot be put back"
    return f"{told}; that was put back, as it would change the cells of others"


def _hidden(error: BaseException, plugin: Plugin) -> str:
    """A remark where a library hides a file beside the plug-in that it may have meant."""
    name = getattr(error, "name", None)
    top = str(name).partition(".")[0]
    if not isinstance(error, (ImportError, AttributeError)) or not name or top in plugin.helpers:
        return ""
    beside = Path(plugin.path).with_name(f"{top}.py")
    return f"; {beside.name} beside it is hidden by the installed library of that name" if beside.is_file() else ""


def is_plugin_module(name: str) -> bool:
    """Whether a module is a plug-in file or a helper of one."""
    return name.startswith(PLUGIN_MODULE) or name in HELPERS.found


def plugin_modules() -> dict[str, ModuleType]:
    """Plug-in files and helpers that are imported now."""
    names = [name for name in list(sys.modules) if name.startswith(PLUGIN_MODULE)] + list(HELPERS.found)
    return {name: sys.modules[name] for name in names if name in sys.modules}


def needed(plugins: Iterable[Plugin], names: Mapping[str, str]) -> tuple[Plugin, ...]:
    """Those of ``plugins`` that register one of ``names``, which are given by kind, such as methods; of several of one
    kind the others by that and something behind a colon."""
    asked = {(kind.partition(":")[0], name) for kind, name in names.items()}
    return tuple(one for one in plugins if asked & set(one.registers))


def of_corpus(plugins: Iterable[Plugin], names: Mapping[str, str]) -> tuple[Plugin, ...]:
    """As :func:`needed`, of those that read or encode a corpus: those of a method have no business there."""
    return needed(plugins, {kind: name for kind, name in names.items() if kind != "methods"})


def loaded() -> list[Plugin]:
    """The plug-in files that are loaded in this process."""
    return [plugin for name in plugin_modules() if (plugin := plugin_of(name)) is not None]


def changes_of(module: str) -> Changes:
    """What the plug-in file that is loaded under this name of a module changed in the process when it was run."""
    found: Changes = getattr(sys.modules.get(module), "__mmda_changes__", Changes())
    return found


def plugin_of(module: str) -> Plugin | None:
    """The plug-in file that is loaded under this name of a module."""
    return getattr(sys.modules.get(module), "__mmda_plugin__", None)
