"""InfoOT: transport between utterances that is cheap and keeps clusters of the source together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import information_plan, squared_distances


@register_method(
    "infoot",
    title="InfoOT",
    paper="Chuang et al., InfoOT: Information Maximizing Optimal Transport, ICML 2023",
    doi="10.48550/arXiv.2210.03164",
    groups=("transport",),
    ours="a loss of each batch, where the authors map fixed features once; acts on the joint representation; weight 1",
)
class InfoOT(Method):
    """weight · ⟨D, π⟩, D_ij = ‖Z^s_i − Z^t_j‖, π the plan of least ⟨D, π⟩ − information · I(π), detached.

    I: mutual information of source and target under kernel densities, the source's informed by the labels. Published:
    information 100, bandwidth 0.5, ε = 1, 50 rounds of projected gradients [official]. There π maps fixed features of
    the source onto the target, where a neighbour classifies; the loss, its weight and its place are ours.
    """

    search_space = {
        "weight": LogUniform(0.01, 10.0), "information": LogUniform(1.0, 1000.0), "bandwidth": LogUniform(0.1, 2.0)
    }  # fmt: skip
    logits_untouched = True

    def __init__(
        self, ctx: Context, *, weight: float = 1.0, information: float = 100.0, bandwidth: float = 0.5, rounds: int = 50
    ) -> None:
        super().__init__(ctx)
        self.weight, self.information, self.bandwidth, self.rounds = weight, information, bandwidth, rounds

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        z = source.z["joint"].float(), target.z["joint"].float()
        plan = information_plan(
            *z, source.labels, information=self.information, bandwidth=self.bandwidth, rounds=self.rounds
        )
        distance = squared_distances(*z).clamp_min(1e-12).sqrt()
        return {"transport": self.weight * (distance * plan).sum()}
