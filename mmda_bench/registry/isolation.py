"""Registers for a while: what a plug-in adds inside the block is gone after it."""

import importlib
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType

from mmda_bench.machine.as_before import Changes, as_before, silent
from mmda_bench.registry.plugins import (
    HELPERS,
    Plugin,
    changes_of,
    forget,
    is_plugin_module,
    load_plugin,
    plugin_modules,
)
from mmda_bench.registry.registry import REGISTRIES, SESSION
from mmda_bench.registry.session import register, unpickled


@contextmanager
def isolated() -> Iterator[None]:
    """Run the body; afterwards every registry holds the entries and classes that it held before.

    Whatever the body registers, of any kind, is forgotten, what it replaces comes back, and the
    modules of plug-in files are as before, so that the same file can be loaded anew. Meant for tests and notebooks.
    Blocks may be nested. An error of the body passes through.

    >>> from mmda_bench.registry import METHODS, isolated
    >>> with isolated():
    ...     METHODS.entries().clear()
    ...     print(METHODS.names())
    []
    >>> "dann" in METHODS.names()
    True
    """
    modules, helpers = plugin_modules(), dict(HELPERS.found)
    with ExitStack() as registries:
        for registry in REGISTRIES:
            registries.enter_context(registry.isolated())
        try:
            yield
        finally:
            for name in plugin_modules():
                del sys.modules[name]
            HELPERS.found = helpers
            sys.modules.update(modules)


@contextmanager
def anew(plugins: Sequence[Plugin], classes: Iterable[bytes], names: Mapping[str, str]) -> Iterator[Changes]:
    """Run the body with plug-ins that nobody has used: files are run again, classes of a session unpickled, and the
    packages of installed ones imported again. ``names``: of what the body uses, by kind. As before afterwards.

    The answer says what the plug-ins changed in the process when they were loaded.
    """
    found = Changes()
    with isolated():
        for plugin in plugins:
            forget(plugin)
        with silent():
            for plugin in plugins:
                found.add(changes_of(load_plugin(plugin).module))
        for pickled in classes:
            register(unpickled(pickled))
        with _imported_again(names):
            yield found


@contextmanager
def _imported_again(names: Mapping[str, str]) -> Iterator[None]:
    """Installed plug-ins among ``names``: their packages are fresh in the body, and afterwards the old ones."""
    old: dict[str, ModuleType] = {}
    for registry in REGISTRIES:
        entry = registry.find(names[registry.kind]) if registry.kind in names else None
        if entry is None or entry.origin in ("built-in", SESSION) or is_plugin_module(entry.module):
            continue
        top = entry.module.partition(".")[0]
        its = {name: module for name, module in sys.modules.items() if name == top or name.startswith(f"{top}.")}
        for name in its:
            del sys.modules[name]
        try:
            with as_before():
                registry._classes[entry.name] = getattr(importlib.import_module(entry.module), entry.attribute)
        except Exception:  # it can be imported only once: what a library registers of it may not be registered twice
            sys.modules.update(its)
        old |= its
    try:
        yield
    finally:
        sys.modules.update(old)
