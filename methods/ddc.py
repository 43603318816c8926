"""DDC: the mean representations of the two domains are pulled together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import mean_distance


@register_method(
    "ddc",
    title="DDC",
    paper="Tzeng et al., Deep Domain Confusion: Maximizing for Domain Invariance, arXiv 2014",
    doi="10.48550/arXiv.1412.3474",
    groups=("moment",),
    ours="acts on the joint representation; no layer of its own for adaptation",
)
class DDC(Method):
    """weight · ‖mean Z^s − mean Z^t‖², the squared MMD with the linear kernel.

    Published: weight 0.25, seen in a re-implementation of the paper's experiments, and a narrow layer whose output is
    aligned; here that is Z.
    """

    search_space = {"weight": LogUniform(0.025, 25.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 0.25) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"mean": self.weight * mean_distance(source.z["joint"], target.z["joint"])}
