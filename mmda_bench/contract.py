"""The checks of a method, under their former name: see :mod:`mmda_bench.testing`."""

from mmda_bench.testing import Check, check_method, new_method

__all__ = ["Check", "check_method", "new_method"]
