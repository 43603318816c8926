"""The contract of a backbone: three encoders with a frozen prefix, and the numbers that go with them.

A backbone is data plus three encoders. To add one, subclass :class:`Backbone`, decorate it with
``@register_backbone("my-backbone", title=...)`` and pass the file with ``--plugin``; the engine needs no change.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.errors import UsageError
from mmda_bench.shifts import normalise_frames
from mmda_bench.shifts.corruptions import absent

DIMENSION = 256  # of every Z_m [paper]


class Encoder(nn.Module):
    """One modality's pretrained network, cut in two.

    ``frozen``: the prefix, run once per utterance and cached. ``layers``: the last layers, trained in every cell,
    called as ``layers(hidden, mask)`` on a padded batch (B, T, [N,] width), ``mask`` (B, T) True where real, and giving
    (B, T, width).
    ``width``: features per token. ``pool``: "textcnn" or "lstm", how a sequence becomes one vector. ``mask_token``: the
    word that hides a word (lexical encoders). ``settings``: what determines the prefix besides code and tensors,
    such as the configuration that came with a checkpoint.
    """

    frozen: nn.Module
    layers: nn.Module
    width: int
    pool: str = "textcnn"
    mask_token: str = "[MASK]"
    settings: str = ""

    def tokens(self, raw: Any) -> Tensor:
        """Input of :meth:`prefix` for one utterance, from what the engine hands over (already shifted).

        Acoustic: (samples,) float32 waveform. Lexical: a list of words. Visual: (T, H, W, 3) float32 normalised frames.
        """
        raise NotImplementedError

    def knows(self, words: Sequence[str]) -> list[bool] | None:
        """Of a lexical encoder: which of ``words`` have a token of their own. None, the default: it cannot tell."""
        return None

    def prefix(self, tokens: Tensor) -> Tensor:
        """Frozen features of one utterance at its true length: (T, width), or (frames, N, width) for pictures."""
        raise NotImplementedError


class Backbone:
    """Base of every backbone.

    ``weights``: locations of pretrained weights by modality name ("acoustic", "lexical", "visual"), in place of
    ``default_weights``; what a location may be is up to the backbone. Raises :class:`UsageError` for other names.
    ``frames``, ``frame_size``: pictures per clip and their side in pixels. ``learning_rate`` for new modules [paper
    1e-3], ``pretrained_rate`` for the trainable pretrained layers [released code 5e-5]. ``cache_dtype``: of the cached
    prefix. ``logit_scale``: fixed factor between the unit-norm representations and the linear heads. ``length_groups``:
    parts of similar length into which a batch is cut before it is padded. ``mixed_precision``: bfloat16 in training
    where the device has it.
    """

    frames: ClassVar[int] = 10
    frame_size: ClassVar[int] = 112
    learning_rate: ClassVar[float] = 1e-3
    pretrained_rate: ClassVar[float] = 5e-5
    cache_dtype: ClassVar[str] = "float16"
    channels: ClassVar[int] = 128
    logit_scale: ClassVar[float] = 1.0
    dropout: ClassVar[float] = 0.3
    length_groups: ClassVar[int] = 4
    mixed_precision: ClassVar[bool] = True
    default_weights: ClassVar[Mapping[str, str]] = {}

    def __init__(self, weights: Mapping[str, str] | None = None) -> None:
        for name in weights or {}:
            if name not in self.default_weights:
                expected = ", ".join(self.default_weights) or "none: its weights are embedded"
                raise UsageError(f"{type(self).__name__} takes no {name!r} weights; it takes {expected}")
        self.weights: dict[str, str] = {**self.default_weights, **(weights or {})}

    def encoder(self, modality: str) -> Encoder:
        """The encoder of "A", "L" or "V" with its pretrained weights, in eval mode."""
        raise NotImplementedError

    def absent(self, modality: str, raw: Any, *, mask: str) -> Any:
        """What :meth:`Encoder.tokens` gets in the place of a modality that is missing: silence as long as the sound,
        black pictures, one ``mask``. Override it where the network has a way of its own to say so.

        ``raw``: what was there, a waveform, a list of words or uint8 frames. What comes back goes to ``tokens`` as it
        is: of pictures, float32 normalised frames.
        """
        seen = absent(modality, raw, mask=mask)
        return normalise_frames(seen) if modality == "V" else seen

    def identity(self) -> str:
        """What identifies the weights and libraries behind the prefix outputs: part of the key of the cache.

        A change of our own code is told by ``FEATURES_VERSION`` instead."""
        raise NotImplementedError

    def weights_digest(self) -> str:
        """Eight hexadecimal digits over the pretrained tensors in use, whatever file they came from; "" if embedded."""
        return tensors_digest(self)[:8] if self.weights else ""


def sample_frames(frames: np.ndarray, *, count: int) -> np.ndarray:
    """``count`` of T pictures (T, H, W, 3), at int(i·T/count); fewer than ``count`` repeat in place."""
    return frames[(np.arange(count) * len(frames)) // count]


def tensors_digest(backbone: Backbone) -> str:
    """Digest of the names and bytes of all tensors of the three encoders: the same from whatever file they came."""
    return _digests(backbone)[0]


def settings_digest(backbone: Backbone) -> str:
    """Digest of what else came with the checkpoints and determines their outputs: configurations, vocabulary."""
    return _digests(backbone)[1]


_known: dict[tuple[type[Backbone], tuple[tuple[str, str], ...]], tuple[str, str]] = {}


def _digests(backbone: Backbone) -> tuple[str, str]:
    """Computed once a process: it reads every encoder, some 270 M parameters in the case of ``paper``."""
    key = (type(backbone), tuple(sorted(backbone.weights.items())))
    if key not in _known:
        tensors, settings = hashlib.sha256(), hashlib.sha256()
        for modality in MODALITIES:
            encoder = backbone.encoder(modality)
            settings.update(f"{NAMES[modality]}={encoder.settings};".encode())
            for name, value in sorted(encoder.state_dict().items()):
                tensors.update(f"{modality}.{name}{tuple(value.shape)}{value.dtype}".encode())
                tensors.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
        _known[key] = tensors.hexdigest(), settings.hexdigest()
    return _known[key]
