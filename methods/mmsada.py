"""MM-SADA: a discriminator for each modality, and a classifier that must tell whether modalities belong together."""

import torch
from torch import Tensor, nn

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup


@register_method(
    "mmsada",
    title="MM-SADA",
    paper="Munro and Damen, Multi-Modal Domain Adaptation for Fine-Grained Action Recognition, CVPR 2020",
    doi="10.48550/arXiv.2001.09691",
    groups=("multimodal",),
    ours="three modalities; of utterance i modality i mod 3 is a neighbour's; all utterances stay in L_IB; one stage",
)
class MMSADA(Method):
    """Σ_m mean BCE(D_m(GRL_λ(z_m)), domain) + sync_weight · mean BCE(S([z_A, z_L, z_V]), in sync?), m = A, L, V.

    In sync: the utterances of both domains as they are; out of sync: one of their modalities taken from another
    utterance of the batch. λ = reversal · (2/(1 + e^{−10π}) − 1). D_m and S: one hidden layer of 100, ReLU [official].
    Published: sync_weight 5. The official script has 0.2 in the place of ``reversal`` and a sync weight of 1.0, and its
    code multiplies the source's cross-entropy by 0.2. L_IB has the cross-entropy at 1: in that unit the script's values
    are 1 and 5. Official, but not here: half of each batch is out of sync and kept from the cross-entropy; a first
    stage without D_m; SGD.
    """

    search_space = {"reversal": LogUniform(0.05, 5.0), "sync_weight": LogUniform(0.5, 50.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, reversal: float = 1.0, sync_weight: float = 5.0) -> None:
        super().__init__(ctx)
        self.reversal, self.sync_weight = reversal, sync_weight
        widths = {m: ctx.dims[m] for m in ctx.modalities} | {"sync": sum(ctx.dims[m] for m in ctx.modalities)}
        self.classifiers = nn.ModuleDict(
            {name: nn.Sequential(nn.Linear(width, 100), nn.ReLU(), nn.Linear(100, 1)) for name, width in widths.items()}
        )

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        terms, coeff = {}, self.reversal * warmup(progress)
        for m in self.ctx.modalities:
            z = grad_reverse(torch.cat([source.z[m], target.z[m]]), coeff)
            terms[f"domain_{m}"] = domain_loss(*self.classifiers[m](z).chunk(2))
        pairs = [self.in_and_out_of_sync(batch) for batch in (source, target)]
        true, false = (self.classifiers["sync"](torch.cat(rows)) for rows in zip(*pairs, strict=True))
        return {**terms, "sync": self.sync_weight * domain_loss(false, true)}

    def in_and_out_of_sync(self, batch: Source | Target) -> tuple[Tensor, Tensor]:
        z = [batch.z[m] for m in self.ctx.modalities]
        turn = torch.arange(len(z[0]), device=z[0].device).unsqueeze(1) % len(z)
        swapped = [torch.where(turn == k, value.roll(1, 0), value) for k, value in enumerate(z)]
        return torch.cat(z, 1), torch.cat(swapped, 1)
