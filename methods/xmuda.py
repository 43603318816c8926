"""xMUDA: each modality learns to predict, by a head of its own for that, what the other modalities predict."""

from itertools import permutations

import torch
from torch import Tensor, nn

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import mimic_divergence


@register_method(
    "xmuda",
    title="xMUDA",
    paper="Jaritz et al., Cross-Modal Unsupervised Domain Adaptation for 3D Semantic Segmentation, CVPR 2020",
    doi="10.48550/arXiv.1911.12676",
    groups=("multimodal",),
    ours="three modalities: six ordered pairs, one mimicking head a modality; no second round with pseudo-labels",
)
class XMUDA(Method):
    """Σ_{m≠m'} mean KL(p_{m'} ‖ p_m^mimic), times source_weight on the source and target_weight on the target.

    p_{m'}: prediction of the main head of m', detached; p_m^mimic: that of a second head on z_m. With the main heads
    alone predictions would be pulled together. Published: source_weight 1.0, target_weight 0.1, a linear second head.
    """

    search_space = {"source_weight": LogUniform(0.1, 10.0), "target_weight": LogUniform(0.01, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, source_weight: float = 1.0, target_weight: float = 0.1) -> None:
        super().__init__(ctx)
        self.weights = {"source": source_weight, "target": target_weight}
        self.heads = nn.ModuleDict({m: nn.Linear(ctx.dims[m], ctx.classes) for m in ctx.modalities})

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        terms = {}
        for name, batch in (("source", source), ("target", target)):
            mimics = {m: head(self.ctx.logit_scale * batch.z[m]) for m, head in self.heads.items()}
            pairs = permutations(self.ctx.modalities, 2)
            divergences = [mimic_divergence(batch.logits[teacher], mimics[m]) for m, teacher in pairs]
            terms[name] = self.weights[name] * torch.stack(divergences).sum()
        return terms
