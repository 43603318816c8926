"""APViT: IR-50's first three stages and a transformer that drops tokens on the way (Xue et al., IEEE TAC 2022).

Written from the description of the architecture; parameters bear the names of the published checkpoint (RAF-DB, 389
tensors, 65.2 M parameters), which can therefore be loaded as it is.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.backbone.attention import ClassTokenLayers, queries_keys_values
from mmda_bench.backbone.base import Encoder
from mmda_bench.backbone.weights import load_exactly, read_checkpoint
from mmda_bench.errors import DataError

SIDE = 112  # pixels
GRID = 14  # the stem halves the picture three times
OBTAIN = (
    "download the RAF-DB checkpoint that https://github.com/youqingxiaozhua/APViT links to and put it there, or give "
    "another place with --weights visual=FILE, or another model with --weights visual=timm/vit_small_patch16_224"
)


class ResidualUnit(nn.Module):
    """IR unit: BN, conv 3×3, PReLU, conv 3×3 of stride s, BN; the shortcut is a convolution where channels change."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inside),
            nn.Conv2d(inside, out, 3, 1, 1, bias=False),
            nn.PReLU(out),
            nn.Conv2d(out, out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out),
        )
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if inside != out:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return self.res_layer(x) + self.shortcut_layer(x)


class Stem(nn.Module):
    """(F, 3, 112, 112) to (F, channels, 14, 14). ``units``: of each stage; its first unit has stride 2."""

    def __init__(self, channels: Sequence[int], units: Sequence[int]) -> None:
        super().__init__()
        first = channels[0]
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        self.body = nn.ModuleList()
        for (inside, out), count in zip(pairwise(channels), units, strict=True):
            stage = [ResidualUnit(inside, out, 2), *(ResidualUnit(out, out, 1) for _ in range(count - 1))]
            self.body.append(nn.Sequential(*stage))

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.input_layer(pictures)
        for stage in self.body:
            x = stage(x)
        return x


def keep(x: Tensor, scores: Tensor, count: int) -> Tensor:
    """The ``count`` tokens of each picture with the highest scores (F, N), in their order: (F, count, width)."""
    kept = scores.topk(count, dim=1).indices.sort(dim=1).values
    return x.gather(1, kept[..., None].expand(-1, -1, x.shape[-1]))


