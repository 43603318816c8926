"""MDD: an adversarial classifier agrees with the main one on the source and contradicts it on the target."""

from torch import Tensor, nn

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import grad_reverse, margin_disparity, warmup


@register_method(
    "mdd",
    title="MDD",
    paper="Zhang et al., Bridging Theory and Algorithm for Domain Adaptation, ICML 2019",
    doi="10.48550/arXiv.1904.05801",
    groups=("adversarial",),
    ours="acts on the joint representation; a linear adversarial head, like the joint one; the rise of λ by progress",
)
class MDD(Method):
    """weight · [margin · CE(h'(GRL_λ(Z^s)), ŷ^s) − mean log(1 − softmax h'(GRL_λ(Z^t))[ŷ^t])].

    ŷ: the class that the joint head predicts, on the source as well. h' minimises both terms, the reversed gradients
    make the representations maximise them; the joint head gets no gradient. Published: margin 4, weight 1, λ rising to
    0.1, log(1 − p + 1e-6) clamped at 0.
    """

    search_space = {"weight": LogUniform(0.1, 10.0), "margin": Uniform(1.0, 8.0), "reversal": LogUniform(0.01, 1.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0, margin: float = 4.0, reversal: float = 0.1) -> None:
        super().__init__(ctx)
        self.weight, self.margin, self.reversal = weight, margin, reversal
        self.head = nn.Linear(ctx.dims["joint"], ctx.classes)

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        coeff, pairs = self.reversal * warmup(progress), []
        for batch in (source, target):
            z = self.ctx.logit_scale * grad_reverse(batch.z["joint"], coeff)
            pairs += [self.head(z), batch.logits["joint"].argmax(1)]
        return {"disparity": self.weight * margin_disparity(*pairs, margin=self.margin)}
