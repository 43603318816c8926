"""JAN: the kernel means of representations together with predictions are pulled together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import joint_mmd


@register_method(
    "jan",
    title="JAN",
    paper="Long et al., Deep Transfer Learning with Joint Adaptation Networks, ICML 2017",
    doi="10.48550/arXiv.1605.06636",
    groups=("moment",),
    ours="acts on the joint representation and head; the unbiased quadratic estimate",
)
class JAN(Method):
    """weight · MMD² of the pairs (Z, p), kernel k(Z, Z')·exp(−‖p − p'‖²/(2·0.92²)), k that of DAN, p the joint softmax.

    Published: weight 1; kernels from the Transfer Learning Library of the authors' group. p keeps its gradient there
    and here. Ours: the unbiased quadratic estimate, which can be negative.
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        probs = (batch.logits["joint"].float().softmax(1) for batch in (source, target))
        return {"mmd": self.weight * joint_mmd(source.z["joint"], target.z["joint"], *probs)}
