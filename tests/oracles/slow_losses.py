"""Slow, obvious versions of the mathematics, one number at a time: the oracle that the tests compare with.

Written from the formulas alone; they share no code with mmda_bench. Everything is a Python loop over scalars of
tensors, so that autograd gives their gradients as well.
"""

import math

import torch
from torch import Tensor


def sigmoid_bce(logit: Tensor, domain: int) -> Tensor:
    p = 1 / (1 + torch.exp(-logit))
    return -torch.log(p) if domain == 1 else -torch.log(1 - p)


def domain_loss(source: Tensor, target: Tensor, weights: tuple[list[Tensor], list[Tensor]] | None = None) -> Tensor:
    losses = [sigmoid_bce(x, 0) for x in source.flatten()] + [sigmoid_bce(x, 1) for x in target.flatten()]
    if weights is None:
        return sum(losses) / len(losses)
    flat = [*weights[0], *weights[1]]
    return sum(w * x for w, x in zip(flat, losses, strict=True)) / sum(w.item() for w in flat)


def softmax(row: Tensor) -> list[Tensor]:
    top = row.max().detach()
    exps = [torch.exp(value - top) for value in row]
    return [e / sum(exps) for e in exps]


def entropy(probs: Tensor) -> list[Tensor]:
    return [-sum(p * torch.log(p + 1e-5) for p in row) for row in probs]


def entropy_weights(source: Tensor, target: Tensor) -> list[list[Tensor]]:
    raw = [[1 + torch.exp(-h) for h in entropy(probs)] for probs in (source, target)]
    return [[w / sum(x.item() for x in weights) for w in weights] for weights in raw]


def kronecker(z: Tensor, probs: Tensor) -> Tensor:
    return torch.stack(
        [torch.stack([p * value for p in row_p for value in row_z]) for row_z, row_p in zip(z, probs, strict=True)]
    )


def nuclear_norm(matrix: Tensor) -> Tensor:
    """Sum of the square roots of the eigenvalues of MᵀM (or MMᵀ, whichever is smaller)."""
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    return torch.linalg.eigvalsh(gram).clamp_min(0).sqrt().sum()


def f_divergence(name: str, s: Tensor, t: Tensor) -> Tensor:
    ns, nt = len(s), len(t)
    mean_s, mean_t = sum(s) / ns, sum(t) / nt
    if name == "kl":
        return mean_s - torch.log(sum(torch.exp(x) for x in t) / nt)
    if name == "klrev":
        return mean_t - torch.log(sum(torch.exp(x) for x in s) / ns)
    if name == "chi":
        return mean_s - mean_t - sum((x - mean_t) ** 2 for x in t) / nt / 4
    if name == "pearson":
        return mean_s - sum(x * x / 4 + x for x in t) / nt
    if name == "jensen":
        left = sum(math.log(2) - torch.log(1 + torch.exp(-x)) for x in s) / ns
        return left - sum(torch.log(1 + torch.exp(x)) - math.log(2) for x in t) / nt
    assert name == "tv"
    return (sum(torch.tanh(x) for x in s) / ns - sum(torch.tanh(x) for x in t) / nt) / 2


def probabilistic_contrastive(a: Tensor, b: Tensor, scale: float = 7.0) -> Tensor:
    rows, n = [*a, *b], len(a)
    loss = torch.zeros((), dtype=a.dtype)
    for i, anchor in enumerate(rows):
        positive = (i + n) % (2 * n)
        scores = {j: scale * sum(anchor * other) for j, other in enumerate(rows) if j != i}
        loss = loss + torch.log(sum(torch.exp(score) for score in scores.values())) - scores[positive]
    return loss / (2 * n)


def distance(x: Tensor, y: Tensor) -> Tensor:
    return torch.sqrt(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)))


