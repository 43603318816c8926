"""Corruptions of pictures: (T, H, W, 3) uint8 RGB in, the same out. Levels of ImageNet-C (Hendrycks and Dietterich,
ICLR 2019) where nothing else is said; blurs are given for 224 pixels and scale with the picture."""

import io
import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmda_bench.shifts.corruptions.base import Surroundings, corruption

Frames = NDArray[np.uint8]
Draw = np.random.Generator
IMAGENET_C = "ImageNet-C"
LARGEST = 1 - 1e-7  # of the uniform draws: one closer to 1 would leave its row of the table
SIDE = 224  # of the pictures for which the blurs were chosen


@corruption("gaussian-noise", "V", 0.08, 0.12, 0.18, 0.26, 0.38, unit="σ, of a white of 1", origin=IMAGENET_C)
def gaussian_noise(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    return _bytes(frames + 255 * level * rng.standard_normal(frames.shape, np.float32))


@corruption("shot-noise", "V", 60, 25, 12, 5, 3, unit="photons of a white pixel", origin=IMAGENET_C)
def shot_noise(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    """Poisson(x·c)/c, by the inverse of its distribution at one uniform draw a value: so the draws are nested."""
    sums = _poisson_sums(level)
    # row x holds the distribution at brightness x, lifted by x: one search in all rows at once
    lifted = (sums + np.arange(256)[:, None]).ravel()
    found = np.searchsorted(lifted, frames + np.minimum(rng.random(frames.shape), LARGEST), side="right")
    return _bytes(255 / level * (found - sums.shape[1] * frames.astype(np.int64)))


@cache
def _poisson_sums(photons: float) -> NDArray[np.float64]:
    """(256, K) distribution function of Poisson(x/255 · photons) at 0 … K − 1, K far beyond all that occurs."""
    counts = np.arange(int(photons + 10 * math.sqrt(photons) + 20))
    rate = np.maximum(np.arange(256)[:, None] / 255 * photons, 1e-12)
    factorials = np.cumsum(np.log(np.maximum(counts, 1)))
    sums: NDArray[np.float64] = np.cumsum(np.exp(counts * np.log(rate) - rate - factorials), axis=1)
    return sums


@corruption("impulse-noise", "V", 0.03, 0.06, 0.09, 0.17, 0.27, unit="share of the values", origin=IMAGENET_C)
def impulse_noise(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    struck = rng.random(frames.shape, np.float32) < level
    return np.where(struck, np.uint8(255) * rng.integers(2, size=frames.shape, dtype=np.uint8), frames)


@corruption("dark", "V", 0.8, 0.6, 0.4, 0.2, 0.1, unit="times the brightness", origin="ours")
def dark(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    return _bytes(level * frames.astype(np.float32))


@corruption("contrast", "V", 0.4, 0.3, 0.2, 0.1, 0.05, unit="times the distance from the mean", origin=IMAGENET_C)
def contrast(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    """The mean is that of each picture and colour."""
    mean = frames.mean(axis=(1, 2), keepdims=True)
    return _bytes(mean + level * (frames - mean))


@corruption("blur", "V", 1, 2, 3, 4, 6, unit="σ in pixels of 224", origin=IMAGENET_C)
def blur(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    """Gaussian; beyond its border a picture goes on as it ends."""
    height, width = frames.shape[1:3]
    sigma = level * min(height, width) / SIDE
    rows = np.einsum("ij,tjwc->tiwc", _blurring(height, sigma), frames, optimize=True)
    return _bytes(np.einsum("ij,thjc->thic", _blurring(width, sigma), rows, optimize=True))


@cache
def _blurring(size: int, sigma: float) -> NDArray[np.float64]:
    """(size, size) matrix that blurs a line of pixels, its ends repeated outwards."""
    reach = max(1, math.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    matrix = np.zeros((size, size))
    for step, weight in zip(range(-reach, reach + 1), weights / weights.sum(), strict=True):
        rows = np.arange(size)
        np.add.at(matrix, (rows, np.clip(rows + step, 0, size - 1)), weight)
    return matrix


@corruption("jpeg", "V", 25, 18, 15, 10, 7, unit="quality", origin=IMAGENET_C)
def jpeg(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    return np.stack([_compressed(frame, int(level)) for frame in frames])


def _compressed(frame: Frames, quality: int) -> Frames:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=quality)
    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB"))


@corruption("pixelate", "V", 0.6, 0.5, 0.4, 0.3, 0.25, unit="times the side", origin=IMAGENET_C)
def pixelate(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    height, width = frames.shape[1:3]
    small = (max(1, int(level * width)), max(1, int(level * height)))
    return np.stack([_resized(_resized(frame, small), (width, height)) for frame in frames])


def _resized(frame: Frames, size: tuple[int, int]) -> Frames:
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BOX))


@corruption("occlusion", "V", 0.2, 0.3, 0.4, 0.5, 0.6, unit="side of a black square, share of the side", origin="ours")
def occlusion(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    """One place for all pictures, as of a thing before the camera; a larger square holds the smaller one."""
    height, width = frames.shape[1:3]
    side = level * min(height, width)
    top, left = rng.random(2) * (height - side, width - side)
    covered = frames.copy()
    covered[:, round(top) : round(top + side), round(left) : round(left + side)] = 0
    return covered


@corruption("frozen", "V", 0.2, 0.35, 0.5, 0.65, 0.8, unit="probability that a picture stands still", origin="ours")
def frozen(frames: Frames, level: float, rng: Draw, around: Surroundings) -> Frames:
    """A picture that stands still is the one shown before it; the first one always moves."""
    moves = rng.random(len(frames)) >= level
    moves[0] = True
    return frames[np.maximum.accumulate(np.where(moves, np.arange(len(frames)), 0))]


def _bytes(values: NDArray[Any]) -> Frames:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
