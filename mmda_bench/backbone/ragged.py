"""Arrays of different lengths in one memory-mapped file: what the cache of the frozen prefix is made of."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmda_bench.backbone.network import Sequences


class Ragged:
    """Rows that differ in length, in one memory-mapped file: row i is ``values[offsets[i]:offsets[i + 1]]``."""

    def __init__(self, folder: Path) -> None:
        self.values = np.load(folder / "values.npy", mmap_mode="r")
        self.offsets = np.load(folder / "offsets.npy")
        self.row = {int(position): i for i, position in enumerate(np.load(folder / "positions.npy"))}

    def __getitem__(self, position: int) -> np.ndarray:
        i = self.row[position]
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def batch(self, positions: Sequence[int]) -> Sequences:
        """The rows of these utterances, padded with zeros to the longest."""
        rows = [self[p] for p in positions]
        longest = max(len(row) for row in rows)
        values = np.zeros((len(rows), longest, *self.values.shape[1:]), np.float32)
        mask = np.zeros((len(rows), longest), bool)
        for i, row in enumerate(rows):
            values[i, : len(row)] = row
            mask[i, : len(row)] = True
        return Sequences(torch.from_numpy(values), torch.from_numpy(mask))


class RaggedWriter:
    """Appends rows to ``values.npy`` without holding them in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lengths, self.positions = [0], list[int]()
        self.raw = (folder / "values.raw").open("wb")
        self.tail: tuple[int, ...] = ()
        self.dtype = np.dtype(np.float32)

    def append(self, position: int, row: np.ndarray) -> None:
        self.tail, self.dtype = row.shape[1:], row.dtype
        self.raw.write(np.ascontiguousarray(row).tobytes())
        self.lengths.append(len(row))
        self.positions.append(position)

    def close(self) -> None:
        self.raw.close()
        offsets = np.cumsum(self.lengths)
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False}
        with (self.folder / "values.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": (int(offsets[-1]), *self.tail)})
            with (self.folder / "values.raw").open("rb") as raw:
                shutil.copyfileobj(raw, file, 1 << 20)
        (self.folder / "values.raw").unlink()
        np.save(self.folder / "offsets.npy", offsets)
        np.save(self.folder / "positions.npy", np.array(self.positions))
