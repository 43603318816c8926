"""Pictures as a person sees them, whichever reader they come from: turned upright, opaque, in eight bits a colour.

What is certain is done silently (an orientation, sixteen declared bits). What is a decision is named in every record
(:func:`mmda_bench.dataset.substituted`). What would be a guess raises :class:`ClipError`; nothing is ever cut off at
white without a word.
"""

import math
import struct
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmda_bench.dataset import VIDEO_FRAMES, substituted
from mmda_bench.errors import ClipError

UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)  # what Pillow raises at a damaged file
ORIENTATION = 274  # the EXIF tag
SIXTEEN_BITS = 65_535
FULL_SCALES = (1.0, 255.0, float(SIXTEEN_BITS))  # what stands for white where a file does not say it
MARGIN = 2  # values up to twice a full scale may be an overshoot of it: then nobody can tell which scale was meant
STRAIGHT = 5.0  # degrees that a display matrix may be off a right angle


class Turn(NamedTuple):
    """One of the eight ways to hold a picture: rows become columns (``swap``), then it is mirrored.

    ``mirror_x``: left and right change places. ``mirror_y``: top and bottom do.
    """

    swap: bool = False
    mirror_x: bool = False
    mirror_y: bool = False


UPRIGHT = Turn()
EXIF_TURNS: Mapping[int, Turn] = {
    1: UPRIGHT,
    2: Turn(mirror_x=True),
    3: Turn(mirror_x=True, mirror_y=True),
    4: Turn(mirror_y=True),
    5: Turn(swap=True),
    6: Turn(swap=True, mirror_x=True),  # a quarter turn clockwise
    7: Turn(swap=True, mirror_x=True, mirror_y=True),
    8: Turn(swap=True, mirror_y=True),
}


def ten_of(count: int) -> list[int]:
    """Which of ``count`` pictures are taken: int(i·count/10), or all of them and the last one repeated."""
    return [i * count // VIDEO_FRAMES if count > VIDEO_FRAMES else min(i, count - 1) for i in range(VIDEO_FRAMES)]


def turned(picture: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """The picture, (H, W, ...), as it is shown: (W, H, ...) where ``turn`` swaps rows and columns.

    >>> turned(np.array([[1, 2], [3, 4]]), EXIF_TURNS[6]).tolist()
    [[3, 1], [4, 2]]
    """
    if turn.swap:
        picture = picture.swapaxes(0, 1)
    return picture[:: -1 if turn.mirror_y else 1, :: -1 if turn.mirror_x else 1]


def turn_of_matrix(matrix: bytes) -> Turn:
    """How a player turns a video with this display matrix: nine 32-bit integers, as FFmpeg hands them over.

    A matrix at another angle than a right one is rounded to one, and named; one that holds nothing is upright.
    """
    a, b, _, c, d = struct.unpack("=9i", matrix)[:5]
    if a * d == b * c:
        return UPRIGHT
    swap = abs(b) > abs(a)
    along, across = (b, a) if swap else (a, b)
    off = math.degrees(math.atan2(abs(across), abs(along)))
    if off > STRAIGHT:
        substituted(f"turned to the next right angle, which is {off:.0f}° away from what the file says")
    horizontal, vertical = (c, b) if swap else (a, d)
    return Turn(swap, horizontal < 0, vertical < 0)


def read_pictures_of(paths: Sequence[Path]) -> list[NDArray[np.uint8]]:
    """Each file as (H, W, 3) uint8 RGB, all in the size of the first. Raises :class:`ClipError`.

    The pictures of one clip are read together, because deep ones share one scale: a dark frame stays dark.
    """
    notes: dict[str, None] = {}
    shown = in_eight_bits([_read_picture(path, notes) for path in paths], notes, name=str(paths[0].parent))
    for note in notes:
        substituted(note)
    height, width = shown[0].shape[:2]
    return [_resized(picture, (width, height)) for picture in shown]


def _resized(picture: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if picture.shape[1::-1] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def _read_picture(path: Path, notes: dict[str, None]) -> NDArray[Any]:
    """(H, W, 3) uint8, or (H, W) of numbers whose scale the file does not tell; turned upright."""
    try:
        # Pillow warns of damaged EXIF, which costs nothing here
        with warnings.catch_warnings(action="ignore", category=UserWarning), Image.open(path) as opened:
            if getattr(opened, "is_animated", False) and opened.format != "MPO":  # a camera's file of several versions
                notes[f"the first of several pictures in a {opened.format} file"] = None
            turn = EXIF_TURNS.get(_orientation(opened), UPRIGHT)
            return np.ascontiguousarray(turned(_pixels(opened, notes), turn))
    except UNREADABLE as error:
        raise ClipError(f"{path} is not a readable picture: {error}") from error


def _orientation(opened: Image.Image) -> int:
    """1 where there is none, or where the block that would say it is damaged: viewers show such a file as it is."""
    try:
        return int(opened.getexif().get(ORIENTATION, 1))
    except Exception:  # Pillow raises half a dozen kinds at damaged EXIF
        return 1


def _pixels(opened: Image.Image, notes: dict[str, None]) -> NDArray[Any]:
    mode = opened.mode
    declared = mode.startswith("I;16") or (mode == "I" and opened.format in ("PNG", "PPM"))
    if declared or mode in ("I", "F"):
        values = np.asarray(opened)
        return _grey(values * (255 / SIXTEEN_BITS)) if declared else values
    if opened.has_transparency_data:
        with_alpha = np.asarray(opened.convert("RGBA"))
        alpha = with_alpha[..., 3:].astype(np.uint16)
        if (alpha < 255).any():
            notes["transparent pixels shown on black"] = None
            return ((with_alpha[..., :3] * alpha + 127) // 255).astype(np.uint8)
    return np.asarray(opened.convert("RGB"))


def in_eight_bits(pictures: Sequence[NDArray[Any]], notes: dict[str, None], *, name: str) -> list[NDArray[np.uint8]]:
    """(H, W, 3) uint8 each. Those with two axes are scaled by the one full scale that all of them fit: 1 (for floats),
    255 or 65535. Raises :class:`ClipError`, naming ``name``, where the numbers fit none."""
    deep = [picture for picture in pictures if picture.ndim == 2]
    if not deep:
        return list(pictures)
    low, high = min(float(p.min()) for p in deep), max(float(p.max()) for p in deep)
    scales = FULL_SCALES if any(p.dtype.kind == "f" for p in deep) else FULL_SCALES[1:]
    full = next((scale for scale in scales if high <= scale), math.inf)
    if not (low >= 0 and math.isfinite(high) and math.isfinite(full)) or _between(high, scales):
        raise ClipError(
            f"{name} has pictures of {deep[0].dtype} pixels from {low:g} to {high:g}; expected numbers that fill 0 to "
            f"{', '.join(f'{scale:g}' for scale in scales[:-1])} or {scales[-1]:g}: save them with 8 or 16 bits"
        )
    notes[f"{deep[0].dtype} pixels from {low:g} to {high:g}, taken as a scale of 0 to {full:g}"] = None
    return [_grey(p * (255 / full)) if p.ndim == 2 else p for p in pictures]


def _between(high: float, scales: Sequence[float]) -> bool:
    """Whether ``high`` lies just above a full scale."""
    return any(scale < high < MARGIN * scale for scale in scales)


def _grey(values: NDArray[Any]) -> NDArray[np.uint8]:
    """(H, W) from 0 to 255 as (H, W, 3)."""
    return np.repeat(np.round(values).astype(np.uint8)[..., None], 3, axis=2)
