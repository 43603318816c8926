"""JDDA: covariances aligned, while source utterances of a class draw together and those of different classes apart."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import covariance_distance, pair_margins


@register_method(
    "jdda",
    title="JDDA-I",
    paper="Chen et al., Joint Domain Alignment and Discriminative Feature Learning, AAAI 2019",
    doi="10.48550/arXiv.1808.09347",
    groups=("moment",),
    ours="acts on the joint representation; the margin 6 and the weight of CORAL, as representations have norm √3",
)
class JDDA(Method):
    """weight · ‖C_s − C_t‖_F² + pair_weight · (Σ_same d⁴ + Σ_other max(0, far − d²)²)/B² over pairs of source rows.

    C: covariance of Z; d: distance of two representations; same, other: pairs whose labels agree, differ. The
    instance-based variant. Official: pair_weight 0.03, margins 0 and 100, a mean over the entries of the covariance
    with weight 8, the pairs divided by B⁴. Ours: ``far`` 6, the squared distance of joint representations that are
    orthogonal in all three modalities (none are 100 apart); CORAL's weight and scale as in coral; the mean over pairs.
    """

    search_space = {"weight": LogUniform(0.1, 1000.0), "pair_weight": LogUniform(0.003, 3.0), "far": Uniform(1.0, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 10.0, pair_weight: float = 0.03, far: float = 6.0) -> None:
        super().__init__(ctx)
        self.weight, self.pair_weight, self.far = weight, pair_weight, far

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z = source.z["joint"], target.z["joint"]
        pairs = pair_margins(z[0], source.labels, near=0.0, far=self.far)
        return {"covariance": self.weight * covariance_distance(*z), "pairs": self.pair_weight * pairs}
