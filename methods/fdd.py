"""f-DD: auxiliary heads estimate an f-divergence between the domains, which the representations then shrink."""

from torch import Tensor, nn

from mmda_bench import Choice, Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import DIVERGENCES, f_divergence, grad_reverse, warmup
from mmda_bench.modules import option


@register_method(
    "fdd",
    title="f-DD",
    paper="Wang and Mao, On f-Divergence Principled Domain Adaptation, NeurIPS 2024",
    groups=("all",),
    ours="the default is Jeffreys: kl with gamma1 = gamma2 = 1, a head for each; acts on the joint representation",
)
@register_method(
    "fdd-kl",
    title="f-DD (KL)",
    paper="Wang and Mao, On f-Divergence Principled Domain Adaptation, NeurIPS 2024",
    overrides={"gamma2": 0.0},
    ours="kl from source to target alone: gamma2 = 0, all else as fdd",
)
class FDD(Method):
    """−γ1 · d(s, t) − γ2 · d(t, s), each estimated from v = h'(GRL_λ(Z))[k̂], a raw logit of a head of its own.

    h': own weights, linear like the joint head; k̂: argmax of the *main* joint logits, for the source as well. h'
    maximises d, the reversed gradients make the representations minimise it; the main head gets no gradient. Published:
    d, the detached k̂, λ rising to 0.1. Ours: ``divergence`` kl with γ1 = γ2 = 1 (Jeffreys), the rise by progress, and a
    head for each direction. One head for both could tell nothing: with the same v, the sum of both KL estimates is
    Σ over the domains of (mean v − log mean e^v) ≤ 0, greatest where v is constant. ``fdd-kl`` differs in γ2 = 0 alone.
    """

    search_space = {
        "divergence": Choice(("kl", "klrev", "chi", "pearson", "jensen", "tv")),
        "gamma1": LogUniform(0.1, 10.0),
        "gamma2": LogUniform(0.1, 10.0),
        "reversal": Uniform(0.01, 1.0),
    }
    logits_untouched = True

    def __init__(
        self, ctx: Context, *, divergence: str = "kl", gamma1: float = 1.0, gamma2: float = 1.0, reversal: float = 0.1
    ) -> None:
        super().__init__(ctx)
        self.divergence = option("divergence", divergence, DIVERGENCES)
        self.gamma1, self.gamma2, self.reversal = gamma1, gamma2, reversal
        self.heads = nn.ModuleList(nn.Linear(ctx.dims["joint"], ctx.classes) for _ in (gamma1, gamma2))

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        coeff, values = self.reversal * warmup(progress), []
        for batch in (source, target):
            predicted = batch.logits["joint"].argmax(1, keepdim=True)
            z = self.ctx.logit_scale * grad_reverse(batch.z["joint"], coeff)
            values.append([head(z).gather(1, predicted).squeeze(1) for head in self.heads])
        (source_forth, source_back), (target_forth, target_back) = values
        forth = f_divergence(self.divergence, source_forth, target_forth)
        back = f_divergence(self.divergence, target_back, source_back)
        return {"divergence": -self.gamma1 * forth - self.gamma2 * back}
