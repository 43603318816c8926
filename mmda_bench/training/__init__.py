"""One cell: build, train, evaluate, and leave a record."""

from mmda_bench.training.cell import Outcome, run_cell
from mmda_bench.training.curves import DivergedError
from mmda_bench.training.trainer import Trainer

__all__ = ["DivergedError", "Outcome", "Trainer", "run_cell"]
