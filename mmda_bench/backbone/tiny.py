"""The embedded backbone: the shape of the real ones at 0.17 M parameters in all.

Frozen: the front end and the first of four transformer blocks; the last three blocks are trained in every cell. The
pretrained weights lie beside this file and were made by ``python -m mmda_bench.datasets.avatars.pretraining``.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from mmda_bench.backbone.base import Backbone, Encoder
from mmda_bench.backbone.layers import Block, PictureBlocks, SequenceBlocks
from mmda_bench.registry import register_backbone

WIDTH = 32
BLOCKS = 4
FROZEN_BLOCKS = 1
MELS = 40
QUIET = 0.5  # added to mel powers before the logarithm: above the pauses of a voice, below its loud bands
PATCHES = 2  # a side
WEIGHTS = Path(__file__).with_name("tiny.safetensors")
SPECIAL = ("[PAD]", "[MASK]", "[UNK]")
BUCKETS = 64  # embeddings shared by the words that pretraining never saw


@cache
def _mel_filters(bins: int = 257, rate: int = 16_000, low: float = 60.0, high: float = 7_600.0) -> Tensor:
    """(MELS, bins) triangular filters, equally spaced on the mel scale 2595·log10(1 + f/700)."""
    lowest, highest = 2595 * np.log10(1 + np.array([low, high]) / 700)
    mel = np.linspace(lowest, highest, MELS + 2)
    edges = 700 * (10 ** (mel / 2595) - 1)
    frequency = np.linspace(0, rate / 2, bins)
    left, centre, right = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequency - left) / (centre - left), (right - frequency) / (right - centre)
    return torch.from_numpy(np.clip(np.minimum(rising, falling), 0, None).astype(np.float32))


def log_mel(waveform: Tensor) -> Tensor:
    """(samples,) at 16 kHz to (1 + samples // 160, 40): logarithm of the mel power in 25 ms windows every 10 ms."""
    window = torch.hann_window(400)
    spectrum = torch.stft(waveform, 512, 160, 400, window, return_complex=True, pad_mode="constant")
    return torch.log(_mel_filters() @ spectrum.abs().square() + QUIET).T


class AcousticFront(nn.Module):
    """Log-mel frames (T, 40) to (1, ⌈⌈T/2⌉/4⌉, width): fixed standardisation, then convolutions of stride 2 and 4."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(MELS))
        self.register_buffer("std", torch.ones(MELS))
        self.conv1 = nn.Conv1d(MELS, WIDTH, 5, 2, 2)
        self.conv2 = nn.Conv1d(WIDTH, WIDTH, 5, 4, 2)
        self.position = nn.Parameter(torch.randn(128, WIDTH) * 0.02)

    def forward(self, mel: Tensor) -> Tensor:
        x = ((mel - self.mean) / self.std).mT.reshape(-1, MELS, mel.shape[-2])
        x = F.gelu(self.conv2(F.gelu(self.conv1(x)))).mT
        return x + self.position[: x.shape[1]]


class LexicalFront(nn.Module):
    """Word indices (B, T) to (B, T, width)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, WIDTH)
        self.position = nn.Parameter(torch.randn(64, WIDTH) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        ids = ids.reshape(-1, ids.shape[-1])
        return self.embedding(ids) + self.position[: ids.shape[1]]


class VisualFront(nn.Module):
    """Normalised pictures (F, 3, 48, 48) to a class token and 4 patch tokens each: (F, 5, width)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 2, 1)
        self.conv2 = nn.Conv2d(16, 32, 3, 2, 1)
        self.conv3 = nn.Conv2d(32, WIDTH, 12 // PATCHES, 12 // PATCHES)
        self.token = nn.Parameter(torch.zeros(1, WIDTH))
        self.position = nn.Parameter(torch.randn(1 + PATCHES**2, WIDTH) * 0.02)

    def forward(self, pictures: Tensor) -> Tensor:
        x = self.conv3(F.gelu(self.conv2(F.gelu(self.conv1(pictures))))).flatten(2).mT
        return torch.cat([self.token.expand(len(x), 1, -1), x], 1) + self.position


class TinyEncoder(Encoder):
    """Front end and ``BLOCKS`` transformer blocks; the first ``FROZEN_BLOCKS`` of them belong to the prefix."""

    width = WIDTH

    def __init__(self, modality: str, vocabulary: dict[str, int]) -> None:
        super().__init__()
        self.modality, self.vocabulary = modality, vocabulary
        self.pool = "lstm" if modality == "V" else "textcnn"
        fronts = {"A": AcousticFront, "V": VisualFront, "L": lambda: LexicalFront(len(vocabulary) + BUCKETS)}
        blocks = [Block(WIDTH) for _ in range(BLOCKS)]
        self.frozen = nn.ModuleList([fronts[modality](), *blocks[:FROZEN_BLOCKS]])
        group = PictureBlocks if modality == "V" else SequenceBlocks
        self.layers = group(blocks[FROZEN_BLOCKS:])

    def tokens(self, raw: np.ndarray | list[str]) -> Tensor:
        if isinstance(raw, list):
            return torch.tensor([word_index(word, self.vocabulary) for word in raw[:64]] or [2])
        x = torch.from_numpy(np.ascontiguousarray(raw))
        return log_mel(x) if self.modality == "A" else x.permute(0, 3, 1, 2)

    def knows(self, words: Sequence[str]) -> list[bool]:
        return [word_index(word, self.vocabulary) < len(self.vocabulary) for word in words]

    def prefix(self, tokens: Tensor) -> Tensor:
        x = tokens
        for module in self.frozen.children():
            x = module(x)
        return x if self.modality == "V" else x[0]


def word_index(word: str, vocabulary: dict[str, int]) -> int:
    """Index of a word: its own if pretraining saw it, else one of ``BUCKETS`` shared ones, the same everywhere."""
    if word in SPECIAL:
        return vocabulary[word]
    plain = re.sub(r"[^a-z0-9']", "", word.lower())
    return vocabulary.get(plain, len(vocabulary) + zlib.crc32(plain.encode()) % BUCKETS)


@register_backbone("tiny", title="Tiny transformers, embedded", embedded=True)
class Tiny(Backbone):
    """Three tiny pretrained transformers with the shape of WavLM, BERT and APViT."""

    frames = 4
    frame_size = 48
    pretrained_rate = 1e-3
    cache_dtype = "float32"
    channels = WIDTH
    dropout = 0.6
    length_groups = 1  # so short are its sequences that four small batches cost more than the padding
    mixed_precision = False
    logit_scale = 16.0  # at 1 the log-variance of L_IB outweighs the cross-entropy and every Z collapses (measured)

    def encoder(self, modality: str) -> Encoder:
        with safe_open(WEIGHTS, "pt") as file:
            vocabulary = json.loads(file.metadata()["vocabulary"])
            encoder = TinyEncoder(modality, vocabulary)
            encoder.load_state_dict({name: file.get_tensor(f"{modality}.{name}") for name in encoder.state_dict()})
        return encoder.eval().requires_grad_(True)

    def identity(self) -> str:
        return hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
