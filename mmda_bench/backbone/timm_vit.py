"""Vision transformers of the timm library, for those without APViT's weights: ``--weights visual=timm/<model>``."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.backbone.attention import ClassTokenLayers, queries_keys_values
from mmda_bench.backbone.base import Encoder
from mmda_bench.backbone.weights import fetched
from mmda_bench.errors import DataError
from mmda_bench.shifts import MEAN, STD


class TimmBlock(nn.Module):
    """A timm block; with ``first_only`` its class token alone, (F, 1, width), equal to the first row of the output."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor, *, first_only: bool) -> Tensor:
        block, attention = self.block, self.block.attn
        if not first_only:
            return block(x)
        q, k, v = queries_keys_values(block.norm1(x), attention.qkv, attention.num_heads, first_only=True)
        attended = F.scaled_dot_product_attention(attention.q_norm(q), attention.k_norm(k), v, scale=attention.scale)
        attended = attention.proj(attention.norm(attended.transpose(1, 2).flatten(2)))
        x = x[:, :1] + block.ls1(attended)
        return x + block.ls2(block.mlp(block.norm2(x)))


class TimmEncoder(Encoder):
    """A timm VisionTransformer cut before its last ``trainable`` blocks.

    Pictures are enlarged to the size the model was pretrained at, and normalised as it was pretrained [ours].
    """

    pool = "lstm"
    scale: Tensor
    offset: Tensor

    def __init__(self, model: Any, *, trainable: int) -> None:
        super().__init__()
        cut = len(model.blocks) - trainable
        config = model.pretrained_cfg
        self.width = model.embed_dim
        self.size = tuple(model.patch_embed.img_size)
        self.settings = json.dumps([config.get("mean"), config.get("std"), self.size, repr(model)], default=str)
        mean, std, own_mean, own_std = (
            torch.tensor(np.array(values, np.float32))[:, None, None]
            for values in (MEAN, STD, config["mean"], config["std"])
        )
        self.register_buffer("scale", std / own_std)
        self.register_buffer("offset", (mean - own_mean) / own_std)
        self.layers = ClassTokenLayers(nn.ModuleList(TimmBlock(b) for b in model.blocks[cut:]), model.norm)
        model.blocks, model.norm = model.blocks[:cut], nn.Identity()
        self.frozen = model.requires_grad_(False)
        self.eval()

    def tokens(self, raw: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(raw)).permute(0, 3, 1, 2)

    def prefix(self, tokens: Tensor) -> Tensor:
        pictures = F.interpolate(tokens, self.size, mode="bilinear", align_corners=False)
        return self.frozen.forward_features(pictures * self.scale + self.offset)  # type: ignore[operator]


def load_timm(location: str, *, trainable: int) -> TimmEncoder:
    """The encoder with the weights in ``location``: ``timm/<model>``, or a folder as on the hub (config.json).

    Raises :class:`DataError` when there is no such model, when it is no plain vision transformer (checked before
    anything is downloaded), or when its weights cannot be had.
    """
    import timm

    local = Path(location).is_dir()
    name = f"local-dir:{location}" if local else location.removeprefix("timm/")
    if not (local or timm.is_model(name)):
        raise DataError(f"timm has no model {name!r}; see: python -c \"import timm; print(timm.list_models('vit_*'))\"")

    def shape() -> Any:
        with torch.device("meta"):
            return timm.create_model(name, num_classes=0)

    model = fetched("visual", location, shape)
    if not _is_plain(model):
        raise DataError(
            f"the timm model {location} is a {type(model).__name__} that is not read out by a class token behind plain "
            "blocks; expected a VisionTransformer such as timm/vit_small_patch16_224"
        )
    source = location if local else f"timm/{name.partition('.')[0]}.{model.pretrained_cfg['tag']}"
    model = fetched("visual", source, lambda: timm.create_model(name, pretrained=True, num_classes=0))
    return TimmEncoder(model.eval(), trainable=trainable)


def _is_plain(model: Any) -> bool:
    from timm.layers.attention import Attention
    from timm.models.vision_transformer import Block, VisionTransformer

    return (
        isinstance(model, VisionTransformer)
        and model.cls_token is not None
        and model.global_pool == "token"
        and isinstance(model.norm, nn.LayerNorm)
        and all(type(block) is Block and type(block.attn) is Attention for block in model.blocks)
        and not any(getattr(block.attn, "gate", None) for block in model.blocks)
    )
