"""Suites of corruptions at five severities, and what stands in the place of a modality that is missing.

    --shift corrupt:white-noise@3

A corruption is a pure function of one modality's raw input, so that a backbone sees it as it sees a recording. Draws
come from the names of corpus and utterance (:func:`mmda_bench.shifts.draw`): every method sees the same target.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import CORRUPT
from mmda_bench.shifts.corruptions import acoustic, lexical, visual
from mmda_bench.shifts.corruptions.base import NOWHERE, SEVERITIES, Corruption, Surroundings

__all__ = ["CORRUPTIONS", "NOWHERE", "SEVERITIES", "Corruption", "Surroundings", "absent", "parse_corruption"]

CORRUPTIONS: Mapping[str, Corruption] = {
    found.name: found
    for module in (acoustic, lexical, visual)
    for found in vars(module).values()
    if isinstance(found, Corruption)
}
FORM = re.compile(rf"{CORRUPT}([\w-]+)@([1-{SEVERITIES}])")


def parse_corruption(shift: str) -> tuple[Corruption, int] | None:
    """The corruption and severity that ``corrupt:NAME@S`` names; None for a shift of another kind.

    Raises :class:`UsageError` for a name or severity that there is not.

    >>> found, severity = parse_corruption("corrupt:jpeg@2")
    >>> found.name, found.modality, found.levels[severity - 1]
    ('jpeg', 'V', 18)
    """
    if not shift.startswith(CORRUPT):
        return None
    match = FORM.fullmatch(shift)
    if match is None:
        raise UsageError(
            f"--shift {shift!r}: expected {CORRUPT}NAME@SEVERITY with a severity from 1 to {SEVERITIES}, such as "
            f"{CORRUPT}white-noise@3"
        )
    if match[1] not in CORRUPTIONS:
        known = ", ".join(CORRUPTIONS)
        raise UsageError(
            f"unknown corruption {match[1]!r}{suggest(match[1], list(CORRUPTIONS)) or f'; known: {known}'}"
        )
    return CORRUPTIONS[match[1]], int(match[2])


def absent(modality: str, raw: Any, *, mask: str = NOWHERE.mask) -> Any:
    """What stands in the place of a modality that is missing: silence and black pictures of the same size, one mask.

    >>> absent("L", ["she", "said", "no"])
    ['[MASK]']
    """
    if modality not in MODALITIES:
        raise ValueError(f"modality {modality!r} cannot be missing; expected one of {', '.join(MODALITIES)}")
    return [mask] if modality == "L" else np.zeros_like(raw)
