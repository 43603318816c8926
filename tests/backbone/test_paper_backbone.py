"""The paper's backbones on small random checkpoints of the true architectures: frozen prefix, trainable suffix."""

import json
import math

import numpy as np
import pytest
import torch

from mmda_bench.backbone.bert import load_bert
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.paper import PaperReleased
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.timm_vit import load_timm
from mmda_bench.backbone.wavlm import attend, load_wavlm
from mmda_bench.dataset import MODALITIES
from mmda_bench.shifts import MEAN, STD
from tests.support import checkpoints
from tests.support.checkpoints import SmallPaper

WORDS = [["i", "am", "not", "[MASK]", "happy", "today", "."], ["sad", "!"], ["go", "[MASK]", "going"]]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return checkpoints.save_all(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def vit_folder(tmp_path_factory):
    return checkpoints.save_vit(tmp_path_factory.mktemp("vit"))


@pytest.fixture(scope="module")
def encoders(weights):
    return {m: SmallPaper(weights).encoder(m) for m in MODALITIES}


def raw(modality, item=0):
    """Inputs as the engine hands them over; a different length for each ``item``."""
    rng = np.random.default_rng(item)
    if modality == "A":
        return (0.1 * rng.standard_normal(4000 + 1700 * item)).astype(np.float32)
    return WORDS[item] if modality == "L" else rng.standard_normal((2 + item, 112, 112, 3)).astype(np.float32)


def relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def padded(rows):
    lengths = torch.tensor([len(row) for row in rows])
    values = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return Sequences(values, torch.arange(values.shape[1]) < lengths[:, None])


def suffix(encoder, row):
    return encoder.layers(row[None], torch.ones(1, len(row), dtype=torch.bool))[0]


def prefixes(encoder, modality):
    with torch.no_grad():
        return [encoder.prefix(encoder.tokens(raw(modality, item))) for item in range(3)]


def assert_same_outputs_and_gradients(encoder, inputs, whole, layers, output):
    """Of prefix and suffix, and of the ``whole`` network with the last ``layers`` trainable, which was never cut.

    In float64 every gradient to 1e-9; in float32 the outputs and the vector of all gradients to 1e-6.

    Not bit for bit, for the products are taken in other shapes or another order.
    """
    whole.requires_grad_(False)
    layers.requires_grad_(True)
    expected = output(whole)
    found = suffix(encoder, encoder.prefix(inputs))
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(5))
    (expected * direction).sum().backward()
    (found * direction).sum().backward()
    pairs = [(p.grad, q.grad) for p, q in zip(encoder.layers.parameters(), layers.parameters(), strict=True)]
    assert relative(found, expected) <= 1e-6
    assert relative(*(torch.cat([grad.flatten() for grad in grads]) for grads in zip(*pairs, strict=True))) <= 1e-6
    if found.dtype == torch.float64:
        assert all((a - b).abs().max() <= 1e-9 * (1 + b.abs().max()) for a, b in pairs)


