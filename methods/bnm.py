"""BNM: the predictions on a target batch get a large nuclear norm, so that they are sure and of many classes."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import batch_nuclear_norm


@register_method(
    "bnm",
    title="BNM",
    paper="Cui et al., Towards Discriminability and Diversity: Batch Nuclear-norm Maximization, CVPR 2020",
    doi="10.48550/arXiv.2003.12237",
    groups=("self-training",),
    ours="acts on the joint head",
)
class BNM(Method):
    """−weight · ‖P^t‖_*/B, P^t the joint softmaxes of the target batch, ‖·‖_* the sum of singular values.

    Published: weight 1, division by B. The official code takes the mean singular value, a division by min(B, C): B/C
    times as much, 12 times for 48 utterances and 4 classes; the range of a search holds it.
    """

    search_space = {"weight": LogUniform(0.1, 30.0)}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        return {"nuclear": -self.weight * batch_nuclear_norm(target.logits["joint"].float().softmax(1))}
