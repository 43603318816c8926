"""MCD: two classifiers disagree on the target as far as they can, and the representations keep them from it."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import classifier_discrepancy, grad_reverse, warmup


@register_method(
    "mcd",
    title="MCD",
    paper="Saito et al., Maximum Classifier Discrepancy for Unsupervised Domain Adaptation, CVPR 2018",
    doi="10.48550/arXiv.1712.02560",
    groups=("adversarial",),
    ours="one step in place of three, by reversal with λ by progress; the joint head is the first classifier",
)
class MCD(Method):
    """CE(h'(Z^s), label) − weight · mean ‖p_1 − p_2‖₁/C, p_1, p_2 = softmax of joint head and h' on GRL_λ(Z^t).

    The heads maximise the discrepancy on the target, the reversed gradients make the representations minimise it.
    Published: weight 1, in three alternating steps, two heads beside the network's; the authors' function for one step
    has the discrepancy's gradient commented out. Ours: one step; the shared joint head as the first of the two; h'
    linear like it.
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight
        self.head = nn.Linear(ctx.dims["joint"], ctx.classes)

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z, scale = grad_reverse(target.z["joint"], warmup(progress)), self.ctx.logit_scale
        logits = self.ctx.classify("joint", z), self.head(scale * z)
        discrepancy = classifier_discrepancy(*(y.float().softmax(1) for y in logits))
        own = F.cross_entropy(self.head(scale * source.z["joint"]).float(), source.labels)
        return {"second_head": own, "discrepancy": -self.weight * discrepancy}
