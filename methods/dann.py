"""DANN: one discriminator tells the domains apart, reversed gradients make the representations defy it."""

import torch
from torch import Tensor, nn

from mmda_bench import Choice, Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import Discriminator, aligned_modalities


@register_method(
    "dann",
    title="DANN",
    paper="Ganin et al., Domain-Adversarial Training of Neural Networks, JMLR 2016",
    groups=("all",),
    ours="acts on the joint representation; λ by training progress; discriminator of width 256",
)
class DANN(Method):
    """weight · mean over the 2B samples of BCE(D(GRL_λ(Z)), domain), λ(π) = 2/(1 + e^{−10π}) − 1.

    Published: weight 1. Only the gradient to the features is scaled by λ, never D's own. Ours: ``align_on`` (joint),
    ``hidden`` (256; official 1024), λ by progress instead of iterations.
    """

    search_space = {
        "weight": LogUniform(0.1, 10.0),
        "hidden": Choice((128, 256, 512, 1024)),
        "align_on": Choice(("joint", "drifts", "all")),
    }
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0, hidden: int = 256, align_on: str = "joint") -> None:
        super().__init__(ctx)
        self.weight = weight
        places = aligned_modalities(ctx, align_on)
        self.discriminators = nn.ModuleDict({m: Discriminator(ctx.dims[m], hidden=hidden) for m in places})

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        coeff, terms = warmup(progress), {}
        for m, discriminator in self.discriminators.items():
            z = torch.cat([source.z[m], target.z[m]])  # one pass for both domains costs little over half of two
            terms[f"domain_{m}"] = self.weight * domain_loss(*discriminator(grad_reverse(z, coeff)).chunk(2))
        return terms
