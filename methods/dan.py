"""DAN: the kernel means of the two domains' representations are pulled together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import multi_kernel_mmd


@register_method(
    "dan",
    title="DAN",
    paper="Long et al., Learning Transferable Features with Deep Adaptation Networks, ICML 2015",
    doi="10.48550/arXiv.1502.02791",
    groups=("moment",),
    ours="acts on the joint representation alone; the unbiased quadratic estimate; equal weights of the kernels",
)
class DAN(Method):
    """weight · MMD²(Z^s, Z^t), kernel Σ_α exp(−d²/(2ασ²)), α = 2⁻³ … 2¹, σ² the batch's mean d², detached.

    Published: weight 1; kernels from the Transfer Learning Library of the authors' group. Ours: the unbiased quadratic
    estimate, which can be negative, in place of the linear-time one, whose noise is larger; one layer, where the
    paper aligns several.
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"mmd": self.weight * multi_kernel_mmd(source.z["joint"], target.z["joint"])}
