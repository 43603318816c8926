"""Does memory grow with the corpus? Peak memory of ``data prepare`` and of training, at two sizes.

``python -m tests.benchmarks.bench_memory [--sizes 330 1000]``

Each size is a process of its own, which prepares and then trains. The measure is its anonymous memory (RssAnon of
/proc/self/status, the highest of samples 5 ms apart): what nobody else can use. The pages of memory-mapped shards are
not in it: they belong to the page cache, which all cells share and which gives them up when memory is needed. The
allocator is told to give large blocks back at once: what it keeps for later varies by a tenth from run to run. Both
sizes fill every batch. The corpus is noise, and the backbone ``tiny`` with 48 times its visual tokens, so that the
cache is large beside everything else.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import torch

from mmda_bench import registry
from mmda_bench.backbone.base import Encoder
from mmda_bench.backbone.tiny import Tiny, TinyEncoder
from mmda_bench.protocol import Cell, Protocol

NOISE = Path(__file__).resolve().parents[1] / "support" / "noise.py"
PROTOCOL = Protocol(backbone="bulky", epochs=1)
STAGES = ("prepare", "train")
GIVE_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536"}  # glibc


class BulkyEncoder(TinyEncoder):
    def prefix(self, tokens):
        features = super().prefix(tokens)
        return features.repeat(1, 48, 1) if self.modality == "V" else features


@registry.register_backbone("bulky", title="Tiny, with many visual tokens")
class Bulky(Tiny):
    def encoder(self, modality: str) -> Encoder:
        encoder = super().encoder(modality)
        encoder.__class__ = BulkyEncoder
        return encoder


class PeakMemory:
    """Samples this process's anonymous memory while its body runs; ``mb`` is the highest."""

    def __enter__(self) -> "PeakMemory":
        self.mb, self.over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def _watch(self) -> None:
        while not self.over.wait(0.005):
            status = Path("/proc/self/status").read_text()
            self.mb = max(self.mb, int(status.partition("RssAnon:")[2].split()[0]) / 1024)

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def child(root: Path, cache: Path) -> None:
    """Both stages in this process; prints the peak memory of each and the size of the cache, in MB."""
    from mmda_bench.features.prepare import prepare
    from mmda_bench.training import run_cell

    torch.set_num_threads(1)
    for plugin in (NOISE, __file__):
        registry.load_plugin(plugin)
    with PeakMemory() as preparing:
        prepare("noise", root=root, protocol=PROTOCOL, cache=cache)
    with PeakMemory() as training:
        cell = Cell(method="dt", dataset="noise", version="v1.0", anchor="A", seed=0, protocol=PROTOCOL)
        record = run_cell(cell, root=root, cache=cache, device="cpu").record
    if record["status"] != "ok":
        raise RuntimeError(record["reason"])
    size = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    print(json.dumps({"prepare": preparing.mb, "train": training.mb, "cache": size / 2**20}))


def measure(size: int, folder: Path) -> dict[str, float]:
    """Peaks by stage, and the size of the cache, in MB, for a corpus of ``size`` utterances."""
    root, cache = folder / f"root{size}", folder / f"cache{size}"
    root.mkdir()
    (root / "noise.json").write_text(json.dumps({"count": size}))
    command = [sys.executable, __file__, "--child", str(root), str(cache)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | GIVE_BACK)
    return json.loads(run.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description="Peak memory at two sizes of the corpus.")
    parser.add_argument("--sizes", type=int, nargs=2, default=[330, 1000])
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(*map(Path, asked.child))
        return
    with tempfile.TemporaryDirectory() as folder:
        few, many = (measure(size, Path(folder)) for size in asked.sizes)
    print(f"MB for {asked.sizes[0]} and {asked.sizes[1]} utterances")
    for name in ("cache", *STAGES):
        growth = f"{100 * (many[name] - few[name]) / (many['cache'] - few['cache']):.0f} % of the cache's growth"
        print(f"  {name:8} {few[name]:7.0f} {many[name]:7.0f}   {growth}")


if __name__ == "__main__":
    main()
