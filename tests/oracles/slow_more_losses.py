"""Slow, obvious versions of the mathematics of the methods beyond the paper's ten: the oracle of their tests.

Written from the formulas alone; they share no code with mmda_bench. Loops over scalars of tensors, so that autograd
gives their gradients as well. Plans are checked by what makes them optimal, or by a linear program.
"""

import itertools
import math

import numpy as np
import torch
from scipy.optimize import linprog
from slow_losses import cross_entropy, softmax
from torch import Tensor


def squared_distance(x: Tensor, y: Tensor) -> Tensor:
    return sum((p - q) ** 2 for p, q in zip(x, y, strict=True))


def kernel(x: Tensor, y: Tensor, spread: float) -> Tensor:
    """DAN's five Gaussians; ``spread``: σ²."""
    return sum(torch.exp(-squared_distance(x, y) / (2 * 2.0**k * spread)) for k in range(-3, 2))


def mmd(rows: list, sources: int, similar) -> Tensor:
    """Unbiased: means over pairs of different rows of a domain, minus twice the mean over pairs across."""
    source, target = range(sources), range(sources, len(rows))
    total = 0.0
    for domain in (source, target):
        pairs = list(itertools.permutations(domain, 2))
        total = total + sum(similar(rows[i], rows[j]) for i, j in pairs) / len(pairs)
    across = [(i, j) for i in source for j in target]
    return total - 2 * sum(similar(rows[i], rows[j]) for i, j in across) / len(across)


def spread(rows: list) -> float:
    """The mean squared distance over all pairs, each row with itself included: a number, so that it has no gradient."""
    numbers = [row.tolist() for row in rows]
    return sum(math.dist(x, y) ** 2 for x in numbers for y in numbers) / len(rows) ** 2


def multi_kernel_mmd(source: Tensor, target: Tensor) -> Tensor:
    rows = [*source, *target]
    width = spread(rows)
    return mmd(rows, len(source), lambda x, y: kernel(x, y, width))


def joint_mmd(z_s: Tensor, z_t: Tensor, p_s: Tensor, p_t: Tensor) -> Tensor:
    width = spread([*z_s, *z_t])
    rows = list(zip([*z_s, *z_t], [*p_s, *p_t], strict=True))
    gauss = lambda p, q: torch.exp(-squared_distance(p, q) / (2 * 0.92**2))  # noqa: E731
    return mmd(rows, len(z_s), lambda x, y: kernel(x[0], y[0], width) * gauss(x[1], y[1]))


def covariance(x: Tensor, i: int, j: int) -> Tensor:
    n = len(x)
    means = sum(x[:, i]) / n, sum(x[:, j]) / n
    return sum((row[i] - means[0]) * (row[j] - means[1]) for row in x) / (n - 1)


def covariance_distance(x: Tensor, y: Tensor) -> Tensor:
    cells = itertools.product(range(x.shape[1]), repeat=2)
    return sum((covariance(x, i, j) - covariance(y, i, j)) ** 2 for i, j in cells)


def amandas_released_distance(x: Tensor, y: Tensor) -> float:
    """As the authors' code has it: mean·meanᵀ is subtracted without the factor N."""
    cells = [(x.T @ x - torch.outer(x.mean(0), x.mean(0))) / (len(x) - 1) for x in (x, y)]
    return float((cells[0] - cells[1]).square().sum())


def central_moment_discrepancy(x: Tensor, y: Tensor, order: int = 5, span: float = 1.0) -> Tensor:
    total = 0.0
    for k in range(1, order + 1):
        moments = []
        for rows in (x, y):
            means = [sum(column) / len(column) for column in rows.T]
            powers = [
                mean if k == 1 else sum((v - mean) ** k for v in column) / len(column)
                for mean, column in zip(means, rows.T, strict=True)
            ]
            moments.append(powers)
        total = total + torch.sqrt(sum((a - b) ** 2 for a, b in zip(*moments, strict=True))) / span**k
    return total


def pair_margins(z: Tensor, labels: Tensor, near: float, far: float) -> Tensor:
    total = 0.0 * z.sum()
    for i, j in itertools.product(range(len(z)), repeat=2):
        d = squared_distance(z[i], z[j])
        gap = d - near if labels[i] == labels[j] else far - d
        total = total + (gap**2 if gap > 0 else 0.0)
    return total / len(z) ** 2


def class_confusion(logits: Tensor, temperature: float) -> Tensor:
    probs = [softmax(row / temperature) for row in logits]
    n, classes = logits.shape
    weights = [1 + math.exp(sum(p.item() * math.log(p.item()) for p in row)) for row in probs]
    weights = [n * w / sum(weights) for w in weights]
    total = 0.0
    for i in range(classes):
        row = [sum(w * p[i] * p[j] for w, p in zip(weights, probs, strict=True)) for j in range(classes)]
        total = total + (sum(row) - row[i]) / sum(row)
    return total / classes


def mean_prediction(logits: Tensor) -> list:
    return [sum(column) / len(logits) for column in zip(*[softmax(row) for row in logits], strict=True)]


def information_loss(logits: Tensor) -> Tensor:
    single = sum(-sum(p * torch.log(p) for p in softmax(row)) for row in logits) / len(logits)
    return single + sum(p * torch.log(p) for p in mean_prediction(logits))


def prior_cross_entropy(logits: Tensor, prior: list[float]) -> Tensor:
    return -sum(r * torch.log(p) for r, p in zip(prior, mean_prediction(logits), strict=True))


