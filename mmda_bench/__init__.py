"""mmda-bench: a benchmark of multimodal domain adaptation with partially shifted modalities.

The public names stand in ``__init__.pyi`` and are imported on first use, so that ``import mmda_bench`` costs neither
torch nor ray.
"""

import ast
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from mmda_bench.version import __version__ as __version__

_HOME = {
    alias.name: node.module
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text("utf-8")).body
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
}
__all__ = [name for name in _HOME if name != "__version__"]
PACKAGES = ("datasets", "methods")

# In a checkout, methods/ and datasets/ lie beside this package: they are joined to it as mmda_bench.methods and
# mmda_bench.datasets. An installed wheel carries them inside the package already.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "datasets").is_dir():
    __path__.append(str(_checkout))


class _Package(ModuleType):
    """``mmda_bench.methods`` and ``mmda_bench.datasets`` are packages; calling them lists what can be used."""

    def __call__(self) -> Any:
        return getattr(import_module("mmda_bench.api"), self.__name__.rpartition(".")[2])()


class _FrontDoor(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        if name in PACKAGES and isinstance(value, ModuleType):
            value.__class__ = _Package
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor


def __getattr__(name: str) -> Any:
    if name in PACKAGES:
        return import_module(f"mmda_bench.{name}")
    if name in _HOME:
        with warnings.catch_warnings():  # numpy, which most of them import, adds filters of its own
            return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'mmda_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
