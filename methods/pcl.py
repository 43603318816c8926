"""PCL: two views of a target batch must be predicted alike, and unlike the other utterances, on top of DANN."""

import torch
from torch import Tensor

from mmda_bench import Choice, Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import domain_loss, grad_reverse, probabilistic_contrastive, warmup
from mmda_bench.modules import Discriminator, option


@register_method(
    "pcl",
    title="PCL",
    paper="Li et al., Probabilistic Contrastive Learning for Domain Adaptation, IJCAI 2024",
    groups=("all",),
    ours="base learner DANN on the joint representation (official: GVB); views by dropped time steps and frames",
)
class PCL(Method):
    """weight · CE over 2B rows of scale·P Pᵀ with the other view as the positive, plus DANN.

    P stacks the joint softmaxes of two views of the target batch, neither normalised nor detached; uniform predictions
    give ln(2B − 1). Published: weight 0.05, scale 7. Ours: ``base`` = DANN with weight 1 (or "none"), the views.
    """

    target_views = 2
    search_space = {
        "weight": LogUniform(0.005, 0.5),
        "scale": Uniform(1.0, 20.0),
        "base": Choice(("dann", "none")),
        "hidden": Choice((128, 256, 512, 1024)),
    }

    def __init__(
        self, ctx: Context, *, weight: float = 0.05, scale: float = 7.0, base: str = "dann", hidden: int = 256
    ) -> None:
        super().__init__(ctx)
        self.weight, self.scale = weight, scale
        adversarial = option("base", base, ("dann", "none")) == "dann"
        self.discriminator = Discriminator(ctx.dims["joint"], hidden=hidden) if adversarial else None

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        assert target.view2 is not None
        probs_a, probs_b = (view.logits["joint"].float().softmax(1) for view in (target, target.view2))
        terms = {"contrast": self.weight * probabilistic_contrastive(probs_a, probs_b, self.scale)}
        if self.discriminator is not None:
            z = grad_reverse(torch.cat([source.z["joint"], target.z["joint"]]), warmup(progress))
            terms["domain"] = domain_loss(*self.discriminator(z).chunk(2))
        return terms
