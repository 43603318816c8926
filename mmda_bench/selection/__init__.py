"""Equal budgets and choices without target labels: which settings are tried, which trial is taken, what that costs.

Everything here is a pure function of names and numbers. A tuned result comes about in three steps: :func:`trials` gives
the settings, a validator (:func:`mmda_bench.validators.score`) gives every trial that ran a score, :func:`choose` takes
one of them.
"""

from mmda_bench.protocol import TRIALS
from mmda_bench.selection.budget import Setting, at, draws, trials
from mmda_bench.selection.choice import (
    GUARD,
    admits,
    choose,
    expected_best,
    rank_sum,
    ranked,
    regret,
    scores_of,
    spearman,
)
from mmda_bench.selection.experiment import (
    CANDIDATES,
    Judgement,
    Outcome,
    best_first,
    default_validator,
    is_own,
    judge,
    own_validators,
)

__all__ = [
    "CANDIDATES", "GUARD", "TRIALS", "Judgement", "Outcome", "Setting", "admits", "at", "best_first", "choose",
    "default_validator", "draws", "expected_best", "is_own", "judge", "own_validators", "rank_sum", "ranked", "regret",
    "scores_of", "spearman", "trials",
]  # fmt: skip
