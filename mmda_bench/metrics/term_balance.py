"""How strongly each term of a loss acts beside L_IB, in words: from the norms of gradients that records hold."""

import math
from collections.abc import Mapping, Sequence

OBJECTIVE = "ib"  # the name of L_IB among the terms
HARDLY = 1 / 50  # of L_IB's gradient: together they point at most 1.2 degrees away from where L_IB's alone does [ours]
DOMINATES = 2.0  # times L_IB's: together they point at most 30 degrees away from where the term's alone does [ours]

Norms = Mapping[str, Mapping[str, Sequence[float | None]]]


def ratios(gradients: Norms) -> dict[str, list[float]]:
    """Each term's gradient at Z over L_IB's, epoch by epoch, in the modality where that is largest; NaN for none.

    ``gradients``: by term and modality, a norm an epoch, as ``curves.gradients`` of a record has them.

    >>> ratios({"ib": {"A": [2.0, 1.0], "V": [1.0, 1.0]}, "domain": {"A": [1.0, 0.5], "V": [0.0, 3.0]}})
    {'domain': [0.5, 3.0]}
    """
    objective = gradients.get(OBJECTIVE, {})
    found = {}
    for term, by_modality in gradients.items():
        beside = [zip(norms, objective[m], strict=False) for m, norms in by_modality.items() if m in objective]
        epochs = zip(*([_ratio(*pair) for pair in pairs] for pairs in beside), strict=False)
        found[term] = [max((r for r in epoch if r is not None), default=math.nan) for epoch in epochs]
    return {term: values for term, values in found.items() if term != OBJECTIVE}


def _ratio(norm: float | None, objective: float | None) -> float | None:
    if norm is None or objective is None or not math.isfinite(norm) or not objective > 0:
        return None
    return norm / objective


def strongest(values: Sequence[float]) -> float | None:
    """The largest ratio of any epoch, None where there is none.

    >>> strongest([math.nan, 0.5, 0.25]), strongest([math.nan])
    (0.5, None)
    """
    return max((value for value in values if not math.isnan(value)), default=None)


def verdicts(gradients: Norms) -> dict[str, str]:
    """What each term's gradient at Z is at its strongest, by term.

    >>> verdicts({"ib": {"A": [1.0]}, "add": {"A": [0.005]}, "aa": {"A": [6.0]}, "domain": {"A": [0.25]}})["add"]
    "its gradient at Z is 1/200 of L_IB's: it hardly acts"
    """
    peaks = {term: strongest(values) for term, values in ratios(gradients).items()}
    return {term: verdict(peak) for term, peak in peaks.items() if peak is not None}


def verdict(ratio: float) -> str:
    """A ratio in words.

    >>> verdict(0.25)
    "its gradient at Z is 0.25 × L_IB's"
    """
    if ratio == 0:
        return "it has no gradient at Z"
    amount = f"1/{float(f'{1 / ratio:.2g}'):.0f} of" if ratio < 0.1 else f"{ratio:.2g} ×"
    remark = ": it hardly acts" if ratio <= HARDLY else ": it dominates" if ratio >= DOMINATES else ""
    return f"its gradient at Z is {amount} L_IB's{remark}"
