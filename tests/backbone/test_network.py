import numpy as np
import pytest
import torch

from mmda_bench.backbone.base import sample_frames
from mmda_bench.backbone.layers import Block, LSTMPool, PictureBlocks, TextCNN
from mmda_bench.backbone.network import DIMS, ModalityEncoder, MultimodalNetwork
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.tiny import WIDTH, Tiny, log_mel, word_index
from mmda_bench.training.batches import augmented, join


def batch(size, *, sound=20, words=8, seed=0):
    rng = torch.Generator().manual_seed(seed)
    shapes = {"A": (size, sound, WIDTH), "L": (size, words, WIDTH), "V": (size, 4, 5, WIDTH)}
    return {
        m: Sequences(torch.randn(shape, generator=rng), torch.ones(shape[:2], dtype=torch.bool))
        for m, shape in shapes.items()
    }


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MultimodalNetwork(Tiny(), 4).eval()


def test_shapes_norms_and_heads(network):
    z, logits = network(batch(5))
    assert {m: tuple(v.shape) for m, v in z.items()} == {m: (5, d) for m, d in DIMS.items()}
    assert {tuple(v.shape) for v in logits.values()} == {(5, 4)}
    for m in ("A", "L", "V"):
        torch.testing.assert_close(z[m].norm(dim=1), torch.ones(5))
    torch.testing.assert_close(z["joint"], torch.cat([z["A"], z["L"], z["V"]], 1))
    torch.testing.assert_close(logits["joint"], network.classify("joint", z["joint"]))


def test_heads_are_never_in_half_precision(network):
    z = torch.nn.functional.normalize(torch.randn(5, 256), dim=1)
    with torch.autocast("cpu", torch.bfloat16):
        found = network.classify("A", z)
    assert torch.equal(found, network.classify("A", z))


def test_one_forward_of_both_domains_equals_two(network):
    source, target = batch(5, sound=20, words=8), batch(3, sound=31, words=5, seed=1)
    together = network(join(source, target))[0]["joint"]
    apart = torch.cat([network(source)[0]["joint"], network(target)[0]["joint"]])
    torch.testing.assert_close(together, apart, atol=2e-6, rtol=0)


def test_padding_changes_nothing(network):
    short = batch(2, sound=9, words=3)
    longer = join(short, batch(1, sound=40, words=20))
    z = network(longer)[0]["joint"][:2]
    torch.testing.assert_close(z, network(short)[0]["joint"], atol=2e-6, rtol=0)


def test_there_is_no_batch_norm(network):
    assert not [m for m in network.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]


def test_the_last_visual_block_may_compute_its_class_token_only():
    torch.manual_seed(0)
    block, x = Block(48).eval(), torch.randn(6, 10, 48)
    torch.testing.assert_close(block(x, first_only=True)[:, 0], block(x)[:, 0], atol=1e-6, rtol=1e-5)
    blocks = PictureBlocks([Block(48), Block(48)]).eval()
    full = blocks.blocks[1](blocks.blocks[0](x))[:, 0]
    mask = torch.ones(2, 3, dtype=torch.bool)
    torch.testing.assert_close(blocks(x.view(2, 3, 10, 48), mask).flatten(0, 1), full, atol=1e-6, rtol=1e-5)


def test_a_block_equals_the_textbook_formula_with_its_gradients():
    torch.manual_seed(0)
    block, x = Block(48, heads=3).double(), torch.randn(3, 7, 48, dtype=torch.float64, requires_grad=True)
    before = x.detach().clone()

    def textbook(x):
        q, k, v = torch.nn.functional.linear(block.norm1(x), block.qkv.weight, block.qkv.bias).split(48, dim=2)
        heads = []
        for h in range(0, 48, 16):
            scores = q[..., h : h + 16] @ k[..., h : h + 16].mT / 4
            heads.append(scores.softmax(2) @ v[..., h : h + 16])
        x = x + torch.cat(heads, 2) @ block.proj.weight.T + block.proj.bias
        hidden = block.norm2(x) @ block.fc1.weight.T + block.fc1.bias
        normal = torch.distributions.Normal(torch.zeros((), dtype=x.dtype), torch.ones((), dtype=x.dtype))
        return x + (hidden * normal.cdf(hidden)) @ block.fc2.weight.T + block.fc2.bias

    inputs = [x, *block.parameters()]
    for found, expected in [(block(x), textbook(x)), (block(x, first_only=True), textbook(x)[:, :1])]:
        torch.testing.assert_close(found, expected)
        weights = torch.randn_like(found)
        gradients = [torch.autograd.grad((y * weights).sum(), inputs) for y in (found, expected)]
        torch.testing.assert_close(*gradients)
    assert torch.equal(x.detach(), before)


