"""The backbones at full size with random weights, and the naive design that ours is measured against."""

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.backbone.apvit import SIDE, APViT, APViTEncoder
from mmda_bench.backbone.base import DIMENSION, Encoder
from mmda_bench.backbone.bert import BertEncoder
from mmda_bench.backbone.layers import LSTMPool
from mmda_bench.backbone.network import DIMS, MultimodalNetwork
from mmda_bench.backbone.paper import Paper
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.wavlm import WavLMEncoder
from mmda_bench.dataset import MODALITIES
from mmda_bench.functional import transport
from mmda_bench.functional.objective import information_bottleneck
from mmda_bench.method import Context, Method, Source, Target
from mmda_bench.registry import METHODS
from tests.benchmarks.bench_methods import convex_plan
from tests.support import checkpoints

CLASSES, BETA = 20, 1e-3
SAMPLES, TOKENS, FRAMES = 80_160, 64, 10  # the longest utterance that the engine lets through
CPU = torch.device("cpu")
Mapped = Mapping[str, Any]


def whole_model(modality: str, *, small: bool) -> Any:
    """WavLM-base-plus, BERT-base-uncased or APViT with random weights, uncut; or the tests' small ones."""
    from transformers import BertConfig, BertModel, WavLMConfig, WavLMModel

    if small:
        return {"A": checkpoints.wavlm, "L": checkpoints.bert, "V": checkpoints.apvit}[modality]()
    if modality == "V":
        return APViT().eval()
    return (WavLMModel(WavLMConfig()) if modality == "A" else BertModel(BertConfig(), add_pooling_layer=False)).eval()


class RandomPaper(Paper):
    """The paper's backbone without checkpoints. ``blocks``: trainable visual ones."""

    length_groups = 1  # its utterances are equally long, and shapes on the meta device depend on no data

    def __init__(self, *, blocks: int, small: bool) -> None:
        super().__init__()
        self.blocks, self.small = blocks, small

    def whole(self, modality: str) -> Any:
        """The uncut network of a modality, to be cut by :meth:`encoder`."""
        return whole_model(modality, small=self.small)

    def encoder(self, modality: str) -> Encoder:
        model = self.whole(modality)
        if modality == "A":
            return WavLMEncoder(model, trainable=3, normalise=False)
        if modality == "V":
            return APViTEncoder(model, trainable=self.blocks)
        tokenizer = SimpleNamespace(mask_token="[MASK]", backend_tokenizer=SimpleNamespace(to_str=str))
        return BertEncoder(model, tokenizer, trainable=3)


def inputs(modality: str, batch: int, *, small: bool) -> Tensor:
    """Waveforms (B, samples), word pieces (B, T) or pictures (B·10, 3, 112, 112)."""
    if modality == "A":
        return 0.1 * torch.randn(batch, SAMPLES // 10 if small else SAMPLES)
    if modality == "L":
        return torch.randint(len(checkpoints.VOCABULARY) if small else 30_522, (batch, TOKENS))
    return torch.randn(batch * FRAMES, 3, SIDE, SIDE)


def run_frozen(encoder: Encoder, modality: str, x: Tensor) -> Tensor:
    """The prefix of a batch of :func:`inputs`: (B, T, width), or (B·10, N, width) for pictures."""
    return encoder.frozen.tokens(x) if modality == "V" else encoder.frozen(x).last_hidden_state


@torch.no_grad()
def cached(encoder: Encoder, modality: str, batch: int, *, small: bool) -> Sequences:
    """Prefix outputs of ``batch`` equal utterances, on the encoder's device."""
    device = next(encoder.parameters()).device
    rows = run_frozen(encoder, modality, inputs(modality, 1, small=small).to(device))
    values = (rows if modality == "V" else rows[0]).expand(batch, *(-1,) * (rows.ndim if modality == "V" else 2))
    return Sequences(values.contiguous(), torch.ones(values.shape[:2], dtype=torch.bool, device=device))


class Conv2dTextCNN(nn.Module):
    """The TextCNN as it is usually written: 2-d convolutions over a one-channel picture of the sequence."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(1, channels, (k, width), padding=(k // 2, 0)) for k in (3, 4, 5))
        self.width = 3 * channels

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.cat([F.relu(conv(x[:, None])).squeeze(3).amax(2) for conv in self.convolutions], 1)


class NaiveEncoder(nn.Module):
    """Every layer in every step, in the models' own modules; only the last ones trained, as in ours."""

    def __init__(self, modality: str, *, blocks: int, small: bool) -> None:
        super().__init__()
        self.modality = modality
        self.model = whole_model(modality, small=small).requires_grad_(False)
        if modality == "V":
            layers, width = self.model.vit.blocks[-blocks:], self.model.vit.norm.normalized_shape[0]
        else:
            layers = (self.model.encoder.layers if modality == "A" else self.model.encoder.layer)[-3:]
            width = self.model.config.hidden_size
        layers.requires_grad_(True)
        self.pool = (LSTMPool if modality == "V" else Conv2dTextCNN)(width, Paper.channels)
        self.dropout = nn.Dropout(Paper.dropout)
        self.project = nn.Linear(self.pool.width, DIMENSION)

    def forward(self, x: Tensor) -> Tensor:
        x = self.model(x).unflatten(0, (-1, FRAMES)) if self.modality == "V" else self.model(x).last_hidden_state
        pooled = self.pool(x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device))
        return F.normalize(self.project(self.dropout(pooled)), dim=1)


