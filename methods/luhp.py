"""LUHP: pseudo-labels from a memory of the target, trusted by their certainty: self-training, hard triplets, MixUp."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import (
    certainty,
    certainty_thresholds,
    domain_loss,
    grad_reverse,
    hard_triplet,
    neighbour_pseudo_labels,
    warmup,
)
from mmda_bench.modules import Discriminator, MemoryBank


@register_method(
    "luhp",
    title="LUHP",
    paper="Zhang et al., Low Category Uncertainty and High Training Potential Instance Learning, AAAI 2024",
    groups=("all",),
    ours="memory filled before training; an anchor's own entry never its positive; MixUp of Z, not of inputs",
)
class LUHP(Method):
    """DANN + π · (self_weight · L_self + triplet_weight · L_triplet + reuse_weight · L_reuse), the three on the target.

    Memory: per utterance z/‖z‖, M_p = p²/Σ_batch p² and its certainty, written after each step. ŷ, a: argmax and max of
    the mean M_p of the 5 nearest other entries. L_self = Σ a·CE(y, ŷ)/Σ a. Certainty c: distances to other labels over
    distances to the same label; θ⁺ its stored mean over the same label. L_triplet: farthest certain positives, nearest
    certain negatives. L_reuse: −mean Σ t·log(p + 1e-5) of MixUp (λ ~ Beta(1, 1)) among utterances with c ≥ θ⁺.

    Published: weights 0.2, 1, 0.2, margin 0.3, 5 neighbours. Ours: π as ramp by progress, one source objective for all
    (no label smoothing), Z mixed, since words and sounds of varying length cannot be, the first filling of the memory;
    ``keep_own_entry`` ranks the anchor's own stale entry as its farthest positive, as the official code does.
    """

    search_space = {
        "self_weight": LogUniform(0.02, 2.0),
        "triplet_weight": LogUniform(0.1, 10.0),
        "reuse_weight": LogUniform(0.02, 2.0),
        "margin": LogUniform(0.1, 1.0),
    }

    def __init__(
        self,
        ctx: Context,
        *,
        self_weight: float = 0.2,
        triplet_weight: float = 1.0,
        reuse_weight: float = 0.2,
        margin: float = 0.3,
        neighbours: int = 5,
        keep_own_entry: bool = False,
        hidden: int = 256,
    ) -> None:
        super().__init__(ctx)
        self.self_weight, self.triplet_weight, self.reuse_weight = self_weight, triplet_weight, reuse_weight
        self.margin, self.neighbours, self.keep_own_entry = margin, neighbours, keep_own_entry
        self.discriminator = Discriminator(ctx.dims["joint"], hidden=hidden)
        self.memory = MemoryBank(ctx.target_size, ctx.dims["joint"], ctx.classes)
        self.seen: tuple[Tensor, Tensor, Tensor] | None = None

    def on_start(self, target_pass: Callable[[], Iterable[Target]]) -> None:
        # One write: the columns are normalised over the whole set, whatever the sizes of the batches of this pass.
        batches = [(x.ids, x.z["joint"], x.logits["joint"].float().softmax(1)) for x in target_pass()]
        self.memory.write(*(torch.cat(parts) for parts in zip(*batches, strict=True)))

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z, logits, memory, k = target.z["joint"], target.logits["joint"].float(), self.memory, self.neighbours
        reversed_z = grad_reverse(torch.cat([source.z["joint"], z]), warmup(progress))
        domain = domain_loss(*self.discriminator(reversed_z).chunk(2))
        unit, stored = F.normalize(z.to(memory.z), dim=1), memory.labels
        label, confidence = neighbour_pseudo_labels(unit, memory.z, memory.probs / len(z), target.ids, k)
        certain = certainty(unit, label, memory.z, stored, target.ids, k)
        # positions, not a mask: the host waits for the device once, to learn how many they are
        sure = (certain >= certainty_thresholds(label, stored, memory.certainty)[0]).nonzero().squeeze(1)
        self_training = (confidence * F.cross_entropy(logits, label, reduction="none")).sum()
        triplet = hard_triplet(
            unit, label, confidence, memory.z, stored, memory.certainty, target.ids, k, self.margin, self.keep_own_entry
        )
        memory.certainty[target.ids] = certain
        self.seen = target.ids, z.detach(), logits.detach().softmax(1)
        return {
            "domain": domain,
            "self": progress * self.self_weight * self_training / confidence.sum().clamp_min(1e-12),
            "triplet": progress * self.triplet_weight * triplet,
            "reuse": progress * self.reuse_weight * self.reuse(z[sure], label[sure]),
        }

    def reuse(self, z: Tensor, label: Tensor) -> Tensor:
        """−mean Σ t·log(p + 1e-5) over MixUp pairs of the given representations and one-hot labels; 0 for none."""
        random = torch.rand(2, len(z), generator=self.ctx.generator, device=self.ctx.generator.device)
        share, other = random[0].unsqueeze(1), random[1].argsort()  # Beta(1, 1) is uniform; argsort: a permutation
        one_hot = F.one_hot(label, self.ctx.classes).to(share)
        mixed, wanted = (share * value + (1 - share) * value[other] for value in (z, one_hot))
        probs = self.ctx.classify("joint", mixed).float().softmax(1)
        return -(wanted * torch.log(probs + 1e-5)).sum() / max(len(z), 1)

    def after_step(self) -> None:
        if self.seen is not None:
            self.memory.write(*self.seen)
            self.seen = None
