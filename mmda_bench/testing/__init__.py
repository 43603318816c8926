"""For authors of methods, datasets and backbones: the checks that theirs must pass, and help for their own tests.

The names are imported on first use, so that a new file is written without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmda_bench.testing.authors import assert_loss_equals, parametrize_with_checks, tiny_run
    from mmda_bench.testing.backbone_contract import check_backbone
    from mmda_bench.testing.checks import Check
    from mmda_bench.testing.dataset_contract import check_dataset
    from mmda_bench.testing.method_contract import check_method
    from mmda_bench.testing.scaffold import new_backbone, new_dataset, new_method

__all__ = [
    "Check", "assert_loss_equals", "check_backbone", "check_dataset", "check_method", "new_backbone", "new_dataset",
    "new_method", "parametrize_with_checks", "tiny_run",
]  # fmt: skip

_HOME = {
    **dict.fromkeys(("assert_loss_equals", "parametrize_with_checks", "tiny_run"), "authors"),
    **dict.fromkeys(("new_backbone", "new_dataset", "new_method"), "scaffold"),
    "Check": "checks",
    "check_backbone": "backbone_contract",
    "check_dataset": "dataset_contract",
    "check_method": "method_contract",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
