"""The mathematics of domain adaptation: pure functions, tensors in, tensors out.

Marks: [paper] the A3D2 paper (Sun et al., ACL 2025), [official] the published code of the method named, [ours]
decided here because the sources leave it open. N rows (samples), d dimensions, C classes, M memory entries. Whatever is
decorated with ``full_precision`` computes in float32 (float64 when given) even under autocast: half precision erases
transport costs, overflows in exponentials and has no singular values.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

P = ParamSpec("P")
R = TypeVar("R")

DIVERGENCES = ("kl", "klrev", "chi", "pearson", "jensen", "tv")


def _widen(value: Any) -> Any:
    half = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if half else value


def full_precision(function: Callable[P, R]) -> Callable[P, R]:
    """Run ``function`` outside autocast, with its half-precision tensor arguments cast to float32."""

    @wraps(function)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        device = next((x.device.type for x in [*args, *kwargs.values()] if isinstance(x, Tensor)), "cpu")
        # the meta device, where shapes and FLOPs are counted, knows no autocast
        outside = torch.autocast(device, enabled=False) if torch.amp.is_autocast_available(device) else nullcontext()
        with outside:
            return function(*map(_widen, args), **{key: _widen(value) for key, value in kwargs.items()})  # type: ignore[arg-type]

    return inner


# --- Adversarial alignment -------------------------------------------------------------------------------------------


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, coeff: float) -> Tensor:
        ctx.coeff = coeff
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.coeff * grads[0], None


def grad_reverse(x: Tensor, coeff: float) -> Tensor:
    """GRL_λ: ``x`` forward, the gradient times −``coeff`` backward. Any shape. Ganin et al. 2016."""
    return _Reversal.apply(x, coeff)  # type: ignore[no-any-return]


def warmup(progress: float, alpha: float = 10.0) -> float:
    """λ(π) = 2/(1 + e^{−απ}) − 1, rising from 0 to almost 1.

    [official] α = 10; [ours] π is the share of training done, where the official codes use iterations / 10,000 and
    would reach only 0.05–0.2 in the 100–400 steps that these corpora give.
    """
    return 2.0 / (1.0 + math.exp(-alpha * progress)) - 1.0


@full_precision
def entropy(probs: Tensor) -> Tensor:
    """H = −Σ_c p_c log(p_c + 1e-5) of each row, (N, C) → (N,), about [0, ln C]. CDAN [official]."""
    return -(probs * torch.log(probs + 1e-5)).sum(1)


def kronecker(z: Tensor, probs: Tensor) -> Tensor:
    """p ⊗ z of each row: (N, d), (N, C) → (N, C·d), class slowest (entry c·d + i is p_c z_i). CDAN, A3D2 eq. 6."""
    return (probs.unsqueeze(2) * z.unsqueeze(1)).flatten(1)


@full_precision
def domain_loss(
    source_logits: Tensor,
    target_logits: Tensor,
    source_weights: Tensor | None = None,
    target_weights: Tensor | None = None,
) -> Tensor:
    """Binary cross-entropy of a domain discriminator, a scalar ≥ 0, ln 2 by chance.

    Source is domain 0, target domain 1 [ours; the official codes have it the other way round, which is harmless].
    Without weights, the mean over all entries of both; with weights (N,) for logits (N,) or (N, 1), Σ w·BCE / Σ w,
    Σ w without gradient [official, CDAN+E].
    """
    source = F.binary_cross_entropy_with_logits(source_logits, torch.zeros_like(source_logits), reduction="none")
    target = F.binary_cross_entropy_with_logits(target_logits, torch.ones_like(target_logits), reduction="none")
    losses = torch.cat([source.flatten(), target.flatten()])
    if source_weights is None and target_weights is None:
        return losses.mean()
    if source_weights is None or target_weights is None:
        raise ValueError("domain_loss takes weights for both domains or for neither; only one was given")
    weights = torch.cat([source_weights, target_weights])
    return (weights * losses).sum() / weights.sum().detach()


@full_precision
def entropy_weights(source_probs: Tensor, target_probs: Tensor) -> tuple[Tensor, Tensor]:
    """w = 1 + e^{−H}, divided within each domain by its own sum (without gradient): (N, C) twice → (N,) twice.

    H itself keeps its gradient [official, CDAN+E]; pass reversed probabilities for the authors' behaviour.
    """
    source, target = (1.0 + torch.exp(-entropy(probs)) for probs in (source_probs, target_probs))
    return source / source.sum().detach(), target / target.sum().detach()


@full_precision
def nuclear_wasserstein(source_probs: Tensor, target_probs: Tensor) -> Tensor:
    """NWD = (‖p^s‖_* − ‖p^t‖_*)/B of two (B, C) matrices, a scalar. DALN, Chen et al. 2022.

    ‖·‖_* is the sum of singular values, ‖p‖_*/B ≤ √(C/B) for balanced one-hot rows: the scale depends on C and B.
    """
    source, target = (torch.linalg.matrix_norm(probs, "nuc") / len(probs) for probs in (source_probs, target_probs))
    return source - target


@full_precision
def f_divergence(name: str, v_source: Tensor, v_target: Tensor) -> Tensor:
    """Variational estimate d(s, t) of an f-divergence from critic values (N,), a scalar. f-DD, Wang & Mao 2024.

    kl: E v_s − log E e^{v_t}; klrev: E v_t − log E e^{v_s}; chi: E v_s − E v_t − ¼ Var v_t (biased variance);
    pearson: E v_s − E(¼v_t² + v_t); jensen: E(ln 2 − softplus(−v_s)) − E(softplus(v_t) − ln 2);
    tv: ½(E tanh v_s − E tanh v_t).
    """
    if name == "kl":
        return v_source.mean() - (torch.logsumexp(v_target, 0) - math.log(len(v_target)))
    if name == "klrev":
        return f_divergence("kl", v_target, v_source)
    if name == "chi":
        return v_source.mean() - v_target.mean() - 0.25 * v_target.var(correction=0)
    if name == "pearson":
        return v_source.mean() - (0.25 * v_target.square() + v_target).mean()
    if name == "jensen":
        ln2 = math.log(2.0)
        return (ln2 - F.softplus(-v_source)).mean() - (F.softplus(v_target) - ln2).mean()
    if name == "tv":
        return 0.5 * (v_source.tanh().mean() - v_target.tanh().mean())
    raise ValueError(f"unknown divergence {name!r}; one of {', '.join(DIVERGENCES)}")


# --- Target structure ------------------------------------------------------------------------------------------------


@full_precision
def probabilistic_contrastive(probs_a: Tensor, probs_b: Tensor, scale: float = 7.0) -> Tensor:
    """Contrast of two views' class probabilities, (B, C) twice → a scalar. PCL, Li et al. 2024.

    P stacks the views to 2B rows; cross-entropy over the rows of scale·P Pᵀ, diagonal at −1e5·scale, with the other
    view as the positive. Neither normalised nor detached [official, as is scale 7]. Uniform rows give ln(2B − 1).
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
    with certainty ≥ θ⁻. a = ``confidence`` (N,). An anchor lacking either contributes nothing to the sum. [ours] the
    row's own (stale) entry is neither; the official code ranks it farthest, which ``keep_own_entry`` reproduces.
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
        valid = far.values.isfinite() & near.values.isfinite()

    def to(index: Tensor) -> Tensor:  # the clamp keeps the gradient of the root finite at distance 0
        return (z.unsqueeze(1) - bank_z[index]).square().sum(2).clamp_min(1e-12).sqrt()

    pairs = F.relu(to(far.indices) - to(near.indices) + margin) * valid
    anchors = pairs.sum(1) / valid.sum(1).clamp_min(1)
    return (confidence * anchors).sum() / (confidence.sum() + 1e-5)


