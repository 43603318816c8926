"""A padded batch of sequences, as the frozen layers leave it and the trained ones take it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sequences:
    """A padded batch of one modality's prefix outputs: ``values`` (B, T, [N,] width), ``mask`` (B, T), True: real."""

    values: Tensor
    mask: Tensor

    def to(self, device: torch.device) -> "Sequences":
        """On ``device`` and in float32; the cache's half precision travels, as it is half the bytes."""
        return Sequences(self.values.to(device, non_blocking=True).float(), self.mask.to(device, non_blocking=True))

    def by_length(self, groups: int) -> "list[tuple[Tensor, Sequences]]":
        """The batch as ``groups`` parts of similar length, each cut to its longest: (rows in the batch, part)."""
        steps = torch.arange(1, self.mask.shape[1] + 1, device=self.mask.device)
        lengths = (self.mask * steps).amax(1)  # the last real step: a mask may have holes
        parts = []
        for rows in lengths.argsort(stable=True).chunk(groups):
            longest = int(lengths[rows[-1]])
            parts.append((rows, Sequences(self.values[rows, :longest], self.mask[rows, :longest])))
        return parts
