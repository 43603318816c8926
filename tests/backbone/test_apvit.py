"""APViT: the published checkpoint's tensors, equal to a literal re-implementation, whole and cut in two."""

import pytest
import torch
from safetensors.torch import save_file

from mmda_bench.backbone.apvit import APViT, load_apvit
from mmda_bench.errors import DataError
from tests.oracles.slow_apvit import apvit_features, published_shapes
from tests.support import checkpoints
from tests.support.checkpoints import APVIT_SIZE

DEPTH = APVIT_SIZE["depth"]


@pytest.fixture(scope="module")
def model():
    return checkpoints.apvit()


@pytest.fixture(scope="module")
def pictures():
    return torch.randn(3, 3, 112, 112, generator=torch.Generator().manual_seed(1))


def load(file):
    return load_apvit(str(file), trainable=3, **APVIT_SIZE)


def features(encoder, pictures):
    hidden = encoder.prefix(pictures)
    return encoder.layers(hidden[None], torch.ones(1, len(hidden), dtype=torch.bool))[0]


def test_the_published_size_has_the_published_tensors():
    with torch.device("meta"):
        model = APViT()
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    assert len(shapes) == 389
    assert shapes == published_shapes()
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 1) == 65.2


def test_tokens_are_dropped_as_published():
    with torch.device("meta"):
        model = APViT()
        x = model.vit.embed(model.extractor(torch.empty(2, 3, 112, 112)))
    counts = []
    for block in model.vit.blocks:
        x = block(x)
        counts.append(x.shape[1])
    assert counts == [161, 161, 161, 161, 145, 130, 117, 105]


def test_equals_a_literal_re_implementation(model, pictures):
    with torch.no_grad():
        found = model.double()(pictures.double())
        expected = apvit_features(pictures.double(), model.state_dict(), heads=APVIT_SIZE["heads"], depth=DEPTH)
    model.float()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_pictures_do_not_mix(model, pictures):
    with torch.no_grad():
        torch.testing.assert_close(model(pictures)[1:2], model(pictures[1:2]), rtol=1e-5, atol=1e-5)


def relative(found, expected):
    return ((found - expected).norm() / expected.norm()).item()


def test_the_last_block_may_compute_its_class_token_only(model, pictures):
    with torch.no_grad():
        x = model.vit.embed(model.extractor(pictures))
        for block in model.vit.blocks:
            torch.testing.assert_close(block(x, first_only=True), block(x)[:, :1], rtol=1e-5, atol=1e-5)


def test_a_state_dict_goes_out_and_comes_back(model, pictures, tmp_path):
    state = model.state_dict()
    torch.save(state, tmp_path / "bare.pth")
    torch.save({"state_dict": state, "meta": {"epoch": 40, "mmcls_version": "0.12"}}, tmp_path / "mmcls.pth")
    torch.save({f"module.{name}": value for name, value in state.items()}, tmp_path / "parallel.pth")
    save_file(state, tmp_path / "file.safetensors")
    with torch.no_grad():
        expected = model(pictures)
        for file in ("bare.pth", "mmcls.pth", "parallel.pth", "file.safetensors"):
            assert relative(features(load(tmp_path / file), pictures), expected) <= 1e-6, file


def test_a_pickled_module_is_refused_with_the_conversion_to_run(model, tmp_path):
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(DataError, match=r"pickled module.*python -c .*weights_only=False"):
        load(tmp_path / "whole.pth")


def test_the_conversion_that_is_printed_makes_a_file_that_loads(model, pictures, tmp_path, monkeypatch):
    torch.save(model, tmp_path / "whole.pth")
    with pytest.raises(DataError) as refused:
        load(tmp_path / "whole.pth")
    monkeypatch.chdir(tmp_path)
    exec(str(refused.value).split('python -c "')[1].rstrip('"'), {})
    with torch.no_grad():
        assert relative(features(load("state_dict.pth"), pictures), model(pictures)) <= 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("vit.norm.bias"), r"1 missing \(vit.norm.bias\)"),
        (lambda s: s.update({"vit.pos": torch.ones(2)}), r"1 unexpected \(vit.pos\)"),
        (lambda s: s.update({"head.fc.bias": torch.ones(2)}), r"head.fc.bias \[2\] instead of \[7\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(model, tmp_path, change, message):
    state = dict(model.state_dict())
    change(state)
    torch.save(state, tmp_path / "a.pth")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "a.pth")


def test_a_missing_checkpoint_says_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.pth; download .*github.com/youqingxiaozhua/APViT.*--weights visual="):
        load(tmp_path / "nowhere.pth")


def test_the_head_may_be_of_any_number_of_classes(tmp_path):
    """It was trained on another corpus's expressions and is not used."""
    state = checkpoints.apvit().state_dict()
    for name in ("head.fc.weight", "head.fc.bias"):
        state[name] = torch.cat([state[name], state[name]])
    torch.save(state, tmp_path / "apvit.pth")
    loaded = load_apvit(str(tmp_path / "apvit.pth"), trainable=3, **checkpoints.APVIT_SIZE)
    usual = load_apvit(checkpoints.save_apvit(tmp_path / "usual.pth"), trainable=3, **checkpoints.APVIT_SIZE)
    pictures = torch.randn(2, 3, 112, 112)
    assert loaded.prefix(pictures).equal(usual.prefix(pictures))
