"""One cell: build, train, evaluate, and leave a record."""

from mmda_bench.training.curves import DivergedError
from mmda_bench.training.trainer import Outcome, Trainer, run_cell

__all__ = ["DivergedError", "Outcome", "Trainer", "run_cell"]
