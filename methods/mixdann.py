"""Mix-DANN: discriminators tell the share of the target in a mixture; the surest modality teaches the others."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import entropy, grad_reverse, mimic_divergence, warmup
from mmda_bench.modules import Discriminator


@register_method(
    "mixdann",
    title="Mix-DANN",
    paper="Yin et al., Mix-DANN and Dynamic-Modal-Distillation for Video Domain Adaptation, ACM MM 2022",
    doi="10.1145/3503161.3548313",
    groups=(),
    ours="unverified beyond the abstract; representations are mixed, not frames; both weights 1; teacher by entropy",
)
class MixDANN(Method):
    """weight · Σ_m mean BCE(D_m(GRL_λ(μz^s_m + (1−μ)z^t_m)), 1−μ) + teach_weight · Σ_{m≠m*} mean KL(p^t_m* ‖ p^t_m).

    μ ~ U(0, 1) for each pair; the discriminator of a modality must tell the target's share. m*: the modality whose
    predictions on the target batch have the lowest mean entropy, detached. Verified, in the abstract: mixing in each
    modality, a discriminator that predicts the ratio, the most adaptable modality as the teacher of the others. Not
    verified, as neither paper nor code could be read, so that the method is in no group: all else, entropy as the
    measure included. Ours: representations are mixed where the authors mix frames; the law of μ; the weights.
    """

    search_space = {"weight": LogUniform(0.1, 10.0), "teach_weight": LogUniform(0.01, 10.0)}

    def __init__(self, ctx: Context, *, weight: float = 1.0, teach_weight: float = 1.0, hidden: int = 256) -> None:
        super().__init__(ctx)
        self.weight, self.teach_weight = weight, teach_weight
        self.discriminators = nn.ModuleDict({m: Discriminator(ctx.dims[m], hidden=hidden) for m in ctx.modalities})

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        generator, coeff, terms = self.ctx.generator, warmup(progress), {}
        share = torch.rand(len(source.ids), 1, generator=generator, device=generator.device)
        for m, discriminator in self.discriminators.items():
            mixed = share * source.z[m] + (1 - share) * target.z[m]
            logits = discriminator(grad_reverse(mixed, coeff)).float()
            terms[f"domain_{m}"] = self.weight * F.binary_cross_entropy_with_logits(logits, (1 - share).to(logits))
        entropies = [entropy(target.logits[m].float().softmax(1)).mean() for m in self.ctx.modalities]
        teacher = target.logits[self.ctx.modalities[int(torch.stack(entropies).argmin())]]
        taught = [mimic_divergence(teacher, target.logits[m]) for m in self.ctx.modalities]  # its own divergence: 0
        return {**terms, "teach": self.teach_weight * torch.stack(taught).sum()}
