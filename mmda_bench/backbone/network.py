"""The one multimodal network that every method trains: last layers, pooling, representations and heads.

Its projections and heads are linear, or ("bn") as in A3D2's released code: Linear–BatchNorm–ReLU, the joint head with
a hidden layer.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.backbone.base import DIMENSION, Backbone
from mmda_bench.backbone.layers import LSTMPool, TextCNN
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.dataset import MODALITIES
from mmda_bench.functional.precision import full_precision
from mmda_bench.protocol import HEADS

HIDDEN = 128  # units between joint Z and joint logits in the released code
DIMS: dict[str, int] = {**dict.fromkeys(MODALITIES, DIMENSION), "joint": DIMENSION * len(MODALITIES)}


class ModalityEncoder(nn.Module):
    """Trainable layers, pooling, Linear(→256), l2 norm: the part of an encoder after its frozen prefix.

    Without ``normalised`` there is no batch norm anywhere: one forward of source and target together equals two.
    """

    def __init__(self, backbone: Backbone, modality: str, *, normalised: bool = False) -> None:
        super().__init__()
        encoder = backbone.encoder(modality)
        self.pretrained = encoder.layers
        pool = LSTMPool if encoder.pool == "lstm" else TextCNN
        self.pool = pool(encoder.width, backbone.channels)
        self.groups = 1 if pool is LSTMPool else backbone.length_groups  # all clips have the same number of pictures
        self.dropout = nn.Dropout(backbone.dropout)
        self.project = (Normalised if normalised else nn.Linear)(self.pool.width, DIMENSION)

    def forward(self, batch: Sequences) -> Tensor:
        if self.groups == 1:
            pooled = self._pooled(batch)
        else:
            rows, parts = zip(*batch.by_length(self.groups), strict=True)
            pooled = torch.cat([self._pooled(part) for part in parts])[torch.cat(rows).argsort()]
        return F.normalize(self.project(self.dropout(pooled)).float(), dim=1)

    def _pooled(self, batch: Sequences) -> Tensor:
        return self.pool(self.pretrained(batch.values, batch.mask), batch.mask)


class BatchNorm(nn.BatchNorm1d):
    """Of the statistics of the batch in training; of the running ones where it has less than two rows [ours]."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            return super().forward(x)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class Normalised(nn.Sequential):
    """Linear–BatchNorm–ReLU: (B, inputs) to (B, outputs) ≥ 0 [A3D2, official]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(nn.Linear(inputs, outputs), BatchNorm(outputs), nn.ReLU())


def make_heads(classes: int, *, normalised: bool = False) -> nn.ModuleDict:
    """A head for A, L, V and joint: linear, or as the released code has them, the joint one with a hidden layer."""
    if not normalised:
        return nn.ModuleDict({m: nn.Linear(width, classes) for m, width in DIMS.items()})
    heads = {m: nn.Sequential(Normalised(DIMENSION, classes)) for m in MODALITIES}
    joint = nn.Sequential(Normalised(DIMS["joint"], HIDDEN), nn.Dropout(0.3), Normalised(HIDDEN, classes))
    return nn.ModuleDict({**heads, "joint": joint})


class MultimodalNetwork(nn.Module):
    """z and logits of all modalities. Linear heads for A, L, V and joint; Z_joint = [Z_A, Z_L, Z_V], norm √3.

    ``heads``: "plain", or "bn" for the released code's, which normalise each batch: source and target are then to be
    given one after the other, since each domain has statistics of its own in training. Those of evaluation are running
    means over both. The representations before the l2 norm and the logits are then ≥ 0.
    """

    def __init__(self, backbone: Backbone, classes: int, *, heads: str = HEADS[0]) -> None:
        super().__init__()
        self.normalised = heads == "bn"
        self.encoders = nn.ModuleDict({m: ModalityEncoder(backbone, m, normalised=self.normalised) for m in MODALITIES})
        self.heads = make_heads(classes, normalised=self.normalised)
        self.scale = backbone.logit_scale

    @full_precision
    def classify(self, modality: str, z: Tensor) -> Tensor:
        """(N, dims[modality]) representations to (N, C) logits, float32, through the shared head.

        Never in half precision: a bfloat16 has three digits, and of twenty classes two would often be equally likely.
        """
        return self.heads[modality](self.scale * z).float()

    def forward(self, batch: Mapping[str, Sequences]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        z = {m: self.encoders[m](batch[m]) for m in MODALITIES}
        z["joint"] = torch.cat([z[m] for m in MODALITIES], 1)
        return z, {m: self.classify(m, value) for m, value in z.items()}

    def pretrained_parameters(self) -> list[nn.Parameter]:
        """The backbone's own last layers, trained at the lower rate."""
        return [p for encoder in self.encoders.values() for p in encoder.pretrained.parameters()]  # type: ignore[union-attr]

    def new_parameters(self) -> list[nn.Parameter]:
        """Everything trained from scratch."""
        pretrained = {id(p) for p in self.pretrained_parameters()}
        return [p for p in self.parameters() if id(p) not in pretrained]
