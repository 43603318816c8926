"""Where prepared corpora lie, under names that say all that determines their content, and what room they need."""

import contextlib
import hashlib
import inspect
import shutil
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from mmda_bench import registry
from mmda_bench.backbone.base import Backbone
from mmda_bench.data.corpora import datasets_of
from mmda_bench.dataset import MAX_SAMPLES, Card, Utterance
from mmda_bench.errors import Remark
from mmda_bench.features import encode
from mmda_bench.features import shards as ragged
from mmda_bench.machine import locks
from mmda_bench.machine.devices import cpu_count
from mmda_bench.machine.disk import Disk, free_bytes
from mmda_bench.protocol import CORRUPT, Protocol, canonical_json
from mmda_bench.registry.plugins import plugin_of
from mmda_bench.shifts import effective_shift, scripts
from mmda_bench.store import atomic

# Raise it whenever what the frozen layers give, or how it is split and stored, changes: every cache is then made anew.
# A golden test (tests/test_frozen.py) fails when the outputs change and this number does not.
FEATURES_VERSION = 2
SHARD = 128  # utterances: some 300 MB of visual tokens of the real backbones, two or three minutes of one core


@dataclass(frozen=True)
class Place:
    """Folders of a prepared corpus. ``clean``: shards that every shift, severity and split shares. ``shifted``: the
    target's shifted shards, with the index and the labels. ``absent``: what stands in the place of missing modalities,
    for every shift. ``lock``: held by the process that writes to any of them."""

    clean: Path
    shifted: Path
    absent: Path
    lock: Path

    def shard(self, variant: str, modality: str, first: int) -> Path:
        """Folder of the shard whose utterances begin at position ``first``."""
        folder = {"clean": self.clean, "shifted": self.shifted, "absent": self.absent}[variant]
        return folder / f"{modality}-{first:06d}"

    @property
    def folders(self) -> tuple[Path, Path, Path]:
        """All that hold shards; some may not be there."""
        return self.clean, self.shifted, self.absent


def place_of(dataset: str, *, card: Card, backbone: Backbone, protocol: Protocol, cache: Path) -> Place:
    """Where the corpus lies. The names hold digests of everything that determines the content."""
    key = {
        "dataset": dataset,
        "version": card.version,
        "files": card.files,
        "reader": plugin_digest(dataset),
        "backbone": [protocol.backbone, backbone.identity()],
        "dtype": backbone.cache_dtype,
        "frames": [backbone.frames, backbone.frame_size],
        "shard": SHARD,
        "features": FEATURES_VERSION,
    }
    full: dict[str, object] = {
        **key,
        "shift": asdict(effective_shift(card.shift, protocol)),
        "split": [protocol.split, *card.fractions],
    }
    if protocol.shift.startswith(CORRUPT):
        full["corruption"] = protocol.shift
    folder, name = cache / "prefix", f"{dataset}-{card.version}-{protocol.backbone}"
    return Place(
        clean=folder / f"{name}-clean-{_short(key)}",
        shifted=folder / f"{name}-{_short(full)}",
        absent=folder / f"{name}-absent-{_short({**key, 'split': full['split']})}",
        lock=folder / f"{name}.lock",
    )


def _short(key: object) -> str:
    return hashlib.sha256(canonical_json(key).encode()).hexdigest()[:12]


def plugin_digest(dataset: str) -> str:
    """Twelve hexadecimal digits of the file, and of its helpers, of a reader that is a plug-in, whose author may change
    it; "" of ours. Those of both readers of a natural pair."""
    return "+".join(digest for name in datasets_of(dataset) if (digest := _plugin_digest(name)))


def _plugin_digest(dataset: str) -> str:
    entry = registry.DATASETS.entry(dataset)
    if entry.origin == "built-in":
        return ""
    if (plugin := plugin_of(entry.module)) is not None:
        return plugin.digest[:12]
    return hashlib.sha256(Path(inspect.getfile(registry.DATASETS.get(dataset))).read_bytes()).hexdigest()[:12]


def damaged(folders: Iterable[Path]) -> list[Path]:
    """The shards in ``folders`` that are not what was written."""
    whole = [path for path in _inside(folders) if not path.name.startswith(atomic.TEMPORARY)]
    with ThreadPoolExecutor(cpu_count()) as pool:
        verdicts = list(pool.map(ragged.intact, whole))
    return [path for path, good in zip(whole, verdicts, strict=True) if not good]


def discard_damaged(folders: Sequence[Path]) -> None:
    """Remove what a killed process left in ``folders`` and every shard that is not what was written, saying so."""
    for path in damaged(folders):
        warnings.warn(f"the cached shard {path} is damaged; making it again", Remark, stacklevel=2)
        shutil.rmtree(path)
    for path in (left for folder in folders for left in folder.glob(f"{atomic.TEMPORARY}*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _inside(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_dir()]


def room_for(shards: Sequence[encode.Shard], utterances: Sequence[Utterance], folder: Path) -> Disk:
    """The room that ``shards`` take: no more than if every utterance were as long as the longest may be."""
    words = max((scripts.all_units(utterance.text) for utterance in utterances), key=len, default=[])
    rows: Counter[encode.Job] = Counter()
    for shard in shards:
        targets = sum(is_target for *_, is_target in shard.rows)
        rows[shard.job] += sum(len(shard.rows) if variant == "clean" else targets for variant in shard.folders)
    needed = sum(count * row_bytes(job, words) for job, count in rows.items())
    return Disk(folder, needed, free_bytes(folder))


def row_bytes(job: encode.Job, words: list[str]) -> int:
    """Bytes of the cached prefix of the longest utterance: 5.01 s of sound, ``words``, the backbone's pictures."""
    backbone: Backbone = registry.BACKBONES.get(job.backbone)(dict(job.weights))
    pictures = np.zeros((backbone.frames, backbone.frame_size, backbone.frame_size, 3), np.float32)
    raw = {"A": np.zeros(MAX_SAMPLES, np.float32), "L": words, "V": pictures}[job.modality]
    encoder = encode.load_encoder(job.backbone, job.modality, job.weights, torch.device("cpu"))
    with encode.repeatable():
        features = encoder.prefix(encoder.tokens(raw))
    encode.load_encoder.cache_clear()
    return features.numel() * np.dtype(backbone.cache_dtype).itemsize


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time prepares a corpus; a second one says that it waits, and then finds it made."""
    with path.open("w") as file:
        waiting = f"another process prepares this corpus; waiting for {path}"
        locks.hold(file.fileno(), path.parent, waiting=lambda: warnings.warn(waiting, Remark, stacklevel=2))
        yield
