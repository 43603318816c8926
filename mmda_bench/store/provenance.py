"""Where a record comes from: machine, versions, commit, and the file of the method."""

import contextlib
import hashlib
import inspect
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache as memoize
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from mmda_bench.registry import METHODS, Entry
from mmda_bench.registry.plugins import loaded, plugin_of
from mmda_bench.registry.registry import REGISTRIES
from mmda_bench.store.record import Hardware
from mmda_bench.version import __version__

if TYPE_CHECKING:
    import torch


class Origin(TypedDict):
    """The parts of a record that say where it comes from."""

    device: str
    hardware: Hardware
    versions: dict[str, str]
    commit: str | None


def origin(device: "torch.device") -> Origin:
    """Of a record that is made now, in this process, on ``device``."""
    return {"device": device.type, "hardware": _hardware(device), "versions": dict(_versions()), "commit": _commit()}


def source_digest(method: str) -> str | None:
    """Twelve hexadecimal digits of the file that defines a method: an edited plug-in is another method of that name."""
    entry = METHODS.find(method)
    return None if entry is None else file_digest(entry, METHODS.get(method))  # None: the reference run


def file_digest(entry: Entry, named: object) -> str | None:
    """Twelve hexadecimal digits of the file that defines what an entry names, and of its helpers if it is a plug-in."""
    plugin = plugin_of(entry.module)
    if plugin is not None:
        return plugin.digest[:12]
    with contextlib.suppress(OSError, TypeError):
        return hashlib.sha256(Path(inspect.getfile(named)).read_bytes()).hexdigest()[:12]  # type: ignore[arg-type]
    return None


def plugins_for(names: Mapping[str, str]) -> list[dict[str, str]]:
    """The plug-ins that are loaded in this process, and what of ``names``, which are given by kind, is theirs."""
    found: dict[str, dict[str, str]] = {}
    for registry in REGISTRIES:
        entry = registry.find(names[registry.kind]) if registry.kind in names else None
        if entry is None or entry.origin == "built-in":
            continue
        why = f"{registry.singular} {entry.name}"
        if entry.origin in found:
            found[entry.origin]["why"] += f", {why}"
            continue
        found[entry.origin] = {"name": entry.origin.removeprefix("plug-in "), "why": why}
        if (digest := file_digest(entry, registry.get(entry.name))) is not None:
            found[entry.origin]["digest"] = digest
    for plugin in loaded():
        other = {"name": plugin.name, "digest": plugin.digest[:12], "why": "other cells of the run"}
        found.setdefault(f"plug-in {plugin.name}", other)
    return list(found.values())


def _hardware(device: "torch.device") -> Hardware:
    import torch

    gpu = None
    if device.type == "cuda":
        with contextlib.suppress(RuntimeError, AssertionError):  # the cell will say why
            gpu = torch.cuda.get_device_name(device)
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "cpus": os.cpu_count(),
        "gpu": gpu,
        "processor": _processor(),
        "capability": torch.backends.cpu.get_cpu_capability(),
    }


@memoize
def _processor() -> str | None:
    """The processor's name: rounding, and so the score of a cell, differs from one kind to another."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or None


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
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        git = ["git", "-C", str(here)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True)
        command = [*git, "status", "--porcelain", "--", "mmda_bench", "methods", "datasets"]
        changed = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
        return head.stdout.strip() + ("+" if changed.stdout.strip() else "")
    return None
