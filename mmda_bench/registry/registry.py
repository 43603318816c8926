"""Names to classes and functions: methods, datasets, backbones and validators, built in or brought by a plug-in.

Listing must be instant, so the facts of a built-in entry (title, paper, hyper-parameters) are read from its source
without importing it; only an entry that is used is imported, and torch with it. Plug-ins come from the entry-point
groups ``mmda_bench.methods``, ``.datasets``, ``.backbones`` and ``.validators``, or from files given with ``--plugin``.
Built-in names win; a second entry of a name is an error; a plug-in that fails to import is kept with its reason.
"""

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path
from types import FunctionType
from typing import Any

from mmda_bench.errors import UsageError, suggest
from mmda_bench.registry.declare import (
    Choice,
    Entry,
    LogUniform,
    Uniform,
    register_backbone,
    register_dataset,
    register_method,
    register_validator,
)
from mmda_bench.registry.read import read_class, read_source

__all__ = [
    "BACKBONES", "DATASETS", "METHODS", "VALIDATORS", "Choice", "Entry", "LogUniform", "Registry", "Uniform",
    "UsageError", "by_value", "load_plugin", "read_class", "read_source", "register", "register_backbone",
    "register_dataset", "register_method", "register_validator",
]  # fmt: skip


class Registry:
    """One kind of thing by name. ``folder``: the package whose modules are built in."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._entries: dict[str, Entry] | None = None
        self._classes: dict[str, Any] = {}

    @property
    def singular(self) -> str:
        return self.kind.removesuffix("s")

    def entries(self) -> dict[str, Entry]:
        """All entries by name, broken plug-ins included (their ``reason`` is set)."""
        if self._entries is None:
            self._entries = {}
            folder = _package_folder(self.package)
            for path in sorted(folder.rglob("*.py")):
                module = ".".join((self.package, *path.relative_to(folder).with_suffix("").parts))
                for entry in read_source(path, module, "built-in"):
                    if entry.kind == self.kind:
                        self._entries[entry.name] = entry
            for point in entry_points(group=f"mmda_bench.{self.kind}"):
                origin = f"plug-in {point.dist.name if point.dist else point.value}"
                try:
                    found = read_class(point.load(), origin)
                    if not found:
                        raise UsageError(f"{point.value} is not decorated with @register_{self.singular}")
                except (Exception, SystemExit) as error:  # a broken plug-in must not take the command down with it
                    found = [_broken(point.name, self.kind, origin, point.value, error)]
                self._add(found)
        return self._entries

    def _add(self, found: list[Entry], cls: type | FunctionType | None = None) -> None:
        entries = self.entries()
        for entry in found:
            if entry.kind != self.kind:
                continue
            before = entries.get(entry.name)
            if before is None or before == entry or (before.origin == entry.origin == SESSION):
                entries[entry.name] = entry
                if cls is not None:
                    self._classes[entry.name] = cls
            elif before.origin == "built-in":
                reason = f"the name {entry.name} is built in; register the {self.singular} under another name"
                raise UsageError(f"{entry.origin}: {reason}")
            else:
                raise UsageError(f"{self.singular} {entry.name} is registered twice: {before.origin}, {entry.origin}")

    def _forget(self, module: str) -> None:
        """Drop what ``module``, a plug-in file that has changed, registered before."""
        for name in [name for name, entry in self.entries().items() if entry.module == module]:
            del self.entries()[name]
            self._classes.pop(name, None)

    def names(self, group: str | None = None) -> list[str]:
        """Usable names, in order of the registry; with ``group``, those of that group."""
        usable = [entry for entry in self.entries().values() if entry.reason is None]
        return [entry.name for entry in usable if group is None or group in entry.groups]

    def groups(self) -> list[str]:
        """The groups that usable entries declare, in alphabetical order."""
        return sorted({group for name in self.names() for group in self.entries()[name].groups})

    def entry(self, name: str) -> Entry:
        """The entry of ``name``, in any case. Raises :class:`UsageError` with a suggestion, or the plug-in's reason."""
        known = self.entries()
        name = name.lower() if name.lower() in known else name
        if name not in known:
            hint = suggest(name, list(known)) or f"; known: {', '.join(known)}"
            raise UsageError(f"unknown {self.singular} {name!r}{hint}")
        if known[name].reason is not None:
            raise UsageError(f"{self.singular} {name} cannot be used: {known[name].reason}")
        return known[name]

    def get(self, name: str) -> Any:
        """The class of ``name``, or the function of a validator, imported now if it was not before."""
        entry = self.entry(name)
        if entry.name not in self._classes:
            self._classes[entry.name] = getattr(importlib.import_module(entry.module), entry.attribute)
        return self._classes[entry.name]

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Entries and classes are afterwards those of before. :func:`mmda_bench.registry.isolated` does all kinds."""
        entries, classes = dict(self.entries()), dict(self._classes)
        try:
            yield
        finally:
            self._entries, self._classes = entries, classes


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed with mmda-bench; reinstall it")
    return Path(next(iter(spec.submodule_search_locations)))


def _broken(name: str, kind: str, origin: str, module: str, error: BaseException) -> Entry:
    reason = str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"
    return Entry(name=name, kind=kind, origin=origin, module=module, attribute="", reason=reason)


METHODS = Registry("methods", "mmda_bench.methods")
DATASETS = Registry("datasets", "mmda_bench.datasets")
BACKBONES = Registry("backbones", "mmda_bench.backbone")
VALIDATORS = Registry("validators", "mmda_bench.validators")
REGISTRIES = (METHODS, DATASETS, BACKBONES, VALIDATORS)
SESSION = "this session"  # the origin of a class that was handed to :func:`register`


def load_plugin(file: str | Path) -> None:
    """Run a plug-in file and add what it registers; again, and in its place, when the file has changed since.

    Raises :class:`UsageError` if it is missing, fails or is empty.
    """
    path = Path(file).resolve()
    if not path.is_file():
        raise UsageError(f"plug-in {file} is not a file")
    name, digest = f"mmda_bench_plugin_{path.stem}", hashlib.sha256(path.read_bytes()).hexdigest()
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        if getattr(known, "__mmda_digest__", None) == digest:
            return
        for registry in REGISTRIES:
            registry._forget(name)
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"plug-in {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    module.__dict__["__mmda_digest__"] = digest
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        values = [value for value in vars(module).values() if isinstance(value, (type, FunctionType))]
        found = [(v, read_class(v, f"plug-in {path.name}")) for v in values if v.__module__ == name]
    except UsageError as error:
        del sys.modules[name]
        raise UsageError(f"plug-in {file}: {error}") from error
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UsageError(f"plug-in {file} failed to import: {type(error).__name__}: {error}") from error
    if not any(entries for _, entries in found):
        raise UsageError(
            f"plug-in {file} registers nothing; decorate a class with @register_method(...), or a function with "
            "@register_validator(...)"
        )
    for cls, entries in found:
        for registry in REGISTRIES:
            registry._add(entries, cls)


def register(cls: type) -> type:
    """Add a decorated class of this session, as one from a notebook cell; a later class of its name replaces it.

    Returns the class. Raises :class:`UsageError` when it is not decorated with ``@register_method`` or the like, and
    for a name that is built in or a plug-in's.

    >>> from mmda_bench import Method, register_method
    >>> @register_method("mine-here", title="Mine", paper="Me, 2026")
    ... class Mine(Method):
    ...     def loss(self, source, target, progress):
    ...         return {}
    >>> register(Mine) is Mine and "mine-here" in METHODS.names()
    True
    """
    found = read_class(cls, SESSION)
    if not found:
        raise UsageError(
            f"{cls.__name__} is not decorated; write @register_method(name, title=..., paper=...) above it"
        )
    for registry in REGISTRIES:
        registry._add(found, cls)
    return cls


def by_value(names: Iterable[str]) -> tuple[bytes, ...]:
    """The classes of this session among ``names`` (of any registry), pickled with their code for another process."""
    classes = {
        registry.get(name)
        for registry in REGISTRIES
        for name in names
        if name in registry.entries() and registry.entry(name).origin == SESSION
    }
    return tuple(_pickled(cls) for cls in sorted(classes, key=lambda cls: cls.__qualname__))


def _pickled(cls: type) -> bytes:
    import cloudpickle

    module = sys.modules.get(cls.__module__)
    apart = module is not None and module.__name__ not in ("__main__", "builtins")
    if apart:  # it may be a module that only this process can import
        cloudpickle.register_pickle_by_value(module)
    try:
        return cloudpickle.dumps(cls)
    finally:
        if apart:
            cloudpickle.unregister_pickle_by_value(module)
