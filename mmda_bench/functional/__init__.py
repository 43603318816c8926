"""The mathematics of domain adaptation: pure functions, tensors in, tensors out.

Marks: [paper] the A3D2 paper (Sun et al., ACL 2025), [official] the published code of the method named, [ours]
decided here because the sources leave it open. N rows (samples), d dimensions, C classes, M memory entries. Whatever is
decorated with ``full_precision`` computes in float32 (float64 when given) even under autocast: half precision erases
transport costs, overflows in exponentials and has no singular values.
"""

from mmda_bench.functional.adversarial import (
    DIVERGENCES,
    domain_loss,
    entropy,
    entropy_weights,
    f_divergence,
    grad_reverse,
    kronecker,
    nuclear_wasserstein,
    warmup,
)
from mmda_bench.functional.objective import category_distance, information_bottleneck, log_variance
from mmda_bench.functional.precision import full_precision
from mmda_bench.functional.structure import (
    certainty,
    certainty_thresholds,
    hard_triplet,
    neighbour_pseudo_labels,
    probabilistic_contrastive,
)
from mmda_bench.functional.transport import anchor_drag, dimension_cost, transport_plan

__all__ = [
    "DIVERGENCES",
    "anchor_drag",
    "category_distance",
    "certainty",
    "certainty_thresholds",
    "dimension_cost",
    "domain_loss",
    "entropy",
    "entropy_weights",
    "f_divergence",
    "full_precision",
    "grad_reverse",
    "hard_triplet",
    "information_bottleneck",
    "kronecker",
    "log_variance",
    "neighbour_pseudo_labels",
    "nuclear_wasserstein",
    "probabilistic_contrastive",
    "transport_plan",
    "warmup",
]
