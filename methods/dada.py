"""DADA: the discriminators also see mixtures of the domains, and a category discriminator is fooled along with them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import grad_reverse, nuclear_wasserstein, warmup
from mmda_bench.modules import Discriminator


@register_method(
    "dada",
    title="DADA",
    paper="Ren et al., Towards Improved Proxy-Based Deep Metric Learning via Data-Augmented DA, AAAI 2024",
    groups=("all",),
    ours="the mapping of proxy-based metric learning to source and target; one backward pass by gradient reversal",
)
class DADA(Method):
    """λ(π) · weight · [(1−ρ) L_u + ρ (L_c − Δ)], gradients of L_u and Δ reversed towards the encoder.

    m = (1−μ)·z^s + μ·z^t with random pairs, one μ ~ Beta(½, ½) a batch; z^s, z^t, m normalised after mixing.
    L_u = CE(D_u(z^s), 0) + CE(D_u(m), 1) + CE(D_u(z^t), 2); L_c = 2·CE(D_c(z^s), label);
    Δ = ½(‖softmax D_c(z^s)‖_* − ‖softmax D_c(m)‖_*)/B. The discriminators minimise (1−ρ)L_u + ρ(L_c − Δ), the encoder
    ρ(L_c + Δ) − (1−ρ)L_u. Published: ρ = 0.01, the losses. Ours: source and target in the place of data and proxies,
    the schedule λ(π) · weight, weight 1, both players in one backward pass; ``alternate`` follows the original: three
    steps of the discriminators, then one of the encoder.
    """

    search_space = {"weight": LogUniform(0.1, 10.0), "rho": LogUniform(0.001, 0.5)}
    logits_untouched = True

    turn: Tensor

    def __init__(
        self, ctx: Context, *, weight: float = 1.0, rho: float = 0.01, alternate: bool = False, hidden: int = 256
    ) -> None:
        super().__init__(ctx)
        self.weight, self.rho, self.alternate = weight, rho, alternate
        self.domain = Discriminator(ctx.dims["joint"], hidden=hidden, outputs=3)
        self.category = Discriminator(ctx.dims["joint"], hidden=hidden, outputs=ctx.classes)
        self.register_buffer("turn", torch.zeros((), dtype=torch.int64))

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z_s, z_t = source.z["joint"], target.z["joint"]
        if not self.alternate:
            return self.terms(z_s, z_t, source.labels, progress)
        encoders_turn = int(self.turn) % 4 == 3
        if not encoders_turn:
            return self.terms(z_s.detach(), z_t.detach(), source.labels, progress)
        self.requires_grad_(False)  # while the graph is built: the discriminators rest in this step
        terms = self.terms(z_s, z_t, source.labels, progress)
        self.requires_grad_(True)
        return terms

    def terms(self, z_s: Tensor, z_t: Tensor, labels: Tensor, progress: float) -> dict[str, Tensor]:
        pairs = torch.rand(len(z_t), generator=self.ctx.generator, device=self.ctx.generator.device).argsort()
        mu = self.arcsine()
        mixed = (1 - mu) * z_s + mu * z_t[pairs]
        z_s, mixed, z_t = (F.normalize(z, dim=1) for z in (z_s, mixed, z_t))
        scale = self.weight * warmup(progress)
        domains = torch.arange(3, device=z_s.device).repeat_interleave(len(z_s))
        unsure = 3.0 * F.cross_entropy(self.domain(grad_reverse(torch.cat([z_s, mixed, z_t]), 1.0)).float(), domains)
        plain, reversed_s, reversed_m = (
            self.category(torch.cat([z_s, grad_reverse(torch.cat([z_s, mixed]), 1.0)])).float().chunk(3)
        )
        delta = 0.5 * nuclear_wasserstein(reversed_s.softmax(1), reversed_m.softmax(1))
        return {
            "domain": scale * (1 - self.rho) * unsure,
            "category": scale * self.rho * 2.0 * F.cross_entropy(plain, labels),
            "discrepancy": -scale * self.rho * delta,
        }

    def arcsine(self) -> Tensor:
        """One draw from Beta(½, ½), the arcsine law: sin²(πu/2) of a uniform u."""
        u = torch.rand((), generator=self.ctx.generator, device=self.ctx.generator.device)
        return torch.sin(0.5 * torch.pi * u).square()

    def after_step(self) -> None:
        self.turn += 1
