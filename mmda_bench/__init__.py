"""mmda-bench: a benchmark of multimodal domain adaptation with partially shifted modalities.

The public names are imported on first use, so that ``import mmda_bench`` costs neither torch nor ray.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Method": "method",
    "Context": "method",
    "Source": "method",
    "Target": "method",
    "Dataset": "dataset",
    "Utterance": "dataset",
    "Card": "dataset",
    "Shift": "dataset",
    "Uniform": "registry",
    "LogUniform": "registry",
    "Choice": "registry",
    "register_method": "registry",
    "register_dataset": "registry",
    "register_validator": "registry",
    "Protocol": "protocol",
    "Cell": "protocol",
    "run_cell": "training",
}
__all__ = [
    "Card",
    "Cell",
    "Choice",
    "Context",
    "Dataset",
    "LogUniform",
    "Method",
    "Protocol",
    "Shift",
    "Source",
    "Target",
    "Uniform",
    "Utterance",
    "register_dataset",
    "register_method",
    "register_validator",
    "run_cell",
]

# In a checkout, methods/ and datasets/ lie beside this package: they are joined to it as mmda_bench.methods and
# mmda_bench.datasets. An installed wheel carries them inside the package already.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "datasets").is_dir():
    __path__.append(str(_checkout))

if TYPE_CHECKING:
    from mmda_bench.dataset import Card, Dataset, Shift, Utterance
    from mmda_bench.method import Context, Method, Source, Target
    from mmda_bench.protocol import Cell, Protocol
    from mmda_bench.registry import Choice, LogUniform, Uniform, register_dataset, register_method, register_validator
    from mmda_bench.training import run_cell


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(import_module(f"mmda_bench.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'mmda_bench' has no attribute {name!r}")
