"""A3D2: adversarial alignment of the drifts across domains, and the anchor dragging the drifts within the target."""

import torch
from torch import Tensor, nn

from mmda_bench import Choice, Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import anchor_drag, domain_loss, grad_reverse, kronecker
from mmda_bench.modules import Discriminator


@register_method(
    "a3d2",
    title="A3D2",
    paper="Sun et al., Adversarial Alignment with Anchor Dragging Drift, ACL 2025",
    groups=("all",),
    added=("detach",),
    ours="discriminator of width 256; λ = π² is the released code's; the paper's θ^G has the classifiers: not detached",
)
class A3D2(Method):
    """γ1 · Σ_m ⟨C_m, π*_m⟩ + γ2 · Σ_m [mean_t BCE + mean_s BCE of D_m(GRL(z_m ⊗ p_m))] over the drifts m, eqs. 6–10.

    ``aa``: the second sum, p_m the drift's own prediction. ``add``: the first, C_m = 1 − Z_mᵀ Z_0/B over the target
    batch, Z_0 the anchor, π* its exact optimal plan. Published: γ1 = 10, γ2 = 20, a sum of two means, and p_m with its
    gradient: θ^G of eq. 6, which the reversal reaches, contains the classifiers. ``detach`` cuts it, as CDAN does. From
    the released code: λ = π². Ours: the common discriminator. With both components off: DT, bit for bit.

    Units. γ2 multiplies a sum of two means: γ2 = 20 is 40 times the mean over 2B utterances, for each drift, where DANN
    has 1. γ1 multiplies ⟨C, π*⟩, which for unit rows of width p lies within 1/p of 1, with a gradient at Z_m of norm
    γ1/(p√B): γ1 = 10 moves a term by 0.08 at most, and its gradient is about 1/200 of L_IB's [ours, measured].
    """

    components = ("aa", "add")
    search_space = {
        "gamma1": LogUniform(10.0, 10000.0),
        "gamma2": LogUniform(0.02, 20.0),
        "detach": Choice((False, True)),
    }

    def __init__(
        self, ctx: Context, *, gamma1: float = 10.0, gamma2: float = 20.0, hidden: int = 256, detach: bool = False
    ) -> None:
        super().__init__(ctx)
        self.gamma1, self.gamma2, self.detach = gamma1, gamma2, detach
        adversarial = ctx.drifts if "aa" in ctx.components else ()
        self.discriminators = nn.ModuleDict(
            {m: Discriminator(ctx.classes * ctx.dims[m], hidden=hidden) for m in adversarial}
        )
        self.dragged = ctx.drifts if "add" in ctx.components else ()
        self.target_views = 1 if ctx.components else 0

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        terms = {}
        for m, discriminator in self.discriminators.items():
            z = torch.cat([source.z[m], target.z[m]])
            probs = torch.cat([source.logits[m], target.logits[m]]).float().softmax(1)
            probs = probs.detach() if self.detach else probs
            logits = discriminator(grad_reverse(kronecker(z, probs), progress**2))
            # The paper adds the two domains' means; with B utterances in each that is twice the mean over 2B.
            terms[f"aa_{m}"] = self.gamma2 * 2.0 * domain_loss(*logits.chunk(2))
        for m in self.dragged:
            terms[f"add_{m}"] = self.gamma1 * anchor_drag(target.z[m], target.z[self.ctx.anchor])
        return terms
