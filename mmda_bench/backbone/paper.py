"""The paper's backbones: WavLM-base-plus and BERT-base-uncased into a TextCNN, APViT into an LSTM.

All that distinguishes one such backbone from another is data, so another one is a subclass of a few lines, registered
in a file that is given with ``--plugin``::

    @register_backbone("my-backbone", title="WavLM, BERT, ViT-B/16")
    class Mine(Paper):
        default_weights = {**Paper.default_weights, "visual": "timm/vit_base_patch16_224"}
        trainable = {"A": 2, "L": 3, "V": 1}
"""

import hashlib
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

from mmda_bench.backbone.apvit import load_apvit
from mmda_bench.backbone.base import Backbone, Encoder, settings_digest, tensors_digest
from mmda_bench.backbone.bert import load_bert
from mmda_bench.backbone.timm_vit import load_timm
from mmda_bench.backbone.wavlm import load_wavlm
from mmda_bench.dataset import NAMES
from mmda_bench.registry import register_backbone


@register_backbone("paper", title="WavLM-base-plus, BERT-base-uncased, APViT")
class Paper(Backbone):
    """The paper's three encoders, of which the last layers are trained.

    ``trainable``: how many layers of each [paper: three]. ``apvit_size``: arguments of APViT where not as published.
    Locations: a hub name or a folder for the acoustic and lexical encoders; for the visual one the file of an APViT
    checkpoint, ``timm/<model>``, or the folder of a timm model.
    """

    default_weights: ClassVar[Mapping[str, str]] = {
        "acoustic": "microsoft/wavlm-base-plus",
        "lexical": "google-bert/bert-base-uncased",
        "visual": "~/.cache/mmda-bench/weights/APViT_RAF-3eeecf7d.pth",
    }
    trainable: ClassVar[Mapping[str, int]] = {"A": 3, "L": 3, "V": 3}
    apvit_size: ClassVar[Mapping[str, Any]] = {}
    # at 1, with plain heads on representations of unit norm, the log-variance of L_IB outweighs the cross-entropy and
    # every Z collapses (measured with ``tiny``, whose heads are the same)
    logit_scale = 16.0

    def encoder(self, modality: str) -> Encoder:
        location, trainable = os.path.expanduser(self.weights[NAMES[modality]]), self.trainable[modality]
        if modality == "A":
            return load_wavlm(location, trainable=trainable)
        if modality == "L":
            return load_bert(location, trainable=trainable)
        if location.startswith("timm/") or os.path.isdir(location):
            return load_timm(location, trainable=trainable)
        return load_apvit(location, trainable=trainable, **self.apvit_size)

    def identity(self) -> str:
        libraries = f"transformers {version('transformers')}, timm {version('timm')}"
        parts = [libraries, tensors_digest(self), settings_digest(self)]
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


@register_backbone("paper-released", title="As paper, with one trainable visual block")
class PaperReleased(Paper):
    """As in the released code, which trains the last block of APViT only."""

    trainable: ClassVar[Mapping[str, int]] = {"A": 3, "L": 3, "V": 1}
