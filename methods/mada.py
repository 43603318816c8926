"""MADA: one discriminator per class, each seeing the representation to the degree that the class is predicted."""

import torch
from torch import Tensor, nn

from mmda_bench import Choice, Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import ClasswiseDiscriminators, aligned_modalities


@register_method(
    "mada",
    title="MADA",
    paper="Pei et al., Multi-Adversarial Domain Adaptation, AAAI 2018",
    groups=("all",),
    ours="acts on the joint representation; λ by training progress; discriminators of width 256",
)
class MADA(Method):
    """weight · Σ_k mean BCE(D_k(GRL_λ(p_k z)), domain), p detached, z not.

    A sum over classes: the adversarial weight grows with C. p_k scales the input of D_k, it does not weight its loss.
    Published: weight 0.3, detached p. Ours: ``align_on``, ``hidden`` (official 1024), λ by progress.
    """

    search_space = {
        "weight": LogUniform(0.03, 3.0),
        "hidden": Choice((128, 256, 512)),
        "align_on": Choice(("joint", "drifts", "all")),
    }
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 0.3, hidden: int = 256, align_on: str = "joint") -> None:
        super().__init__(ctx)
        self.weight = weight
        self.discriminators = nn.ModuleDict(
            {
                m: ClasswiseDiscriminators(ctx.dims[m], ctx.classes, hidden=hidden)
                for m in aligned_modalities(ctx, align_on)
            }
        )

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        coeff, terms = warmup(progress), {}
        for m, discriminators in self.discriminators.items():
            z = torch.cat([source.z[m], target.z[m]])
            probs = torch.cat([source.logits[m], target.logits[m]]).detach().float().softmax(1)
            logits = discriminators(grad_reverse(z, coeff), probs)
            # domain_loss is the mean over samples and classes, the method a mean over samples and a sum over classes.
            terms[f"domain_{m}"] = self.weight * self.ctx.classes * domain_loss(*logits.chunk(2))
        return terms
