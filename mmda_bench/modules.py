"""Blocks that methods share: discriminators, the randomised map, the memory of target utterances."""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench.errors import UsageError
from mmda_bench.method import Context


def option(name: str, value: str, allowed: Iterable[str]) -> str:
    """``value`` if it is one of ``allowed``. Raises :class:`UsageError` otherwise.

    >>> option("align_on", "joint", ["joint", "all"])
    'joint'
    """
    if value not in allowed:
        raise UsageError(f"{name} is {value!r}; expected one of {', '.join(allowed)}")
    return value


def aligned_modalities(ctx: Context, align_on: str) -> tuple[str, ...]:
    """Where a baseline acts: the joint representation ("joint"), each drift ("drifts"), or A, L, V and joint ("all").

    The default of every baseline is "joint" [ours]: the original papers define one representation, and telling a
    baseline which modality is the anchor would hand it A3D2's assumption.

    Raises :class:`UsageError` for another word.

    >>> from types import SimpleNamespace
    >>> aligned_modalities(SimpleNamespace(modalities=("A", "L", "V"), drifts=("A", "L")), "all")
    ('A', 'L', 'V', 'joint')
    """
    places = {"joint": ("joint",), "drifts": ctx.drifts, "all": (*ctx.modalities, "joint")}
    return places[option("align_on", align_on, places)]


class Discriminator(nn.Sequential):
    """Linear–ReLU–Dropout(.5)–Linear–ReLU–Dropout(.5)–Linear: (N, inputs) → (N, outputs) logits.

    One width for all methods [ours]; the official ones are 1024 (DANN, CDAN, MADA) and 12 (A3D2).

    >>> Discriminator(16)(torch.zeros(5, 16)).shape
    torch.Size([5, 1])
    """

    def __init__(self, inputs: int, *, hidden: int = 256, outputs: int = 1) -> None:
        super().__init__(
            nn.Linear(inputs, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, outputs),
        )


class ClasswiseDiscriminators(nn.Module):
    """C discriminators like :class:`Discriminator` with one output, the k-th applied to p_k·z, as batched products.

    z (N, inputs), probs (N, C) → (N, C) logits. Since D_k's first layer is linear, W_k(p_k z) = p_k(W_k z): all first
    layers are one product with z. ``weight{1,2,3}``: (C, fan-out, fan-in), as nn.Linear; ``bias{1,2,3}``: (C, fan-out).

    >>> ClasswiseDiscriminators(16, 3)(torch.zeros(5, 16), torch.zeros(5, 3)).shape
    torch.Size([5, 3])
    """

    def __init__(self, inputs: int, classes: int, *, hidden: int = 256) -> None:
        super().__init__()
        for layer, (fan_in, width) in enumerate([(inputs, hidden), (hidden, hidden), (hidden, 1)], start=1):
            bound = 1.0 / math.sqrt(fan_in)  # as nn.Linear
            self.register_parameter(
                f"weight{layer}", nn.Parameter(torch.empty(classes, width, fan_in).uniform_(-bound, bound))
            )
            self.register_parameter(f"bias{layer}", nn.Parameter(torch.empty(classes, width).uniform_(-bound, bound)))
        self.dropout = nn.Dropout(0.5)

    weight1: nn.Parameter
    weight2: nn.Parameter
    weight3: nn.Parameter
    bias1: nn.Parameter
    bias2: nn.Parameter
    bias3: nn.Parameter

    def forward(self, z: Tensor, probs: Tensor) -> Tensor:
        first = F.linear(z, self.weight1.flatten(0, 1)).view(len(z), *self.bias1.shape).transpose(0, 1)
        x = self.dropout(F.relu(first * probs.T.unsqueeze(2) + self.bias1.unsqueeze(1)))
        x = self.dropout(F.relu(torch.baddbmm(self.bias2.unsqueeze(1), x, self.weight2.mT)))
        return torch.baddbmm(self.bias3.unsqueeze(1), x, self.weight3.mT).squeeze(2).T


class RandomisedMap(nn.Module):
    """T = (R_f z) ⊙ (R_g p)/√k: (N, d), (N, C) → (N, k), a random sketch of p ⊗ z. CDAN, Long et al. 2018.

    R_f (d, k) and R_g (C, k) are N(0, 1), drawn once, fixed, kept as buffers.

    >>> RandomisedMap(16, 3, 64, torch.Generator())(torch.zeros(5, 16), torch.zeros(5, 3)).shape
    torch.Size([5, 64])
    """

    z_map: Tensor
    probs_map: Tensor

    def __init__(self, width: int, classes: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        for name, rows in (("z_map", width), ("probs_map", classes)):
            self.register_buffer(name, torch.randn(rows, outputs, generator=generator, device=generator.device))

    def forward(self, z: Tensor, probs: Tensor) -> Tensor:
        return (z @ self.z_map) * (probs @ self.probs_map) / math.sqrt(self.z_map.shape[1])


class MemoryBank(nn.Module):
    """What was last seen of every target utterance, by its position in the target training set. LUHP.

    ``z`` (M, d) of unit norm; ``probs`` (M, C), sharpened predictions p²/mean p², the mean over the rows written
    together; ``certainty`` (M,), ones at first. p²/mean p² is B times the published p²/Σ p² (B rows in a batch): in
    this unit rows written in batches of different sizes compare; divide by B where the published scale matters.

    >>> bank = MemoryBank(4, width=2, classes=3)
    >>> bank.write(torch.tensor([1]), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 1.0, 0.0]]))
    >>> bank.labels.tolist()
    [0, 1, 0, 0]
    """

    z: Tensor
    probs: Tensor
    certainty: Tensor

    def __init__(self, size: int, width: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("z", torch.zeros(size, width))
        self.register_buffer("probs", torch.zeros(size, classes))
        self.register_buffer("certainty", torch.ones(size))

    @property
    def labels(self) -> Tensor:
        """(M,) argmax of ``probs``."""
        return self.probs.argmax(1)

    @torch.no_grad()
    def write(self, ids: Tensor, z: Tensor, probs: Tensor) -> None:
        """Overwrite entries ``ids`` (N,) with representations (N, d) and class probabilities (N, C)."""
        squared = probs.to(self.probs).square()
        self.z[ids] = F.normalize(z.to(self.z), dim=1)
        self.probs[ids] = squared / squared.mean(0).clamp_min(torch.finfo(squared.dtype).tiny)
