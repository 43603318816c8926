"""GMM-OTDA: each domain a mixture of Gaussians, one a class; transport between the mixtures is made cheap."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import mixture_transport


@register_method(
    "gmm-otda",
    title="GMM-OTDA",
    paper="Montesuma et al., Optimal Transport for Domain Adaptation through Gaussian Mixture Models, arXiv 2024",
    doi="10.48550/arXiv.2403.13847",
    groups=("transport",),
    ours="a loss of each batch, its classes as the Gaussians, where the authors fit fixed features once; weight 1",
)
class GMMOTDA(Method):
    """weight · min_π Σ π_kl (‖μ^s_k − μ^t_l‖² + ‖σ^s_k − σ^t_l‖²), π exact between the classes' weights, detached.

    μ, σ: mean and deviation of each dimension of Z in a class: on the source by label, on the target to the degree that
    the joint head predicts it. Official: diagonal Gaussians, this cost, an exact plan between the weights. There the
    mixtures are fitted to fixed features of whole domains, and the plan carries labels or features over; the loss, its
    weight and its place are ours.
    """

    search_space = {"weight": LogUniform(0.01, 10.0)}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        probs = target.logits["joint"].float().softmax(1)
        distance = mixture_transport(source.z["joint"], source.labels, target.z["joint"], probs)
        return {"transport": self.weight * distance}
