"""Names to classes: methods, datasets and backbones, built in or brought by a plug-in.

Listing must be instant, so the facts of a built-in entry (title, paper, hyper-parameters) are read from its source
without importing it; only an entry that is used is imported, and torch with it. Plug-ins come from the entry-point
groups ``mmda_bench.methods``, ``mmda_bench.datasets``, ``mmda_bench.backbones``, or from files given with ``--plugin``.
Built-in names win; a second entry of a name is an error; a plug-in that fails to import is kept with its reason.
"""

import ast
import difflib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any


class UsageError(Exception):
    """The user asked for something that does not exist; the message says what does."""


@dataclass(frozen=True)
class Uniform:
    """A hyper-parameter searched uniformly in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """A hyper-parameter searched uniformly in its logarithm in [low, high], low > 0."""

    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter searched over a finite set of values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Entry:
    """What is known of a name without importing its class. ``facts`` are the decorator's keyword arguments;
    ``parameters`` the hyper-parameters with their defaults; ``reason`` why the entry cannot be used, if so."""

    name: str
    kind: str
    origin: str
    module: str
    attribute: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    search_space: Mapping[str, Any] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    doc: str = ""
    reason: str | None = None

    @property
    def title(self) -> str:
        return str(self.facts.get("title", self.name))

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.facts.get("groups", ()))


def suggest(name: str, known: list[str]) -> str:
    """', did you mean X?' or '' for a name that resembles nothing known."""
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]}?" if close else ""


def _register(kind: str, name: str, facts: dict[str, Any]) -> Callable[[type], type]:
    def mark(cls: type) -> type:
        registered = dict(cls.__dict__.get("__mmda_registered__", {}))
        registered[name] = (kind, facts)
        cls.__mmda_registered__ = registered  # type: ignore[attr-defined]
        return cls

    return mark


def register_method(
    name: str,
    *,
    title: str,
    paper: str,
    doi: str | None = None,
    groups: tuple[str, ...] = (),
    overrides: Mapping[str, Any] | None = None,
    ours: str = "",
) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.method.Method` under ``name``.

    ``groups``: "all" puts it into ``--methods all``. ``overrides``: other defaults, for a variant registered by a
    second decorator on the same class. ``ours``: what this project decided where the sources leave it open. All
    arguments must be literals: they are listed without importing the file.
    """
    facts = {"title": title, "paper": paper, "doi": doi, "groups": groups, "overrides": overrides or {}, "ours": ours}
    return _register("methods", name, facts)


