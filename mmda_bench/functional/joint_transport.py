"""Optimal transport between utterances or classes of the two domains. Marks: see :mod:`mmda_bench.functional`.

A plan is found on the processor in float64, without gradient; a loss is ⟨cost, plan⟩ with the gradient of the cost.
"""

import warnings

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.moments import squared_distances
from mmda_bench.functional.precision import full_precision
from mmda_bench.functional.transport import transport_plan
from mmda_bench.machine.transfer import Fetched

PLANS = ("exact", "unbalanced", "partial")


@full_precision
def joint_cost(
    z_source: Tensor,
    z_target: Tensor,
    labels: Tensor,
    target_logits: Tensor,
    *,
    feature_weight: float,
    label_weight: float,
) -> Tensor:
    """η1‖z_i − z_j‖² + η2·CE(y_j, label_i) of source rows (n, d), (n,) and target rows (m, d), (m, C) → (n, m), ≥ 0.

    DeepJDOT, Damodaran et al. 2018. The logarithm of the softmax without an epsilon: finite for any logits.

    >>> z, y = torch.zeros(2, 3), torch.tensor([0, 1])
    >>> [[round(c, 3) for c in row] for row in
    ...  joint_cost(z, z, y, torch.zeros(2, 2), feature_weight=1.0, label_weight=1.0).tolist()]
    [[0.693, 0.693], [0.693, 0.693]]
    """
    cross_entropy = -target_logits.log_softmax(1).T[labels]
    return feature_weight * squared_distances(z_source, z_target) + label_weight * cross_entropy


def _as_numpy(cost: Tensor) -> np.ndarray:
    return cost.detach().to("cpu", torch.float64).numpy()