# --- Optimal transport -----------------------------------------------------------------------------------------------


@torch.no_grad()
def transport_plan(cost: Tensor, a: Tensor | None = None, b: Tensor | None = None) -> Tensor:
    """Exact optimal plan π* = argmin ⟨cost, π⟩ with π1 = a, πᵀ1 = b: (n, m) → (n, m). A3D2 eq. 7. No gradient.

    ``a`` (n,), ``b`` (m,) ≥ 0 with equal sums, uniform unless given. Between equal uniform marginals an optimal plan is
    a permutation/n, found by scipy's assignment solver in float64; otherwise POT's network simplex. Where several plans
    are optimal, one of them. A cost with NaN or ∞ has no optimum: the independent plan a bᵀ, so that the loss shows it.
    """
    n, m = cost.shape
    costs = cost.detach().to("cpu", torch.float64)
    rows = torch.full((n,), 1.0 / n, dtype=torch.float64) if a is None else a.to("cpu", torch.float64)
    columns = torch.full((m,), 1.0 / m, dtype=torch.float64) if b is None else b.to("cpu", torch.float64)
    if rows.shape != (n,) or columns.shape != (m,):
        raise ValueError(f"cost is {n}×{m}; the marginals have shapes {tuple(rows.shape)} and {tuple(columns.shape)}")
    total, other = rows.sum().item(), columns.sum().item()
    if min(rows.min().item(), columns.min().item()) < 0 or not math.isclose(total, other, rel_tol=1e-5):
        raise ValueError(f"marginals must be non-negative with equal sums; the sums are {total:g} and {other:g}")
    if not np.isfinite(costs.numpy()).all():
        return torch.outer(rows, columns / other).to(cost)
    if n == m and bool((rows == rows[0]).all()) and bool((columns == columns[0]).all()):
        from scipy.optimize import linear_sum_assignment

        i, j = linear_sum_assignment(_with_potentials(costs.numpy()))
        plan = torch.zeros_like(cost)
        plan[torch.from_numpy(i), torch.from_numpy(j)] = rows.to(cost)
        return plan
    import ot

    solved, log = ot.emd(rows.numpy(), (columns * (total / other)).numpy(), costs.numpy(), numItermax=10**8, log=True)
    if log["warning"] is not None:
        raise RuntimeError(f"no exact plan for the {n}×{m} cost: {log['warning']}")
    return torch.from_numpy(solved).to(cost)


