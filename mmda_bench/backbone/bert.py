"""BERT (Devlin et al., NAACL 2019): frozen up to its last layers, with the checkpoint's own tokenizer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmda_bench.backbone.base import Encoder
from mmda_bench.backbone.hub import load_model, settings_of
from mmda_bench.backbone.weights import fetched

MAX_TOKENS = 64


class BertLayers(nn.Module):
    """The last layers over a padded batch, (B, T, width). No dropout inside, in training either [ours]."""

    def __init__(self, layers: nn.ModuleList) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        allowed = mask[:, None, None]
        for layer in self.layers:
            x = layer(x, allowed)
        return x


class BertEncoder(Encoder):
    """Words to at most 64 word pieces, [CLS] and [SEP] included, and their features."""

    def __init__(self, model: Any, tokenizer: Any, *, trainable: int) -> None:
        super().__init__()
        layers = model.encoder.layer
        cut = len(layers) - trainable
        self.width = model.config.hidden_size
        self.tokenizer, self.mask_token = tokenizer, tokenizer.mask_token
        self.settings = settings_of(model, tokenizer.backend_tokenizer.to_str())
        self.layers = BertLayers(layers[cut:])
        model.encoder.layer = layers[:cut]
        self.frozen = model.requires_grad_(False)
        self.eval()

    def tokens(self, raw: list[str]) -> Tensor:
        ids = self.tokenizer(" ".join(raw), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        return torch.tensor(ids)

    def knows(self, words: Sequence[str]) -> list[bool]:
        pieces = self.tokenizer(list(words), add_special_tokens=False)["input_ids"] if words else []
        return [bool(ids) and self.tokenizer.unk_token_id not in ids for ids in pieces]

    def prefix(self, tokens: Tensor) -> Tensor:
        return self.frozen(tokens[None]).last_hidden_state[0]


def load_bert(location: str, *, trainable: int) -> BertEncoder:
    """The encoder with the weights and tokenizer in ``location``, a hub name or a folder. Raises :class:`DataError`."""
    rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.0)
    model = load_model(
        "BertModel", "bert", location, name="lexical", **rates, add_pooling_layer=False, attn_implementation="sdpa"
    )
    from transformers import AutoTokenizer

    tokenizer = fetched("lexical", location, lambda: AutoTokenizer.from_pretrained(location))
    return BertEncoder(model, tokenizer, trainable=trainable)
