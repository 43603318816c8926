"""A plug-in corpus of noise, made in no time. ``noise.json`` in its root says how large it is and what is wrong there.

Run as a script it prepares itself and is killed on the way, as by ``kill -9``, when ``KILL_AT`` utterances of the
lexical modality are done: ``noise.py ROOT CACHE JOBS KILL_AT``. Before that it prints the ids of its processes.
"""

import json
import multiprocessing
import os
import signal
import sys
from functools import partial
from pathlib import Path

import numpy as np

from mmda_bench.dataset import Card, Dataset, Shift, Utterance, substituted
from mmda_bench.errors import ClipError
from mmda_bench.registry import register_dataset

CLASSES = ("this", "that")


def lay_out(root: Path, count: int = 200, **wrong) -> Path:
    """A root for ``count`` utterances. ``unreadable``, ``silent``, ``failing`` (with a KeyError), ``stereo``,
    ``resampled``, ``still``: positions; ``unusable``: entries of the tables; ``killer``: the position of an utterance
    that kills the process that reads it."""
    root.mkdir(exist_ok=True)
    (root / "noise.json").write_text(json.dumps({"count": count, **wrong}))
    return root


def waveform(position: int, wrong: dict) -> np.ndarray:
    if position in wrong.get("unreadable", ()):
        raise ClipError(f"{position}.wav is empty")
    if position == wrong.get("killer"):
        os.kill(os.getpid(), signal.SIGKILL)
    if position in wrong.get("failing", ()):
        raise KeyError(f"{position}.wav")
    if position in wrong.get("stereo", ()):
        return np.zeros((400, 2), np.float32)
    if position in wrong.get("resampled", ()):
        substituted("resampled from 8000 Hz")
    length = 4000 + 40 * (position % 50)
    rng = np.random.default_rng(position)
    return (position not in wrong.get("silent", ())) * rng.normal(0, 0.1, length).astype(np.float32)


def frames(position: int, wrong: dict) -> np.ndarray:
    if position in wrong.get("still", ()):
        substituted("one picture stands for all")
    return np.random.default_rng(position).integers(0, 256, (10, 48, 48, 3), np.uint8)


@register_dataset("noise", title="Noise")
class Noise(Dataset):
    card = Card(
        name="noise",
        title="Noise",
        version="v1.0",
        classes=CLASSES,
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="none",
        citation="none",
        obtain="lay_out(root)",
        fractions=(0.3, 0.1, 0.6),
        backbone="tiny",
    )

    def utterances(self, root):
        wrong = json.loads((root / "noise.json").read_text())
        for i in range(wrong["count"]):
            sound, pictures = partial(waveform, i, wrong), partial(frames, i, wrong)
            text = "so it goes on " * (1 + i % 3)
            yield Utterance(id=f"n_{i}", text=text, label=i % 2, waveform=sound, frames=pictures)

    def unusable(self, root):
        return json.loads((root / "noise.json").read_text()).get("unusable", ())


def shards(cache: Path) -> dict[Path, tuple[str, int]]:
    """Path to (digest, time of writing) of every finished shard in a cache."""
    found = [path.parent for path in cache.glob("prefix/*/[!.]*/digest")]
    return {path.relative_to(cache): ((path / "digest").read_text(), path.stat().st_mtime_ns) for path in found}


def digests(cache: Path) -> dict[Path, str]:
    return {path: digest for path, (digest, _) in shards(cache).items()}


def main() -> None:
    from mmda_bench.features.prepare import prepare
    from mmda_bench.protocol import Protocol
    from mmda_bench.registry import load_plugin

    load_plugin(__file__)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "noise: lexical features" and done >= int(sys.argv[4]):
            print(*(child.pid for child in multiprocessing.active_children()), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    root, cache, jobs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    protocol = Protocol(backbone="tiny")
    prepare("noise", root=root, protocol=protocol, cache=cache, jobs=jobs, progress=progress, plugins=[__file__])


if __name__ == "__main__":
    main()