def neighbour_pseudo_labels(z: Tensor, bank_z: Tensor, bank_p: Tensor, own: Tensor, k: int) -> tuple[list, list]:
    labels, confidences = [], []
    for i, row in enumerate(z):
        others = [j for j in range(len(bank_z)) if j != int(own[i])]
        nearest = sorted(others, key=lambda j: distance(row, bank_z[j]).item())[:k]
        mean = [sum(float(bank_p[j, c]) for j in nearest) / len(nearest) for c in range(bank_p.shape[1])]
        labels.append(mean.index(max(mean)))
        confidences.append(max(mean))
    return labels, confidences


def certainty(z: Tensor, labels: Tensor, bank_z: Tensor, bank_labels: Tensor, own: Tensor, k: int) -> list[float]:
    values = []
    for i, row in enumerate(z):
        unit = row / torch.sqrt((row * row).sum())
        same, other = [], []
        for j, entry in enumerate(bank_z):
            if j != int(own[i]):
                (same if int(bank_labels[j]) == int(labels[i]) else other).append(distance(unit, entry).item())
        values.append(sum(sorted(other)[:k]) / sum(sorted(same)[:k]) if same and other else 0.0)
    return values


def hard_triplet(
    z: Tensor,
    labels: Tensor,
    confidence: Tensor,
    bank_z: Tensor,
    bank_labels: Tensor,
    bank_certainty: Tensor,
    own: Tensor,
    k: int,
    margin: float,
    keep_own_entry: bool,
) -> Tensor:
    total, weights = 0 * z.sum(), 0.0
    for i, row in enumerate(z):
        members: dict[bool, list[int]] = {True: [], False: []}
        for j in range(len(bank_z)):
            members[int(bank_labels[j]) == int(labels[i])].append(j)
        chosen = {}
        for same, indices in members.items():
            if not indices:
                continue
            threshold = sum(float(bank_certainty[j]) for j in indices) / len(indices)
            passing = [j for j in indices if float(bank_certainty[j]) >= threshold - 1e-12]
            mine = int(own[i]) in passing
            passing = sorted((j for j in passing if j != int(own[i])), key=lambda j: distance(row, bank_z[j]).item())
            if same:
                passing = ([int(own[i])] if mine and keep_own_entry else []) + passing[::-1]
            chosen[same] = passing[:k]
        if len(chosen.get(True, [])) == len(chosen.get(False, [])) == k:
            pairs = zip(chosen[True], chosen[False], strict=True)
            hinges = [distance(row, bank_z[p]) - distance(row, bank_z[n]) + margin for p, n in pairs]
            total = total + confidence[i] * sum(h if h > 0 else 0 * h for h in hinges) / k
            weights += float(confidence[i])
    return total / (weights + 1e-5)


def log_variance(z: Tensor, eps: float = 1e-6) -> Tensor:
    total = torch.zeros((), dtype=z.dtype)
    for column in z.T:
        mean = sum(column) / len(column)
        total = total + torch.log(sum((x - mean) ** 2 for x in column) / len(column) + eps)
    return total


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return sum(-torch.log(softmax(row)[int(y)]) for row, y in zip(logits, labels, strict=True)) / len(labels)


def category_distance(z_s: Tensor, y_s: Tensor, z_t: Tensor, y_t: Tensor, classes: int) -> float:
    distances = []
    for c in range(classes):
        centres = []
        for z, y in ((z_s, y_s), (z_t, y_t)):
            members = [row for row, label in zip(z, y, strict=True) if int(label) == c]
            centres.append(sum(members) / len(members) if members else None)
        if centres[0] is not None and centres[1] is not None:
            distances.append(float(distance(*centres)))
    return sum(distances) / len(distances)


def weighted_f1(labels: list[int], predicted: list[int]) -> float:
    total = 0.0
    for c in set(labels):
        hits = sum(1 for y, p in zip(labels, predicted, strict=True) if y == p == c)
        wrong = sum(1 for y, p in zip(labels, predicted, strict=True) if (y == c) != (p == c))
        total += labels.count(c) / len(labels) * (2 * hits / (2 * hits + wrong))
    return total
