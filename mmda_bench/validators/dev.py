"""DEV: the source risk, reweighted to the target by a classifier of domains."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from mmda_bench.registry import UsageError, register_validator

LOGIT_BOUND = 30.0  # of the domain classifier: no weight beyond e^30 times the share of the domains


@register_validator(
    "dev",
    title="−DEV",
    paper="You et al., Towards Accurate Model Selection in Deep Unsupervised Domain Adaptation, ICML 2019",
    ours="cross-entropy; the domain classifier is fitted on source validation, crosswise on halves",
)
def dev(
    *,
    source_probs: np.ndarray | None = None,
    source_labels: np.ndarray | None = None,
    source_z: np.ndarray | None = None,
    target_z: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    losses: np.ndarray | None = None,
) -> float:
    """−[mean(w e) + η mean(w) − η], η = −cov(w e, w)/var(w); it fails where the domains are easy to tell apart.

    e: ``losses`` (m,), or else the cross-entropy of ``source_probs`` (m, K) at ``source_labels`` (m,). w: ``weights``
    (m,), or else :func:`density_ratio` of the joint representations ``source_z`` (m, d) and ``target_z`` (n, d).

    Raises :class:`UsageError` where neither is given.

    >>> dev(weights=np.ones(3), losses=np.array([0.0, 1.0, 2.0]))
    -1.0
    """
    if losses is None:
        if source_probs is None or source_labels is None:
            raise UsageError("validator dev lacks losses, or source_probs and source_labels")
        losses = cross_entropy(source_probs, source_labels)
    if weights is None:
        if source_z is None or target_z is None:
            raise UsageError("validator dev lacks weights, or source_z and target_z")
        weights = density_ratio(source_z, target_z)
    return -risk(np.asarray(weights, np.float64), np.asarray(losses, np.float64))


def risk(weights: np.ndarray, losses: np.ndarray) -> float:
    """The importance-weighted risk with its control variate, of (m,) weights and losses; η = 0 for equal weights.

    >>> risk(np.array([0.0, 2.0]), np.array([1.0, 1.0]))
    1.0
    """
    weighted = weights * losses
    eta = 0.0
    if np.ptp(weights) > 0:
        covariance = np.cov(weighted, weights)
        eta = float(-covariance[0, 1] / covariance[1, 1])
    return float(weighted.mean() + eta * weights.mean() - eta)


def cross_entropy(probs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(m,) −log P_i[y_i] of probs (m, K), none below the machine epsilon, and labels (m,).

    >>> cross_entropy(np.array([[1.0, 0.0]]), np.array([0]))
    array([0.])
    """
    given = np.asarray(probs, np.float64)[np.arange(len(labels)), labels]
    losses: np.ndarray = 0.0 - np.log(np.maximum(given, np.finfo(np.float64).eps))
    return losses


def density_ratio(source_z: np.ndarray, target_z: np.ndarray) -> np.ndarray:
    """(m,) w = (N_s/N_t) · (1 − d)/d at source_z (m, d), d the probability of source by a logistic domain classifier.

    Each half of source_z and target_z (n, d) is judged by the classifier of the other [ours: crosswise, so that every
    utterance of source validation has a weight]. The rows are halved in their sorted order: the order in which they are
    given does not matter. Where a half lacks a domain nothing is known, and its weights are 1.

    >>> density_ratio(np.zeros((4, 2)), np.zeros((6, 2))).round(6)
    array([1., 1., 1., 1.])
    """
    order = np.lexsort(np.asarray(source_z).T)
    source = np.asarray(source_z, np.float64)[order]
    target = np.asarray(target_z, np.float64)[np.lexsort(np.asarray(target_z).T)]
    ratios = np.ones(len(source))
    for half in (0, 1):
        fit_source, fit_target = source[half::2], target[half::2]
        if len(fit_source) and len(fit_target) and len(source[1 - half :: 2]):
            z, domain = np.concatenate([fit_source, fit_target]), np.repeat([1, 0], [len(fit_source), len(fit_target)])
            classifier = LogisticRegression(tol=1e-8, max_iter=1000).fit(z, domain)
            logits = classifier.decision_function(source[1 - half :: 2]).clip(-LOGIT_BOUND, LOGIT_BOUND)
            ratios[1 - half :: 2] = len(fit_source) / len(fit_target) * np.exp(-logits)
    unsorted = np.empty_like(ratios)
    unsorted[order] = ratios
    return unsorted
