"""Everything that is to be known of a card, in one command that ends by itself:

    python -m tests.benchmarks.gpu [--device cuda|cpu] [--small] [--minutes 8] [--out FILE]

No network, no Ray and no corpus is needed: torch, transformers, scikit-learn, scipy and Pillow suffice. A section for
which the time left is too short is skipped, and says so. The last lines are a short table; ``--out`` gets everything as
JSON. ``--small`` runs all of it with tiny networks, to see that it works: its numbers mean nothing.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from mmda_bench.registry import METHODS
from tests.benchmarks.gpu import correct, fast, kernels, machine, packed, suite, summary, table_one
from tests.benchmarks.gpu.sections import Clock, OutOfTimeError, Result, Sections

SCHEMA = 1
SHORTEST = 30.0  # seconds under which a section does not begin


def measure(device: torch.device, folder: Path, *, small: bool, clock: Clock) -> dict[str, Any]:
    """All sections, as the JSON file has them. ``folder``: an empty one for caches and features."""
    size = fast.SMALL if small else fast.FULL
    rare = frozenset(METHODS.names("all")) - {"a3d2", "dada"} if small else frozenset()
    corpus = correct.Corpus(folder / "cache", utterances=240 if small else None, epochs=1 if small else 8, once=rare)
    processes = 1 if small else max(1, min(6, (os.cpu_count() or 1) // 2))
    gpu = device.type == "cuda"
    sections = Sections(clock)
    fills: dict[str, Callable[[Result], None]] = {
        "kernels": lambda found: kernels.fill(found, device, small=small),
        "fast": lambda found: fast.fill(found, device, size, folder / "fast", clock),
        "correct": lambda found: correct.fill(found, device, corpus, processes=processes, clock=clock),
        "packed": lambda found: packed.fill(found, device, corpus, size, folder / "packed", clock),
        "table 1": lambda found: table_one.fill(found, sections.found),
    }
    if gpu and not small:
        fills["tests"] = lambda found: suite.fill(found, clock)
    with clock:
        for name, fill in fills.items():
            with suppress(OutOfTimeError):  # when it rings between two sections
                sections.run(name, fill, needs=0 if small or name == "table 1" else SHORTEST)
    return sections.found


def written(value: Any) -> Any:
    """The same in values that JSON has: None for a number that is not finite."""
    if isinstance(value, dict):
        return {str(key): written(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [written(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main() -> None:
    parser = argparse.ArgumentParser(description="What a card is good for here; ends by itself.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="tiny networks, to see that everything runs")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which it ends (default 8)")
    parser.add_argument("--out", type=Path, help="JSON file with everything, such as results/gpu/h100.json")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        sys.exit("no GPU can be used here; --device cpu measures the processor, which takes hours without --small")
    clock, started = Clock(asked.minutes), time.time()
    device = torch.device(asked.device)
    torch.set_num_threads(1)  # as a cell does
    facts = machine.facts(device)
    with tempfile.TemporaryDirectory(prefix="mmda-bench-gpu-") as folder:
        found = measure(device, Path(folder), small=asked.small, clock=clock)
    everything = {
        "schema": SCHEMA,
        "asked": {"device": asked.device, "small": asked.small, "minutes": asked.minutes},
        "started_utc": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(started)),
        "seconds": round(time.time() - started, 1),
        "machine": facts,
        "sections": found,
    }
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(written(everything), indent=1, allow_nan=False) + "\n")
    print()
    if asked.small:
        print("THE SMALL FORM, to see that everything runs: none of these numbers means anything")
    print(summary.table(facts, found))


if __name__ == "__main__":
    main()
