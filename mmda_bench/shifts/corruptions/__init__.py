"""Suites of corruptions at five severities, and what stands in the place of a modality that is missing.

    --shift corrupt:white-noise@3

A corruption is a pure function of one modality's raw input, so that a backbone sees it as it sees a recording. Draws
come from the names of corpus and utterance (:func:`mmda_bench.shifts.draw`): every method sees the same target. A
plug-in file adds one with ``@corruption``::

    from mmda_bench.shifts.corruptions import corruption

    @corruption("hum", "A", 0.01, 0.02, 0.04, 0.08, 0.16, unit="amplitude at 50 Hz", origin="ours")
    def hum(waveform, level, rng, around): ...
"""

from typing import Any

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.shifts.corruptions.base import NOWHERE, SEVERITIES, Corruption, Surroundings, corruption
from mmda_bench.shifts.corruptions.naming import CORRUPTIONS, Step, parse_corruptions, settled

__all__ = [
    "CORRUPTIONS", "NOWHERE", "SEVERITIES", "Corruption", "Step", "Surroundings", "absent", "corruption",
    "parse_corruptions", "settled",
]  # fmt: skip


def absent(modality: str, raw: Any, *, mask: str = NOWHERE.mask) -> Any:
    """What stands in the place of a modality that is missing: silence and black pictures of the same size, one mask.

    >>> absent("L", ["she", "said", "no"])
    ['[MASK]']
    """
    if modality not in MODALITIES:
        raise ValueError(f"modality {modality!r} cannot be missing; expected one of {', '.join(MODALITIES)}")
    return [mask] if modality == "L" else np.zeros_like(raw)
