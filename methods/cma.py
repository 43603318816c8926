"""CMA: contrast of the modalities of an utterance within a domain, and of the utterances of a class across domains."""

from itertools import combinations

import torch
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import class_contrast, instance_contrast


@register_method(
    "cma",
    title="CMA",
    paper="Kim et al., Learning Cross-modal Contrastive Features for Video Domain Adaptation, ICCV 2021",
    doi="10.48550/arXiv.2108.11974",
    groups=(),
    ours="unverified: temperature, threshold and the exact form; weights 1; no projection, no memory; three modalities",
)
class CMA(Method):
    """modal_weight · Σ_{m<m'} InfoNCE(z_m, z_m') on both domains + class_weight · Σ_m contrast of z^t_m with z^s_m.

    First: the modalities of one utterance are each other's positives, other utterances the negatives. Second, within a
    modality: source utterances with the label that a target utterance is predicted to have, by the joint head with at
    least ``threshold``, are its positives, those of other labels its negatives. Verified, in the abstract and a patent
    of the authors: what is contrasted with what. Not verified, as neither the paper's section 3 nor code could be read,
    so that the method is in no group: temperature 0.1, threshold 0.8, the sum over positives inside the logarithm.
    Ours: both weights 1, z itself in the place of a projection of it, the batch in the place of a memory.
    """

    search_space = {
        "modal_weight": LogUniform(0.01, 10.0),
        "class_weight": LogUniform(0.01, 10.0),
        "temperature": LogUniform(0.03, 1.0),
        "threshold": Uniform(0.5, 0.99),
    }

    def __init__(
        self, ctx: Context, *, modal_weight: float = 1.0, class_weight: float = 1.0, temperature: float = 0.1,
        threshold: float = 0.8,
    ) -> None:  # fmt: skip
        super().__init__(ctx)
        self.modal_weight, self.class_weight = modal_weight, class_weight
        self.temperature, self.threshold = temperature, threshold

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        pairs = [(x.z[m], x.z[n]) for x in (source, target) for m, n in combinations(self.ctx.modalities, 2)]
        modal = torch.stack([instance_contrast(*pair, temperature=self.temperature) for pair in pairs]).sum()
        confidence, label = target.logits["joint"].detach().float().softmax(1).max(1)
        labelled = [(target.z[m], label, source.z[m], source.labels) for m in self.ctx.modalities]
        sure = confidence >= self.threshold
        classes = [class_contrast(*rows, counted=sure, temperature=self.temperature) for rows in labelled]
        return {"modal": self.modal_weight * modal, "class": self.class_weight * torch.stack(classes).sum()}
