"""WavLM (Chen et al., IEEE JSTSP 2022): frozen up to its last layers, whose attention is written out anew here.

In WavLM the first layer owns the relative position bias and every layer gates it. transformers' own attention repeats
the bias for every utterance and goes through a product that is slow in reduced precision; ours is a plain one.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmda_bench.backbone.base import Encoder
from mmda_bench.backbone.hub import load_model, settings_of
from mmda_bench.backbone.weights import fetched
from mmda_bench.errors import DataError

PREPROCESSOR = "preprocessor_config.json"


def attend(layer: Any, x: Tensor, bias: Tensor, hidden: Tensor) -> Tensor:
    """Gated relative attention with the weights of ``layer``, a WavLMAttention: (B, T, width) to (B, T, width).

    ``bias``: (heads, T, T) position bias, before the gate. ``hidden``: (B, 1, 1, T), −∞ where a step is padding.
    """
    q, k, v = (
        project(x).unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
        for project in (layer.q_proj, layer.k_proj, layer.v_proj)
    )
    heads = x.unflatten(-1, (layer.num_heads, -1)).transpose(1, 2)
    gates = torch.sigmoid(layer.gru_rel_pos_linear(heads).unflatten(-1, (2, 4)).sum(-1))
    a, b = gates.chunk(2, dim=-1)  # (B, heads, T, 1) each
    gate = a * (b * layer.gru_rel_pos_const - 1.0) + 2.0
    logits = (q * layer.scaling) @ k.mT + gate * bias + hidden
    return layer.out_proj((logits.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2))


class WavLMLayers(nn.Module):
    """The last layers over a padded batch, (B, T, width). No dropout inside, in training either [ours].

    ``distance_bias``: (heads, 2·furthest + 1), the first layer's bias of key minus query step from −furthest on. That
    layer is frozen, so this is a constant; beyond ``furthest`` the bias no longer changes.
    """

    distance_bias: Tensor

    def __init__(self, layers: nn.ModuleList, first_attention: Any) -> None:
        super().__init__()
        self.layers = layers
        self.furthest: int = first_attention.max_distance
        with torch.no_grad():
            square = first_attention.compute_bias(self.furthest + 1, self.furthest + 1)
        self.register_buffer("distance_bias", torch.cat([square[:, :, 0].flip(1), square[:, 0, 1:]], 1).contiguous())

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        step = torch.arange(x.shape[1], device=x.device)
        distance = (step - step[:, None]).clamp(-self.furthest, self.furthest)
        bias = self.distance_bias[:, distance + self.furthest]
        hidden = torch.zeros(mask.shape, device=x.device).masked_fill(~mask, float("-inf"))[:, None, None]
        layer: Any
        for layer in self.layers:
            x = layer.layer_norm(x + attend(layer.attention, x, bias, hidden))
            x = layer.final_layer_norm(x + layer.feed_forward(x))
        return x


class WavLMEncoder(Encoder):
    """``normalise``: the checkpoint expects waveforms of zero mean and unit variance."""

    def __init__(self, model: Any, *, trainable: int, normalise: bool) -> None:
        super().__init__()
        layers = model.encoder.layers
        cut = len(layers) - trainable
        self.width = model.config.hidden_size
        self.normalise = normalise
        self.settings = settings_of(model, normalise)
        self.layers = WavLMLayers(layers[cut:], layers[0].attention)
        model.encoder.layers = layers[:cut]
        self.frozen = model.requires_grad_(False)
        self.eval()

    def tokens(self, raw: np.ndarray) -> Tensor:
        waveform = torch.from_numpy(np.ascontiguousarray(raw, np.float32))
        if self.normalise:
            waveform = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
        return waveform

    def prefix(self, tokens: Tensor) -> Tensor:
        return self.frozen(tokens[None]).last_hidden_state[0]


def load_wavlm(location: str, *, trainable: int) -> WavLMEncoder:
    """The encoder with the weights in ``location``, a hub name or a folder. Raises :class:`DataError`."""
    rates = dict.fromkeys(
        ("hidden_dropout", "attention_dropout", "activation_dropout", "feat_proj_dropout", "layerdrop"), 0.0
    )
    model = load_model("WavLMModel", "wavlm", location, name="acoustic", **rates, apply_spec_augment=False)
    if model.config.do_stable_layer_norm:
        raise DataError(f"{location} normalises before its layers (WavLM-large); expected a WavLM-base or -base-plus")
    return WavLMEncoder(model, trainable=trainable, normalise=_normalises(location))


def _normalises(location: str) -> bool:
    """``do_normalize`` of the checkpoint's own preprocessor file; False if it has none."""
    from huggingface_hub import try_to_load_from_cache
    from transformers.utils.hub import cached_file

    def find() -> str | None:
        file = cached_file(location, PREPROCESSOR, _raise_exceptions_for_missing_entries=False)
        if file is None and not Path(location).exists() and try_to_load_from_cache(location, PREPROCESSOR) is None:
            raise FileNotFoundError(f"{PREPROCESSOR} is not on this machine")  # nobody knows whether there is one
        return file

    file = fetched("acoustic", location, find)
    return bool(json.loads(Path(file).read_text()).get("do_normalize", False)) if file else False
