"""Small random checkpoints of the true architectures in the true file formats, for tests that load them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmda_bench.backbone.apvit import APViT
from mmda_bench.backbone.paper import Paper

LAYERS = 5
WORDS = ("i", "am", "not", "go", "so", "happy", "sad", "to", "day", "##ing", "##ly", ".", ",", "!")
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS)
APVIT_SIZE = {"width": 48, "heads": 4, "depth": 6, "channels": (4, 4, 8, 8), "units": (2, 1, 2)}


class SmallPaper(Paper):
    """The paper's backbone with an APViT of ``APVIT_SIZE``; the sizes of the others come with their checkpoints."""

    apvit_size = APVIT_SIZE


def scattered(build: Callable[[], nn.Module], seed: int) -> Any:
    """Every tensor random, so that no weight is zero or one and hides what is multiplied by it."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        model = build()
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                noise = 0.15 * torch.randn(value.shape)
                value.copy_(noise.abs() + 0.7 if name.endswith("running_var") else value + noise)
    return model.eval()


def wavlm(seed: int = 0) -> Any:
    from transformers import WavLMConfig, WavLMModel

    config = WavLMConfig(
        hidden_size=48, num_attention_heads=3, num_hidden_layers=LAYERS, intermediate_size=96, conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4, num_buckets=32, max_bucket_distance=20,
    )  # fmt: skip
    return scattered(lambda: WavLMModel(config), seed)


def save_wavlm(folder: Path, seed: int = 0) -> str:
    wavlm(seed).save_pretrained(folder)
    return str(folder)


def bert(seed: int = 0) -> Any:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=48, num_attention_heads=3, num_hidden_layers=LAYERS,
        intermediate_size=96,
    )  # fmt: skip
    return scattered(lambda: BertModel(config), seed)


def save_bert(folder: Path, seed: int = 0) -> str:
    bert(seed).save_pretrained(folder)
    save_tokenizer(folder)
    return str(folder)


def save_tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY))
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)


def apvit(seed: int = 0) -> Any:
    return scattered(lambda: APViT(**APVIT_SIZE), seed)


def save_apvit(file: Path, seed: int = 0) -> str:
    torch.save({"state_dict": apvit(seed).state_dict(), "meta": {"epoch": 40, "CLASSES": ["Surprise", "Fear"]}}, file)
    return str(file)


def vit(seed: int = 0) -> Any:
    import timm

    return scattered(lambda: timm.create_model("test_vit", num_classes=0), seed)


def save_vit(folder: Path, seed: int = 0) -> str:
    from timm.models import save_for_hf

    save_for_hf(vit(seed), str(folder))
    return str(folder)


def save_all(folder: Path) -> dict[str, str]:
    """A checkpoint of each modality: what ``SmallPaper(...)`` and ``--weights`` take."""
    return {
        "acoustic": save_wavlm(folder / "wavlm"),
        "lexical": save_bert(folder / "bert"),
        "visual": save_apvit(folder / "apvit.pth"),
    }
