"""Weights: true file formats, old names, offline, damage; a digest of what was loaded; and who chooses them."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from mmda_bench import registry
from mmda_bench.backbone.bert import load_bert
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.paper import Paper
from mmda_bench.backbone.timm_vit import load_timm
from mmda_bench.backbone.wavlm import load_wavlm
from mmda_bench.backbone.weights import read_checkpoint
from mmda_bench.errors import DataError
from tests.support import checkpoints
from tests.support.checkpoints import SmallPaper

COMMIT = "86b5e0934494bd15c9632b12f734a8a67f723594"
OLD_NAMES = {
    "parametrizations.weight.original0": "weight_g",
    "parametrizations.weight.original1": "weight_v",
    "LayerNorm.weight": "LayerNorm.gamma",
    "LayerNorm.bias": "LayerNorm.beta",
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return checkpoints.save_all(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def offline(monkeypatch):
    """Offline as HF_HUB_OFFLINE=1 makes it; any attempt at a connection fails the test."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    attempts = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: attempts.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: attempts.append(args))
    yield
    assert attempts == []


def older(name):
    """The name of a tensor as in the published checkpoints, which are years old."""
    for new, old in OLD_NAMES.items():
        name = name.replace(new, old)
    return name


def as_bin(folder, rename=lambda name: name, **extra):
    """Rewrite the safetensors file of ``folder`` as the older pytorch_model.bin."""
    tensors = {rename(name): value for name, value in load_file(folder / "model.safetensors").items()} | extra
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")


@pytest.mark.slow
def test_the_same_weights_have_the_same_digest_from_any_format(weights, tmp_path):
    from safetensors.torch import save_file

    checkpoints.save_wavlm(tmp_path / "wavlm")
    as_bin(tmp_path / "wavlm", older)
    checkpoints.save_bert(tmp_path / "bert")
    as_bin(tmp_path / "bert", lambda name: f"bert.{older(name)}", **{"cls.predictions.bias": torch.zeros(3)})
    save_file(checkpoints.apvit().state_dict(), tmp_path / "apvit.safetensors")
    other = {"acoustic": tmp_path / "wavlm", "lexical": tmp_path / "bert", "visual": tmp_path / "apvit.safetensors"}
    assert "weight_g" in str(torch.load(tmp_path / "wavlm" / "pytorch_model.bin").keys())
    first, second = SmallPaper(weights), SmallPaper({name: str(path) for name, path in other.items()})
    assert first.weights_digest() == second.weights_digest()
    assert first.identity() == second.identity()
    assert len(first.weights_digest()) == 8


@pytest.mark.parametrize("modality", ["acoustic", "lexical", "visual"])
def test_other_weights_have_another_digest_and_identity(weights, tmp_path, modality):
    save = {"acoustic": checkpoints.save_wavlm, "lexical": checkpoints.save_bert, "visual": checkpoints.save_apvit}
    other = SmallPaper({**weights, modality: save[modality](tmp_path / "other", seed=1)})
    assert other.weights_digest() != SmallPaper(weights).weights_digest()
    assert other.identity() != SmallPaper(weights).identity()


