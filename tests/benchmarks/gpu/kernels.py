"""Right kernels: frozen prefix and trained layers against the uncut network, on the device and in half precision.

The networks have random weights. An error is the largest difference over the largest value.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.functional.transport import anchor_drag
from mmda_bench.machine.arithmetic import exact_float32
from tests.benchmarks.full_size import FRAMES, RandomPaper, inputs, run_frozen, whole_model
from tests.benchmarks.gpu.sections import Result

BATCH = 2


class Given(RandomPaper):
    """The backbone of a network that is already there."""

    def __init__(self, models: dict[str, torch.nn.Module], *, small: bool) -> None:
        super().__init__(blocks=3, small=small)
        self.models = models

    def whole(self, modality: str) -> torch.nn.Module:
        return self.models[modality]


def error(found: Tensor, expected: Tensor) -> float:
    """The largest difference over the largest expected value."""
    return float((found.float() - expected.float()).abs().max() / expected.float().abs().max())


@torch.no_grad()
def network_errors(modality: str, device: torch.device, *, small: bool) -> dict[str, float]:
    """``float32`` and ``bf16`` (the trained layers under autocast, the prefix in float32) against the uncut network."""
    torch.manual_seed(0)
    uncut = whole_model(modality, small=small)
    encoder = Given({modality: copy.deepcopy(uncut)}, small=small).encoder(modality).to(device)
    uncut = uncut.to(device)
    x = inputs(modality, BATCH, small=small).to(device)
    expected = uncut(x)
    expected = expected.unflatten(0, (-1, FRAMES)) if modality == "V" else expected.last_hidden_state
    prefix = run_frozen(encoder, modality, x)
    prefix = prefix.unflatten(0, (-1, FRAMES)) if modality == "V" else prefix
    mask = torch.ones(prefix.shape[:2], dtype=torch.bool, device=device)
    found = {"float32": error(encoder.layers(prefix, mask), expected)}
    with torch.autocast(device.type, torch.bfloat16):
        found["bf16"] = error(encoder.layers(prefix, mask), expected)
    return found


def transport_error(device: torch.device, *, width: int) -> float:
    """Relative difference of ⟨C, π*⟩ worked out on the device and on the processor."""
    rng = torch.Generator().manual_seed(0)
    z, anchor = (F.normalize(torch.randn(48, width, generator=rng), dim=1) for _ in range(2))
    there, here = anchor_drag(z.to(device), anchor.to(device)).item(), anchor_drag(z, anchor).item()
    return abs(there - here) / abs(here)


def fill(result: Result, device: torch.device, *, small: bool) -> None:
    """The section."""
    with exact_float32():
        result["transport"] = transport_error(device, width=64 if small else 256)
        for modality in MODALITIES:
            result[NAMES[modality]] = network_errors(modality, device, small=small)
