"""What happens to a drifting modality: pure functions of an array and a generator."""

from mmda_bench.shifts.missing import lacking
from mmda_bench.shifts.paper import (
    MEAN,
    STD,
    corrupt,
    draw,
    effective_shift,
    mask_words,
    masked_count,
    normalise_frames,
    shift_frames,
    shift_waveform,
)

__all__ = [
    "MEAN",
    "STD",
    "corrupt",
    "draw",
    "effective_shift",
    "lacking",
    "mask_words",
    "masked_count",
    "normalise_frames",
    "shift_frames",
    "shift_waveform",
]
