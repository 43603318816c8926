"""Deep CORAL: the covariances of the two domains' representations are pulled together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import covariance_distance


@register_method(
    "coral",
    title="CORAL",
    paper="Sun and Saenko, Deep CORAL: Correlation Alignment for Deep Domain Adaptation, ECCV Workshops 2016",
    doi="10.48550/arXiv.1607.01719",
    groups=("moment",),
    ours="acts on the joint representation; without the factor 1/(4d²); the weight",
)
class CORAL(Method):
    """weight · ‖C_s − C_t‖_F², C the covariance of Z within each domain's batch.

    Published: a factor 1/(4d²), and a weight such that this loss and the classification loss end about equal. On
    representations of fixed norm that factor leaves about 1e-8, which the weight would have to undo: here the factor is
    left out, and the weight is ours.
    """

    search_space = {"weight": LogUniform(0.1, 1000.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 10.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"covariance": self.weight * covariance_distance(source.z["joint"], target.z["joint"])}
