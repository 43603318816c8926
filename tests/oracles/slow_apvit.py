"""APViT written out literally, one picture and one head at a time, on a state dict: the oracle of test_apvit.py."""

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

Weights = Mapping[str, Tensor]


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published checkpoint, from its description."""
    shapes: dict[str, tuple[int, ...]] = {}

    def batch_norm(name: str, channels: int) -> None:
        shapes.update({f"{name}.{part}": (channels,) for part in ("weight", "bias", "running_mean", "running_var")})
        shapes[f"{name}.num_batches_tracked"] = ()

    shapes["extractor.input_layer.0.weight"] = (64, 3, 3, 3)
    batch_norm("extractor.input_layer.1", 64)
    shapes["extractor.input_layer.2.weight"] = (64,)
    for stage, (inside, out, units) in enumerate([(64, 64, 3), (64, 128, 4), (128, 256, 14)]):
        for unit in range(units):
            name = f"extractor.body.{stage}.{unit}"
            before = inside if unit == 0 else out
            batch_norm(f"{name}.res_layer.0", before)
            shapes[f"{name}.res_layer.1.weight"] = (out, before, 3, 3)
            shapes[f"{name}.res_layer.2.weight"] = (out,)
            shapes[f"{name}.res_layer.3.weight"] = (out, out, 3, 3)
            batch_norm(f"{name}.res_layer.4", out)
            if before != out:
                shapes[f"{name}.shortcut_layer.0.weight"] = (out, before, 1, 1)
                batch_norm(f"{name}.shortcut_layer.1", out)
    shapes |= {"vit.projs.0.weight": (768, 256, 1, 1), "vit.projs.0.bias": (768,)}
    shapes |= {"vit.patch_pos_embed": (1, 196, 768), "vit.cls_token": (1, 1, 768), "vit.cls_pos_embed": (1, 1, 768)}
    for i in range(8):
        name = f"vit.blocks.{i}"
        linear = {"attn.proj": (768, 768), "mlp.fc1": (2304, 768), "mlp.fc2": (768, 2304)}
        shapes[f"{name}.attn.qkv.weight"] = (2304, 768)
        shapes |= {f"{name}.{part}.weight": shape for part, shape in linear.items()}
        shapes |= {f"{name}.{part}.bias": shape[:1] for part, shape in linear.items()}
        shapes |= {f"{name}.{norm}.{part}": (768,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
    shapes |= {"vit.norm.weight": (768,), "vit.norm.bias": (768,), "head.fc.weight": (7, 768), "head.fc.bias": (7,)}
    return shapes


def batch_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    mean, var = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    scale = w[f"{name}.weight"] / torch.sqrt(var + 1e-5)
    return (x - mean[:, None, None]) * scale[:, None, None] + w[f"{name}.bias"][:, None, None]


def prelu(x: Tensor, slope: Tensor) -> Tensor:
    return torch.where(x > 0, x, slope[:, None, None] * x)


def unit(x: Tensor, w: Weights, name: str, stride: int) -> Tensor:
    y = batch_norm(x, w, f"{name}.res_layer.0")
    y = F.conv2d(y[None], w[f"{name}.res_layer.1.weight"], padding=1)[0]
    y = prelu(y, w[f"{name}.res_layer.2.weight"])
    y = F.conv2d(y[None], w[f"{name}.res_layer.3.weight"], stride=stride, padding=1)[0]
    y = batch_norm(y, w, f"{name}.res_layer.4")
    if f"{name}.shortcut_layer.0.weight" in w:
        x = F.conv2d(x[None], w[f"{name}.shortcut_layer.0.weight"], stride=stride)[0]
        return y + batch_norm(x, w, f"{name}.shortcut_layer.1")
    return y + x[:, ::stride, ::stride]


def layer_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    rows = []
    for row in x:
        centred = row - row.mean()
        rows.append(centred / torch.sqrt((centred**2).mean() + 1e-6) * w[f"{name}.weight"] + w[f"{name}.bias"])
    return torch.stack(rows)


def strongest(scores: list[float], count: int) -> list[int]:
    """Indices of the highest scores, ascending."""
    return sorted(sorted(range(len(scores)), key=lambda i: -scores[i])[:count])


def block(x: Tensor, w: Weights, name: str, heads: int, prune: bool) -> Tensor:
    width = x.shape[1]
    size = width // heads
    normed = layer_norm(x, w, f"{name}.norm1")
    q, k, v = (normed @ w[f"{name}.attn.qkv.weight"].T).split(width, dim=1)
    mixed, score = [], torch.zeros(len(x), dtype=x.dtype)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        logits = q[:, part] @ k[:, part].T * size**-0.5
        score += logits[0]
        weights = torch.exp(logits) / torch.exp(logits).sum(1, keepdim=True)
        mixed.append(weights @ v[:, part])
    x = x + torch.cat(mixed, 1) @ w[f"{name}.attn.proj.weight"].T + w[f"{name}.attn.proj.bias"]
    if prune:
        patches = len(x) - 1
        kept = strongest(score[1:].tolist(), int(0.9 * patches))
        x = x[[0] + [1 + i for i in kept]]
    y = layer_norm(x, w, f"{name}.norm2") @ w[f"{name}.mlp.fc1.weight"].T + w[f"{name}.mlp.fc1.bias"]
    y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
    return x + y @ w[f"{name}.mlp.fc2.weight"].T + w[f"{name}.mlp.fc2.bias"]


def apvit_features(pictures: Tensor, w: Weights, *, heads: int, depth: int, patches: int = 160) -> Tensor:
    """(F, 3, 112, 112) to (F, width): the class token after the final norm."""
    features = []
    for picture in pictures:
        x = F.conv2d(picture[None], w["extractor.input_layer.0.weight"], padding=1)[0]
        x = prelu(batch_norm(x, w, "extractor.input_layer.1"), w["extractor.input_layer.2.weight"])
        units = sorted({tuple(map(int, n.split(".")[2:4])) for n in w if n.startswith("extractor.body.")})
        for stage, number in units:
            x = unit(x, w, f"extractor.body.{stage}.{number}", 2 if number == 0 else 1)
        x = F.conv2d(x[None], w["vit.projs.0.weight"], w["vit.projs.0.bias"])[0].flatten(1).T
        kept = strongest([row.abs().sum().item() for row in x], patches)
        x = (x + w["vit.patch_pos_embed"][0])[kept]
        x = torch.cat([w["vit.cls_token"][0] + w["vit.cls_pos_embed"][0], x])
        for i in range(depth):
            x = block(x, w, f"vit.blocks.{i}", heads, prune=i >= depth // 2)
        features.append(layer_norm(x[:1], w, "vit.norm")[0])
    return torch.stack(features)
