"""What predictions on unlabelled utterances should be: sure, diverse, unconfused. Marks: see
:mod:`mmda_bench.functional`. Logits, not probabilities, where a logarithm is needed: it stays finite however sure."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision


@full_precision
def class_confusion(logits: Tensor, *, temperature: float = 2.5) -> Tensor:
    """(1/C) Σ_{i≠j} C_ij of the row-normalised C = (w p)ᵀ p, (N, C) logits → a scalar in [0, 1]. MCC, Jin et al. 2020.

    p = softmax(y/T); w = N(1 + e^{−H(p)})/Σ(1 + e^{−H(p)}), without gradient. [ours] a class that nobody predicts
    (its row sums to less than 1e-8) counts as unconfused; the official code divides 0 by 0 there.

    >>> class_confusion(torch.zeros(6, 4)).item()
    0.75
    """
    scaled = logits / temperature
    probs, log_probs = scaled.softmax(1), scaled.log_softmax(1)
    weights = 1.0 + torch.exp((probs * log_probs).sum(1).detach())
    weights = weights * (len(weights) / weights.sum())
    confusion = (weights.unsqueeze(1) * probs).T @ probs
    confusion = confusion / confusion.sum(1, keepdim=True).clamp_min(1e-8)
    return (confusion.sum() - confusion.trace()) / len(confusion)


@full_precision
def batch_nuclear_norm(probs: Tensor) -> Tensor:
    """‖P‖_*/B of (B, C) class probabilities, a scalar in [1/√(B·C), √(C/B)] for B ≥ C. BNM, Cui et al. 2020 [paper].

    Large where predictions are sure and classes diverse. The official code divides by min(B, C), not by B.

    >>> round(batch_nuclear_norm(torch.eye(4)).item(), 5)
    1.0
    """
    norm: Tensor = torch.linalg.matrix_norm(probs, "nuc")
    return norm / len(probs)


@full_precision
def information_loss(logits: Tensor) -> Tensor:
    """mean H(p) − H(p̄) of (N, C) logits, p̄ the mean prediction: minus their mutual information, in [−ln C, 0].

    The first term of SHOT, Liang et al. 2020, whose code adds 1e-5 inside the logarithms.

    >>> round(information_loss(torch.eye(3) * 100).item(), 5) == -round(math.log(3), 5)
    True
    """
    log_probs = logits.log_softmax(1)
    log_mean = log_probs.logsumexp(0) - math.log(len(logits))
    mean_entropy = -(log_probs.exp() * log_probs).sum(1).mean()
    return mean_entropy + (log_mean.exp() * log_mean).sum()


@full_precision
def prior_cross_entropy(logits: Tensor, prior: Tensor) -> Tensor:
    """−Σ_k r_k log p̄_k, p̄ the mean prediction of (N, C) logits, r = ``prior`` (C,): a scalar ≥ H(r). Amanda, Zhang et
    al. 2024.

    >>> round(prior_cross_entropy(torch.zeros(5, 2), torch.tensor([0.5, 0.5])).item(), 5) == round(math.log(2), 5)
    True
    """
    return -(prior * (logits.log_softmax(1).logsumexp(0) - math.log(len(logits)))).sum()


@full_precision
def confident_cross_entropy(weak_logits: Tensor, strong_logits: Tensor, *, threshold: float) -> Tensor:
    """mean over N of 1[max p ≥ threshold]·CE(strong, argmax p), p = softmax(weak) without gradient: a scalar ≥ 0.

    (N, C) logits of two views. FixMatch, Sohn et al. 2020: a mean over all N, also those that are not sure [official].

    >>> confident_cross_entropy(torch.zeros(4, 2), torch.ones(4, 2), threshold=0.9).item()
    0.0
    """
    confidence, label = weak_logits.detach().softmax(1).max(1)
    return (F.cross_entropy(strong_logits, label, reduction="none") * (confidence >= threshold)).mean()
