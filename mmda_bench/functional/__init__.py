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
from mmda_bench.functional.confidence import (
    batch_nuclear_norm,
    class_confusion,
    confident_cross_entropy,
    information_loss,
    prior_cross_entropy,
)
from mmda_bench.functional.disparity import (
    classifier_discrepancy,
    margin_disparity,
)
from mmda_bench.functional.joint_transport import (
    PLANS,
    class_gaussians,
    information_plan,
    joint_cost,
    joint_plan,
    mixture_transport,
    partial_plan,
    unbalanced_plan,
)
from mmda_bench.functional.moments import (
    central_moment_discrepancy,
    covariance_distance,
    gaussian_kernel,
    joint_mmd,
    mean_distance,
    multi_kernel_mmd,
    pair_margins,
    squared_distances,
    unbiased_mmd,
)
from mmda_bench.functional.multimodal import (
    class_contrast,
    disagreement,
    instance_contrast,
    mimic_divergence,
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
from mmda_bench.functional.transport import anchor_drag, dimension_cost, transport_plan, transport_plans

__all__ = [
    "DIVERGENCES",
    "PLANS",
    "anchor_drag",
    "batch_nuclear_norm",
    "category_distance",
    "central_moment_discrepancy",
    "certainty",
    "certainty_thresholds",
    "class_confusion",
    "class_contrast",
    "class_gaussians",
    "classifier_discrepancy",
    "confident_cross_entropy",
    "covariance_distance",
    "dimension_cost",
    "disagreement",
    "domain_loss",
    "entropy",
    "entropy_weights",
    "f_divergence",
    "full_precision",
    "gaussian_kernel",
    "grad_reverse",
    "hard_triplet",
    "information_bottleneck",
    "information_loss",
    "information_plan",
    "instance_contrast",
    "joint_cost",
    "joint_mmd",
    "joint_plan",
    "kronecker",
    "log_variance",
    "margin_disparity",
    "mean_distance",
    "mimic_divergence",
    "mixture_transport",
    "multi_kernel_mmd",
    "neighbour_pseudo_labels",
    "nuclear_wasserstein",
    "pair_margins",
    "partial_plan",
    "prior_cross_entropy",
    "probabilistic_contrastive",
    "squared_distances",
    "transport_plan",
    "transport_plans",
    "unbalanced_plan",
    "unbiased_mmd",
    "warmup",
]
