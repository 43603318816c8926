"""The trainable pieces that turn token sequences into representations: attention blocks, TextCNN and LSTM pooling."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.backbone.attention import queries_keys_values


class Linear(nn.Linear):
    """nn.Linear that adds in place: PyTorch's own first copies the bias into every row, which on a CPU costs more than
    adding it to products that are still in the processor's cache. Not for autocast, which does not cast in place."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight).add_(self.bias)

    def onto(self, x: Tensor, y: Tensor) -> Tensor:
        """x + forward(y): (B, T, out_features) and (B, T, in_features) to (B, T, out_features)."""
        return (x.flatten(0, -2) + self.bias).addmm_(y.flatten(0, -2), self.weight.T).view_as(x)


class Block(nn.Module):
    """Pre-norm transformer block. ``forward(x, mask)``: (B, T, width), mask (B, T) True where real, or None.

    No dropout inside: its random numbers cost a fifth of a step, and the fused attention has none. One head: over so
    few tokens attention costs by the head, not by its width.
    """

    def __init__(self, width: int, *, heads: int = 1, ratio: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = Linear(width, 3 * width), Linear(width, width)
        self.fc1, self.fc2 = Linear(width, ratio * width), Linear(ratio * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, first_only: bool = False) -> Tensor:
        """With ``first_only`` only token 0 is computed: (B, 1, width), equal to the first row of the full output."""
        q, k, v = queries_keys_values(self.norm1(x), self.qkv, self.heads, first_only=first_only)
        x = x[:, :1] if first_only else x
        allowed = None if mask is None else mask[:, None, None, :]
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        x = self.proj.onto(x, attended.transpose(1, 2).flatten(2))
        return self.fc2.onto(x, F.gelu(self.fc1(self.norm2(x))))


class SequenceBlocks(nn.Module):
    """Blocks over a padded sequence: (B, T, width) and mask (B, T) to (B, T, width)."""

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x, mask)
        return x


class PictureBlocks(nn.Module):
    """Blocks over the tokens of each picture, class token first: (B, T, N, width) to (B, T, width).

    The last block computes the class token only: nothing else of it is used.
    """

    def __init__(self, blocks: list[Block]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, frames = x.shape[:2]
        x = x.flatten(0, 1)
        for block in self.blocks[:-1]:
            x = block(x)
        return self.blocks[-1](x, first_only=True)[:, 0].view(batch, frames, -1)


class TextCNN(nn.Module):
    """Convolutions of widths 3, 4 and 5 over time, ReLU, maximum over the real steps: (B, T, width) to (B, 3·channels).

    Sequences shorter than a kernel are padded with zeros; padded steps never win the maximum (Kim, EMNLP 2014).
    """

    kernels = (3, 4, 5)

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(width, channels, k, padding=k // 2) for k in self.kernels)
        self.width: int = channels * len(self.kernels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = (x * mask[..., None]).transpose(1, 2).contiguous()
        pooled = []
        for kernel, convolution in zip(self.kernels, self.convolutions, strict=True):
            response = convolution(x)[..., 1 - kernel % 2 :]  # an even kernel gives one step too many
            pooled.append(F.relu(response.masked_fill(~mask[:, None], float("-inf")).max(2).values))
        return torch.cat(pooled, 1)


class LSTMPool(nn.Module):
    """One-layer LSTM over time, maximum over the real steps: (B, T, width) to (B, channels)."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, channels, batch_first=True)
        self.width: int = channels

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden = self.lstm(x)[0]
        return hidden.masked_fill(~mask[..., None], float("-inf")).amax(1)
