"""Anchor teaching: on the target, the heads of the drifts learn what the anchor's head predicts, and nothing else."""

import torch
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import disagreement


@register_method(
    "anchor-teaching",
    title="Anchor teaching",
    paper="none: a baseline of this benchmark",
    groups=("baselines",),
    ours="all of it",
)
class AnchorTeaching(Method):
    """weight · mean over the drifts m of mean (1 − ⟨p_m, p_0⟩) on the target, p_0 the anchor's prediction, detached.

    Ours altogether: what the knowledge of the anchor is worth without any alignment of domains. Weight 10. It is what
    the second transport term of A3D2's released code amounts to with few classes.
    """

    search_space = {"weight": LogUniform(1.0, 100.0)}

    def __init__(self, ctx: Context, *, weight: float = 10.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        probs = {m: target.logits[m].float().softmax(1) for m in self.ctx.modalities}
        apart = [disagreement(probs[m], probs[self.ctx.anchor]) for m in self.ctx.drifts]
        return {"teaching": self.weight * torch.stack(apart).mean()}