def test_attention_ignores_masked_steps():
    torch.manual_seed(0)
    block, x = Block(48).eval(), torch.randn(1, 7, 48)
    mask = torch.tensor([[True] * 4 + [False] * 3])
    torch.testing.assert_close(block(x, mask)[:, :4], block(x[:, :4]), atol=1e-6, rtol=1e-5)


def test_textcnn_takes_a_single_word_and_equals_a_loop():
    torch.manual_seed(0)
    cnn, x = TextCNN(6, 5), torch.randn(2, 4, 6)
    mask = torch.tensor([[True] * 4, [True, False, False, False]])
    found = cnn(x, mask)
    for row, length in enumerate((4, 1)):
        expected = []
        for kernel, convolution in zip(cnn.kernels, cnn.convolutions, strict=True):
            left = (kernel - 1) // 2
            padded = torch.zeros(left + length + kernel, 6)
            padded[left : left + length] = x[row, :length]
            steps = [
                (convolution.weight * padded[t : t + kernel].T).sum((1, 2)) + convolution.bias for t in range(length)
            ]
            expected.append(torch.stack(steps).clamp(min=0).amax(0))
        torch.testing.assert_close(found[row], torch.cat(expected), atol=1e-5, rtol=1e-4)


def test_lstm_pooling_ignores_padding():
    torch.manual_seed(0)
    pool, x = LSTMPool(6, 5), torch.randn(1, 4, 6)
    padded = torch.cat([x, torch.ones(1, 3, 6)], 1)
    mask = torch.arange(7)[None] < 4
    torch.testing.assert_close(pool(padded, mask), pool(x, mask[:, :4]))


def test_second_view_drops_steps_and_pictures_and_adds_nothing():
    clean = batch(50, sound=40)
    view = augmented(clean, np.random.default_rng(0))
    assert view["V"].values.shape[1] == 3
    share = 1 - view["A"].mask.float().mean().item()
    assert 0.07 < share < 0.13
    assert view["L"].mask.any(1).all()
    assert torch.equal(view["A"].values, clean["A"].values)
    single = {**clean, "L": Sequences(clean["L"].values[:, :1], clean["L"].mask[:, :1])}
    assert augmented(single, np.random.default_rng(0))["L"].mask.all()


def test_log_mel_follows_the_pitch():
    time = torch.arange(16000) / 16000
    low, high = (log_mel(torch.sin(2 * torch.pi * f * time))[20].argmax() for f in (300, 3000))
    assert low < high
    assert log_mel(torch.zeros(16000)).shape == (101, 40)


def test_unknown_words_share_buckets_and_known_ones_do_not():
    vocabulary = {"[PAD]": 0, "[MASK]": 1, "[UNK]": 2, "happy": 3}
    assert word_index("Happy,", vocabulary) == 3
    assert word_index("[MASK]", vocabulary) == 1
    assert word_index("zebra", vocabulary) >= 4
    assert word_index("zebra", vocabulary) == word_index("Zebra!", vocabulary)


def test_frames_are_sampled_evenly_and_repeated_when_short():
    assert sample_frames(np.arange(10), count=4).tolist() == [0, 2, 5, 7]
    assert sample_frames(np.arange(1), count=3).tolist() == [0, 0, 0]


@pytest.mark.parametrize("groups", [2, 3, 7])
def test_groups_of_similar_length_change_nothing_but_the_padding(groups):
    torch.manual_seed(0)
    encoder = ModalityEncoder(Tiny(), "A").eval()
    rng = torch.Generator().manual_seed(1)
    values, lengths = torch.randn(7, 20, WIDTH, generator=rng), torch.tensor([20, 3, 9, 20, 1, 14, 9])
    mask = torch.arange(20) < lengths[:, None]
    mask[0, 4:6] = False  # steps hidden by the second view
    whole = encoder(Sequences(values, mask))
    encoder.groups = groups
    assert torch.allclose(encoder(Sequences(values, mask)), whole, atol=1e-6)
    parts = Sequences(values, mask).by_length(groups)
    assert sum(part.mask.numel() for _, part in parts) < mask.numel()
    assert sorted(row for rows, _ in parts for row in rows.tolist()) == list(range(7))


def test_half_precision_of_the_cache_is_widened_on_the_device():
    half = Sequences(torch.ones(2, 3, 4, dtype=torch.float16), torch.ones(2, 3, dtype=torch.bool))
    assert half.to(torch.device("cpu")).values.dtype == torch.float32
