"""FixMatch: where the plain view of a target utterance is predicted surely, the other view must be predicted alike."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import confident_cross_entropy


@register_method(
    "fixmatch",
    title="FixMatch",
    paper="Sohn et al., FixMatch: Simplifying Semi-Supervised Learning, NeurIPS 2020",
    doi="10.48550/arXiv.2001.07685",
    groups=("self-training",),
    ours="the second view is mild, hence threshold 0.9; the weight rises with progress; acts on the joint head",
)
class FixMatch(Method):
    """π · weight · mean 1[max p ≥ threshold] · CE(second view, argmax p), p: joint softmax of the first view, detached.

    The mean is over all target utterances of the batch, also those that are not sure. Published: threshold 0.95, weight
    1, strong augmentation of the second view. Ours: the engine's mild views, threshold 0.9, the ramp π.
    """

    target_views = 2
    search_space = {"weight": LogUniform(0.1, 10.0), "threshold": Uniform(0.5, 0.99)}

    def __init__(self, ctx: Context, *, weight: float = 1.0, threshold: float = 0.9) -> None:
        super().__init__(ctx)
        self.weight, self.threshold = weight, threshold

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        assert target.view2 is not None
        views = target.logits["joint"], target.view2.logits["joint"]
        return {"pseudo": progress * self.weight * confident_cross_entropy(*views, threshold=self.threshold)}