def _with_potentials(costs: np.ndarray) -> np.ndarray:
    """Costs (n, n) with the same optimal assignments, on which the solver takes about half the time in A3D2's steps.

    Adding a number to a row or a column moves every assignment by the same amount. These numbers are Sinkhorn's
    (Cuturi, NeurIPS 2013), near the optimal dual ones, so that most rows find their column soon [ours].
    """
    reduced = costs - costs.min(1, keepdims=True)
    with np.errstate(all="ignore"):  # constant costs, or extreme ones: no potentials then
        temperature = 0.1 * reduced.std()
        kernel = np.exp(-(reduced / temperature).astype(np.float32))
        scaling = np.ones(len(costs), np.float32)
        for _ in range(20):
            scaling = 1.0 / (kernel.T @ (1.0 / (kernel @ scaling)))
        better = reduced - temperature * np.log(scaling)
    return better if np.isfinite(better).all() else costs


@full_precision
def dimension_cost(z_drift: Tensor, z_anchor: Tensor) -> Tensor:
    """C = 1 − Zᵀ Z_0/B, the cost between dimensions: (B, p), (B, q) → (p, q), in [0, 2] for unit rows. A3D2 eq. 7."""
    return 1.0 - z_drift.T @ z_anchor / len(z_drift)


@full_precision
def anchor_drag(z_drift: Tensor, z_anchor: Tensor) -> Tensor:
    """⟨C, π*⟩, C = 1 − Zᵀ Z_0/B over the dimensions of (B, p) representations, a scalar. A3D2 eqs. 7–9.

    Both marginals 1/p uniform; the gradient passes through C alone, to drift and anchor (envelope theorem).
    """
    cost = dimension_cost(z_drift, z_anchor)
    return (cost * transport_plan(cost)).sum()


# --- The source objective, and a measure ----------------------------------------------------------------------------


@full_precision
def log_variance(z: Tensor, eps: float = 1e-6) -> Tensor:
    """log|Σ| = Σ_i log(var_i + ε) of (N, d) rows, Σ diagonal [paper], a scalar. Biased variance and ε [ours]."""
    return torch.log((z - z.mean(0)).square().mean(0) + eps).sum()


def information_bottleneck(
    logits: Mapping[str, Tensor], z: Mapping[str, Tensor], labels: Tensor, beta: float
) -> Tensor:
    """L_IB = Σ_m CE(y_m, label) + (β/2) Σ_m log|Σ_m| over the modalities m of the mappings, a scalar. A3D2 eq. 5.

    The engine's m are A, L, V and joint. Joint is the concatenation of the others and Σ_m diagonal, so that its
    log|Σ| repeats their sum: together they weigh β, not β/2.
    """
    cross_entropies = [F.cross_entropy(_widen(y), labels) for y in logits.values()]
    return torch.stack(cross_entropies + [0.5 * beta * log_variance(value) for value in z.values()]).sum()


@full_precision
def category_distance(z_s: Tensor, y_s: Tensor, z_t: Tensor, y_t: Tensor, classes: int) -> Tensor:
    """D_m = (1/C) Σ_c ‖mean of z_s in c − mean of z_t in c‖₂, a scalar ≥ 0. A3D2, section 4.2.

    z (N, d), y (N,) int64. The mean is over classes present in both domains [ours]; NaN when there is none.
    """
    member_s, member_t = F.one_hot(y_s, classes).to(z_s), F.one_hot(y_t, classes).to(z_t)
    count_s, count_t = member_s.sum(0), member_t.sum(0)
    centre_s = member_s.T @ z_s / count_s.clamp_min(1).unsqueeze(1)
    centre_t = member_t.T @ z_t / count_t.clamp_min(1).unsqueeze(1)
    return (centre_s - centre_t).norm(dim=1)[(count_s > 0) & (count_t > 0)].mean()
