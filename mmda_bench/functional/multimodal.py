"""Modalities that teach or resemble each other. Marks: see :mod:`mmda_bench.functional`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision


@full_precision
def mimic_divergence(teacher_logits: Tensor, logits: Tensor) -> Tensor:
    """mean KL(softmax(teacher) ‖ softmax(y)) of (N, C) logits, a scalar ≥ 0; no gradient to the teacher.

    The sum over classes, the mean over rows. xMUDA, Jaritz et al. 2020 [official].

    >>> mimic_divergence(torch.eye(3), torch.eye(3)).item()
    0.0
    """
    teacher, student = teacher_logits.detach().log_softmax(1), logits.log_softmax(1)
    return (teacher.exp() * (teacher - student)).sum(1).mean()


@full_precision
def disagreement(probs: Tensor, teacher_probs: Tensor) -> Tensor:
    """mean of 1 − ⟨p, p_0⟩ of two (N, C) class probabilities, a scalar in [0, 1]; no gradient to p_0 [ours].

    1 − ⟨p, p_0⟩ is the probability that a class drawn from p and one drawn from p_0 differ.

    >>> disagreement(torch.eye(2), torch.eye(2)).item()
    0.0
    """
    return 1.0 - (probs * teacher_probs.detach()).sum(1).mean()


@full_precision
def instance_contrast(z: Tensor, other: Tensor, *, temperature: float = 0.1) -> Tensor:
    """InfoNCE in both directions: each row of (N, d) must find its own among the rows of the other, a scalar ≥ 0.

    ½ [CE(z z'ᵀ/T, i) + CE(z' zᵀ/T, i)]. Rows of unit norm. Equal rows give ln N.

    >>> round(instance_contrast(torch.eye(4), torch.eye(4)).item(), 4)
    0.0001
    """
    similarity = z @ other.T / temperature
    own = torch.arange(len(z), device=z.device)
    return 0.5 * (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own))


@full_precision
def class_contrast(
    z: Tensor, labels: Tensor, other: Tensor, other_labels: Tensor, *, counted: Tensor, temperature: float = 0.1
) -> Tensor:
    """−mean log(Σ_same e^{s/T} / Σ_all e^{s/T}), s = ⟨z, z'⟩: each row (N, d) near the others (M, d) of its label.

    The mean is over the rows with ``counted`` (N,) that have another of their label; 0 if there is none.

    >>> y = torch.arange(4)
    >>> round(class_contrast(torch.eye(4), y, torch.eye(4), y, counted=y >= 0).item(), 4)
    0.0001
    """
    similarity, same = z @ other.T / temperature, labels.unsqueeze(1) == other_labels
    positive = similarity.masked_fill(~same, -1e9).logsumexp(1)
    valid = counted & same.any(1)
    losses = torch.where(valid, similarity.logsumexp(1) - positive, 0.0)
    return losses.sum() / valid.sum().clamp_min(1)
