"""The faces of the avatars: soft-edged shapes painted into ten frames at once, numpy only.

Expressions are large and simple (mouth, brows, lids, pose), so that a picture darkened to a tenth and covered with
noise still tells something: what shows an emotion spans many pixels and lasts through the clip.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmda_bench.dataset import VIDEO_FRAMES
from mmda_bench.protocol import name_hash

SIZE = 64  # pixels; networks that look at 32 see means of 2 × 2
GRAIN = 0.012  # standard deviation of the sensor noise, of a full scale of 1
LIGHT = (0.72, 1.12)  # range of the exposure
WHITE, PUPIL, LIPS, THROAT = (0.97, 0.97, 0.95), (0.07, 0.06, 0.07), (0.66, 0.20, 0.22), (0.20, 0.03, 0.06)

Plane = NDArray[np.floating[Any]]
Colour = tuple[float, float, float] | NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Expression:
    """What a face does; the defaults are a neutral face.

    ``smile``: corners of the mouth, −1 down to 1 up. ``mouth``: opening, 0 to 1. ``wide``: factor on the mouth's width.
    ``teeth``: share of the opening. ``frown``: brows, −1 inner ends up to 1 inner ends down. ``raised``: height of the
    brows. ``eyes``: opening. ``blush``: 0 to 1. ``bow``: head down (positive). ``tilt``: of the head, radians.
    ``near``: size of the head. ``nod``, ``shake``: amplitudes of movement. ``gaze``: eyes down (positive).
    """

    smile: float = 0.0
    mouth: float = 0.12
    wide: float = 1.0
    teeth: float = 0.0
    frown: float = 0.0
    raised: float = 0.0
    eyes: float = 1.0
    blush: float = 0.0
    bow: float = 0.0
    tilt: float = 0.0
    near: float = 1.0
    nod: float = 0.01
    shake: float = 0.01
    gaze: float = 0.0

    def scaled(self, strength: float) -> "Expression":
        """Between neutral (0) and this expression (1)."""
        plain = Expression()
        mixed = {f.name: getattr(plain, f.name) for f in fields(self)}
        return Expression(**{name: value + strength * (getattr(self, name) - value) for name, value in mixed.items()})


EMOTIONS: Mapping[str, Expression] = {
    "neutral": Expression(),
    "happy": Expression(smile=1.0, mouth=0.55, wide=1.25, teeth=0.45, raised=0.35, eyes=0.8, blush=0.6, nod=0.04),
    "sad": Expression(
        smile=-0.9, mouth=0.08, wide=0.9, frown=-0.9, raised=0.2, eyes=0.6, bow=0.10, tilt=0.10, gaze=0.5
    ),
    "angry": Expression(
        smile=-0.5, mouth=0.42, wide=1.1, teeth=0.7, frown=1.0, raised=-0.5, eyes=1.1, near=1.08, shake=0.035
    ),
}


@dataclass(frozen=True)
class Face:
    """A person's looks. Lengths are in half pictures, colours RGB in [0, 1]."""

    skin: NDArray[np.float64]
    hair: NDArray[np.float64]
    wall: NDArray[np.float64]
    shirt: NDArray[np.float64]
    iris: NDArray[np.float64]
    width: float
    eye: float
    mouth: float
    style: int  # of the hair: 0 short, 1 long, 2 bun, 3 curls
    glasses: bool
    beard: bool


def face_of(person: int) -> Face:
    """The looks of a person: face, colours, wall."""
    rng = np.random.default_rng(name_hash("avatars", "face", person))
    tones = np.array([(0.98, 0.83, 0.72), (0.93, 0.74, 0.58), (0.80, 0.59, 0.43), (0.62, 0.43, 0.31)])
    hairs = np.array(
        [(0.16, 0.11, 0.09), (0.36, 0.21, 0.11), (0.78, 0.58, 0.28), (0.62, 0.25, 0.12), (0.55, 0.55, 0.57)]
    )
    tone = int(rng.integers(len(tones)))
    # fair hair would vanish on dark skin; the other way round contrast is there anyway
    hair = hairs[rng.integers(len(hairs)) if tone < 2 else 0]
    higher_voice = bool(person % 2)
    return Face(
        skin=tones[tone] * rng.uniform(0.95, 1.02),
        hair=hair * rng.uniform(0.85, 1.1),
        wall=rng.uniform(0.42, 0.86, 3),
        shirt=rng.uniform(0.15, 0.85, 3),
        iris=np.array([(0.35, 0.22, 0.12), (0.25, 0.42, 0.62), (0.28, 0.45, 0.28)])[rng.integers(3)],
        width=rng.uniform(0.50, 0.58),
        eye=rng.uniform(0.215, 0.25),
        mouth=rng.uniform(0.23, 0.28),
        style=int(rng.choice([1, 2, 3] if higher_voice else [0, 0, 3])),
        glasses=bool(rng.random() < 0.25),
        beard=not higher_voice and bool(rng.random() < 0.35),
    )


