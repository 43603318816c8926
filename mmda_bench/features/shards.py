"""Arrays of different lengths on disk: what the cache of the frozen prefix is made of.

A shard is a folder of three files: ``values.bin`` (the rows, one after another), ``shard.json`` (whose they are, and
what is to be said of some) and ``digest`` (of the other two). It is written under a temporary name and renamed when
complete, so that a half-written one is never taken for whole; the digest finds one that was damaged afterwards.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch

from mmda_bench.backbone.sequences import Sequences
from mmda_bench.store import atomic

COPIERS = 4  # threads that fill a batch for a GPU: one copies 6 GB/s, a batch of the real backbones has 0.26 GB


class Ragged:
    """Rows that differ in length, by position of their utterance: views of the memory-mapped shards in ``folders``."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.rows: dict[int, np.ndarray] = {}
        for folder in folders:
            self.rows.update(_mapped(folder))

    @classmethod
    def of(cls, rows: Mapping[int, np.ndarray]) -> "Ragged":
        """These rows, by position."""
        made = cls(())
        made.rows = dict(rows)
        return made

    @property
    def size(self) -> int:
        """Bytes of all rows."""
        return sum(row.nbytes for row in self.rows.values())

    def __getitem__(self, position: int) -> np.ndarray:
        return self.rows[position]

    def batch(self, positions: Sequence[int], *, pinned: bool = False) -> Sequences:
        """The rows of these utterances in the precision of the cache, padded with zeros to the longest.

        ``pinned``: in page-locked memory, from which a GPU copies by itself, and filled by several threads, as a GPU
        is done sooner than one thread can fill it.
        """
        rows = [self.rows[p] for p in positions]
        longest = max(len(row) for row in rows)
        shape, dtype = (len(rows), longest, *rows[0].shape[1:]), rows[0].dtype
        if pinned:
            values = torch.empty(shape, dtype=torch.from_numpy(np.empty(0, dtype)).dtype, pin_memory=True)
            pad(rows, values.numpy(), threads=COPIERS)
        else:  # numpy's memory: for large arrays it has fewer and larger pages than torch's
            values = torch.from_numpy(np.empty(shape, dtype))
            pad(rows, values.numpy())
        real = np.arange(longest) < np.array([[len(row)] for row in rows])
        return Sequences(values, torch.from_numpy(real))


def pad(rows: Sequence[np.ndarray], into: np.ndarray, *, threads: int = 1) -> None:
    """Copy rows (T_i, ...) into an array (N, T, ...), and zeros after each; T is at least the longest T_i."""

    def copy(numbers: Iterable[int]) -> None:
        for i in numbers:
            row = rows[i]
            into[i, : len(row)] = row
            if len(row) < into.shape[1]:
                into[i, len(row) :] = 0

    if threads == 1:
        copy(range(len(rows)))
    else:
        list(_copiers(threads).map(copy, (range(first, len(rows), threads) for first in range(threads))))


@lru_cache
def _copiers(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="mmda-bench-copy")  # numpy copies without Python's lock


def _mapped(folder: Path) -> dict[int, np.ndarray]:
    index = read_index(folder)
    if not index["positions"]:
        return {}
    # plain views of the one map: slices of a numpy.memmap cost several times as much
    values = np.asarray(np.memmap(folder / "values.bin", index["dtype"], "r")).reshape(-1, *index["tail"])
    ends = np.cumsum(index["lengths"])
    return dict(zip(index["positions"], np.split(values, ends[:-1]), strict=True))


def read_index(folder: Path) -> dict[str, Any]:
    """``positions`` and ``lengths`` of the rows, their ``dtype`` and ``tail`` (shape of a step), and the notes:
    ``skipped`` and ``substituted``, both lists of [position, reason]."""
    return json.loads((folder / "shard.json").read_text())


class ShardWriter:
    """Writes one shard, row by row; as a context manager, it leaves a whole shard or none. Raises :class:`OSError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = contextlib.ExitStack()
        self.positions: list[int] = []
        self.lengths: list[int] = []
        self.notes: dict[str, list[tuple[int, str]]] = {"skipped": [], "substituted": []}
        self.tail: tuple[int, ...] = ()
        self.dtype = np.dtype(np.float32)

    def __enter__(self) -> "ShardWriter":
        self.draft = self._stack.enter_context(atomic.new_folder(self.folder))
        self._stack.push(self._finish)
        self.values = self._stack.enter_context((self.draft / "values.bin").open("wb"))
        return self

    def append(self, position: int, row: np.ndarray) -> None:
        """Add the row of the utterance at ``position``: (T, ...), every row of one dtype and one shape after T."""
        self.tail, self.dtype = row.shape[1:], row.dtype
        self.values.write(np.ascontiguousarray(row).data)
        self.positions.append(position)
        self.lengths.append(len(row))

    def note(self, kind: str, position: int, reason: str) -> None:
        """Say of the utterance at ``position`` that it was "skipped" or had something "substituted", and why."""
        self.notes[kind].append((position, reason))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        """When the values are closed: say whose they are, and seal the folder."""
        if kind is None:
            rows = {"positions": self.positions, "lengths": self.lengths}
            index = {"dtype": self.dtype.str, "tail": self.tail, **rows, **self.notes}
            (self.draft / "shard.json").write_text(json.dumps(index))
            seal(self.draft)


def seal(folder: Path) -> None:
    """Write the digest of everything in ``folder``, by which :func:`intact` will know it."""
    atomic.write_bytes(folder / "digest", _digest(folder).encode())


def intact(folder: Path) -> bool:
    """Whether ``folder`` holds what it held when it was sealed."""
    with contextlib.suppress(OSError):
        return (folder / "digest").read_bytes() == _digest(folder).encode()
    return False


def _digest(folder: Path) -> str:
    """Digest of the names and contents of the files in ``folder``, but for drafts and the digest itself."""
    total = hashlib.blake2b(digest_size=16)
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith(atomic.TEMPORARY))
    for path in sorted(p for p in files if p.name != "digest"):
        total.update(f"{path.name} {path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                total.update(block)  # hashes without Python's lock: several shards at once, in threads
    return total.hexdigest()