def register_dataset(name: str, *, title: str) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.dataset.Dataset` under ``name``."""
    return _register("datasets", name, {"title": title})


def register_backbone(name: str, *, title: str) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.backbone.spec.Backbone` under ``name``."""
    return _register("backbones", name, {"title": title})


_RANGES = {"Uniform": Uniform, "LogUniform": LogUniform, "Choice": Choice}


def _literal(node: ast.expr) -> Any:
    """Value of a literal expression, in which the range classes may be called."""
    return eval(compile(ast.Expression(node), "<registry>", "eval"), {"__builtins__": {}, **_RANGES, "range": range})


def _class_attribute(node: ast.ClassDef, name: str, default: Any) -> Any:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return _literal(statement.value)  # type: ignore[attr-defined]
    return default


def _init_defaults(node: ast.ClassDef) -> dict[str, Any]:
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            pairs = zip(statement.args.kwonlyargs, statement.args.kw_defaults, strict=True)
            return {arg.arg: _literal(value) for arg, value in pairs if value is not None}
    return {}


def read_source(path: Path, module: str, origin: str) -> list[Entry]:
    """Entries of a source file, read without running it; decorator arguments and defaults must be literals."""
    entries = []
    for node in ast.parse(path.read_text("utf-8"), str(path)).body:
        if not isinstance(node, ast.ClassDef):
            continue
        for call in node.decorator_list:
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name)):
                continue
            if not call.func.id.startswith("register_"):
                continue
            kind = call.func.id.removeprefix("register_") + "s"
            facts = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
            entries.append(
                Entry(
                    name=_literal(call.args[0]),
                    kind=kind,
                    origin=origin,
                    module=module,
                    attribute=node.name,
                    facts=facts,
                    parameters=_init_defaults(node) | dict(facts.get("overrides") or {}) if kind == "methods" else {},
                    search_space=_class_attribute(node, "search_space", {}) if kind == "methods" else {},
                    components=_class_attribute(node, "components", ()) if kind == "methods" else (),
                    doc=ast.get_docstring(node) or ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "",
                )
            )
    return entries


def read_class(cls: type, origin: str) -> list[Entry]:
    """Entries of an imported class."""
    entries = []
    for name, (kind, facts) in cls.__dict__.get("__mmda_registered__", {}).items():
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        defaults = {
            key: parameter.default
            for key, parameter in signature.parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is not parameter.empty
        }
        entries.append(
            Entry(
                name=name,
                kind=kind,
                origin=origin,
                module=cls.__module__,
                attribute=cls.__qualname__,
                facts=facts,
                parameters=defaults | dict(facts.get("overrides") or {}) if kind == "methods" else {},
                search_space=dict(getattr(cls, "search_space", {})) if kind == "methods" else {},
                components=tuple(getattr(cls, "components", ())) if kind == "methods" else (),
                doc=inspect.cleandoc(cls.__doc__ or sys.modules[cls.__module__].__doc__ or ""),
            )
        )
    return entries


class Registry:
    """One kind of thing by name. ``folder``: the package whose modules are built in."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._entries: dict[str, Entry] | None = None
        self._classes: dict[str, type] = {}

    @property
    def singular(self) -> str:
        return self.kind.removesuffix("s")

    def entries(self) -> dict[str, Entry]:
        """All entries by name, broken plug-ins included (their ``reason`` is set)."""
        if self._entries is None:
            self._entries = {}
            for path in sorted(_package_folder(self.package).glob("*.py")):
                for entry in read_source(path, f"{self.package}.{path.stem}", "built-in"):
                    if entry.kind == self.kind:
                        self._entries[entry.name] = entry
            for point in entry_points(group=f"mmda_bench.{self.kind}"):
                origin = f"plug-in {point.dist.name if point.dist else point.value}"
                try:
                    found = read_class(point.load(), origin)
                    if not found:
                        raise UsageError(f"{point.value} is not decorated with @register_{self.singular}")
                except Exception as error:  # a broken plug-in must not take the command down with it
                    found = [_broken(point.name, self.kind, origin, point.value, error)]
                self._add(found)
        return self._entries

    def _add(self, found: list[Entry], cls: type | None = None) -> None:
        entries = self.entries()
        for entry in found:
            if entry.kind != self.kind:
                continue
            before = entries.get(entry.name)
            if before is None or before == entry:
                entries[entry.name] = entry
                if cls is not None:
                    self._classes[entry.name] = cls
            elif before.origin == "built-in":
                reason = f"the name {entry.name} is built in; register the {self.singular} under another name"
                raise UsageError(f"{entry.origin}: {reason}")
            else:
                raise UsageError(f"{self.singular} {entry.name} is registered twice: {before.origin}, {entry.origin}")

    def names(self, group: str | None = None) -> list[str]:
        """Usable names, in order of the registry; with ``group``, those of that group."""
        usable = [entry for entry in self.entries().values() if entry.reason is None]
        return [entry.name for entry in usable if group is None or group in entry.groups]

    def entry(self, name: str) -> Entry:
        """The entry of ``name``. Raises :class:`UsageError` with a suggestion, or with the plug-in's reason."""
        known = self.entries()
        if name not in known:
            hint = suggest(name, list(known)) or f"; known: {', '.join(known)}"
            raise UsageError(f"unknown {self.singular} {name!r}{hint}")
        if known[name].reason is not None:
            raise UsageError(f"{self.singular} {name} cannot be used: {known[name].reason}")
        return known[name]

    def get(self, name: str) -> type:
        """The class of ``name``, imported now if it was not before."""
        entry = self.entry(name)
        if name not in self._classes:
            self._classes[name] = getattr(importlib.import_module(entry.module), entry.attribute)
        return self._classes[name]


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed with mmda-bench; reinstall it")
    return Path(next(iter(spec.submodule_search_locations)))


def _broken(name: str, kind: str, origin: str, module: str, error: Exception) -> Entry:
    reason = f"{type(error).__name__}: {error}"
    return Entry(name=name, kind=kind, origin=origin, module=module, attribute="", reason=reason)


METHODS = Registry("methods", "mmda_bench.methods")
DATASETS = Registry("datasets", "mmda_bench.datasets")
BACKBONES = Registry("backbones", "mmda_bench.backbone")


def load_plugin(file: str | Path) -> None:
    """Run a plug-in file and add what it registers. Raises :class:`UsageError` if it is missing, fails or is empty."""
    path = Path(file).resolve()
    if not path.is_file():
        raise UsageError(f"plug-in {file} is not a file")
    name = f"mmda_bench_plugin_{path.stem}"
    if name in sys.modules and getattr(sys.modules[name], "__file__", None) == str(path):
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plug-in {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise UsageError(f"plug-in {file} failed to import: {type(error).__name__}: {error}") from error
    classes = [value for value in vars(module).values() if isinstance(value, type) and value.__module__ == name]
    found = [(cls, read_class(cls, f"plug-in {path.name}")) for cls in classes]
    if not any(entries for _, entries in found):
        raise UsageError(f"plug-in {file} registers nothing; decorate a class with @register_method(...)")
    for cls, entries in found:
        for registry in (METHODS, DATASETS, BACKBONES):
            registry._add(entries, cls)
