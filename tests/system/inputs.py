"""What authors and users hand to the product, kind by kind, beside what lies in a results folder; and all the kinds."""

import json
import pickle
import random
from fractions import Fraction
from pathlib import Path

import numpy as np

from mmda_bench.errors import MessageError
from tests.system import mutations
from tests.system.kinds import Kind
from tests.system.stored_inputs import Kept, Predictions, Records, Submissions, Sweeps


class Tables(Kind):
    """labels.csv and dataset.json of a prepared folder, and the tables of MIntRec."""

    name, share = "tables of labels", 14

    def make(self) -> None:
        lines = ["video_id,clip_id,text,mode,emotion"]
        lines += [f"v{i // 4},{i},some words {i},,{'yes' if i % 2 else 'no'}" for i in range(40)]
        (self.whole / "labels.csv").write_text("\n".join(lines) + "\n")
        shift = {"noise": 0.1, "brightness": 1, "visual_noise": 0.1, "masked": 0.4}
        facts = {"classes": ["no", "yes"], "title": "Mine", "shift": shift}
        (self.whole / "dataset.json").write_text(json.dumps(facts))

    def change(self, path: Path, rng: random.Random) -> None:
        if path.suffix == ".json" and rng.random() < 0.7:
            path.write_bytes(mutations.text_of(mutations.of_json(json.loads(path.read_text()), rng)))
        else:
            super().change(path, rng)

    def look(self) -> str:
        from mmda_bench.data.ids import id_fault
        from mmda_bench.data.validation import read_card, read_utterances
        from mmda_bench.registry import DATASETS
        from mmda_bench.sweep.plan import protocol_for

        reader = DATASETS.get("folder")()
        card = read_card(reader, "folder", self.damaged)
        utterances = read_utterances(reader, card, self.damaged)
        protocol_for(card, backbone="tiny")
        leading = [one.id for one in utterances if id_fault(one.id)]
        return f"the id {leading[0]!r} leads elsewhere" if leading else ""


class Media(Kind):
    name, share = "sound and pictures", 10

    def make(self) -> None:
        import soundfile
        from PIL import Image

        from mmda_bench.data.media.write import held, write_mp4

        rng = np.random.default_rng(0)
        wave = (0.1 * rng.standard_normal(16_000)).astype(np.float32)
        for name, kind in (("sound.wav", "PCM_16"), ("float.wav", "FLOAT"), ("sound.flac", "PCM_16")):
            soundfile.write(self.whole / name, wave, 16_000, subtype=kind)
        pictures = rng.integers(0, 255, (10, 32, 48, 3), np.uint8)
        for end in ("jpg", "png"):
            (self.whole / end).mkdir()
            for i, picture in enumerate(pictures):
                Image.fromarray(picture).save(self.whole / end / f"{i:02d}.jpg", {"jpg": "JPEG", "png": "PNG"}[end])
        write_mp4(self.whole / "clip.mp4", held(pictures, 10), Fraction(10), wave)

    def look(self) -> str:
        from mmda_bench.data.media.files import read_frames, read_waveform
        from mmda_bench.data.media.video import read_pictures, read_sound

        if self.file.suffix == ".mp4":
            found = []
            for read in (read_sound, read_pictures):
                try:
                    found.append(read(self.file))
                except MessageError:
                    continue
        elif self.file.parent.name in ("jpg", "png"):
            found = [read_frames(self.file.parent)]
        else:
            found = [read_waveform(self.file)]
        for one in found:
            kind = {1: np.float32, 4: np.uint8}.get(one.ndim)
            if one.dtype != kind or not one.size or not np.isfinite(one).all():
                return f"{one.shape} of {one.dtype}"
        return ""


class Weights(Kind):
    name, share = "weights", 5

    def make(self) -> None:
        import torch
        from safetensors.torch import save_file

        tensors = {"a.weight": torch.ones(3, 4), "b.bias": torch.zeros(7, dtype=torch.float16)}
        save_file(tensors, self.whole / "w.safetensors")
        torch.save({"state_dict": tensors}, self.whole / "w.pth")
        (self.whole / "old.pth").write_bytes(pickle.dumps({"a": mutations.Bomb(self.canary)}, protocol=2))

    def change(self, path: Path, rng: random.Random) -> None:
        if path.name != "old.pth":
            super().change(path, rng)

    def look(self) -> str:
        import torch

        from mmda_bench.backbone.weights import read_checkpoint

        found = read_checkpoint(self.file)
        return "" if all(isinstance(one, torch.Tensor) for one in found.values()) else "not tensors"


