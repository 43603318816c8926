"""IM: predictions on the target are sure one by one and diverse all together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import information_loss


@register_method(
    "im",
    title="IM",
    paper="Liang et al., Do We Really Need to Access the Source Data? (SHOT), ICML 2020",
    doi="10.48550/arXiv.2002.08546",
    groups=("self-training",),
    ours="SHOT's first term with the source at hand; acts on the joint head; no epsilon in the logarithms",
)
class IM(Method):
    """weight · (mean H(p^t) − H(p̄^t)): minus the mutual information of target utterances and predicted classes.

    p̄^t: mean joint prediction of the target batch. Published: weight 1. SHOT adapts without source data, with a frozen
    head and pseudo-labels by clusters; here its term is added to L_IB, as every method's is.
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"information": self.weight * information_loss(target.logits["joint"])}
