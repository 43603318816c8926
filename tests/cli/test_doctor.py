"""What ``doctor`` says of a machine: what is there, what is not, and what to do about it."""

import importlib
import json
import re
import socket
from types import SimpleNamespace

import noise
import pytest
import torch
from typer.testing import CliRunner

from mmda_bench.cli import doctor
from mmda_bench.cli.main import app
from mmda_bench.errors import UsageError
from mmda_bench.registry import BACKBONES, DATASETS, load_plugin


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


def test_looking_leaves_nothing_behind(examine, tmp_path):
    (tmp_path / "cache").mkdir()
    checks = examine(dataset="avatars")
    assert checks["results folder"].passed
    assert checks["cache folder"].passed
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


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


def raising(error):
    def broken(*_, **__):
        raise error

    return broken


def test_each_part_of_a_broken_machine_is_said_and_the_rest_is_still_looked_at(examine, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file where a folder should be")
    monkeypatch.setattr(torch.cuda, "device_count", raising(RuntimeError("the driver is too old")))
    monkeypatch.setattr("matplotlib.font_manager.findfont", raising(ValueError("no such font")))
    monkeypatch.setattr(doctor.locks, "available", lambda folder: "no flock here")
    monkeypatch.setattr(doctor, "FOR_WEIGHTS", ("no-such-package",))
    monkeypatch.setattr(DATASETS.get("mintrec"), "describe", raising(ZeroDivisionError("in the reader")))
    monkeypatch.setattr(BACKBONES.get("tiny"), "default_weights", {"acoustic": "nowhere/at-all"})
    checks = examine()
    said = {title: (check.passed, check.detail) for title, check in checks.items()}
    assert said["GPU"] == (False, "RuntimeError: the driver is too old")
    assert said["font of the figures"] == (False, "DejaVu Sans: no such font")
    assert said["no-such-package"] == (False, "not installed")
    assert said["corpus mintrec"] == (False, "ZeroDivisionError: in the reader")
    assert "File exists" in said["cache folder"][1]
    assert "no flock here" in said["file locks"][1]
    assert said["acoustic weights of tiny"] == (False, "nowhere/at-all: not on this machine")
    assert said["results folder"][0]
    assert all(check.advice for check in checks.values() if not check.passed)


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


def test_a_corpus_that_cannot_run_here_is_exit_5_and_nothing_else_is_spoken_of(tmp_path):
    folders = ["--results", str(tmp_path / "results"), "--cache", str(tmp_path / "cache")]
    ask = lambda *words: CliRunner().invoke(app, ["doctor", *words, "--json", *folders])  # noqa: E731
    absent = ask("--dataset", "MIntRec")
    document = json.loads(absent.output)
    corpora = {check["title"]: check for check in document["checks"] if check["title"].startswith("corpus ")}
    assert (absent.exit_code, document["usable"], list(corpora)) == (5, False, ["corpus mintrec"])
    assert "--data-root DIR" in corpora["corpus mintrec"]["advice"]
    embedded = ask("--dataset", "avatars")
    titles = [check["title"] for check in json.loads(embedded.output)["checks"]]
    assert embedded.exit_code == 0
    assert "disk for the prefixes of avatars" in titles
    assert not [title for title in titles if "weights" in title or "mintrec" in title or title == "transformers"]


def test_looking_downloads_nothing_and_asks_only_whether_the_hub_is_there(examine, monkeypatch):
    asked = []

    def create_connection(address, timeout):
        asked.append(address)
        raise OSError("no route")

    monkeypatch.setattr(socket, "create_connection", create_connection)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: pytest.fail("the network was used"))
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    check = examine(dataset="avatars", backbone="paper")["acoustic weights of paper"]
    assert (check.passed, check.needed) == (False, True)
    assert "hf download microsoft/wavlm-base-plus" in check.advice
    assert "huggingface.co cannot be reached (no route)" in check.detail
    assert set(asked) == {("huggingface.co", 443)}
    monkeypatch.setattr(socket, "create_connection", lambda address, timeout: socket.socket())
    assert not examine(dataset="avatars", backbone="paper")["acoustic weights of paper"].needed


def test_a_corpus_of_no_such_name_is_a_mistake(examine):
    with pytest.raises(UsageError, match="did you mean avatars"):
        examine(dataset="avatar")
