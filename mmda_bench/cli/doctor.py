"""Looks at this machine and says what is there, what is missing, and what to do about it."""

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmda_bench.dataset import Card
from mmda_bench.errors import DataError, StoreError, UsageError
from mmda_bench.machine import locks
from mmda_bench.machine.devices import cpu_count
from mmda_bench.machine.disk import free_bytes
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS
from mmda_bench.store import Store

NEEDED = ("torch", "ray", "numpy", "scipy", "sklearn", "ot", "safetensors", "matplotlib", "tabulate", "rich")
FOR_WEIGHTS = ("transformers", "timm")  # of the real backbones; not imported here, since they cost seconds
FONT = "DejaVu Sans"
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


def examine(
    *,
    results: Path,
    cache: Path,
    root: Path | None,
    dataset: str | None = None,
    backbone: str | None = None,
    weights: Mapping[str, str] | None = None,
) -> list[Check]:
    """All checks, in the order in which one would repair things.

    ``dataset``: only what this corpus needs, which is then needed, with ``backbone`` in the place of its own.
    ``weights``: locations by modality, in the place of every backbone's own.
    """
    with _nothing_left(Store(results).runs, cache):
        return _examined(results, cache, root, dataset, backbone, weights or {})


def _examined(
    results: Path, cache: Path, root: Path | None, dataset: str | None, backbone: str | None, places: Mapping[str, str]
) -> list[Check]:
    checks = [_python(), *map(_library, NEEDED)]
    if dataset is not None:
        checks += [*_asked(dataset, root, backbone, places, cache), *_gpus(), _font()]
    else:
        checks += [*map(_installed, FOR_WEIGHTS), *_gpus(), _video(), _font()]
        checks += _weights(places, BACKBONES.names() if backbone is None else [backbone])
    checks += [_folder("cache folder", cache, "--cache"), _space(cache), _results(results), _locks(results, cache)]
    return checks if dataset is not None else [*checks, *_plugins(), *_corpora(root)]


