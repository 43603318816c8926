"""Seeded damage: bytes, texts, JSON values and arrays that are almost what they were."""

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

TOKENS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n", b"\"", b"'", b",", b";", b"(" * 300, b"[" * 3000, b"{", b"NaN",
    b"-1", b"1e400", b"9" * 400, b"\xed\xa0\x80", b"\x1b[31m", b"../", b"/etc/passwd", b"%s%n", b"\xf0\x9f\x98\x80",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", " ", "x", "\x00",
    "\x1b]0;x\x07", "../../x", "a" * 70_000, "\u202e", "1", [], {}, [[]], [None], {"": None}, [1, 2, 3],
    {"a": {"b": []}},
)  # fmt: skip


def of_bytes(content: bytes, rng: random.Random) -> bytes:
    """One to three changes: bits, bytes, cuts, repetitions, insertions."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 3)):
        _CHANGES[rng.randrange(len(_CHANGES))](found, rng)
    return bytes(found)


def _place(found: bytearray, rng: random.Random) -> int:
    """Anywhere, and half of the time near one of the ends, where headers and indices are."""
    size = max(1, len(found))
    return rng.choice((rng.randrange(size), min(size - 1, rng.randrange(64)), max(0, size - 1 - rng.randrange(64))))


def _flip(found: bytearray, rng: random.Random) -> None:
    if found:
        found[_place(found, rng)] ^= 1 << rng.randrange(8)


def _set(found: bytearray, rng: random.Random) -> None:
    if found:
        found[_place(found, rng)] = rng.choice((0, 255, 127, 128, rng.randrange(256)))


def _cut(found: bytearray, rng: random.Random) -> None:
    start = _place(found, rng)
    del found[start : start + rng.choice((1, 2, 8, 100, 10_000))]


def _end(found: bytearray, rng: random.Random) -> None:
    del found[_place(found, rng) :]


def _repeat(found: bytearray, rng: random.Random) -> None:
    start = _place(found, rng)
    part = bytes(found[start : start + rng.choice((1, 8, 200))])
    found[start:start] = part * rng.choice((1, 2, 20))


def _insert(found: bytearray, rng: random.Random) -> None:
    place = _place(found, rng)
    found[place:place] = rng.choice(TOKENS)


_CHANGES: tuple[Callable[[bytearray, random.Random], None], ...] = (_flip, _flip, _set, _cut, _end, _repeat, _insert)


def of_json(value: Any, rng: random.Random) -> Any:
    """One to three values somewhere in it replaced, removed, renamed or doubled."""
    found = copy.deepcopy(value)
    for _ in range(rng.randint(1, 3)):
        _change_one(found, rng)
    return found


def _change_one(value: Any, rng: random.Random) -> None:
    while isinstance(value, (dict, list)) and value:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = rng.choice(keys)
        if isinstance(value[key], (dict, list)) and value[key] and rng.random() < 0.75:
            value = value[key]
            continue
        act = rng.random()
        if act < 0.6:
            value[key] = copy.deepcopy(rng.choice(VALUES))
        elif act < 0.75 and isinstance(value[key], (int, float)):
            value[key] = value[key] * rng.choice((2, 1.01, -1)) + rng.choice((0, 1))
        elif act < 0.9:
            del value[key]
        elif isinstance(value, dict):
            value[str(rng.choice(("", "x", "schema", "\n")))] = value.pop(key)
        else:
            value.insert(key, copy.deepcopy(value[key]))
        return


def text_of(value: Any) -> bytes:
    """JSON as a careless program writes it: NaN, infinities, halves of surrogate pairs and all."""
    return json.dumps(value).encode()


def of_array(array: np.ndarray, rng: random.Random, canary: Path) -> np.ndarray:
    """Of another shape, type or content; one of them runs code when it is unpickled."""
    changes: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda a: a[:-1], lambda a: a[None], lambda a: a.reshape(-1)[0], lambda a: a.astype("U8"), lambda a: a[::-1],
        lambda a: np.array([Bomb(canary)], object), lambda a: np.zeros(a.shape, complex), lambda a: a[:0],
        lambda a: a.astype("S8"), lambda a: np.zeros(a.shape, "M8[s]"), lambda a: np.zeros(a.shape, [("x", "f4")]),
        lambda a: np.full(a.shape, np.nan), lambda a: np.full(a.shape, np.inf), lambda a: np.full(a.shape, -1),
    ]  # fmt: skip
    return changes[rng.randrange(len(changes))](array)


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.canary}",)
