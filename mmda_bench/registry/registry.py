"""Names to classes and functions: methods, datasets, backbones and validators, built in or brought by a plug-in.

Listing must be instant, so the facts of a built-in entry (title, paper, hyper-parameters) are read from its source
without importing it; only an entry that is used is imported, and torch with it. Plug-ins come from the entry-point
groups ``mmda_bench.methods``, ``.datasets``, ``.backbones`` and ``.validators``, or from files given with ``--plugin``.
Built-in names win; a second entry of a name is an error; a plug-in that fails to import is kept with its reason.
"""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import FunctionType
from typing import Any

from mmda_bench.errors import UsageError, suggest, told
from mmda_bench.machine.as_before import as_before
from mmda_bench.registry.declare import (
    RESERVED,
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
    "UsageError", "read_class", "read_source", "register_backbone", "register_dataset", "register_method",
    "register_validator",
]  # fmt: skip


class Registry:
    """One kind of thing by name. ``folder``: the package whose modules are built in."""

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._known: dict[str, Entry] | None = None
        self._classes: dict[str, Any] = {}
        self._points: list[EntryPoint] | None = None  # installed plug-ins that are not looked at yet

    @property
    def singular(self) -> str:
        return self.kind.removesuffix("s")

    def entries(self) -> dict[str, Entry]:
        """All entries by name, broken plug-ins included (their ``reason`` is set)."""
        known = self._without_installed()
        self._look_at(lambda point: True)
        return known

    def find(self, name: str) -> Entry | None:
        """The entry of ``name``, in any case, if there is one; installed plug-ins are imported only where it may be
        theirs."""
        known = self._without_installed()
        name = name if name in known else name.lower()
        if name in RESERVED:
            return None
        if name not in known:
            self._look_at(lambda point: point.name == name)
        return known[name] if name in known else self.entries().get(name)

    def _without_installed(self) -> dict[str, Entry]:
        """What is built in, and what was added."""
        if self._known is None:
            self._known = {}
            folder = _package_folder(self.package)
            for path in sorted(folder.rglob("*.py")):
                module = ".".join((self.package, *path.relative_to(folder).with_suffix("").parts))
                for entry in read_source(path, module, "built-in"):
                    if entry.kind == self.kind:
                        self._known[entry.name] = entry
            self._points = list(entry_points(group=f"mmda_bench.{self.kind}"))
        return self._known

    def _look_at(self, wanted: Callable[[EntryPoint], bool]) -> None:
        """Import the installed plug-ins that are ``wanted``, if they are not yet; the process stays as it was."""
        now = [point for point in self._points or () if wanted(point)]
        self._points = [point for point in self._points or () if point not in now]
        for point in now:
            origin = f"plug-in {point.dist.name if point.dist else point.value}"
            try:
                with as_before():
                    found = read_class(point.load(), origin)
                if not found:
                    raise UsageError(f"{point.value} is not decorated with @register_{self.singular}")
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a broken plug-in must not take a command down
                found = [_broken(point.name, self.kind, origin, point.value, error)]
            self._add(found)

    def _add(self, found: list[Entry], cls: type | FunctionType | None = None) -> None:
        entries = self._without_installed()
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
        known = self._without_installed()
        for name in [name for name, entry in known.items() if entry.module == module]:
            del known[name]
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
        found = self.find(name)
        if found is None:
            known = self.entries()
            hint = suggest(name, list(known)) or f"; known: {', '.join(known)}"
            raise UsageError(f"unknown {self.singular} {name!r}{hint}")
        if found.reason is not None:
            raise UsageError(f"{self.singular} {name} cannot be used: {found.reason}")
        return found

    def get(self, name: str) -> Any:
        """The class of ``name``, or the function of a validator, imported now if it was not before."""
        entry = self.entry(name)
        if entry.name not in self._classes:
            self._classes[entry.name] = getattr(importlib.import_module(entry.module), entry.attribute)
        return self._classes[entry.name]

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Entries and classes are afterwards those of before. :func:`mmda_bench.registry.isolated` does all kinds."""
        known, classes, points = dict(self._without_installed()), dict(self._classes), list(self._points or ())
        try:
            yield
        finally:
            self._known, self._classes, self._points = known, classes, points


def _package_folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed with mmda-bench; reinstall it")
    return Path(next(iter(spec.submodule_search_locations)))


def _broken(name: str, kind: str, origin: str, module: str, error: BaseException) -> Entry:
    reason = str(error) if isinstance(error, UsageError) else told(error)
    return Entry(name=name, kind=kind, origin=origin, module=module, attribute="", reason=reason)


METHODS = Registry("methods", "mmda_bench.methods")
DATASETS = Registry("datasets", "mmda_bench.datasets")
BACKBONES = Registry("backbones", "mmda_bench.backbone")
VALIDATORS = Registry("validators", "mmda_bench.validators")
REGISTRIES = (METHODS, DATASETS, BACKBONES, VALIDATORS)
SESSION = "this session"  # the origin of a class that was handed to :func:`register`
