"""What a board lacks, and the command lines that fill it."""

import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import LAST, NATURAL, PAIR, SUPERVISED, UNSHIFTED, Protocol, format_seeds
from mmda_bench.published import PAPER_ORDER
from mmda_bench.store import Record

Runs = dict[str, dict[int, Record]]  # anchor -> seed -> record


@dataclass(frozen=True)
class Hole:
    """Cells that a table lacks, in words, and the command that fills them. ``labels``: of the rows that lack them."""

    cells: str
    command: str
    labels: tuple[str, ...]

    def as_json(self) -> dict[str, str]:
        """What programs are told of it."""
        return {"cells": self.cells, "command": self.command}


def find_holes(
    key: Mapping[str, Any],
    labels: Mapping[str, str],
    runs: Mapping[str, Runs],
    seeds: Sequence[int],
    *,
    typed: Mapping[str, str],
) -> list[Hole]:
    """Missing and failed cells, grouped into as few commands as say it exactly.

    ``labels``: of the rows; ``typed``: how each of them is typed under the defaults of this installation.
    """
    searched = key["protocol"].get("select", LAST) != LAST  # the run on target labels is then a part of a search
    wanted: dict[tuple[bool, tuple[int, ...], tuple[str, ...], bool], list[str]] = defaultdict(list)
    for name in labels:
        by_seeds: dict[tuple[bool, tuple[int, ...]], list[str]] = defaultdict(list)
        for anchor in MODALITIES if key["anchor"] in MODALITIES else (NATURAL,):
            there = runs[name][anchor]
            absent = tuple(seed for seed in seeds if seed not in there)
            failed = tuple(seed for seed in seeds if seed in there and there[seed]["status"] != "ok")
            for rerun, lacking in ((False, absent), (True, failed)):
                if lacking:
                    by_seeds[rerun, lacking].append(anchor)
        for (rerun, lacking), where in by_seeds.items():
            wanted[rerun, lacking, tuple(where), searched and labels[name] == SUPERVISED].append(name)
    bounds = SUPERVISED in labels.values() and not searched
    holes = []
    for (rerun, lacking, anchors, bound), names in wanted.items():
        rows = tuple(labels[name] for name in names)
        what = f"{', '.join(rows)}: anchor {', '.join(anchors)}, seed {format_seeds(lacking)}"
        typing = [typed[name] for name in names]
        command = run_command(key, typing, anchors, lacking, rerun=rerun, bounds=bounds or bound)
        holes.append(Hole(f"{what} ({'failed' if rerun else 'not run'})", command, rows))
    return holes


def run_command(
    key: Mapping[str, Any],
    labels: Sequence[str],
    anchors: Sequence[str],
    seeds: Sequence[int],
    *,
    rerun: bool,
    bounds: bool,
) -> str:
    """The command line that runs these cells under the protocol of ``key``. ``bounds``: with the run on target labels,
    which a search has of its own."""
    methods = [name for name in labels if name != SUPERVISED] or [PAPER_ORDER[0]]
    text = f"{seeds[0]}-{seeds[0]}" if len(seeds) == 1 else format_seeds(seeds)
    source, _, target = key["dataset"].partition(PAIR)
    words = ["mmda-bench", "run", "--dataset", source, *(["--target", target] if target else [])]
    words += ["--methods", ",".join(methods)]
    words += [] if target else ["--anchors", ",".join(anchors)]
    words += ["--seeds", text]
    protocol = Protocol(**key["protocol"])
    default = Protocol(backbone=protocol.backbone, shift=UNSHIFTED if target else Protocol.shift)
    words += ["--backbone", protocol.backbone]
    conditions = ("missing", "missing_in", "missing_rate", "told_anchor")
    for name in ("shift", "severity", "heads", "epochs", "batch", "beta", *conditions):
        if getattr(protocol, name) != getattr(default, name):
            words += [f"--{name.replace('_', '-')}", f"{getattr(protocol, name)}"]
    words += ["--splits", f"{protocol.split}-{protocol.split}"] if protocol.split else []
    if protocol.select != default.select:
        words += ["--select", protocol.select]
        words += ["--protocol", "tuned", "--trials", str(protocol.trials)] if bounds else []
        words += ["--studies", str(protocol.study + 1)] if bounds and protocol.study else []
    words += ["--rerun", "failed"] if rerun else []
    words += [] if bounds else ["--no-bounds"]
    return shlex.join(words)