def confident_cross_entropy(weak: Tensor, strong: Tensor, threshold: float) -> Tensor:
    total = 0.0 * strong.sum()
    for first, second in zip(weak, strong, strict=True):
        probs = [p.item() for p in softmax(first)]
        if max(probs) >= threshold:
            total = total - torch.log(softmax(second)[probs.index(max(probs))])
    return total / len(weak)


def classifier_discrepancy(p: Tensor, q: Tensor) -> Tensor:
    return sum(abs(a - b) for x, y in zip(p, q, strict=True) for a, b in zip(x, y, strict=True)) / p.numel()


def margin_disparity(y_s: Tensor, own_s: Tensor, y_t: Tensor, own_t: Tensor, margin: float) -> Tensor:
    contradiction = sum(-torch.log(1 - softmax(row)[int(k)] + 1e-6) for row, k in zip(y_t, own_t, strict=True))
    return margin * cross_entropy(y_s, own_s) + contradiction / len(y_t)


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """mean KL(softmax(teacher) ‖ softmax(student)); the teacher's numbers are floats, so that it has no gradient."""
    total = 0.0
    for t, s in zip(teacher, student, strict=True):
        for p, q in zip(softmax(t), softmax(s), strict=True):
            total = total + p.item() * (math.log(p.item()) - torch.log(q))
    return total / len(teacher)


def instance_contrast(z: Tensor, other: Tensor, temperature: float) -> Tensor:
    total = 0.0
    for a, b in ((z, other), (other, z)):
        for i, row in enumerate(a):
            scores = [torch.exp(sum(row * x) / temperature) for x in b]
            total = total - torch.log(scores[i] / sum(scores))
    return total / (2 * len(z))


def class_contrast(z: Tensor, labels: list, other: Tensor, others: list, counted: list, temperature: float) -> Tensor:
    losses = []
    for row, label, count in zip(z, labels, counted, strict=True):
        scores = [torch.exp(sum(row * x) / temperature) for x in other]
        same = [score for score, of in zip(scores, others, strict=True) if of == label]
        if count and same:
            losses.append(-torch.log(sum(same) / sum(scores)))
    return sum(losses) / len(losses) if losses else 0.0 * z.sum()


def joint_cost(z_s: Tensor, z_t: Tensor, labels: Tensor, logits: Tensor, eta1: float, eta2: float) -> Tensor:
    """One row a source utterance, one column a target utterance."""
    return torch.stack([
        torch.stack([
            eta1 * squared_distance(s, t) - eta2 * torch.log(softmax(y)[int(label)])
            for t, y in zip(z_t, logits, strict=True)
        ])
        for s, label in zip(z_s, labels, strict=True)
    ])  # fmt: skip


def cheapest(cost: np.ndarray, a: np.ndarray, b: np.ndarray, mass: float | None = None) -> float:
    """⟨cost, π⟩ of the best plan by linear programming: marginals equal to a, b, or at most these with a total mass."""
    n, m = cost.shape
    rows, columns = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    both, limits = np.vstack([rows, columns]), np.concatenate([a, b])
    if mass is None:
        return float(linprog(cost.ravel(), A_eq=both, b_eq=limits).fun)
    return float(linprog(cost.ravel(), A_ub=both, b_ub=limits, A_eq=np.ones((1, n * m)), b_eq=[mass]).fun)


def gaussians(z: Tensor, shares: Tensor) -> list[tuple[float, list, list]]:
    """Weight, means and standard deviations of each class."""
    found = []
    for k in range(shares.shape[1]):
        count = sum(shares[:, k])
        means = [sum(s * v for s, v in zip(shares[:, k], column, strict=True)) / count for column in z.T]
        deviations = [
            torch.sqrt(sum(s * (v - mean) ** 2 for s, v in zip(shares[:, k], column, strict=True)) / count)
            for mean, column in zip(means, z.T, strict=True)
        ]
        found.append((count.item() / len(z), means, deviations))
    return found


def information_plan(
    z_s: Tensor, z_t: Tensor, labels: Tensor, *, information: float, bandwidth: float, regularisation: float
) -> np.ndarray:
    """Fused InfoOT: fifty rounds, each a Sinkhorn plan found in the log domain with 300 iterations."""
    n, m = len(z_s), len(z_t)
    far = [[math.dist(x, y) + 5000 * (a != b) for y, b in zip(z_s.tolist(), labels.tolist(), strict=True)]
           for x, a in zip(z_s.tolist(), labels.tolist(), strict=True)]  # fmt: skip
    across, near = ([[math.dist(x, y) for y in z_t.tolist()] for x in z.tolist()] for z in (z_s, z_t))
    kernels = []
    for d in (np.array(far), np.array(near)):
        width = bandwidth * math.sqrt((d**2).mean() / 2)
        kernels.append(np.exp(-((d / width) ** 2) / 2))
    source, target = kernels
    plan = np.full((n, m), 1 / (n * m))
    for _ in range(50):
        pairs = np.einsum("ik,kl,lj->ij", source, plan, target)
        ratio = pairs / np.outer(source.sum(1) / n, target.sum(1) / m)
        slope = np.log(ratio) + np.einsum("ik,kl,lj->ij", source, plan / pairs, target)
        scaled = -(np.array(across) - information * slope) / regularisation
        f, g = np.zeros(n), np.zeros(m)
        for _ in range(300):
            f = -math.log(n) - np.logaddexp.reduce(scaled + g[None], axis=1)
            g = -math.log(m) - np.logaddexp.reduce(scaled + f[:, None], axis=0)
        plan = np.exp(scaled + f[:, None] + g[None])
    return plan
