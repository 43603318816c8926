"""EnsV: the trial that agrees most with all trials together."""

import numpy as np

from mmda_bench.registry import register_validator


@register_validator(
    "ensv",
    title="EnsV",
    paper="Hu et al., Towards Reliable Model Selection for Unsupervised Domain Adaptation, NeurIPS 2024",
)
def ensv(*, pool: np.ndarray, index: int) -> float:
    """mean_i [argmax P_i = argmax Σ_c P^c_i], the sum over the trials c under comparison, in [0, 1].

    ``pool``: (T, n, K), P of every trial; ``index``: the trial that is scored. Use five trials or more. It fails where
    most of the pool has collapsed.

    >>> ensv(pool=np.stack([np.eye(2), np.eye(2), np.eye(2)[::-1]]), index=2)
    0.0
    """
    together = np.asarray(pool, np.float64).sum(axis=0).argmax(axis=1)
    return float((pool[int(index)].argmax(axis=1) == together).mean())