class _Canvas:
    """Ten frames as three planes of colour, and shapes given by signed distance in half pictures."""

    def __init__(self, planes: NDArray[np.float32], edge: float) -> None:
        self.planes = planes  # (3, T, H, W)
        self.edge = np.float32(edge)  # pixels per unit of distance over which an edge fades

    def near(
        self, u: Plane, v: Plane, *, left: float, right: float, top: float, bottom: float
    ) -> tuple["_Canvas", Plane, Plane]:
        """The part of the canvas and of its coordinates that covers a rectangle of the head: small shapes are cheap."""
        inside = (u > left) & (u < right) & (v > top) & (v < bottom)
        rows, columns = np.flatnonzero(inside.any((0, 2))), np.flatnonzero(inside.any((0, 1)))
        box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        return _Canvas(self.planes[:, *box], float(self.edge)), u[box], v[box]

    def paint(self, distance: Plane, colour: Colour, opacity: float = 1.0) -> None:
        """Colour where ``distance`` < 0; only the rows and columns that the shape touches are computed."""
        touched = distance < 0.5 / self.edge
        rows, columns = np.flatnonzero(touched.any((0, 2))), np.flatnonzero(touched.any((0, 1)))
        if not len(rows):
            return
        box = (slice(None), slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
        alpha = np.clip(np.float32(0.5) - distance[box] * self.edge, 0, 1)
        if opacity < 1:
            alpha *= np.float32(opacity)
        for plane, value in zip(self.planes, colour, strict=True):
            plane[box] += alpha * (np.float32(value) - plane[box])


def _ellipse(u: Plane, v: Plane, a: float, b: float) -> Plane:
    """Signed distance to an ellipse at the origin, to first order at its edge."""
    reach = np.float32(0.5 * min(a, b))
    return (u * u) * (reach / np.float32(a * a)) + ((v * v) * (reach / np.float32(b * b)) - reach)


def draw(
    expression: Expression, face: Face, rng: np.random.Generator, *, count: int = VIDEO_FRAMES, size: int = SIZE
) -> NDArray[np.uint8]:
    """(count, size, size, 3) uint8 RGB: this person with this expression, moving and talking."""
    canvas = _Canvas(np.empty((3, count, size, size), np.float32), size / 2 / 1.3)
    grid = np.linspace(-1 + 1 / size, 1 - 1 / size, size, dtype=np.float32)
    x, y = grid[None, None, :], grid[None, :, None]
    wobble = rng.normal(0, 1, 12)
    e = _individual(expression, rng)
    time = np.linspace(0, 1, count, dtype=np.float32)[:, None, None]
    swing = np.sin(2 * np.pi * (1.5 * time + rng.random()))
    apex = (0.8 + 0.2 * np.sin(np.pi * time)).astype(np.float32)  # an expression comes and goes
    talk = np.abs(np.sin(np.pi * (2.6 * time + rng.random()))).astype(np.float32)
    blink = np.ones_like(time)
    if rng.random() < 0.4:
        blink[rng.integers(count)] = 0.15

    centre_x = 0.05 * wobble[0] + e.shake * swing
    centre_y = 0.06 + 0.04 * wobble[1] + e.bow * apex + e.nod * swing
    roll = 0.05 * wobble[2] + e.tilt * (1 if wobble[3] > 0 else -1) * apex
    zoom = e.near * (1 + 0.03 * wobble[4])
    cos, sin = np.cos(roll) / zoom, np.sin(roll) / zoom
    u = ((x - centre_x) * cos + (y - centre_y) * sin).astype(np.float32)
    v = ((y - centre_y) * cos - (x - centre_x) * sin).astype(np.float32)

    _scenery(canvas, face, x, y, centre_x, wobble)
    _head(canvas, face, u, v, e.blush)
    _eyes(canvas, face, u, v, e, apex, blink, 0.03 * wobble[5])
    _mouth(canvas, face, u, v, e, apex, talk)
    exposure = rng.uniform(*LIGHT)
    light = exposure * (1 + 0.13 * np.clip(wobble[6], -2, 2) * x + 0.10 * np.clip(wobble[7], -2, 2) * y)
    warmth = 1 + 0.04 * wobble[8]
    for plane, tint in zip(canvas.planes, (warmth, 1.0, 1 / warmth), strict=True):
        plane *= (light * tint).astype(np.float32)
    canvas.planes += rng.standard_normal((count, size, size), dtype=np.float32) * np.float32(GRAIN)
    pixels = np.clip(canvas.planes * np.float32(255), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels.transpose(1, 2, 3, 0))


def _individual(expression: Expression, rng: np.random.Generator) -> Expression:
    """Nobody does the same thing twice: the expression with some spread."""
    spread = {"smile": 0.13, "mouth": 0.04, "frown": 0.12, "raised": 0.13, "eyes": 0.08}
    values = {f.name: getattr(expression, f.name) for f in fields(expression)}
    values |= {name: values[name] + rng.normal(0, sd) for name, sd in spread.items()}
    return Expression(**values)


def _scenery(canvas: _Canvas, face: Face, x: Plane, y: Plane, centre_x: Plane, wobble: NDArray[np.float64]) -> None:
    """Wall with a soft vignette, a picture on it, shoulders."""
    shade = (1.04 - 0.12 * (x * x + y * y)).astype(np.float32)
    canvas.planes[:] = shade * face.wall[:, None, None, None].astype(np.float32)
    hung = np.maximum(np.abs(x - 0.72 - 0.05 * wobble[9]) - 0.2, np.abs(y + 0.62) - 0.26) + 0 * centre_x
    canvas.paint(hung.astype(np.float32), face.wall * 0.55)
    canvas.paint((hung + 0.06).astype(np.float32), 1 - 0.5 * face.shirt)
    lean = (x - 0.6 * centre_x).astype(np.float32)
    low = (y + 0 * centre_x).astype(np.float32)
    canvas.paint(_ellipse(lean, low - np.float32(1.22), 0.80, 0.46), face.shirt)
    canvas.paint(np.maximum(np.abs(lean) - 0.17, np.abs(low - 0.72) - 0.2), face.skin * 0.86)
    canvas.paint(_ellipse(lean, low - np.float32(0.92), 0.19, 0.10), face.skin * 0.86)


def _head(canvas: _Canvas, face: Face, u: Plane, v: Plane, blush: float) -> None:
    """Hair behind, ears, the face, hair in front, cheeks, nose."""
    w = face.width
    if face.style == 1:
        canvas.paint(np.maximum(_ellipse(u, v - 0.12, w * 1.28, 0.92), v - 0.72), face.hair * 0.85)
    if face.style == 2:
        canvas.paint(_ellipse(u, v + 0.80, 0.22, 0.18), face.hair)
    canvas.paint(_ellipse(u, v + 0.18, w * 1.13, 0.62), face.hair)
    if face.style == 3:
        for angle in np.linspace(-2.2, 2.2, 9):
            across, up = w * 1.02 * np.sin(angle), 0.58 * np.cos(angle) + 0.17
            canvas.paint(_ellipse(u - np.float32(across), v + np.float32(up), 0.19, 0.19), face.hair)
    for side in (-1, 1):
        ear, across, along = canvas.near(u, v, left=side * w - 0.1, right=side * w + 0.1, top=-0.15, bottom=0.2)
        ear.paint(_ellipse(across - np.float32(side * w), along - np.float32(0.02), 0.08, 0.13), face.skin * 0.88)
    canvas.paint(_ellipse(u, v - 0.04, w, 0.66), face.skin * 0.94)
    canvas.paint(_ellipse(u, v - 0.03, w * 0.86, 0.58), face.skin)
    fringe = np.maximum(_ellipse(u, v + 0.18, w * 1.12, 0.62), v + 0.40 + 0.25 * u * u * (1 if face.style else -0.4))
    canvas.paint(fringe, face.hair)
    if face.beard:
        jaw = np.maximum(_ellipse(u, v - 0.06, w * 0.98, 0.645), 0.26 - v - 0.25 * u * u)
        canvas.paint(jaw, face.hair, 0.75)
    if blush > 0.05:
        cheeks, across, along = canvas.near(u, v, left=-w, right=w, top=0.05, bottom=0.3)
        spots = _ellipse(np.abs(across) - np.float32(w * 0.62), along - np.float32(0.17), 0.13, 0.09)
        cheeks.paint(spots, face.skin * (1.06, 0.72, 0.72), min(1.0, 0.8 * blush))
    nose, across, along = canvas.near(u, v, left=-0.1, right=0.1, top=0.0, bottom=0.22)
    nose.paint(_ellipse(across, along - np.float32(0.10), 0.055, 0.085), face.skin * 0.84)
    nose.paint(_ellipse(across - np.float32(0.012), along - np.float32(0.085), 0.035, 0.06), face.skin * 1.02)


def _eyes(
    canvas: _Canvas, face: Face, u: Plane, v: Plane, e: Expression, apex: Plane, blink: Plane, glance: float
) -> None:
    """Whites, irises, pupils behind the lids; brows; glasses."""
    opening = 0.105 * np.clip(1 + (e.eyes - 1) * apex, 0.25, 1.3) * blink
    down = np.float32(0.035 * e.gaze)
    for side in (-1, 1):
        middle = side * face.eye
        part, across, along = canvas.near(u, v, left=middle - 0.22, right=middle + 0.22, top=-0.66, bottom=0.12)
        outward = (across - np.float32(middle)) * side  # grows away from the nose
        level = along + np.float32(0.10)
        lids = (outward / 0.125) ** 2 * (0.5 * 0.09) + (level / opening) ** 2 * (0.5 * 0.09) - np.float32(0.5 * 0.09)
        part.paint(lids, WHITE)
        gaze = outward - np.float32(side * glance)
        part.paint(np.maximum(_ellipse(gaze, level - down, 0.068, 0.085), lids), face.iris)
        part.paint(np.maximum(_ellipse(gaze, level - down, 0.042, 0.055), lids), PUPIL)
        part.paint(np.maximum(_ellipse(gaze + 0.02, level - down + 0.03, 0.018, 0.02), lids), WHITE, 0.9)
        slope = np.float32(0.85 * e.frown) * apex
        height = np.float32(0.30) + np.float32(0.13 * e.raised) * apex
        line = along + height + slope * outward + 0.5 * outward * outward
        part.paint(np.maximum(np.abs(line) - 0.038, np.abs(outward) - 0.165), face.hair * 0.5)
        if face.glasses:
            ring = np.abs(_ellipse(outward, level, 0.19, 0.17)) - 0.014
            part.paint(ring, (0.15, 0.15, 0.2), 0.8)


def _mouth(canvas: _Canvas, face: Face, u: Plane, v: Plane, e: Expression, apex: Plane, talk: Plane) -> None:
    """Lips, the dark of the mouth, teeth; the corners carry the smile."""
    canvas, u, v = canvas.near(u, v, left=-0.42, right=0.42, top=0.05, bottom=0.78)
    half = np.float32(face.mouth * e.wide)
    across = u / half
    bow = across * across
    bend = np.float32(0.15 * e.smile) * apex
    middle = v - np.float32(0.37) + bend * (bow - np.float32(0.45))
    gap = np.clip(0.17 * e.mouth * apex + 0.04 * talk, 0.005, 0.2) * (1 - bow * bow)
    # a smile opens downwards, so that the upper lip stays near the line of the corners
    above, below = gap * np.float32(1 - 0.35 * max(e.smile, 0)), gap * np.float32(1 + 0.5 * max(e.smile, 0))
    sides = np.abs(u) - half
    lips = np.maximum(np.maximum(middle - below, -middle - above) - 0.035, sides)
    canvas.paint(lips, np.minimum(LIPS, face.skin * 0.8))
    hole = np.maximum(np.maximum(middle - below, -middle - above), sides + 0.015)
    canvas.paint(hole, THROAT)
    if e.teeth > 0.05:
        shown = np.float32(min(e.teeth, 0.9)) * (above + below)
        canvas.paint(np.maximum(hole + 0.008, middle + above - shown), WHITE)
