"""What vision transformers share: attention, and the last blocks over each picture's tokens, ending in its first."""

import torch.nn.functional as F
from torch import Tensor, nn


def queries_keys_values(x: Tensor, qkv: nn.Linear, heads: int, *, first_only: bool) -> tuple[Tensor, Tensor, Tensor]:
    """(B, N, width) to three (B, heads, N, width / heads); with ``first_only`` the queries are token 0's alone."""
    if first_only:
        width = qkv.out_features // 3
        weights = qkv.weight.split([width, 2 * width])
        biases = (None, None) if qkv.bias is None else qkv.bias.split([width, 2 * width])
        q = F.linear(x[:, :1], weights[0], biases[0])
        k, v = F.linear(x, weights[1], biases[1]).chunk(2, dim=-1)
    else:
        q, k, v = qkv(x).chunk(3, dim=-1)
    q, k, v = (y.unflatten(-1, (heads, -1)).transpose(1, 2) for y in (q, k, v))
    return q, k, v


class ClassTokenLayers(nn.Module):
    """Trainable blocks over each picture's tokens, then the final norm: (B, T, N, width) to (B, T, width).

    A block is called as ``block(x, first_only=...)``. The last one computes the class token only: nothing else of it is
    used. The final norm is not one of the last layers, so it stays frozen: its weights are buffers.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, blocks: nn.ModuleList, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.blocks = blocks
        self.eps = norm.eps
        self.register_buffer("weight", norm.weight.detach().clone())
        self.register_buffer("bias", norm.bias.detach().clone())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, frames = x.shape[:2]
        x = x.flatten(0, 1)
        for block in self.blocks[:-1]:
            x = block(x, first_only=False)
        x = self.blocks[-1](x, first_only=True)[:, 0]
        return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps).view(batch, frames, -1)
