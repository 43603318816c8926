"""Functions, classes and constants of libraries that somebody replaces: found, named, and put back.

Watched is what lies in the folders of installed libraries, in Python itself and in this package. Their modules and the
classes in them are compared name by name. Of a library, only code and constants in capitals count, as it may keep what
it likes in its other names; of this package everything counts.
"""

import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, ModuleType
from typing import Any

OURS = "mmda_bench"
NOT_WATCHED = {
    "ray", "cloudpickle", "pytest", "_pytest", "pluggy", "hypothesis", "coverage", "IPython", "ipykernel", "debugpy",
    "sre_parse", "typing_extensions", "_distutils_hack", "threading", "_weakrefset", "pydoc",
}  # fmt: skip
CONSTANTS = (bool, int, float, str, bytes, tuple, type(None))
HOOKS = ("torch.nn.modules.module", "torch.optim.optimizer", "torch.nn.parallel.distributed")
MISSING = object()

Place = ModuleType | type
Modules = dict[str, tuple[ModuleType, dict[str, Any]]]  # by name: a module, and what its names stood for


@dataclass
class Difference:
    """``name`` is what was replaced, such as torch.nn.functional.cross_entropy; ``put_back`` undoes it; ``by_import``:
    whether a library that was imported since has done it, as some do."""

    name: str
    put_back: Callable[[], object]
    by_import: bool = False


@dataclass
class Names:
    """What the names of all watched modules and classes stood for when this was made."""

    modules: Modules = field(default_factory=dict)
    classes: dict[int, tuple[type, dict[str, Any]]] = field(default_factory=dict)
    hooks: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    def differences(self) -> Iterator[Difference]:
        """What stands for something else now. A module that was imported since is none: nobody knows what it was."""
        for module, before in self.modules.values():
            if sys.modules.get(module.__name__) is module:
                yield from _compared(module, module.__name__, before, self.modules)
        for cls, before in self.classes.values():
            yield from _compared(cls, f"{cls.__module__}.{cls.__qualname__}", before, self.modules)
        for name, (container, content) in self.hooks.items():
            if list(container) != list(content):
                yield Difference(name, partial(_refill, container, content))


def names() -> Names:
    """The names of all modules that are imported now."""
    found = Names()
    for name, module in list(sys.modules.items()):
        if _watched(name, module):
            content = dict(vars(module))
            found.modules[name] = (module, content)
            for value in content.values():
                if issubclass(type(value), type) and value.__module__ == name:
                    found.classes[id(value)] = (value, dict(vars(value)))
    for name in HOOKS:
        if name in found.modules:
            for key, value in found.modules[name][1].items():
                if key.startswith("_global_") and isinstance(value, dict):
                    found.hooks[f"{name}.{key}"] = (value, dict(value))
    return found


def planted(made_by: Callable[[str], bool], before: Names) -> list[str]:
    """Names in modules that were imported since ``before`` which stand for functions of modules that ``made_by`` says
    yes to: what was there is not known."""
    return [
        f"{name}.{key}"
        for name, module in list(sys.modules.items())
        if name not in before.modules and _watched(name, module)
        for key, value in list(vars(module).items())
        if isinstance(value, FunctionType) and made_by(value.__globals__.get("__name__", ""))
    ]


def _watched(name: str, module: Any) -> bool:
    top = name.partition(".")[0]
    if top in NOT_WATCHED or not isinstance(module, ModuleType) or name != getattr(module, "__name__", ""):
        return False
    return top == OURS or top in sys.stdlib_module_names or _lies_in_libraries(module)


def _lies_in_libraries(module: ModuleType) -> bool:
    file = getattr(module, "__file__", None) or ""
    return file.startswith(_LIBRARIES)


_LIBRARIES = tuple({sysconfig.get_path(kind) for kind in ("purelib", "platlib")})


def _compared(place: Place, name: str, before: Mapping[str, Any], known: Modules) -> Iterator[Difference]:
    now = vars(place)
    if len(now) == len(before) and all(map(_is, now.values(), before.values())):
        return
    ours = name.partition(".")[0] == OURS
    for key, value in before.items():
        found = now.get(key, MISSING)
        if found is not value and not key.startswith("__") and _counts(key, value, found, ours=ours):
            yield Difference(f"{name}.{key}", partial(setattr, place, key, value), _by_import(found, known))
    for key, value in list(now.items()):
        if key not in before and not key.startswith("__") and _is_stranger(place, value):
            yield Difference(f"{name}.{key}", partial(delattr, place, key))


def _by_import(value: Any, known: Modules) -> bool:
    """Whether a library may have done it: there are modules that are not among the ``known`` ones, the code of
    ``value`` lies in a library, and it is not what a known name stood for."""
    code = getattr(value, "fget", None) or getattr(value, "__func__", value)
    maker = getattr(code, "__globals__", {}).get("__name__", "")
    if not _watched(maker, sys.modules.get(maker)) or all(name in known for name in list(sys.modules)):
        return False
    return not any(value is other for _, content in known.values() for other in content.values())


def _is(a: Any, b: Any) -> bool:
    return a is b


def _counts(key: str, before: Any, now: Any, *, ours: bool) -> bool:
    if isinstance(before, CONSTANTS) and isinstance(now, CONSTANTS):
        return (ours or key.isupper()) and (type(before) is not type(now) or before != now)
    return ours or _is_code(before)


def _is_code(value: Any) -> bool:
    return not isinstance(value, ModuleType) and (
        callable(value) or isinstance(value, (staticmethod, classmethod, property)) or hasattr(value, "__get__")
    )


def _is_stranger(place: Place, value: Any) -> bool:
    """Whether a name that is new in a library cannot come from a library: its code is made elsewhere, or it is data on
    a class."""
    if isinstance(value, (FunctionType, type)):
        maker = sys.modules.get(value.__module__)
        return maker is None or not _watched(value.__module__, maker)
    return isinstance(place, type) and not _is_code(value)


def _refill(container: Any, content: Any) -> None:
    container.clear()
    container.update(content)
