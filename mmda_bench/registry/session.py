"""Classes of a session, such as those of a notebook's cells: registered, and shipped with their code."""

import io
import sys
from collections.abc import Iterable

from mmda_bench.errors import UsageError
from mmda_bench.registry.read import read_class
from mmda_bench.registry.registry import METHODS, REGISTRIES, SESSION

__all__ = ["METHODS", "by_value", "register", "unpickled"]


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


def unpickled(pickled: bytes) -> type:
    """A class of :func:`by_value` as its session defined it: nothing that was kept on it since is there."""
    from mmda_bench.machine.foreign import ClassMaker

    cls: type = ClassMaker(io.BytesIO(pickled)).load()
    return cls
