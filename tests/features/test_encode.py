"""One shard of a prefix: alone, in float32, in eval mode, on the device that its worker is given."""

from dataclasses import replace

import noise
import numpy as np
import pytest
import torch

from mmda_bench.backbone.tiny import Tiny
from mmda_bench.errors import DataError
from mmda_bench.features import encode
from mmda_bench.features.shards import Ragged, read_index
from mmda_bench.registry import load_plugin

pytestmark = pytest.mark.usefixtures("unwatched")


@pytest.fixture
def shard(tmp_path):
    load_plugin(noise.__file__)
    utterances = noise.Noise().utterances(noise.lay_out(tmp_path / "root", 4))
    rows = tuple((p, u, p > 1) for p, u in enumerate(utterances))
    folders = {variant: tmp_path / variant for variant in ("clean", "shifted")}
    job = encode.Job("noise", "tiny", "A", noise.Noise.card.shift)
    yield encode.Shard(job, rows, folders)
    encode.load_encoder.cache_clear()


@pytest.mark.parametrize(
    ("gpus", "expected"), [(0, ["cpu"] * 3), (1, ["cuda:0"] * 3), (2, ["cuda:0", "cuda:1", "cuda:0"])]
)
def test_workers_take_the_gpus_in_turn_or_the_processor(monkeypatch, gpus, expected):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert [str(encode.prefix_device(worker)) for worker in range(3)] == expected


def test_the_clean_rows_are_everybodys_and_the_shifted_ones_the_targets(shard):
    ticks = []
    encode.encode_shard(shard, tick=lambda: ticks.append(1))
    assert set(Ragged([shard.folders["clean"]]).rows) == {0, 1, 2, 3}
    assert set(Ragged([shard.folders["shifted"]]).rows) == {2, 3}
    assert len(ticks) == 4


def test_one_variant_alone_equals_itself_made_with_the_other(shard, tmp_path):
    encode.encode_shard(shard)
    encode.encode_shard(replace(shard, folders={"shifted": tmp_path / "alone"}))
    assert (tmp_path / "alone" / "digest").read_text() == (shard.folders["shifted"] / "digest").read_text()


def test_settings_that_trade_precision_for_speed_are_off_while_encoding_and_come_back(shard, monkeypatch):
    seen = []

    def prefix(self, tokens):
        cudnn = torch.backends.cudnn
        seen.append((torch.get_float32_matmul_precision(), cudnn.allow_tf32, torch.is_grad_enabled()))
        return original(self, tokens)

    original = type(Tiny().encoder("A")).prefix
    monkeypatch.setattr(type(Tiny().encoder("A")), "prefix", prefix)
    torch.set_float32_matmul_precision("medium")
    before = torch.get_num_threads(), torch.backends.cudnn.allow_tf32
    try:
        encode.encode_shard(shard)
        assert torch.get_float32_matmul_precision() == "medium"
        assert (torch.get_num_threads(), torch.backends.cudnn.allow_tf32) == before
    finally:
        torch.set_float32_matmul_precision("highest")
    assert set(seen) == {("highest", False, False)}


def test_a_prefix_in_train_mode_is_refused(shard, monkeypatch):
    monkeypatch.setattr(encode, "load_encoder", lambda *_: Tiny().encoder("A").train())
    with pytest.raises(RuntimeError, match="train mode"):
        encode.encode_shard(shard)


def test_a_part_of_a_prefix_in_train_mode_is_refused(shard, monkeypatch):
    encoder = Tiny().encoder("A")
    encoder.frozen[1].train()
    encoder.frozen.training = False
    monkeypatch.setattr(encode, "load_encoder", lambda *_: encoder)
    with pytest.raises(RuntimeError, match="train mode"):
        encode.encode_shard(shard)


def test_values_that_the_precision_of_the_cache_cannot_hold_are_refused(shard, monkeypatch):
    monkeypatch.setattr(Tiny, "cache_dtype", "float16")
    monkeypatch.setattr(type(Tiny().encoder("A")), "prefix", lambda self, tokens: torch.full((3, 48), 7e4))
    with pytest.raises(DataError, match=r"values up to 70000 for n_0 \(clean\), which float16 cannot hold"):
        encode.encode_shard(shard)
    assert not shard.folders["clean"].exists()


def test_weights_that_cannot_be_read_are_not_blamed_on_the_cache(shard, monkeypatch):
    def missing(self, modality):
        raise OSError("no such model")

    monkeypatch.setattr(Tiny, "encoder", missing)
    with pytest.raises(DataError, match="the weights of tiny/A cannot be read: no such model"):
        encode.encode_shard(shard)


def test_what_cannot_be_read_or_is_silent_is_noted_in_both_shards(shard, tmp_path):
    root = noise.lay_out(tmp_path / "root", 4, unreadable=[2], silent=[0, 3])
    utterances = noise.Noise().utterances(root)
    encode.encode_shard(replace(shard, rows=tuple((p, u, p > 1) for p, u in enumerate(utterances))))
    clean, shifted = (read_index(shard.folders[variant]) for variant in ("clean", "shifted"))
    assert clean["skipped"] == shifted["skipped"] == [[2, "2.wav is empty"]]
    assert clean["substituted"] == [[0, encode.SILENT], [3, encode.SILENT]]
    assert np.isfinite(Ragged([shard.folders["shifted"]])[3]).all()


def test_what_a_loader_substitutes_is_noted_in_both_shards_and_changes_no_value(shard, tmp_path):
    encode.encode_shard(shard)
    root = noise.lay_out(tmp_path / "root", 4, resampled=[1, 2], silent=[2])
    again = {variant: tmp_path / f"{variant}-again" for variant in shard.folders}
    rows = tuple((p, u, p > 1) for p, u in enumerate(noise.Noise().utterances(root)))
    encode.encode_shard(replace(shard, rows=rows, folders=again))
    resampled = "acoustic: resampled from 8000 Hz"
    assert read_index(again["clean"])["substituted"] == [[1, resampled], [2, f"{encode.SILENT}; {resampled}"]]
    assert read_index(again["shifted"])["substituted"] == [[2, f"{encode.SILENT}; {resampled}"]]
    assert np.array_equal(Ragged([again["clean"]])[1], Ragged([shard.folders["clean"]])[1])


def test_a_value_that_is_no_waveform_ends_the_shard_and_leaves_none(shard, tmp_path):
    utterances = noise.Noise().utterances(noise.lay_out(tmp_path / "root", 4, stereo=[2]))
    with pytest.raises(DataError, match=r"waveform\(\) of utterance n_2 gives \(400, 2\) float32; expected"):
        encode.encode_shard(replace(shard, rows=tuple((p, u, p > 1) for p, u in enumerate(utterances))))
    assert not shard.folders["clean"].exists()
