"""The texts of ``mmda-bench new``: what a method, a dataset or a backbone begins as, and its test."""

METHOD = '''"""{title}: say in one sentence what the method does to bring the domains together."""

from torch import Tensor

from mmda_bench import Context, LogUniform, Method, Source, Target, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import Discriminator


@register_method("{name}", title="{title}", paper="You, 2026")
class {cls}(Method):
    """weight · mean BCE(D(GRL_λ(Z)), domain): the formula of your terms goes here, and where its numbers come from."""

    search_space = {{"weight": LogUniform(0.1, 10.0)}}

    def __init__(self, ctx: Context, *, weight: float = 1.0) -> None:
        super().__init__(ctx)
        self.weight = weight
        self.discriminator = Discriminator(ctx.dims["joint"])

    def loss(self, source: Source, target: Target, progress: float) -> dict[str, Tensor]:
        reversed_z = (grad_reverse(batch.z["joint"], warmup(progress)) for batch in (source, target))
        return {{"domain": self.weight * domain_loss(*map(self.discriminator, reversed_z))}}
'''

METHOD_TEST = '''"""The contract for {name}, and a place for tests of its mathematics. Run: pytest {test}"""

{load}
from mmda_bench.testing import parametrize_with_checks, tiny_run


@parametrize_with_checks("{name}")
def test_keeps_the_contract(check):
    check()


def test_a_small_run_ends_well():
    record = tiny_run("{name}")
    assert record["status"] == "ok", record["reason"]
'''

DATASET = '''"""{title}: say in one sentence what is in the corpus and where its files come from."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from mmda_bench import Card, ClipError, DataError, Dataset, Shift, Utterance, register_dataset

CLASSES = ("no", "yes")


@register_dataset("{name}", title="{title}")
class {cls}(Dataset):
    """One line per utterance in ROOT/labels.csv (id,text,label); sound and pictures in ROOT/<id>.npz."""

    card = Card(
        name="{name}",
        title="{title}",
        version="v1",
        classes=CLASSES,
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="who may use it",
        citation="who made it",
        obtain="where to get it",
        backbone="tiny",
    )

    def utterances(self, root: Path | None) -> Iterator[Utterance]:
        if root is None or not (root / "labels.csv").is_file():
            raise DataError(f"{{root}} holds no labels.csv; give the folder of the corpus with --data-root DIR")
        for line in (root / "labels.csv").read_text("utf-8").splitlines()[1:]:
            name, text, label = line.split(",")
            clip = root / f"{{name}}.npz"
            yield Utterance(
                id=name,
                text=text,
                label=CLASSES.index(label),
                waveform=partial(read, clip, "waveform"),
                frames=partial(read, clip, "frames"),
            )


def read(clip: Path, what: str) -> np.ndarray:
    """``waveform``: (samples,) float32 mono at 16 kHz in [-1, 1]. ``frames``: (10, H, W, 3) uint8 RGB."""
    try:
        with np.load(clip) as arrays:
            return arrays[what]
    except (OSError, KeyError, ValueError) as error:
        raise ClipError(f"{{clip}} cannot be read: {{error}}") from error
'''

DATASET_TEST = '''"""The contract for {name}, on a small corpus that the test writes itself. Run: pytest {test}"""

import numpy as np
import pytest

{load}
from mmda_bench.testing import check_dataset


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["id,text,label"]
    for i in range(40):
        lines.append(f"u{{i:02d}},well then,{{('no', 'yes')[i % 2]}}")
        sound = rng.uniform(-0.5, 0.5, 16_000).astype(np.float32)
        frames = rng.integers(0, 256, (10, 48, 48, 3), dtype=np.uint8)
        np.savez(tmp_path / f"u{{i:02d}}.npz", waveform=sound, frames=frames)
    (tmp_path / "labels.csv").write_text("\\n".join(lines) + "\\n")
    return tmp_path


def test_keeps_the_contract(root):
    for check in check_dataset("{name}", root):
        assert check.passed, f"{{check.title}}: {{check.detail}}"
'''

BACKBONE = '''"""{title}: say in one sentence which networks these are and where their weights come from."""

import torch
from torch import Tensor, nn

from mmda_bench import register_backbone
from mmda_bench.backbone.base import Backbone, Encoder

WIDTH = 16


class Last(nn.Module):
    """The trained layers: (B, T, WIDTH) or (B, T, N, WIDTH), mask (B, T), to (B, T, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.relu(self.linear(x.mean(2) if x.ndim == 4 else x))


class {cls}Encoder(Encoder):
    """The frozen layers here are one random projection; put your pretrained network in its place."""

    width = WIDTH

    def __init__(self, inputs: int, modality: str) -> None:
        super().__init__()
        self.modality = modality
        torch.manual_seed(inputs)
        self.frozen = nn.Linear(inputs, WIDTH).requires_grad_(False)
        self.layers = Last()
        self.eval()

    def tokens(self, raw) -> Tensor:
        if self.modality == "L":
            return torch.tensor([[float(len(word)), float(sum(map(ord, word)) % 97)] for word in raw])
        x = torch.from_numpy(raw)
        return x[: len(x) // 320 * 320].view(-1, 320) if self.modality == "A" else x.flatten(1, 2)

    def prefix(self, tokens: Tensor) -> Tensor:
        return self.frozen(tokens)


@register_backbone("{name}", title="{title}")
class {cls}(Backbone):
    """Three encoders, the pictures 24 pixels wide."""

    frames, frame_size, channels = 4, 24, 16
    cache_dtype = "float32"

    def encoder(self, modality: str) -> Encoder:
        return {cls}Encoder({{"A": 320, "L": 2, "V": 3}}[modality], modality)

    def identity(self) -> str:
        return "{name} 1"  # change it whenever the frozen layers may give other features
'''

BACKBONE_TEST = '''"""The contract for {name}. Run: pytest {test}"""

{load}
from mmda_bench.testing import parametrize_with_checks


@parametrize_with_checks("{name}")
def test_keeps_the_contract(check):
    check()
'''

LOAD = """from pathlib import Path

from mmda_bench.registry import load_plugin

load_plugin(Path(__file__).with_name("{file}"))
"""

PYPROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "0.1.0"
description = "{title}, a {kind} for mmda-bench"
requires-python = ">=3.11"
dependencies = ["mmda-bench"]

[project.entry-points."mmda_bench.{kind}s"]
{name} = "{stem}:{cls}"

[tool.setuptools]
py-modules = ["{stem}"]
"""

KINDS = {"method": (METHOD, METHOD_TEST), "dataset": (DATASET, DATASET_TEST), "backbone": (BACKBONE, BACKBONE_TEST)}
