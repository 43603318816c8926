"""Distances between the moments of two domains: kernel means, means, covariances, central moments. Marks: see
:mod:`mmda_bench.functional`."""

import torch
from torch import Tensor

from mmda_bench.functional.precision import full_precision

SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)  # the α of DAN's kernels [official]


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """‖x_i − y_j‖², (N, d) and (M, d) → (N, M). Exactly 0 for equal rows, where the gradient is 0 as well.

    >>> squared_distances(torch.zeros(1, 2), torch.ones(2, 2)).round(decimals=4).tolist()
    [[2.0, 2.0]]
    """
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square()


@full_precision
def gaussian_kernel(x: Tensor, *, sigma: float | None = None) -> Tensor:
    """Gaussian kernel of all pairs of rows, (N, d) → (N, N).

    With ``sigma``: exp(−d²/(2σ²)), in (0, 1]. Without: Σ_α exp(−d²/(2ασ²)), α = 2⁻³ … 2¹, in (0, 5], where σ² is the
    mean of d² over all N² pairs, without gradient [official, DAN and JAN of the Transfer Learning Library].

    >>> gaussian_kernel(torch.zeros(2, 3)).tolist()
    [[5.0, 5.0], [5.0, 5.0]]
    """
    distances = squared_distances(x, x)
    if sigma is not None:
        return torch.exp(distances / (-2.0 * sigma**2))
    scaled = distances / (-2.0 * distances.detach().mean().clamp_min(1e-12))  # equal rows: 0/1e-12
    return torch.stack([torch.exp(scaled / alpha) for alpha in SCALES]).sum(0)


def unbiased_mmd(kernel: Tensor, sources: int) -> Tensor:
    """Squared maximum mean discrepancy from the kernel of all pairs, a scalar. Gretton et al., JMLR 2012.

    ``kernel`` (n + m, n + m) with the n = ``sources`` source rows first; n, m ≥ 2. The mean of k(s, s') and of k(t, t')
    over pairs of different rows, minus twice the mean of k(s, t). Unbiased: it is below 0 about as often as above where
    the domains are equal. The library adds the constant 2/(n − 1), which makes it positive and moves no gradient.

    >>> unbiased_mmd(torch.eye(4), 2).item()
    0.0
    """
    within = kernel - torch.diag(kernel.diagonal())
    source, target = within[:sources, :sources], within[sources:, sources:]
    n, m = len(source), len(target)
    means = source.sum() / (n * (n - 1)) + target.sum() / (m * (m - 1))
    return means - 2.0 * kernel[:sources, sources:].mean()


@full_precision
def multi_kernel_mmd(z_source: Tensor, z_target: Tensor) -> Tensor:
    """Unbiased squared MMD with DAN's five kernels, (n, d), (m, d) → a scalar. Long et al., ICML 2015.

    >>> round(multi_kernel_mmd(torch.zeros(3, 2), torch.ones(3, 2)).item(), 3) > 5
    True
    """
    return unbiased_mmd(gaussian_kernel(torch.cat([z_source, z_target])), len(z_source))


@full_precision
def joint_mmd(z_source: Tensor, z_target: Tensor, probs_source: Tensor, probs_target: Tensor) -> Tensor:
    """Unbiased squared MMD with a kernel on representations (n, d), (m, d) times one on predictions (n, C), (m, C).

    DAN's kernels on representations, one of σ = 0.92 on predictions [official]. A scalar. JAN, Long et al., ICML 2017.

    >>> z, p = torch.zeros(2, 3), torch.eye(2)
    >>> round(joint_mmd(z, z, p, p).item(), 5) == round(5 * (torch.exp(torch.tensor(-1 / 0.92**2)) - 1).item(), 5)
    True
    """
    z, probs = torch.cat([z_source, z_target]), torch.cat([probs_source, probs_target])
    return unbiased_mmd(gaussian_kernel(z) * gaussian_kernel(probs, sigma=0.92), len(z_source))


@full_precision
def mean_distance(x: Tensor, y: Tensor) -> Tensor:
    """‖mean x − mean y‖² of (N, d) and (M, d), a scalar ≥ 0: MMD² with the linear kernel. DDC, Tzeng et al. 2014.

    >>> mean_distance(torch.zeros(2, 3), torch.ones(4, 3)).item()
    3.0
    """
    return (x.mean(0) - y.mean(0)).square().sum()


@full_precision
def covariance_distance(x: Tensor, y: Tensor) -> Tensor:
    """‖C_x − C_y‖_F² of the covariances (divisor N − 1) of (N, d) and (M, d) rows, a scalar ≥ 0; N, M ≥ 2.

    Deep CORAL, Sun & Saenko 2016, without its factor 1/(4d²). On predictions: a term of Amanda, Zhang et al. 2024.

    >>> covariance_distance(torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [1.0]])).item()
    4.0
    """
    source, target = (rows - rows.mean(0) for rows in (x, y))
    return (source.T @ source / (len(x) - 1) - target.T @ target / (len(y) - 1)).square().sum()


@full_precision
def central_moment_discrepancy(x: Tensor, y: Tensor, *, order: int = 5, span: float = 1.0) -> Tensor:
    """‖μ_x − μ_y‖/s + Σ_{k=2}^{K} ‖c_k(x) − c_k(y)‖/s^k, (N, d), (M, d) → a scalar ≥ 0. CMD, Zellinger et al. 2017.

    c_k: the mean k-th power of each dimension about its mean; K = ``order``; s = ``span``, the width b − a of the
    interval that holds the entries. Where two moments agree exactly, the gradient of their term is 0 [ours].

    >>> round(central_moment_discrepancy(torch.zeros(2, 4), torch.ones(2, 4), span=2.0).item(), 5)
    1.0
    """
    means = x.mean(0), y.mean(0)
    total = _norm(means[0] - means[1]) / span
    for k in range(2, order + 1):
        moments = [(rows - mean).pow(k).mean(0) for rows, mean in zip((x, y), means, strict=True)]
        total = total + _norm(moments[0] - moments[1]) / span**k
    return total


def _norm(x: Tensor) -> Tensor:
    return x.square().sum().clamp_min(1e-24).sqrt()


@full_precision
def pair_margins(z: Tensor, labels: Tensor, *, near: float, far: float) -> Tensor:
    """(Σ_same max(0, d² − near)² + Σ_other max(0, far − d²)²)/N² over all pairs of rows, (N, d), (N,) → a scalar ≥ 0.

    d²: squared distance of two rows; same, other: pairs whose labels agree, differ. The instance-based discriminative
    loss of JDDA, Chen et al. 2019, in the authors' code with squared distances and divided once more by N².

    >>> pair_margins(torch.tensor([[0.0], [1.0]]), torch.tensor([0, 1]), near=0.0, far=3.0).item()
    2.0
    """
    distances, same = squared_distances(z, z), labels.unsqueeze(1) == labels
    violation = torch.where(same, distances - near, far - distances).clamp_min(0.0)
    return violation.square().mean()
