"""What a folder of leaderboards was made from, as ``.made_from.json`` in it says: nothing is drawn twice.

Everything goes by digests and nothing by times of files, which a copy or a checkout changes. The file travels with the
leaderboards, so that a clone draws nothing either.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS
from mmda_bench.report.findings import found_in, rows_of
from mmda_bench.report.kept import Kept, code_digest, digest_of
from mmda_bench.report.rows import Board
from mmda_bench.store import write_text

FILE = ".made_from.json"


@dataclass(frozen=True)
class Plate:
    """A figure of a board. ``name``: file name without its ending; ``alt``: what a reader who cannot see it must know;
    ``reason``: why it could not be drawn, then without bytes."""

    name: str
    title: str
    caption: str = ""
    alt: str = ""
    reason: str = ""
    svg: bytes = field(default=b"", repr=False)
    png: bytes = field(default=b"", repr=False)


def inputs(kept: Kept) -> str:
    """A digest of all that leaderboards are made from: files of the store, code, and what is registered."""
    registered = [repr(sorted(registry.entries().items())) for registry in (METHODS, DATASETS, BACKBONES, VALIDATORS)]
    return digest_of(code_digest(), registered, kept.digests)


def seen_in(board: Board) -> str:
    """A digest of what figures can show of a board."""
    rows = [[row.label, row.title, row.method, row.off, list(row.records)] for row in rows_of(board)]
    tables = [len(board.rows), {method: len(mine) for method, mine in board.ablation.items()}, len(board.references)]
    return digest_of(board.title, board.signature, board.seeds, tables, rows, found_in(board), repr(board.tuning))


class Drawn:
    """The figures and files that lie in ``folder``, those of them that are as they were written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            told = json.loads((folder / FILE).read_text("utf-8"))
            self._told: dict[str, Any] = {name: dict(told[name]) for name in ("inputs", "files", "plates")}
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            self._told = {"inputs": {}, "files": {}, "plates": {}}
        self._plates: dict[str, Any] = {}

    def fresh(self, digest: str) -> bool:
        """Whether everything here was made from these :func:`inputs`, and nothing has changed since."""
        made_from = self._told["inputs"].get("sha256")
        return made_from == digest and all(self._is(path, told) for path, told in self._told["files"].items())

    def plate(self, name: str, made_from: str) -> Plate | None:
        """A figure that was made from the same, or None."""
        told = self._told["plates"].get(name)
        try:
            if told["made_from"] != made_from:
                return None
            svg, png = (self._picture(name, end, told) for end in ("svg", "png"))
            plate = Plate(**told["plate"], svg=svg, png=png)
        except (KeyError, TypeError, OSError, ValueError):
            return None
        self._plates[name] = told
        return plate

    def keep(self, plate: Plate, made_from: str) -> None:
        """Remember a figure that was drawn now."""
        words = {name: value for name, value in asdict(plate).items() if name not in ("svg", "png")}
        ends = {end: _sha256(getattr(plate, end)) for end in ("svg", "png")}
        self._plates[plate.name] = {"made_from": made_from, "plate": words, **ends}

    def write(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Say what ``files``, by path from the folder on, were made from. Raises :class:`StoreError`."""
        told = {
            "inputs": {"sha256": digest},
            "files": {path: _sha256(content) for path, content in sorted(files.items())},
            "plates": dict(sorted(self._plates.items())),
        }
        write_text(self.folder / FILE, json.dumps(told, indent=1, ensure_ascii=False) + "\n")

    def _picture(self, name: str, end: str, told: Mapping[str, Any]) -> bytes:
        if told[end] == _sha256(b""):
            return b""
        content = (self.folder / "figures" / f"{name}.{end}").read_bytes()
        if _sha256(content) != told[end]:
            raise ValueError("not as it was drawn")
        return content

    def _is(self, path: str, digest: object) -> bool:
        try:
            return _sha256((self.folder / path).read_bytes()) == digest
        except OSError:
            return False


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