# --- Prefix and suffix equal the network that was never cut


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_wavlm_equals_transformers_own(weights, dtype):
    encoder, whole = load_wavlm(weights["acoustic"], trainable=3).to(dtype), checkpoints.wavlm().to(dtype)
    x = encoder.tokens(raw("A", 2)).to(dtype)
    layers = whole.encoder.layers[-3:]
    assert_same_outputs_and_gradients(encoder, x, whole, layers, lambda whole: whole(x[None]).last_hidden_state[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bert_equals_transformers_own(weights, dtype):
    encoder, whole = load_bert(weights["lexical"], trainable=3).to(dtype), checkpoints.bert().to(dtype)
    x = encoder.tokens(WORDS[0])
    layers = whole.encoder.layer[-3:]
    assert_same_outputs_and_gradients(encoder, x, whole, layers, lambda whole: whole(x[None]).last_hidden_state[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_apvit_equals_the_whole_model(weights, dtype):
    encoder, whole = SmallPaper(weights).encoder("V").to(dtype), checkpoints.apvit().to(dtype)
    x = encoder.tokens(raw("V", 1)).to(dtype)
    assert_same_outputs_and_gradients(encoder, x, whole, whole.vit.blocks[-3:], lambda whole: whole(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_timm_equals_the_whole_model(vit_folder, dtype):
    encoder, whole = load_timm(vit_folder, trainable=3).to(dtype), checkpoints.vit().to(dtype)
    x = torch.randn(3, 3, 160, 160, generator=torch.Generator().manual_seed(0), dtype=dtype)
    renormalised = x * encoder.scale + encoder.offset
    assert_same_outputs_and_gradients(encoder, x, whole, whole.blocks[-3:], lambda whole: whole(renormalised))


def test_one_wavlm_attention_equals_transformers_own():
    model = checkpoints.wavlm()
    first, layer = model.encoder.layers[0].attention, model.encoder.layers[3].attention
    x = torch.randn(2, 30, 48, generator=torch.Generator().manual_seed(0))
    bias = first.compute_bias(30, 30).detach()
    outputs, gradients = [], []
    for own in (True, False):
        leaf = x.clone().requires_grad_()
        model.zero_grad()
        if own:
            y = attend(layer, leaf, bias, torch.zeros(2, 1, 1, 30))
        else:
            y = layer(leaf, position_bias=bias.repeat(2, 1, 1))[0]
        y.square().sum().backward()
        outputs.append(y.detach())
        gradients.append([leaf.grad, *(p.grad for n, p in layer.named_parameters() if n != "k_proj.bias")])
    assert relative(*outputs) <= 1e-6
    assert max(relative(a, b) for a, b in zip(*gradients, strict=True)) <= 1e-6


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_padded_batch_equals_each_utterance_alone(encoders, modality):
    encoder = encoders[modality]
    rows = prefixes(encoder, modality)
    batch = padded(rows)
    together = encoder.layers(batch.values, batch.mask)
    for item, row in enumerate(rows):
        assert relative(together[item, : len(row)], suffix(encoder, row)) <= 1e-6


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_half_precision_cache_changes_the_outputs_by_less_than_a_thousandth(encoders, modality):
    """Measured on these checkpoints: 7e-5 acoustic, 7e-5 lexical, 1.5e-4 visual."""
    encoder = encoders[modality]
    row = prefixes(encoder, modality)[0]
    with torch.no_grad():
        error = relative(suffix(encoder, row.half().float()), suffix(encoder, row))
    assert 0 < error < 1e-3


@pytest.mark.parametrize("modality", MODALITIES)
def test_the_trained_layers_run_in_mixed_precision(encoders, modality):
    encoder = encoders[modality]
    row = prefixes(encoder, modality)[0]
    with torch.autocast("cpu", torch.bfloat16):
        found = suffix(encoder, row).float()
    assert 0 < relative(found, suffix(encoder, row)) < 0.05


@pytest.mark.parametrize("modality", MODALITIES)
def test_nothing_is_random_in_training(encoders, modality):
    """Neither dropout nor layer drop nor SpecAugment acts, whatever the checkpoint's configuration says."""
    encoder = encoders[modality]
    row = prefixes(encoder, modality)[0]
    expected = suffix(encoder, row)
    encoder.layers.train()
    assert torch.equal(suffix(encoder, row), expected)
    encoder.layers.eval()
    assert not encoder.frozen.training


# --- What is trained


def test_exactly_the_last_three_layers_and_the_new_modules_are_trained(weights):
    network = MultimodalNetwork(SmallPaper(weights), 4)
    whole = {
        "A": checkpoints.wavlm().encoder.layers,
        "L": checkpoints.bert().encoder.layer,
        "V": checkpoints.apvit().vit.blocks,
    }
    for m in MODALITIES:
        expected = [p for layer in whole[m][-3:] for p in layer.parameters()]
        found = list(network.encoders[m].pretrained.parameters())
        assert all(torch.equal(p, q) for p, q in zip(found, expected, strict=True))
    assert all(p.requires_grad for p in network.parameters())


def test_training_changes_the_last_layers_and_nothing_that_is_frozen(weights):
    backbone = SmallPaper(weights)
    encoders = {m: backbone.encoder(m) for m in MODALITIES}
    backbone.encoder = encoders.__getitem__
    network = MultimodalNetwork(backbone, 4).train()
    before = {m: {n: v.clone() for n, v in encoders[m].state_dict().items()} for m in MODALITIES}
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(2):
        batch = {m: padded([e.prefix(e.tokens(raw(m, item))) for item in range(3)]) for m, e in encoders.items()}
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(batch)[1]["joint"], torch.tensor([0, 1, 2])).backward()
        optimiser.step()
    for m, encoder in encoders.items():
        assert all(p.grad is None for p in encoder.frozen.parameters())
        trained = {f"layers.{name}" for name, _ in encoder.layers.named_parameters()}
        changed = {name for name, value in encoder.state_dict().items() if not torch.equal(value, before[m][name])}
        assert changed == trained


def test_source_and_target_of_different_lengths_go_forward_and_back_together(weights):
    network = MultimodalNetwork(SmallPaper(weights), 4).eval()
    rows = {m: prefixes(SmallPaper(weights).encoder(m), m) for m in MODALITIES}
    z, logits = network({m: padded(rows[m]) for m in MODALITIES})
    halves = [network({m: padded(rows[m][half]) for m in MODALITIES})[0] for half in (slice(2), slice(2, None))]
    assert relative(z["joint"], torch.cat([half["joint"] for half in halves])) <= 1e-6
    torch.testing.assert_close(z["joint"].norm(dim=1), torch.full((3,), math.sqrt(3)))
    logits["joint"].square().sum().backward()
    gradients = [p.grad for encoder in network.encoders.values() for p in encoder.parameters()]
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_the_released_variant_trains_one_visual_block(weights, monkeypatch):
    monkeypatch.setattr(PaperReleased, "apvit_size", checkpoints.APVIT_SIZE)
    backbone = PaperReleased(weights)
    assert len(backbone.encoder("V").layers.blocks) == 1
    assert [len(backbone.encoder(m).layers.layers) for m in "AL"] == [3, 3]


# --- What goes in


def test_the_mask_word_becomes_the_tokenizers_mask_and_words_are_limited(encoders):
    encoder = encoders["L"]
    assert encoder.mask_token == "[MASK]"
    vocabulary = checkpoints.VOCABULARY
    pieces = [vocabulary[i] for i in encoder.tokens(WORDS[2])]
    assert pieces == ["[CLS]", "go", "[MASK]", "go", "##ing", "[SEP]"]
    assert len(encoder.tokens(["go"] * 200)) == 64
    assert vocabulary[encoder.tokens(["go"] * 200)[-1]] == "[SEP]"
    assert len(encoder.tokens([])) == 2


@pytest.mark.parametrize(
    ("settings", "normalised"), [(None, False), ({"do_normalize": False}, False), ({"do_normalize": True}, True)]
)
def test_the_waveform_is_normalised_if_the_checkpoint_says_so(tmp_path, settings, normalised):
    folder = checkpoints.save_wavlm(tmp_path / "w")
    if settings is not None:
        (tmp_path / "w" / "preprocessor_config.json").write_text(json.dumps({"feature_size": 1, **settings}))
    tokens = load_wavlm(folder, trainable=3).tokens(raw("A") + 0.3)
    assert tokens.mean().abs() < 1e-5 if normalised else torch.equal(tokens, torch.from_numpy(raw("A") + 0.3))
    assert (abs(tokens.std() - 1) < 1e-3) == normalised


def test_one_token_is_320_samples(encoders):
    encoder = encoders["A"]
    assert encoder.prefix(encoder.tokens(np.zeros(400, np.float32))).shape == (1, 48)
    assert encoder.prefix(encoder.tokens(np.zeros(80_160, np.float32))).shape == (250, 48)


def test_pictures_reach_a_timm_model_at_its_own_size_and_normalisation(vit_folder):
    encoder = load_timm(vit_folder, trainable=3)
    seen = []
    encoder.frozen.patch_embed.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    grey = (np.full((1, 112, 112, 3), 0.25, np.float32) - MEAN) / STD
    encoder.prefix(encoder.tokens(grey))
    torch.testing.assert_close(seen[0], torch.full((1, 3, 160, 160), -0.5))  # (0.25 − 0.5) / 0.5
