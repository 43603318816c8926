"""MCC: on the target, no class may be confused with another; alone, or on top of CDAN."""

import torch
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import class_confusion, domain_loss, grad_reverse, kronecker, warmup
from mmda_bench.modules import Discriminator


@register_method(
    "mcc",
    title="MCC",
    paper="Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020",
    doi="10.48550/arXiv.1912.03699",
    groups=("self-training",),
    ours="acts on the joint head; a class that nobody predicts counts as unconfused",
)
@register_method(
    "cdan+mcc",
    title="CDAN + MCC",
    paper="Jin et al., Minimum Class Confusion for Versatile Domain Adaptation, ECCV 2020",
    doi="10.48550/arXiv.1912.03699",
    groups=("adversarial",),
    overrides={"adversarial": True},
    ours="as mcc, and CDAN as cdan",
)
class MCC(Method):
    """weight · (1/C) Σ_{i≠j} C_ij, C the row-normalised (w p)ᵀ p of the target batch, p = softmax(y/T).

    w = B(1 + e^{−H(p)})/Σ(1 + e^{−H(p)}), detached: sure predictions count more. ``adversarial`` adds CDAN: mean
    BCE(D(GRL_λ(p ⊗ z)), domain), p detached and without T, weight 1. Published: T = 2.5, weight 1.
    """

    search_space = {"weight": LogUniform(0.1, 10.0), "temperature": Uniform(1.0, 5.0)}

    def __init__(
        self, ctx: Context, *, weight: float = 1.0, temperature: float = 2.5, adversarial: bool = False,
        hidden: int = 256,
    ) -> None:  # fmt: skip
        super().__init__(ctx)
        self.weight, self.temperature = weight, temperature
        self.discriminator = Discriminator(ctx.classes * ctx.dims["joint"], hidden=hidden) if adversarial else None

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        confusion = class_confusion(target.logits["joint"], temperature=self.temperature)
        terms = {"confusion": self.weight * confusion}
        if self.discriminator is not None:
            z = torch.cat([source.z["joint"], target.z["joint"]])
            logits = torch.cat([source.logits["joint"], target.logits["joint"]]).detach().float()
            product = kronecker(z, logits.softmax(1))
            terms["domain"] = domain_loss(*self.discriminator(grad_reverse(product, warmup(progress))).chunk(2))
        return terms