class NaiveNetwork(nn.Module):
    """The multimodal network on :class:`NaiveEncoder`; shares nothing with ours but the heads' shape."""

    def __init__(self, *, blocks: int, small: bool) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({m: NaiveEncoder(m, blocks=blocks, small=small) for m in MODALITIES})
        self.heads = nn.ModuleDict({m: nn.Linear(width, CLASSES) for m, width in DIMS.items()})

    def classify(self, modality: str, z: Tensor) -> Tensor:
        return self.heads[modality](Paper.logit_scale * z)

    def forward(self, batch: Mapped) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        z = {m: self.encoders[m](batch[m]) for m in MODALITIES}
        z["joint"] = torch.cat([z[m] for m in MODALITIES], 1)
        return z, {m: self.classify(m, value) for m, value in z.items()}


def a3d2(network: Any, *, components: tuple[str, ...] = ("aa", "add")) -> Method:
    context = Context(
        classes=CLASSES, dims=DIMS, modalities=MODALITIES, anchor="A", drifts=("L", "V"), source_size=100,
        target_size=100, components=frozenset(components), classify=network.classify,
        generator=torch.Generator().manual_seed(0), logit_scale=Paper.logit_scale,
    )  # fmt: skip
    return METHODS.get("a3d2")(context, **METHODS.entry("a3d2").parameters)


def objective(method: Method, source: tuple, target: tuple, labels: Tensor, *, convex: bool) -> Tensor:
    """The sum of A3D2's terms; with ``convex`` the transport is solved as a convex program, as published.

    Otherwise all plans are solved together, as the engine has it.
    """
    ids = torch.arange(len(labels), device=labels.device)
    source_batch, target_batch = Source(*source, labels, ids), Target(*target, ids)
    if convex:
        with mock.patch.object(transport, "transport_plan", convex_transport):
            terms = method.loss(source_batch, target_batch, 0.5)
    else:
        with transport.PlansTogether(target[0].values(), labels.device) as plans:
            terms = plans.solved(method.loss(source_batch, target_batch, 0.5))
    terms["ib"] = information_bottleneck(source[1], source[0], labels, BETA)
    return torch.stack([term.float() for term in terms.values()]).sum()


def convex_transport(cost: Tensor) -> Tensor:
    return torch.from_numpy(convex_plan(cost.detach().double().cpu().numpy())).to(cost)


def trained(*modules: nn.Module) -> list[nn.Parameter]:
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def naive_step(
    batch: int, *, blocks: int, small: bool, convex: bool = True, device: torch.device = CPU
) -> tuple[Callable[[], None], NaiveNetwork, list[Mapped]]:
    """Source and target one after the other, all layers, convex transport, Adam as it comes. Also network, batches."""
    network = NaiveNetwork(blocks=blocks, small=small).to(device)
    method = a3d2(network).to(device)
    optimiser = torch.optim.Adam(trained(network, method), lr=1e-5)
    halves: list[Mapped] = [{m: inputs(m, batch, small=small).to(device) for m in MODALITIES} for _ in range(2)]
    labels = torch.randint(CLASSES, (batch,)).to(device)

    def step() -> None:
        source, target = network(halves[0]), network(halves[1])
        loss = objective(method, source, target, labels, convex=convex)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step, network, halves


def our_step(batch: int, *, blocks: int, small: bool) -> tuple[Callable[[], None], MultimodalNetwork, Mapped]:
    """Cached prefix, source and target in one pass, exact transport, fused Adam. Also the network and its batch."""
    backbone = RandomPaper(blocks=blocks, small=small)
    network = MultimodalNetwork(backbone, CLASSES)
    method = a3d2(network)
    optimiser = torch.optim.Adam(trained(network, method), lr=1e-5, fused=True)
    both = {m: cached(backbone.encoder(m), m, 2 * batch, small=small) for m in MODALITIES}
    labels = torch.randint(CLASSES, (batch,))

    def step() -> None:
        z, logits = network(both)
        source, target = (
            tuple({m: v[rows] for m, v in values.items()} for values in (z, logits))
            for rows in (slice(batch), slice(batch, None))
        )
        loss = objective(method, source, target, labels, convex=False)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step, network, both
