"""Disagreement of two classifiers as a distance between domains. Marks: see :mod:`mmda_bench.functional`."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench.functional.precision import full_precision


@full_precision
def classifier_discrepancy(probs: Tensor, other_probs: Tensor) -> Tensor:
    """mean ‖p_1 − p_2‖₁/C of two classifiers' (N, C) probabilities, a scalar in [0, 2/C]. MCD, Saito et al. 2018.

    >>> classifier_discrepancy(torch.eye(2), torch.eye(2).flip(0)).item()
    1.0
    """
    return (probs - other_probs).abs().mean()


@full_precision
def margin_disparity(
    source_logits: Tensor, source_labels: Tensor, target_logits: Tensor, target_labels: Tensor, *, margin: float = 4.0
) -> Tensor:
    """γ·CE(y_s, ŷ_s) − mean log(1 − softmax(y_t)[ŷ_t]), a scalar ≥ 0. MDD, Zhang et al. 2019.

    y: (N, C) logits of the adversarial classifier; ŷ: (N,) the classes that the main one predicts; γ = ``margin``.
    The adversarial classifier minimises it: it agrees with the main one on the source and contradicts it on the target.
    The logarithm is that of min(1, 1 − p + 1e-6) [official].

    >>> labels = torch.zeros(3, dtype=torch.int64)
    >>> y = torch.zeros(3, 2)
    >>> round(margin_disparity(y, labels, y, labels, margin=1.0).item(), 4)
    1.3863
    """
    agreement = F.cross_entropy(source_logits, source_labels)
    chosen = target_logits.softmax(1).gather(1, target_labels.unsqueeze(1))
    return margin * agreement - torch.log((1.0 - chosen + 1e-6).clamp_max(1.0)).mean()
