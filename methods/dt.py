"""DT, direct transfer: the source objective L_IB alone, tested on the target as it is."""

from torch import Tensor

from mmda_bench import Method, Source, Target, register_method


@register_method(
    "dt",
    title="DT",
    paper="Sun et al., ACL 2025 (the row of no adaptation)",
    groups=("all",),
    ours="trains on L_IB, as every row does: Table 1's DT equals Table 2's row without AA and ADD",
)
class DT(Method):
    """L_IB only; no target data is used in training."""

    target_views = 0

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {}
