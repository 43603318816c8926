"""ToAlign: the discriminator sees of a source representation only what speaks for its class."""

import torch
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import Discriminator


@register_method(
    "toalign",
    title="ToAlign",
    paper="Wei et al., ToAlign: Task-Oriented Alignment for Unsupervised Domain Adaptation, NeurIPS 2021",
    doi="10.48550/arXiv.2106.10812",
    groups=("adversarial",),
    ours="on DANN, at the joint representation; the residual heads and the entropy weights of its base are left out",
)
class ToAlign(Method):
    """weight · mean BCE(D(GRL_λ(·)), domain) of Z^s ∘ w·‖Z^s‖/‖Z^s ∘ w‖ and Z^t, w: the joint head's row of the label.

    w: the gradient of the true label's logit at Z^s, detached; the factor keeps the norm of Z^s. Published: weight 1,
    that factor. The official discriminator sees the predictions made of it; ours the representation itself.
    """

    search_space = {"weight": LogUniform(0.1, 10.0)}
    logits_untouched = True

    def __init__(self, ctx: Context, *, weight: float = 1.0, hidden: int = 256) -> None:
        super().__init__(ctx)
        self.weight = weight
        self.discriminator = Discriminator(ctx.dims["joint"], hidden=hidden)

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z = source.z["joint"]
        probe = z.detach().requires_grad_()
        chosen = self.ctx.classify("joint", probe).gather(1, source.labels.unsqueeze(1))
        (row,) = torch.autograd.grad(chosen.sum(), probe)
        positive = z * row
        scale = z.norm(dim=1, keepdim=True) / positive.norm(dim=1, keepdim=True).clamp_min(1e-12)
        seen = grad_reverse(torch.cat([positive * scale, target.z["joint"]]), warmup(progress))
        return {"domain": self.weight * domain_loss(*self.discriminator(seen).chunk(2))}
