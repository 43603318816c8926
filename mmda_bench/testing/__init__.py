"""For authors of methods, datasets and backbones: the checks that theirs must pass."""

from mmda_bench.testing.method_contract import Check, check_method
from mmda_bench.testing.scaffold import new_method

__all__ = ["Check", "check_method", "new_method"]
