"""What ``doctor`` says of a machine: what is there, what is not, and what to do about it."""

import importlib
import re
import socket
from types import SimpleNamespace

import noise
import pytest
import torch

from mmda_bench.cli import doctor
from mmda_bench.errors import UsageError
from mmda_bench.registry import load_plugin


@pytest.fixture
def examine(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def look(root=None, **options):
        checks = doctor.examine(results=tmp_path / "results", cache=tmp_path / "cache", root=root, **options)
        return {check.title: check for check in checks}

    return look


def test_everything_that_a_sweep_may_need_is_looked_at(examine):
    checks = examine()
    for title in ("Python", "torch", "ray", "transformers", "FFmpeg", "font of the figures", "disk", "results folder"):
        assert checks[title].passed, str(checks[title])
    assert "CUDA" in checks or "GPU 0" in checks
    assert "PyAV" in checks["FFmpeg"].detail
    assert checks["corpus avatars"].passed
    absent = checks["corpus mintrec"]
    assert not absent.passed
    assert not absent.needed
    assert "--data-root DIR" in absent.advice


def test_gpus_are_named_with_their_memory(examine, monkeypatch):
    gpu = SimpleNamespace(name="NVIDIA A100-SXM4-80GB", total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda i: gpu)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    checks = examine()
    assert checks["GPU 1"].detail == "NVIDIA A100-SXM4-80GB, 80 GiB, CUDA 13.0"
    assert "CUDA" not in checks


def test_a_gpu_that_is_hidden_is_told_from_one_that_is_not_there(examine, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert examine()["CUDA"].detail.endswith("finds no GPU; CUDA_VISIBLE_DEVICES is '7'")
    monkeypatch.setattr(torch.version, "cuda", None)
    assert "is built without it" in examine()["CUDA"].detail


def test_a_library_that_is_broken_is_named_with_what_to_do(examine, monkeypatch):
    def broken(name, *rest):
        if name == "av":
            raise ImportError("libavcodec.so.62: cannot open")
        return whole(name, *rest)

    whole = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", broken)
    check = examine()["FFmpeg"]
    assert not check.passed
    assert "libavcodec.so.62" in check.detail
    assert "pip install av" in check.advice


def test_weights_are_found_in_a_folder_a_file_or_the_hub_cache(examine, tmp_path):
    file = tmp_path / "apvit.pth"
    file.touch()
    snapshot = tmp_path / "hub" / "models--google-bert--bert-base-uncased" / "snapshots" / "86b5e0"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()
    titles = [f"{modality} weights of paper, paper-released" for modality in ("acoustic", "lexical", "visual")]
    before = examine(weights={"visual": str(file)})
    assert [before[title].passed for title in titles] == [False, False, True], "a configuration alone is no checkpoint"
    assert (
        "hf download microsoft/wavlm-base-plus --local-dir DIR, then --weights acoustic=DIR" in before[titles[0]].advice
    )
    (snapshot / "model.safetensors").touch()
    assert examine()[titles[1]].detail.endswith(str(snapshot))


def test_timm_models_are_found_whatever_their_tag(examine, tmp_path):
    snapshot = tmp_path / "hub" / "models--timm--vit_small_patch16_224.augreg_in21k_ft_in1k" / "snapshots" / "x"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").touch()
    check = examine(weights={"visual": "timm/vit_small_patch16_224"})["visual weights of paper, paper-released"]
    assert check.passed


def test_weights_in_a_place_that_does_not_exist_are_missing(examine):
    for place in ("/nowhere/apvit.pth", "~/nowhere.pth", "one/two/three.pth"):
        check = examine(weights={"visual": place})["visual weights of paper, paper-released"]
        assert not check.passed
        assert "--weights visual=FILE" in check.advice


def test_the_disk_that_a_corpus_needs_is_told_on_request(examine, tmp_path, monkeypatch):
    load_plugin(noise.__file__)
    root = noise.lay_out(tmp_path / "root", 40)
    assert "disk for the prefixes of noise" not in examine(root)
    enough = examine(root, dataset="noise", backbone="tiny")["disk for the prefixes of noise"]
    assert enough.passed
    assert re.match(r"at most \d+\.\d [kM]B needed", enough.detail)
    monkeypatch.setattr("mmda_bench.features.cache.free_bytes", lambda folder: 1000)
    short = examine(root, dataset="noise", backbone="tiny")["disk for the prefixes of noise"]
    assert not short.passed
    assert "--cache DIR" in short.advice


def test_the_disk_of_a_corpus_that_is_not_there_is_said_to_be_unknown(examine):
    check = examine(dataset="mintrec")["disk for the prefixes of mintrec"]
    assert not check.passed
    assert "--data-root DIR" in check.detail


def test_looking_downloads_nothing(examine, monkeypatch):
    attempts = []
    monkeypatch.setattr(socket.socket, "connect", lambda *args: attempts.append(args))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: attempts.append(args))
    check = examine(dataset="avatars", backbone="paper")["disk for the prefixes of avatars"]
    assert not check.passed
    assert "hf download microsoft/wavlm-base-plus" in check.detail
    assert attempts == []


def test_a_corpus_of_no_such_name_is_a_mistake(examine):
    with pytest.raises(UsageError, match="did you mean avatars"):
        examine(dataset="avatar")
