"""Adversarial alignment: gradient reversal, domain losses and divergences. Marks: see :mod:`mmda_bench.functional`."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision

DIVERGENCES = ("kl", "klrev", "chi", "pearson", "jensen", "tv")


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, coeff: float) -> Tensor:
        ctx.coeff = coeff
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.coeff * grads[0], None


def grad_reverse(x: Tensor, coeff: float) -> Tensor:
    """GRL_λ: ``x`` forward, the gradient times −``coeff`` backward. Any shape. Ganin et al. 2016.

    >>> z = torch.ones(2, requires_grad=True)
    >>> grad_reverse(z, 0.5).sum().backward()
    >>> z.grad.tolist()
    [-0.5, -0.5]
    """
    return _Reversal.apply(x, coeff)


def warmup(progress: float, alpha: float = 10.0) -> float:
    """λ(π) = 2/(1 + e^{−απ}) − 1, rising from 0 to almost 1.

    [official] α = 10; [ours] π is the share of training done, where the official codes use iterations / 10,000 and
    would reach only 0.05–0.2 in the 100–400 steps that these corpora give.

    >>> warmup(0.0), round(warmup(1.0), 4)
    (0.0, 0.9999)
    """
    return 2.0 / (1.0 + math.exp(-alpha * progress)) - 1.0


@full_precision
def entropy(probs: Tensor) -> Tensor:
    """H = −Σ_c p_c log(p_c + 1e-5) of each row, (N, C) → (N,), about [0, ln C]. CDAN [official].

    >>> [round(h, 3) for h in entropy(torch.full((2, 4), 0.25)).tolist()]
    [1.386, 1.386]
    """
    return -(probs * torch.log(probs + 1e-5)).sum(1)


def kronecker(z: Tensor, probs: Tensor) -> Tensor:
    """p ⊗ z of each row: (N, d), (N, C) → (N, C·d), class slowest (entry c·d + i is p_c z_i). CDAN, A3D2 eq. 6.

    >>> kronecker(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.25, 0.75]])).tolist()
    [[0.25, 0.5, 0.75, 1.5]]
    """
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
    Without weights, the mean over all entries of both, logits of any shape; with weights (N,) for logits (N,) or
    (N, 1), Σ w·BCE / Σ w, Σ w without gradient [official, CDAN+E].

    Raises ValueError for weights of one domain alone.

    >>> round(domain_loss(torch.zeros(3, 1), torch.zeros(5, 1)).item(), 4)
    0.6931
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

    >>> [weights.tolist() for weights in entropy_weights(torch.eye(2), torch.eye(4))]
    [[0.5, 0.5], [0.25, 0.25, 0.25, 0.25]]
    """
    source, target = (1.0 + torch.exp(-entropy(probs)) for probs in (source_probs, target_probs))
    return source / source.sum().detach(), target / target.sum().detach()


@full_precision
def nuclear_wasserstein(source_probs: Tensor, target_probs: Tensor) -> Tensor:
    """NWD = (‖p^s‖_* − ‖p^t‖_*)/B of two (B, C) matrices, a scalar. DALN, Chen et al. 2022.

    ‖·‖_* is the sum of singular values, ‖p‖_*/B ≤ √(C/B) for balanced one-hot rows: the scale depends on C and B.

    >>> round(nuclear_wasserstein(torch.eye(2), torch.full((2, 2), 0.5)).item(), 4)
    0.5
    """
    if source_probs.shape == target_probs.shape:  # together, as the host waits for a GPU after every decomposition
        source, target = torch.linalg.matrix_norm(torch.stack([source_probs, target_probs]), "nuc") / len(source_probs)
    else:
        source, target = (torch.linalg.matrix_norm(probs, "nuc") / len(probs) for probs in (source_probs, target_probs))
    return source - target


@full_precision
def f_divergence(name: str, v_source: Tensor, v_target: Tensor) -> Tensor:
    """Variational estimate d(s, t) of an f-divergence from critic values (N,), a scalar. f-DD, Wang & Mao 2024.

    kl: E v_s − log E e^{v_t}; klrev: E v_t − log E e^{v_s}; chi: E v_s − E v_t − ¼ Var v_t (biased variance);
    pearson: E v_s − E(¼v_t² + v_t); jensen: E(ln 2 − softplus(−v_s)) − E(softplus(v_t) − ln 2);
    tv: ½(E tanh v_s − E tanh v_t).

    Raises ValueError for another name than those of :data:`DIVERGENCES`.

    >>> f_divergence("kl", torch.ones(3), torch.zeros(3)).item()
    1.0
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
