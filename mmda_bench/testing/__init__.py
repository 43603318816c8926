"""For authors of methods, datasets and backbones: the checks that theirs must pass, and help for their own tests."""

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
