"""Registers for a while: what a plug-in adds inside the block is gone after it."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType

from mmda_bench.registry.registry import REGISTRIES

PLUGIN_MODULE = "mmda_bench_plugin_"  # every plug-in file is imported under this and its stem


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
    modules = _plugin_modules()
    with ExitStack() as registries:
        for registry in REGISTRIES:
            registries.enter_context(registry.isolated())
        try:
            yield
        finally:
            for name in _plugin_modules():
                del sys.modules[name]
            sys.modules.update(modules)


def _plugin_modules() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.startswith(PLUGIN_MODULE)}
