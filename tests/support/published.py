"""The committed cells of the paper's protocol on ``avatars``, for tests that want a results folder of a usual size."""

from pathlib import Path

from mmda_bench.config import RunConfig
from mmda_bench.protocol import Cell
from mmda_bench.registry import DATASETS
from mmda_bench.store import Store

RESULTS = Path(__file__).resolve().parents[2] / "results"


def cells(methods: str, seeds: int) -> list[tuple[Cell, Path]]:
    """Each cell with the folder of its committed record."""
    asked = RunConfig(methods=methods, seeds=seeds).cells(DATASETS.get("avatars").card)
    return [(cell, Store(RESULTS).folder(cell)) for cell in asked]


def link(results: Path, methods: str, seeds: int) -> None:
    """A results folder that holds those cells and nothing else, as links."""
    for _, folder in cells(methods, seeds):
        here = results / folder.relative_to(RESULTS)
        here.parent.mkdir(parents=True, exist_ok=True)
        here.symlink_to(folder)