class Configs(Kind):
    name, share = "files of settings", 8

    def make(self) -> None:
        (self.whole / "a.yaml").write_text(
            "methods: dt,dann\nanchors: [A, V]\nseeds: 2\nepochs: 4\nseverity: 0.5\nresults: out\nweights:\n"
            f"  acoustic: here\nplugins: [mine.py]\ncache: !!python/object/apply:os.system ['touch {self.canary}']\n"
        )
        (self.whole / "b.yaml").write_text(
            "methods: dt\nseeds: 0-2\nresults: out\ndata-root: x\njobs: 0\nbeta: 0.001\n"
        )
        (self.whole / "c.toml").write_text(
            'methods = "dt"\nanchors = "A"\nseeds = 3\ntimeout = 2.5\nresults = "out"\n[weights]\nlexical = "x"\n'
        )

    def change(self, path: Path, rng: random.Random) -> None:
        import yaml

        if path.suffix == ".yaml" and path.stem == "b" and rng.random() < 0.6:
            try:
                path.write_text(yaml.safe_dump(mutations.of_json(yaml.safe_load(path.read_text()), rng)))
            except Exception:  # what yaml itself cannot write
                super().change(path, rng)
        elif path.stem != "a" or rng.random() < 0.7:
            super().change(path, rng)

    def look(self) -> str:
        from mmda_bench.config import RunConfig, Workspace
        from mmda_bench.registry import DATASETS

        config, workspace = RunConfig.from_file(self.file), Workspace.from_file(self.file)
        card = DATASETS.get("avatars").card
        config.cells(card)
        paths = [workspace.results, workspace.cache, *workspace.plugins]
        return "" if all(isinstance(path, Path) for path in paths) else "a folder that is none"


PLUGIN = '''"""A plug-in."""
from mmda_bench import Method, register_method
from mmda_bench.functional import domain_loss

SIZE = 3


@register_method("fuzzed", title="Fuzzed", paper="none")
class Fuzzed(Method):
    """Adds nothing.

    More about it."""

    components = ("a", "b")

    def __init__(self, ctx, *, weight: float = 1.0):
        super().__init__(ctx)
        self.weight = weight

    def loss(self, source, target, progress):
        return {}
'''
ENDS = ("raise SystemExit(0)", "raise GeneratorExit", "raise MemoryError", "raise RecursionError", "import nowhere",
        "raise BaseException('x')", "1/0", "exit()", "def f(): return f()\nf()", "class X(Method, int): pass",
        "raise Warning", "raise StopIteration", "from mmda_bench import nothing", "assert False", "\x00", "\ud800",
        "raise UnicodeDecodeError('x', b'', 0, 1, 'y')", "del register_method", "import sys; sys.modules.clear",
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E")  # fmt: skip


class Plugins(Kind):
    name, share = "plug-in files", 6

    def make(self) -> None:
        (self.whole / "fuzzed.py").write_text(PLUGIN)

    def change(self, path: Path, rng: random.Random) -> None:
        """Words are changed and lines end badly; bytes only where they cannot become another program's text."""
        lines = PLUGIN.splitlines()
        act = rng.randrange(4)
        if act == 0:
            del lines[rng.randrange(len(lines))]
        elif act == 1:
            lines.insert(rng.randrange(len(lines)), rng.choice(ENDS))
        elif act == 2:
            number = rng.randrange(len(lines))
            odd = ("None", "3", "()", "'x'", "{}", "SIZE", "float('nan')", "lambda: 0", "1e400")
            for old in ("1.0", '"fuzzed"', '"Fuzzed"', '("a", "b")', "{}", "ctx", "()", "3"):
                if old in lines[number]:
                    lines[number] = lines[number].replace(old, rng.choice(odd), 1)
                    break
        else:
            number = rng.randrange(len(lines))
            lines[number] = lines[number][: rng.randrange(len(lines[number]) + 1)]
        path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))

    def look(self) -> str:
        from mmda_bench.registry import METHODS, catalogue, load_plugin

        load_plugin(self.damaged / "fuzzed.py")
        catalogue.as_json(METHODS)
        return ""


class Shifts(Kind):
    name, share = "shifts", 4

    def make(self) -> None:
        (self.whole / "shift").write_text("corrupt:white-noise@3")
        self.shift, self.severity = "corrupt:white-noise@3", 1.0

    def change(self, path: Path, rng: random.Random) -> None:
        names = ("paper", "released", "corrupt:white-noise@3", "corrupt:", "corrupt:@", "corrupt:x@1", "shift:paper")
        text = mutations.of_bytes(rng.choice(names).encode(), rng).decode("utf-8", "replace")
        self.shift = text if rng.random() < 0.5 else rng.choice(names)
        self.severity = rng.choice((1, 1, 0, -1, 0.5, 1e308, float("nan"), float("inf"), 3))

    def look(self) -> str:
        from mmda_bench.registry import DATASETS
        from mmda_bench.shifts import effective_shift
        from mmda_bench.sweep.plan import protocol_for

        card = DATASETS.get("avatars").card
        protocol = protocol_for(card, backbone="tiny", shift=self.shift, severity=self.severity)
        effective_shift(card.shift, protocol)
        return "" if np.isfinite(protocol.severity) else f"severity {protocol.severity}"


class Shards(Kind):
    """A shard of the cache: what is not as it was written must be seen."""

    name, share = "shards of the cache", 4

    def make(self) -> None:
        from mmda_bench.features.shards import ShardWriter

        with ShardWriter(self.whole / "A-000000") as shard:
            for position in range(4):
                shard.append(position, np.full((position + 1, 3), position, np.float32))
        self.content = {path.name: path.read_bytes() for path in (self.whole / "A-000000").iterdir()}

    def look(self) -> str:
        from mmda_bench.features import cache

        folder = self.damaged / "A-000000"
        same = {path.name: path.read_bytes() for path in folder.iterdir()} == self.content
        return "" if (cache.damaged([self.damaged]) == []) == same else "damage that nobody sees"


KINDS: tuple[type[Kind], ...] = (
    Records, Predictions, Sweeps, Kept, Submissions, Tables, Media, Weights, Configs, Plugins, Shifts, Shards,
)  # fmt: skip
