"""Looks at this machine and says what is there, what is missing, and what to do about it."""

import importlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmda_bench.dataset import DataError
from mmda_bench.registry import BACKBONES, DATASETS, METHODS
from mmda_bench.schedule import cpu_count
from mmda_bench.store import Store, StoreError

NEEDED = ("torch", "ray", "numpy", "scipy", "sklearn", "ot", "safetensors", "tabulate", "rich")
FREE_GB = 2.0  # the embedded corpus and its leaderboards; real corpora say what they need


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``advice``: what to do if it did not pass. ``needed``: nothing runs without it."""

    title: str
    passed: bool
    detail: str
    advice: str = ""
    needed: bool = True

    def __str__(self) -> str:
        mark = "ok     " if self.passed else "MISSING" if self.needed else "absent "
        return f"{mark}  {self.title}: {self.detail}" + (f"\n         -> {self.advice}" if not self.passed else "")


def examine(*, results: Path, cache: Path, root: Path | None) -> list[Check]:
    """All checks, in the order in which one would repair things."""
    checks = [_python(), *map(_library, NEEDED), _gpus(), _video(), _folder("cache folder", cache, "--cache")]
    checks += [_space(cache), _results(results), *_plugins(), *_corpora(root)]
    return checks


def _python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    return Check("Python", sys.version_info >= (3, 11), found, "install Python 3.11 or later")


def _library(name: str) -> Check:
    package = {"sklearn": "scikit-learn", "ot": "pot"}.get(name, name)
    advice = f"pip install {package}, or make install in the checkout"
    try:
        importlib.import_module(name)
        return Check(package, True, version(package))
    except PackageNotFoundError:
        return Check(package, True, "version unknown")
    except Exception as error:  # a broken binary raises anything
        return Check(package, False, f"{type(error).__name__}: {error}", advice)


def _gpus() -> Check:
    advice = "without one, cells run on the processors, one thread each; real backbones then take days"
    try:
        import torch

        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        built = torch.version.cuda
    except Exception as error:
        return Check("GPU", False, f"{type(error).__name__}: {error}", advice, needed=False)
    if names:
        return Check("GPU", True, f"{len(names)} ({', '.join(sorted(set(names)))}), CUDA {built}", needed=False)
    cores = f"none; {cpu_count()} processors"
    return Check(
        "GPU", False, f"{cores}, torch built {f'for CUDA {built}' if built else 'without CUDA'}", advice, needed=False
    )


def _video() -> Check:
    advice = "pip install av: needed for corpora with video files, not for avatars"
    try:
        importlib.import_module("av")
        return Check("PyAV", True, version("av"), needed=False)
    except Exception as error:
        return Check("PyAV", False, f"{type(error).__name__}: {error}", advice, needed=False)


def _folder(title: str, folder: Path, option: str) -> Check:
    advice = f"choose another folder with {option} DIR"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
    except OSError as error:
        return Check(title, False, f"{folder}: {error.strerror or error}", advice)
    return Check(title, True, str(folder))


def _space(folder: Path) -> Check:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    advice = f"free at least {FREE_GB:g} GB; the caches of real corpora take 8 GB (MIntRec) and 19 GB (IEMOCAP)"
    return Check("disk", free >= FREE_GB, f"{free:.0f} GB free at {folder}", advice)


def _results(results: Path) -> Check:
    try:
        Store(results).probe()
    except StoreError as error:
        return Check("results folder", False, str(error), "choose another folder with --results DIR")
    return Check("results folder", True, str(results.absolute()))


def _plugins() -> Iterator[Check]:
    for registry in (METHODS, DATASETS, BACKBONES):
        broken = [entry for entry in registry.entries().values() if entry.reason is not None]
        for entry in broken:
            advice = f"repair or uninstall {entry.origin}"
            yield Check(f"{registry.singular} {entry.name}", False, entry.reason or "", advice, needed=False)
        yield Check(registry.kind, True, f"{len(registry.names())} usable")


def _corpora(root: Path | None) -> Iterator[Check]:
    for name in DATASETS.names():
        title = f"corpus {name}"
        try:
            card = DATASETS.get(name)().describe(root)
        except DataError as error:
            yield Check(
                title, False, " ".join(str(error).split()), "give its folder with --data-root DIR", needed=False
            )
            continue
        except Exception as error:  # a reader from a plug-in may raise anything
            yield Check(title, False, f"{type(error).__name__}: {error}", "tell the author of the reader", needed=False)
            continue
        lacks = card.needs_root and root is None
        detail = "no --data-root given" if lacks else f"{card.title}, {len(card.classes)} classes, {card.licence}"
        yield Check(title, not lacks, detail, f"{card.obtain}; then --data-root DIR", needed=False)
