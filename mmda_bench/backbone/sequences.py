"""A padded batch of sequences, as the frozen layers leave it and the trained ones take it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmda_bench.machine.transfer import sent


@dataclass(frozen=True)
class Sequences:
    """A padded batch of one modality's prefix outputs: ``values`` (B, T, [N,] width), ``mask`` (B, T), True: real.

    ``host_mask``: the mask once more, on the host, where it is known there; from it the host takes the lengths without
    waiting for a GPU.
    """

    values: Tensor
    mask: Tensor
    host_mask: np.ndarray | None = None

    def to(self, device: torch.device) -> "Sequences":
        """On ``device`` and in float32; the cache's half precision travels, as it is half the bytes."""
        on_host = self.mask.numpy() if self.mask.device.type == "cpu" else self.host_mask
        return Sequences(sent(self.values, device).float(), sent(self.mask, device), on_host)

    def by_length(self, groups: int) -> "list[tuple[Tensor, Sequences]]":
        """The batch as ``groups`` parts of similar length, each cut to its longest: (rows in the batch, part)."""
        mask = self.mask.cpu().numpy() if self.host_mask is None else self.host_mask
        lengths = (mask * np.arange(1, mask.shape[1] + 1)).max(1)  # the last real step: a mask may have holes
        order = torch.from_numpy(lengths.argsort(kind="stable"))
        parts = []
        for rows, known in zip(sent(order, self.mask.device).chunk(groups), order.chunk(groups), strict=True):
            longest = int(lengths[known.numpy()[-1]])
            parts.append((rows, Sequences(self.values[rows, :longest], self.mask[rows, :longest])))
        return parts