@torch.no_grad()
def unbalanced_plan(cost: Tensor, *, regularisation: float = 0.1, marginal: float = 1.0) -> Tensor:
    """argmin ⟨cost, π⟩ − ε·H(π) + τ·KL(π1 ‖ 1/n) + τ·KL(πᵀ1 ‖ 1/m), (n, m) → (n, m). JUMBOT, Fatras et al. 2021.

    ε = ``regularisation``, τ = ``marginal``; no gradient. POT's ``reg_type`` is named, as its default has become the
    KL divergence to the independent plan: the authors' was the entropy. [ours] a cell costs at most 600 ε in the plan,
    where its mass is nothing anyway, so that no exponential underflows.

    >>> round(unbalanced_plan(torch.zeros(2, 2)).sum().item(), 3)
    1.068
    """
    import ot

    n, m = cost.shape
    costs = np.minimum(_as_numpy(cost), 600.0 * regularisation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that the entropy needs no reference plan
        plan = ot.unbalanced.sinkhorn_knopp_unbalanced(
            ot.unif(n), ot.unif(m), costs, regularisation, marginal, reg_type="entropy"
        )
    return torch.from_numpy(plan).to(cost)


@torch.no_grad()
def partial_plan(cost: Tensor, *, mass: float = 0.5) -> Tensor:
    """argmin ⟨cost, π⟩ with π1 ≤ 1/n, πᵀ1 ≤ 1/m and total ``mass`` in (0, 1], exact: (n, m) → (n, m).

    m-POT, Nguyen et al. 2022. No gradient.

    Raises ValueError for another ``mass``.

    >>> partial_plan(torch.tensor([[0.0, 1.0], [1.0, 5.0]])).tolist()
    [[0.5, 0.0], [0.0, 0.0]]
    """
    import ot

    if not 0 < mass <= 1:
        raise ValueError(f"mass {mass}: expected a share above 0, at most 1")
    a, b = (ot.unif(rows) for rows in cost.shape)
    mass = min(mass, a.sum(), b.sum())  # n times 1/n may be a little below 1
    plan = ot.partial.partial_wasserstein(a, b, _as_numpy(cost), m=mass)
    return torch.from_numpy(plan).to(cost)


@torch.no_grad()
def joint_plan(cost: Tensor, kind: str, *, regularisation: float, marginal: float, mass: float) -> Tensor:
    """The plan of a (n, m) cost between uniform marginals: "exact", "unbalanced" or "partial" (:data:`PLANS`).

    ``regularisation``, ``marginal`` and ``mass``: as of the plan that takes them. Raises ValueError for another kind.

    >>> joint_plan(torch.eye(2), "exact", regularisation=0.1, marginal=1.0, mass=0.5).tolist()
    [[0.0, 0.5], [0.5, 0.0]]
    """
    if kind == "exact":
        return transport_plan(cost)
    if kind == "unbalanced":
        return unbalanced_plan(cost, regularisation=regularisation, marginal=marginal)
    if kind == "partial":
        return partial_plan(cost, mass=mass)
    raise ValueError(f"unknown plan {kind!r}; one of {', '.join(PLANS)}")


@full_precision
def class_gaussians(z: Tensor, shares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weight (C,), mean (C, d) and standard deviation (C, d) of each class's rows: (N, d), (N, C) shares.

    ``shares``: to what degree a row belongs to a class, one-hot labels or predictions; rows sum to 1. Divisor N_c, not
    N_c − 1; deviations of at least 1e-3 [ours], so that the root has a gradient. A class without rows: weight 0.

    >>> weight, mean, deviation = class_gaussians(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    >>> weight.tolist(), mean.tolist(), round(deviation[0].item(), 3)
    ([1.0, 0.0], [[1.0], [0.0]], 1.0)
    """
    shares = shares.to(z)
    count = shares.sum(0)
    divisor = count.clamp_min(1e-8).unsqueeze(1)
    mean = shares.T @ z / divisor
    variance = torch.einsum("nc,ncd->cd", shares, (z.unsqueeze(1) - mean).square()) / divisor
    return count / count.sum(), mean, variance.clamp_min(1e-6).sqrt()


@full_precision
def mixture_transport(z_source: Tensor, labels: Tensor, z_target: Tensor, target_probs: Tensor) -> Tensor:
    """Squared MW₂ of two mixtures of diagonal Gaussians, one Gaussian a class: a scalar ≥ 0.

    min_π Σ π_kl (‖μ_k − μ_l‖² + ‖σ_k − σ_l‖²), π between the weights of the classes, exact and without gradient; the
    bracket is the squared Wasserstein distance of two diagonal Gaussians. Delon & Desolneux 2020; for domain
    adaptation Montesuma et al. 2024 [official]. Source (n, d), (n,), target (m, d), (m, C). [ours] the mixtures: the
    classes of a batch, on the target by its predictions; the authors fit them to the whole data.

    >>> mixture_transport(torch.zeros(2, 3), torch.tensor([0, 1]), torch.ones(2, 3), torch.eye(2)).item()
    3.0
    """
    one_hot = F.one_hot(labels, target_probs.shape[1]).to(z_source)
    source, target = class_gaussians(z_source, one_hot), class_gaussians(z_target, target_probs)
    cost = squared_distances(source[1], target[1]) + squared_distances(source[2], target[2])
    weights = [gaussians[0].detach().double() for gaussians in (source, target)]
    plan = transport_plan(cost, *(weight / weight.sum() for weight in weights))
    return (cost * plan).sum()


@torch.no_grad()
def information_plan(
    z_source: Tensor,
    z_target: Tensor,
    labels: Tensor,
    *,
    information: float = 100.0,
    bandwidth: float = 0.5,
    regularisation: float = 1.0,
    rounds: int = 50,
) -> Tensor:
    """Plan (n, m) that is cheap and keeps clusters together: ⟨D, π⟩ − λ·(mutual information of π). No gradient.

    Fused InfoOT, Chuang et al. 2023, by projected gradients [official]: D the Euclidean distance; the density of pairs
    K_s π K_t against K_s1/n and K_t1/m, kernels exp(−(d/(h·s))²/2) with s² = mean d²/2, h = ``bandwidth``; source
    utterances of different ``labels`` (n,) stand 5,000 further apart; λ = ``information``; ``rounds`` steps, each a
    Sinkhorn plan with ε = ``regularisation``. [ours] at most 100 iterations a plan (official: 1,000), and no further
    step once a step moves less than 1e-6 of the mass, which takes some 5 of the official 50.

    >>> z = torch.tensor([[0.0], [5.0]])
    >>> (2 * information_plan(z, z, torch.tensor([0, 1]))).round().tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    import ot

    asked = [Fetched(value) for value in (z_source.double(), z_target.double(), labels)]
    classes, target, source = (one.numpy() for one in reversed(asked))  # the last first: then all have arrived
    distance, within_source, within_target = (
        np.sqrt(ot.dist(x, y)) for x, y in ((source, target), (source, source), (target, target))
    )
    within_source = within_source + 5000.0 * (classes[:, None] != classes[None])
    kernel_s, kernel_t = (_kernel(d, bandwidth) for d in (within_source, within_target))
    density = np.outer(kernel_s.mean(1), kernel_t.mean(1))
    a, b = ot.unif(len(source)), ot.unif(len(target))
    plan = np.outer(a, b)
    for _ in range(rounds):
        pairs = kernel_s @ plan @ kernel_t
        slope = np.log(pairs / density) + kernel_s @ (plan / pairs) @ kernel_t
        cost = distance - information * slope
        cost -= cost.min(1, keepdims=True)  # moves no plan, and keeps every row and column of the kernel from 0
        cost -= cost.min(0, keepdims=True)
        before = plan
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plan = ot.bregman.sinkhorn_knopp(a, b, cost, regularisation, numItermax=100, warn=False)
        if np.abs(plan - before).sum() < 1e-6:
            break
    return torch.from_numpy(plan).to(z_source)


def _kernel(distance: np.ndarray, bandwidth: float) -> np.ndarray:
    scale = bandwidth * np.sqrt(np.square(distance).mean() / 2.0)
    return np.asarray(np.exp(-0.5 * np.square(distance / max(scale, 1e-12))))
