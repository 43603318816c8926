"""Where the random states of libraries begin, so that draws without a generator repeat."""

import random

import numpy as np
import torch

from mmda_bench.protocol import Cell, name_hash


def seed_libraries(cell: Cell) -> None:
    """Let draws without a generator depend on the cell alone; the network and the method have seeds of their own."""
    seed = name_hash("libraries", cell.method, cell.seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