def test_another_configuration_of_the_same_tensors_has_another_identity(weights, tmp_path):
    """The number of heads leaves no trace in the tensors."""
    folder = tmp_path / "bert"
    checkpoints.save_bert(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_attention_heads": 6}))
    other = SmallPaper({**weights, "lexical": str(folder)})
    assert other.weights_digest() == SmallPaper(weights).weights_digest()
    assert other.identity() != SmallPaper(weights).identity()


def test_embedded_weights_have_no_digest():
    from mmda_bench.backbone.tiny import Tiny

    assert Tiny().weights_digest() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("load", "location", "download"),
    [
        (load_wavlm, "microsoft/wavlm-base-plus", "hf download microsoft/wavlm-base-plus"),
        (load_bert, "google-bert/bert-base-uncased", "hf download google-bert/bert-base-uncased"),
        (load_timm, "timm/vit_small_patch16_224", "hf download timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
    ],
)
def test_offline_nothing_is_downloaded_and_the_message_says_what_to_get(
    offline, tmp_path, monkeypatch, load, location, download
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=f"{download} --local-dir DIR; .*--weights (acoustic|lexical|visual)=DIR"):
        load(location, trainable=3)


def test_a_hub_out_of_reach_is_told_at_once_and_once(tmp_path, monkeypatch, caplog):
    def create_connection(address, timeout):
        raise OSError(f"no route to {address[0]}")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    monkeypatch.setattr("mmda_bench.backbone.weights.getproxies", dict)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(DataError, match=r"huggingface.co cannot be reached \(no route to huggingface.co\)"):
        load_bert("google-bert/bert-base-uncased", trainable=3)
    assert "Retry" not in caplog.text


def test_local_folders_need_no_network(offline, weights):
    assert SmallPaper(weights).encoder("A").width == 48
    assert SmallPaper(weights).encoder("L").width == 48


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that cannot be reached, and a function that puts a folder into its cache under a name."""

    def unreachable(*_, **__):
        raise AssertionError("the hub was asked")

    def put(name, source):
        repository = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(source, repository / "snapshots" / COMMIT)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text(COMMIT)
        return repository

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(socket.socket, "connect", unreachable)
    monkeypatch.setattr(socket, "getaddrinfo", unreachable)
    return put


def test_what_the_cache_of_the_hub_holds_is_loaded_without_asking_the_hub(hub, weights, tmp_path):
    (Path(weights["acoustic"]) / "preprocessor_config.json").write_text('{"do_normalize": true}')
    hub("microsoft/wavlm-base-plus", weights["acoustic"])
    hub("google-bert/bert-base-uncased", weights["lexical"])
    assert load_wavlm("microsoft/wavlm-base-plus", trainable=3).normalise
    assert load_bert("google-bert/bert-base-uncased", trainable=3).mask_token == "[MASK]"


def test_offline_the_normalisation_of_the_sound_is_not_guessed(hub, weights, monkeypatch):
    (Path(weights["acoustic"]) / "preprocessor_config.json").unlink(missing_ok=True)
    repository = hub("microsoft/wavlm-base-plus", weights["acoustic"])
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"preprocessor_config\.json is not on this machine.*hf download microsoft"):
        load_wavlm("microsoft/wavlm-base-plus", trainable=3)
    known = repository / ".no_exist" / COMMIT / "preprocessor_config.json"
    known.parent.mkdir(parents=True)
    known.touch()
    assert not load_wavlm("microsoft/wavlm-base-plus", trainable=3).normalise


@pytest.mark.parametrize("place", ["/nowhere/wavlm", "~/nowhere", "./wavlm", "models/of/mine"])
def test_a_folder_that_is_not_there_is_not_taken_for_a_name_on_the_hub(hub, place):
    with pytest.raises(DataError, match=f"--weights acoustic={place}: there is no such folder"):
        load_wavlm(place, trainable=3)


def test_a_file_in_the_place_of_a_folder_is_said(weights):
    with pytest.raises(DataError, match=r"apvit\.pth, a file; expected a folder with config\.json"):
        load_wavlm(weights["visual"], trainable=3)


def test_weights_of_another_architecture_are_refused(weights):
    with pytest.raises(DataError, match="are of a bert; expected a wavlm"):
        load_wavlm(weights["lexical"], trainable=3)


def test_missing_tensors_are_refused(tmp_path):
    checkpoints.save_bert(tmp_path)
    as_bin(tmp_path, lambda name: name.replace("layer.3.", "layer.9."))
    with pytest.raises(DataError, match=r"lack 16 tensors, such as encoder\.layer\.3"):
        load_bert(str(tmp_path), trainable=3)


def test_a_pickled_module_in_a_folder_is_refused_with_the_conversion_to_run(tmp_path):
    checkpoints.save_bert(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(checkpoints.bert(), tmp_path / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pytorch_model\.bin is a pickled module.*weights_only=False"):
        load_bert(str(tmp_path), trainable=3)


def test_wavlm_large_is_refused(tmp_path):
    checkpoints.save_wavlm(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "do_stable_layer_norm": True}))
    with pytest.raises(DataError, match="expected a WavLM-base or -base-plus"):
        load_wavlm(str(tmp_path), trainable=3)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
def test_a_damaged_checkpoint_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(DataError, match=name):
        read_checkpoint(tmp_path / name)


def test_a_checkpoint_that_is_no_state_dict_is_refused(tmp_path):
    torch.save([1, 2], tmp_path / "a.pth")
    with pytest.raises(DataError, match="holds a list; expected a state dict"):
        read_checkpoint(tmp_path / "a.pth")


# --- Choosing weights and backbones


def test_a_folder_of_a_timm_model_replaces_apvit(weights, tmp_path):
    network = MultimodalNetwork(Paper({**weights, "visual": checkpoints.save_vit(tmp_path)}), 4)
    assert network.encoders["V"].pool.lstm.input_size == 64


def test_a_user_adds_a_backbone_in_a_plugin_file(weights, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from mmda_bench.backbone.paper import Paper\n"
        "from mmda_bench.registry import register_backbone\n"
        "@register_backbone('my-backbone', title='Mine')\n"
        "class Mine(Paper):\n"
        f"    default_weights = {weights}\n"
        "    trainable = {'A': 1, 'L': 2, 'V': 3}\n"
        f"    apvit_size = {checkpoints.APVIT_SIZE}\n"
    )
    registry.load_plugin(tmp_path / "mine.py")
    backbone = registry.BACKBONES.get("my-backbone")()
    assert [len(backbone.encoder(m).layers.layers) for m in "AL"] == [1, 2]
    assert len(backbone.weights_digest()) == 8


@pytest.mark.slow
def test_both_are_listed_and_importing_them_imports_no_library_of_models():
    assert {"paper", "paper-released", "tiny"} <= set(registry.BACKBONES.entries())
    code = "import sys, mmda_bench.backbone.paper; sys.exit(bool({'transformers', 'timm'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_of_an_unknown_modality_are_refused():
    with pytest.raises(registry.UsageError, match="no 'sound' weights; it takes acoustic, lexical, visual"):
        Paper({"sound": "x"})
    with pytest.raises(registry.UsageError, match="embedded"):
        registry.BACKBONES.get("tiny")({"visual": "x"})


@pytest.mark.parametrize("model", ["resnet18", "swin_tiny_patch4_window7_224", "vit_base_patch16_siglip_224"])
def test_other_families_of_timm_are_refused_before_anything_is_downloaded(model):
    with pytest.raises(DataError, match="expected a VisionTransformer such as timm/vit_small_patch16_224"):
        load_timm(f"timm/{model}", trainable=3)


def test_an_unknown_timm_model_is_refused():
    with pytest.raises(DataError, match="timm has no model 'vit_enormous'"):
        load_timm("timm/vit_enormous", trainable=3)