class Attention(nn.Module):
    """Attention whose class token also says how much it attends to each patch: the sum over heads of the logits."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor, *, first_only: bool) -> tuple[Tensor, Tensor]:
        q, k, v = queries_keys_values(x, self.qkv, self.heads, first_only=first_only)
        attended = F.scaled_dot_product_attention(q, k, v)
        logits = torch.einsum("fhd,fhnd->fn", q[:, :, 0], k[:, :, 1:])
        return self.proj(attended.transpose(1, 2).flatten(2)), logits.detach()


class MLP(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PoolingBlock(nn.Module):
    """Pre-norm block that keeps the share ``rate`` of the patch tokens, those that the class token attends to most.

    They are dropped between attention and MLP. With ``first_only`` only the class token is computed, (F, 1, width).
    """

    def __init__(self, width: int, heads: int, ratio: int, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.mlp = MLP(width, ratio * width)

    def forward(self, x: Tensor, *, first_only: bool = False) -> Tensor:
        attended, logits = self.attn(self.norm1(x), first_only=first_only)
        x = (x[:, :1] if first_only else x) + attended
        patches = x.shape[1] - 1
        count = int(self.rate * patches)
        if count < patches:
            x = torch.cat([x[:, :1], keep(x[:, 1:], logits, count)], 1)
        return x + self.mlp(self.norm2(x))


class PoolingTransformer(nn.Module):
    """A stem's features to the tokens of the blocks: class token first, then the patches that are kept."""

    def __init__(self, channels: int, width: int, heads: int, depth: int, ratio: int, patches: int) -> None:
        super().__init__()
        self.patches = patches
        self.projs = nn.ModuleList([nn.Conv2d(channels, width, 1)])
        self.patch_pos_embed = nn.Parameter(torch.zeros(1, GRID * GRID, width))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.cls_pos_embed = nn.Parameter(torch.zeros(1, 1, width))
        rates = [1.0 if i < depth // 2 else 0.9 for i in range(depth)]
        self.blocks = nn.ModuleList(PoolingBlock(width, heads, ratio, rate) for rate in rates)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def embed(self, features: Tensor) -> Tensor:
        """(F, channels, 14, 14) to (F, 1 + patches, width): the patches whose features are strongest."""
        x = self.projs[0](features).flatten(2).mT
        x = keep(x + self.patch_pos_embed, x.abs().sum(2), self.patches)
        return torch.cat([(self.cls_token + self.cls_pos_embed).expand(len(x), -1, -1), x], 1)


class APViT(nn.Module):
    """The whole network, of the published size unless told otherwise. ``heads`` divides ``width``."""

    def __init__(
        self,
        *,
        width: int = 768,
        heads: int = 8,
        depth: int = 8,
        ratio: int = 3,
        patches: int = 160,
        channels: Sequence[int] = (64, 64, 128, 256),
        units: Sequence[int] = (3, 4, 14),
        classes: int = 7,
    ) -> None:
        super().__init__()
        self.extractor = Stem(channels, units)
        self.vit = PoolingTransformer(channels[-1], width, heads, depth, ratio, patches)
        self.head = nn.ModuleDict({"fc": nn.Linear(width, classes)})  # of the seven expressions; not used here

    def tokens(self, pictures: Tensor) -> Tensor:
        """(F, 3, 112, 112) normalised pictures to the tokens after the last block, (F, N, width)."""
        x = self.vit.embed(self.extractor(pictures))
        for block in self.vit.blocks:
            x = block(x)
        return x

    def forward(self, pictures: Tensor) -> Tensor:
        """(F, 3, 112, 112) normalised pictures to their features, (F, width): the class token after the final norm."""
        return self.vit.norm(self.tokens(pictures)[:, 0])


class APViTEncoder(Encoder):
    """APViT cut before its last ``trainable`` blocks. The cached tokens are those that the frozen blocks have kept."""

    pool = "lstm"

    def __init__(self, model: APViT, *, trainable: int) -> None:
        super().__init__()
        cut = len(model.vit.blocks) - trainable
        self.width = model.vit.norm.normalized_shape[0]
        self.layers = ClassTokenLayers(model.vit.blocks[cut:], model.vit.norm)
        model.vit.blocks = model.vit.blocks[:cut]
        del model.vit.norm, model.head
        self.frozen = model.requires_grad_(False)
        self.eval()

    def tokens(self, raw: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(raw)).permute(0, 3, 1, 2)

    def prefix(self, tokens: Tensor) -> Tensor:
        return self.frozen.tokens(tokens)  # type: ignore[operator]


def load_apvit(location: str, *, trainable: int, **size: Any) -> APViTEncoder:
    """The encoder with the weights in the file ``location``. ``size``: arguments of :class:`APViT` where not published.

    Raises :class:`DataError` when the file is missing, damaged, a pickled module, or of another network.
    """
    file = Path(location)
    if not file.is_file():
        raise DataError(f"the visual weights (APViT) are not at {file}; {OBTAIN}")
    tensors = read_checkpoint(file)
    head = {"classes": len(tensors["head.fc.weight"])} if "head.fc.weight" in tensors else {}  # of whatever: not used
    with torch.device("meta"):  # nothing to initialise: every tensor is loaded
        model = APViT(**(head | size))
    model.to_empty(device="cpu")
    load_exactly(model, tensors, source=str(file))
    encoder = APViTEncoder(model, trainable=trainable)
    encoder.settings = repr(sorted(size.items()))  # the number of heads leaves no trace in the tensors
    return encoder