@contextlib.contextmanager
def _nothing_left(*folders: Path) -> Iterator[None]:
    """Looking leaves nothing behind: folders that only the body has made are removed again, unless they are in use."""
    made = {path for folder in folders for path in (folder, *folder.absolute().parents) if not path.exists()}
    try:
        yield
    finally:
        for path in sorted(made, key=lambda path: len(path.parts), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()


def _asked(
    dataset: str, root: Path | None, backbone: str | None, weights: Mapping[str, str], cache: Path
) -> Iterator[Check]:
    """What one corpus needs beyond the libraries of every run: its files, its weights, and room for its prefixes."""
    corpus, card = _corpus(dataset, root)
    yield replace(corpus, needed=True)
    name = backbone or (card.backbone if card is not None else "")
    checks = list(_weights(weights, [name], asked=True)) if name else []
    libraries = [*map(_installed, FOR_WEIGHTS)] if checks else []
    if root is not None:
        libraries.append(_video())
    checks += [replace(check, needed=True) for check in libraries]
    yield from checks
    if card is not None and all(check.passed for check in checks):
        yield _prefixes(dataset, root, backbone, weights, cache)


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


def _installed(name: str) -> Check:
    advice = f"pip install {name}: needed for the weights of real backbones, not for tiny"
    try:
        return Check(name, True, version(name), needed=False)
    except PackageNotFoundError:
        return Check(name, False, "not installed", advice, needed=False)


def _gpus() -> Iterator[Check]:
    slow = "without one, cells run on the processors, one thread each; real backbones then take days"
    try:
        import torch

        built, count = torch.version.cuda, torch.cuda.device_count()
        found = [torch.cuda.get_device_properties(i) for i in range(count)]
    except Exception as error:
        yield Check("GPU", False, f"{type(error).__name__}: {error}", slow, needed=False)
        return
    driver = Path("/proc/driver/nvidia/version").exists()
    if not built:
        advice = "install torch as https://pytorch.org says for your CUDA" if driver else slow
        yield Check("CUDA", False, f"torch {torch.__version__} is built without it", advice, needed=False)
    elif not count:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        hidden = "" if visible is None else f"; CUDA_VISIBLE_DEVICES is {visible!r}"
        advice = "update the driver (see nvidia-smi) or unset CUDA_VISIBLE_DEVICES" if driver else slow
        yield Check("CUDA", False, f"torch is built for CUDA {built} but finds no GPU{hidden}", advice, needed=False)
    for number, one in enumerate(found):
        detail = f"{one.name}, {one.total_memory / 2**30:.0f} GiB, CUDA {built}"
        yield Check(f"GPU {number}", True, detail, needed=False)
    if not found:
        yield Check("processors", True, str(cpu_count()), needed=False)


def _video() -> Check:
    advice = "pip install av: needed for corpora with video files, not for avatars"
    try:
        av = importlib.import_module("av")
        return Check("FFmpeg", True, f"{av.ffmpeg_version_info}, with PyAV {version('av')}", needed=False)
    except Exception as error:
        return Check("FFmpeg", False, f"PyAV: {type(error).__name__}: {error}", advice, needed=False)


def _font() -> Check:
    advice = "reinstall matplotlib, which brings it; without it the figures are drawn in another font"
    try:
        from matplotlib.font_manager import findfont

        return Check("font of the figures", True, findfont(FONT, fallback_to_default=False), needed=False)
    except Exception as error:
        return Check("font of the figures", False, f"{FONT}: {' '.join(str(error).split())}", advice, needed=False)


def _weights(given: Mapping[str, str], backbones: Sequence[str], *, asked: bool = False) -> Iterator[Check]:
    """One line for each place that some of ``backbones`` takes weights from. ``asked``: whether a run will need them;
    then weights that are not here are missing only if the hub, where the first use gets them, cannot be reached."""
    from mmda_bench.backbone.weights import hub_fault

    users: dict[tuple[str, str], list[str]] = {}
    for name in backbones:
        try:
            places = BACKBONES.get(name).default_weights
        except Exception as error:  # a backbone from a plug-in may raise anything
            yield Check(f"backbone {name}", False, f"{type(error).__name__}: {error}", "repair it", needed=False)
            continue
        for modality, place in places.items():
            users.setdefault((modality, given.get(modality, place)), []).append(name)
    for (modality, place), names in users.items():
        title, found = f"{modality} weights of {', '.join(names)}", find_weights(place)
        detail, needed = f"{place}: {found or 'not on this machine'}", asked
        if asked and found is None and not _is_path(place):
            fault = hub_fault()
            needed, detail = bool(fault), f"{detail}; {fault or 'the hub can be reached'}"
        only = "" if asked else f"; only {' and '.join(names)} need{'s' if len(names) == 1 else ''} them"
        yield Check(title, found is not None, detail, _how_to_get(modality, place) + only, needed=needed)


def find_weights(place: str) -> Path | None:
    """Where the weights named ``place`` (a file, a folder, or a name on the Hugging Face hub) lie on this machine."""
    path = Path(place).expanduser()
    if path.exists() or _is_path(place):
        return path if path.exists() else None
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ImportError:
        return None
    # timm's names lack the tag that the hub's have: timm/vit_small_patch16_224[.augreg_in21k_ft_in1k]
    pattern = f"models--{place.replace('/', '--')}{'*' if place.startswith('timm/') else ''}/snapshots/*"
    snapshots = Path(HF_HUB_CACHE).glob(pattern)
    complete = (s for s in sorted(snapshots) if any(f for end in ("safetensors", "bin") for f in s.glob(f"*.{end}")))
    return next(complete, None)


def _is_path(place: str) -> bool:
    return place.startswith(("/", "~", ".")) or place.count("/") != 1


def _how_to_get(modality: str, place: str) -> str:
    if _is_path(place):
        return f"put the file there, or name another with --weights {modality}=FILE"
    offline = f"hf download {place} --local-dir DIR, then --weights {modality}=DIR"
    return f"the first use downloads them; for a machine without a network: {offline}"


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
    free = free_bytes(folder) / 1e9
    advice = f"free at least {FREE_GB:g} GB; what a real corpus takes: mmda-bench doctor --dataset NAME --data-root DIR"
    return Check("disk", free >= FREE_GB, f"{free:.0f} GB free at {folder}", advice)


def _prefixes(dataset: str, root: Path | None, backbone: str | None, weights: Mapping[str, str], cache: Path) -> Check:
    """The room that the cached prefixes of one corpus still take."""
    title = f"disk for the prefixes of {dataset}"
    try:
        from mmda_bench.backbone.weights import offline
        from mmda_bench.features.prepare import disk_needed
        from mmda_bench.sweep import plan

        card = DATASETS.get(dataset)().describe(root)
        with offline():  # looking must not download
            protocol = plan.protocol_for(card, backbone=backbone, weights=weights)
            disk = disk_needed(dataset, root=root, protocol=protocol, cache=cache, weights=weights)
    except UsageError:
        raise
    except Exception as error:  # files may be missing or unreadable, weights may be of something else
        look = f"mmda-bench data verify {dataset}" + (f" --data-root {root}" if root else "")
        return Check(title, False, " ".join(str(error).split()), f"repair that; to see what there is: {look}")
    return Check(title, disk.enough, str(disk), "free some space or choose another folder with --cache DIR")


def _results(results: Path) -> Check:
    try:
        Store(results).probe()
    except StoreError as error:
        return Check("results folder", False, str(error), "choose another folder with --results DIR")
    return Check("results folder", True, str(results.absolute()))


def _locks(*folders: Path) -> Check:
    """Whether two runs can wait for each other where they write."""
    without = []
    for folder in folders:
        with contextlib.suppress(OSError):  # it cannot be written: said above
            if reason := locks.available(folder):
                without.append(f"none in {folder} ({reason})")
    advice = "let one run at a time write there, or choose folders on another disk with --results and --cache"
    return Check("file locks", not without, "; ".join(without) or "where results and cache lie", advice, needed=False)


def _plugins() -> Iterator[Check]:
    for registry in (METHODS, DATASETS, BACKBONES, VALIDATORS):
        broken = [entry for entry in registry.entries().values() if entry.reason is not None]
        for entry in broken:
            advice = f"repair or uninstall {entry.origin}"
            yield Check(f"{registry.singular} {entry.name}", False, entry.reason or "", advice, needed=False)
        yield Check(registry.kind, True, f"{len(registry.names())} usable")


def _corpora(root: Path | None) -> Iterator[Check]:
    for name in DATASETS.names():
        yield _corpus(name, root)[0]


def _corpus(name: str, root: Path | None) -> tuple[Check, Card | None]:
    """Whether a corpus is there, and what it says of itself if it is."""
    title = f"corpus {name}"
    DATASETS.entry(name)
    try:
        card = DATASETS.get(name)().describe(root)
    except DataError as error:
        detail = " ".join(str(error).split())
        return Check(title, False, detail, "give its folder with --data-root DIR", needed=False), None
    except Exception as error:  # a reader from a plug-in may raise anything
        detail = f"{type(error).__name__}: {error}"
        return Check(title, False, detail, "tell the author of the reader", needed=False), None
    if card.needs_root and root is None:
        return Check(title, False, "no --data-root given", f"{card.obtain}; then --data-root DIR", needed=False), None
    return Check(title, True, f"{card.title}, {len(card.classes)} classes, {card.licence}", needed=False), card
