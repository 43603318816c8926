"""Where a record comes from: machine, versions, commit, times; and the empty record that a cell fills in."""

import contextlib
import hashlib
import inspect
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache as memoize
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from mmda_bench.protocol import Cell
from mmda_bench.registry import METHODS
from mmda_bench.version import __version__

SCHEMA = 1


def empty_record(cell: Cell, device: torch.device) -> dict[str, Any]:
    """A record of the current schema with status "failed" and nothing measured yet."""
    return {
        "schema": SCHEMA,
        "status": "failed",
        "reason": None,
        "traceback": None,
        "key": cell.key(),
        "hash": cell.hash,
        "signature": cell.signature,
        "metrics": None,
        "curves": {"terms": {}},
        "times": {"setup_s": 0.0, "train_s": 0.0, "evaluate_s": 0.0, "total_s": 0.0},
        "steps": 0,
        "memory_mb": 0.0,
        "trainable_parameters": 0,
        "device": device.type,
        "hardware": _hardware(device),
        "versions": _versions(),
        "commit": _commit(),
        "dataset": None,
        "method_source": None,
        "started_utc": now(),
        "ended_utc": None,
    }


def source_digest(method: str) -> str | None:
    """Twelve hexadecimal digits of the file that defines a method: an edited plug-in is another method of that name."""
    if method not in METHODS.entries():
        return None  # the reference run
    with contextlib.suppress(OSError, TypeError):
        return hashlib.sha256(Path(inspect.getfile(METHODS.get(method))).read_bytes()).hexdigest()[:12]
    return None


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _hardware(device: torch.device) -> dict[str, Any]:
    gpu = None
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError, AssertionError):  # the cell will say why
            gpu = torch.cuda.get_device_name(device)
    return {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count(), "gpu": gpu}


@memoize
def _versions() -> dict[str, str]:
    found = {"mmda-bench": __version__, "python": platform.python_version()}
    for name in ("torch", "numpy", "scipy", "ray", "transformers", "timm"):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@memoize
def _commit() -> str | None:
    """The commit of the checkout this runs from, with '+' if files differ from it; None outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        git = ["git", "-C", str(here)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        command = [*git, "status", "--porcelain", "--", "mmda_bench", "methods", "datasets"]
        changed = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return None
