"""DALN: the classifier itself is the discriminator, by the nuclear norms of its predictions on the two domains."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import grad_reverse, nuclear_wasserstein, warmup


@register_method(
    "daln",
    title="DALN",
    paper="Chen et al., Reusing the Task-specific Classifier as a Discriminator, CVPR 2022",
    groups=("all",),
    ours="weight 1; acts on the joint representation and head; λ by training progress",
)
class DALN(Method):
    """−weight · (‖p^s‖_* − ‖p^t‖_*)/B with p = softmax(head(GRL_λ(Z))), head the joint classifier itself.

    The head maximises the discrepancy, the reversed gradients make the representations minimise it. ‖p‖_*/B is at most
    √(C/B), so the scale of the term depends on C and B. Ours: weight 1 (the published code gives none that transfers).
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        reversed_z = (grad_reverse(x.z["joint"], warmup(progress)) for x in (source, target))
        source_probs, target_probs = (self.ctx.classify("joint", z).float().softmax(1) for z in reversed_z)
        return {"nwd": -self.weight * nuclear_wasserstein(source_probs, target_probs)}
