"""The source objective L_IB and the paper's distance between classes. Marks: see :mod:`mmda_bench.functional`."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision, widen


@full_precision
def log_variance(z: Tensor, eps: float = 1e-6) -> Tensor:
    """log|Σ| = Σ_i log(var_i + ε) of (N, d) rows, Σ diagonal [paper], a scalar. Biased variance and ε [ours].

    >>> round(log_variance(torch.tensor([[0.0], [4.0]])).item(), 4)
    1.3863
    """
    return torch.log((z - z.mean(0)).square().mean(0) + eps).sum()


def information_bottleneck(
    logits: Mapping[str, Tensor], z: Mapping[str, Tensor], labels: Tensor, beta: float
) -> Tensor:
    """L_IB = Σ_m CE(y_m, label) + (β/2) Σ_m log|Σ_m| over the modalities m of the mappings, a scalar. A3D2 eq. 5.

    The engine's m are A, L, V and joint. Joint is the concatenation of the others and Σ_m diagonal, so that its
    log|Σ| repeats their sum: together they weigh β, not β/2.

    ``logits[m]``: (N, C); ``z[m]``: (N, d_m); ``labels``: (N,) int64.

    >>> z = {"A": torch.tensor([[0.0], [2.0]])}
    >>> round(information_bottleneck({"A": torch.zeros(2, 4)}, z, torch.tensor([0, 3]), beta=1e-3).item(), 4)
    1.3863
    """
    cross_entropies = [F.cross_entropy(widen(y), labels) for y in logits.values()]
    return torch.stack(cross_entropies + [0.5 * beta * log_variance(value) for value in z.values()]).sum()


@full_precision
def category_distance(z_s: Tensor, y_s: Tensor, z_t: Tensor, y_t: Tensor, classes: int) -> Tensor:
    """D_m = (1/C) Σ_c ‖mean of z_s in c − mean of z_t in c‖₂, a scalar ≥ 0. A3D2, section 4.2.

    z (N, d), y (N,) int64. The mean is over classes present in both domains [ours]; NaN when there is none.

    >>> y = torch.tensor([0, 1])
    >>> category_distance(torch.zeros(2, 4), y, torch.ones(2, 4), y, classes=2).item()
    2.0
    """
    member_s, member_t = F.one_hot(y_s, classes).to(z_s), F.one_hot(y_t, classes).to(z_t)
    count_s, count_t = member_s.sum(0), member_t.sum(0)
    centre_s = member_s.T @ z_s / count_s.clamp_min(1).unsqueeze(1)
    centre_t = member_t.T @ z_t / count_t.clamp_min(1).unsqueeze(1)
    return (centre_s - centre_t).norm(dim=1)[(count_s > 0) & (count_t > 0)].mean()
