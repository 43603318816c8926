"""DeepJDOT, JUMBOT and m-POT: transport between utterances, at a cost of representations and of labels at once."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, Uniform, register_method
from mmda_bench.functional import PLANS, joint_cost, joint_plan
from mmda_bench.modules import option


@register_method(
    "deepjdot",
    title="DeepJDOT",
    paper="Damodaran et al., Deep Joint Distribution Optimal Transport, ECCV 2018",
    doi="10.48550/arXiv.1803.10081",
    groups=("transport",),
    ours="acts on the joint representation and head; source batches are not balanced by class",
)
@register_method(
    "jumbot",
    title="JUMBOT",
    paper="Fatras et al., Unbalanced Minibatch Optimal Transport; Applications to Domain Adaptation, ICML 2021",
    doi="10.48550/arXiv.2103.03606",
    groups=("transport",),
    overrides={"plan": "unbalanced", "feature_weight": 0.1, "label_weight": 0.1},
    ours="as deepjdot",
)
@register_method(
    "mpot",
    title="m-POT",
    paper="Nguyen et al., Improving Mini-batch Optimal Transport via Partial Transportation, ICML 2022",
    doi="10.48550/arXiv.2108.09645",
    groups=("transport",),
    overrides={"plan": "partial", "feature_weight": 0.1, "label_weight": 0.1},
    ours="as deepjdot; the released settings of one corpus (mass 0.5) and the code's default weights",
)
class JointTransport(Method):
    """⟨C, π⟩, C_ij = feature_weight·‖z^s_i − z^t_j‖² + label_weight·CE(p^t_j, label_i), π the ``plan`` for C, detached.

    "exact": uniform marginals, the network simplex or an assignment. "unbalanced": entropic with ``regularisation`` ε
    and ``marginal`` τ for straying from the marginals, entropy as the authors' POT had it. "partial": exact, of the
    total ``mass``. Published: DeepJDOT 0.001 and 0.0001, the plan for squared errors of predictions in its first code;
    JUMBOT 0.1 and 0.1, ε 0.1, τ 1 on digits; m-POT mass 0.5 in the released script for Office-Home, 0.85 with an
    entropic plan for digits. All balance source batches by class, which exact plans need; the protocol's are random.
    """

    search_space = {
        "feature_weight": LogUniform(1e-4, 10.0),
        "label_weight": LogUniform(1e-5, 10.0),
        "regularisation": LogUniform(0.01, 1.0),
        "marginal": LogUniform(0.1, 10.0),
        "mass": Uniform(0.1, 0.95),
    }

    def __init__(
        self, ctx: Context, *, plan: str = "exact", feature_weight: float = 0.001, label_weight: float = 0.0001,
        regularisation: float = 0.1, marginal: float = 1.0, mass: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__(ctx)
        self.plan = option("plan", plan, PLANS)
        self.feature_weight, self.label_weight = feature_weight, label_weight
        self.regularisation, self.marginal, self.mass = regularisation, marginal, mass

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        cost = joint_cost(
            source.z["joint"], target.z["joint"], source.labels, target.logits["joint"],
            feature_weight=self.feature_weight, label_weight=self.label_weight,
        )  # fmt: skip
        plan = joint_plan(cost, self.plan, regularisation=self.regularisation, marginal=self.marginal, mass=self.mass)
        return {"transport": (cost * plan).sum()}
