"""Training of a few steps: its size, and the rows and features of each step taken one by one."""

import numpy as np
import torch
from torch import nn

from mmda_bench.backbone.sequences import Sequences
from mmda_bench.protocol import name_hash

CPU = torch.device("cpu")
BATCH, EPOCHS = 16, 4
RATES = (3e-4, 1e-3)


def rows_of(corpus, half, seed, step):
    """The rows of the training set of ``half`` in a step: a new permutation every epoch."""
    count = len(corpus.parts[half, "train"])
    rng = np.random.default_rng(name_hash("order", half, seed))
    per_epoch = count // BATCH
    permutations = [rng.permutation(count) for _ in range(step // per_epoch + 1)]
    start = step % per_epoch * BATCH
    return permutations[-1][start : start + BATCH]


def features(corpus, half, rows, *, shifted=(), part="train"):
    """The features of these rows one by one, padded with zeros to the longest."""
    batch = {}
    for m in "ALV":
        store = corpus.features[m, "shifted" if m in shifted else "clean"]
        found = [torch.from_numpy(np.array(store[corpus.parts[half, part][row]])).float() for row in rows]
        lengths = torch.tensor([len(x) for x in found])
        mask = torch.arange(int(lengths.max()))[None] < lengths[:, None]
        batch[m] = Sequences(nn.utils.rnn.pad_sequence(found, batch_first=True), mask)
    return batch


def close(a, b):
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
