"""Structure of the target: two views, neighbours, certainty, triplets. Marks: see :mod:`mmda_bench.functional`."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision


@full_precision
def probabilistic_contrastive(probs_a: Tensor, probs_b: Tensor, scale: float = 7.0) -> Tensor:
    """Contrast of two views' class probabilities, (B, C) twice → a scalar. PCL, Li et al. 2024.

    P stacks the views to 2B rows; cross-entropy over the rows of scale·P Pᵀ, diagonal at −1e5·scale, with the other
    view as the positive. Neither normalised nor detached [official, as is scale 7]. Uniform rows give ln(2B − 1).

    >>> uniform = torch.full((2, 4), 0.25)
    >>> round(probabilistic_contrastive(uniform, uniform).item(), 4)
    1.0986
    """
    stacked = torch.cat([probs_a, probs_b])
    n = len(stacked)
    own = torch.eye(n, dtype=torch.bool, device=stacked.device)
    similarity = scale * (stacked @ stacked.T).masked_fill(own, -1e5)
    return F.cross_entropy(similarity, torch.arange(n, device=stacked.device).roll(n // 2))


def _own_entry(own: Tensor | None, rows: int, memory: Tensor) -> Tensor:
    """(N, M) mask of each row's own memory entry, all False without ``own``."""
    mask = torch.zeros(rows, len(memory), dtype=torch.bool, device=memory.device)
    return mask if own is None else mask.scatter_(1, own.unsqueeze(1), True)


def _distances(z: Tensor, bank_z: Tensor) -> Tensor:
    """Euclidean, (N, d) and (M, d) → (N, M). In float64: the matrix products that make this quick leave of the distance
    of near neighbours little but rounding errors."""
    return torch.cdist(z.double(), bank_z.double()).to(z.dtype)


@torch.no_grad()
@full_precision
def neighbour_pseudo_labels(
    z: Tensor, bank_z: Tensor, bank_p: Tensor, own: Tensor | None, k: int = 5
) -> tuple[Tensor, Tensor]:
    """Label and confidence (N,) of each row: argmax and max of the mean ``bank_p`` of its ``k`` nearest entries.

    z (N, d), bank_z (M, d) of unit norm, bank_p (M, C), own (N,) positions in the memory left out, or None. No
    gradient. LUHP, Zhang et al. 2024.

    >>> label, confidence = neighbour_pseudo_labels(torch.eye(2), torch.eye(2), torch.eye(2), None, k=1)
    >>> label.tolist(), confidence.tolist()
    ([0, 1], [1.0, 1.0])
    """
    similarity = (z @ bank_z.T).masked_fill(_own_entry(own, len(z), bank_z), -math.inf)
    nearest = similarity.topk(max(1, min(k, len(bank_z) - (own is not None))), dim=1).indices
    confidence, label = bank_p[nearest].mean(1).max(1)
    return label, confidence


@torch.no_grad()
@full_precision
def certainty(z: Tensor, labels: Tensor, bank_z: Tensor, bank_labels: Tensor, own: Tensor | None, k: int = 5) -> Tensor:
    """c_i = (sum of the k smallest distances to other labels)/(sum of the k smallest to the same label), (N,), ≥ 0.

    Euclidean distances of normalised ``z`` (N, d) to bank_z (M, d); ``own`` (N,) left out. LUHP [official]. [ours]
    fewer than k entries: those that exist; none of the same or none of another label: 0, nothing speaks for the label.

    >>> bank = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> round(certainty(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), bank, torch.tensor([0, 1]), None).item(), 4)
    1.4142
    """
    distance = _distances(F.normalize(z, dim=1), bank_z)
    same, mine = labels.unsqueeze(1) == bank_labels, _own_entry(own, len(z), bank_z)

    def nearest(allowed: Tensor) -> Tensor:
        values = distance.masked_fill(~allowed, math.inf).topk(min(k, len(bank_z)), dim=1, largest=False).values
        return values.masked_fill(values.isinf(), 0.0).sum(1)

    ratio = nearest(~same & ~mine) / nearest(same & ~mine).clamp_min(1e-6)
    return ratio * (same & ~mine).any(1)


@torch.no_grad()
@full_precision
def certainty_thresholds(labels: Tensor, bank_labels: Tensor, bank_certainty: Tensor) -> tuple[Tensor, Tensor]:
    """θ⁺ and θ⁻, (N,) each: mean ``bank_certainty`` (M,) over entries of the same and of other labels. LUHP [official].

    +∞, which no certainty reaches, where there is no such entry [ours].

    >>> found = certainty_thresholds(torch.tensor([0]), torch.tensor([0, 0, 1]), torch.tensor([1.0, 3.0, 5.0]))
    >>> [threshold.tolist() for threshold in found]
    [[2.0], [5.0]]
    """
    same = labels.unsqueeze(1) == bank_labels
    plus, minus = (
        torch.where(mask.any(1), (mask * bank_certainty).sum(1) / mask.sum(1).clamp_min(1), math.inf)
        for mask in (same, ~same)
    )
    return plus, minus


@full_precision
def hard_triplet(
    z: Tensor,
    labels: Tensor,
    confidence: Tensor,
    bank_z: Tensor,
    bank_labels: Tensor,
    bank_certainty: Tensor,
    own: Tensor | None,
    k: int = 5,
    margin: float = 0.3,
    keep_own_entry: bool = False,
) -> Tensor:
    """Σ_i a_i · mean_j max(0, ‖z_i − positive_j‖ − ‖z_i − negative_j‖ + margin) / (Σ a_i + 1e-5), a scalar ≥ 0. LUHP.

    Positives: the k farthest entries of the same label with certainty ≥ θ⁺; negatives: the k nearest of other labels
    with certainty ≥ θ⁻. a = ``confidence`` (N,). Both sums are over the anchors that have k of both [official].
    [ours] the row's own (stale) entry is neither; the official code ranks it farthest: ``keep_own_entry``.

    z (N, d), labels (N,); of the memory z (M, d), labels (M,), certainty (M,); ``own`` (N,) positions in it, or None.

    >>> bank = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.tensor([0, 1]), torch.ones(2)
    >>> z, label = torch.tensor([[1.0, 0.0]]), torch.tensor([0])
    >>> round(hard_triplet(z, label, torch.ones(1), *bank, None, k=1, margin=1.0).item(), 4)
    0.4142
    """
    with torch.no_grad():
        plus, minus = certainty_thresholds(labels, bank_labels, bank_certainty)
        distance, same = _distances(z, bank_z), labels.unsqueeze(1) == bank_labels
        mine = _own_entry(own, len(z), bank_z)
        positive = same & (bank_certainty >= plus.unsqueeze(1))
        negative = ~same & (bank_certainty >= minus.unsqueeze(1)) & ~mine
        rank = distance.masked_fill(mine, torch.finfo(distance.dtype).max)
        positive &= ~mine | keep_own_entry
        size = min(k, len(bank_z))
        far = rank.masked_fill(~positive, -math.inf).topk(size, dim=1)
        near = rank.masked_fill(~negative, math.inf).topk(size, dim=1, largest=False)
        complete = (far.values.isfinite() & near.values.isfinite()).sum(1) >= k
        weights = confidence * complete

    def to(index: Tensor) -> Tensor:  # the clamp keeps the gradient of the root finite at distance 0
        return (z.unsqueeze(1) - bank_z[index]).square().sum(2).clamp_min(1e-12).sqrt()

    anchors = F.relu(to(far.indices) - to(near.indices) + margin).sum(1) / k
    return (weights * anchors).sum() / (weights.sum() + 1e-5)
