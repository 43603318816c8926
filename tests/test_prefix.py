"""The cache of the frozen prefix: equal to the uncached network, keyed by content, rebuilt when damaged."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmda_bench import shifts
from mmda_bench.backbone import prefix
from mmda_bench.backbone.network import MultimodalNetwork, Sequences
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.dataset import MODALITIES, ClipError, DataError
from mmda_bench.protocol import Protocol, effective_shift

PROTOCOL = Protocol(backbone="tiny")


def test_every_part_of_both_halves_is_there(small_corpus):
    corpus = small_corpus.corpus
    assert len(corpus.ids) == small_corpus.size
    assert sorted(p for part in corpus.parts.values() for p in part) == list(range(small_corpus.size))
    shifted = corpus.features["V", "shifted"]
    assert set(shifted.row) == {p for (half, _), part in corpus.parts.items() if half == "target" for p in part}


@pytest.mark.parametrize("variant", ["clean", "shifted"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_cached_prefix_equals_the_uncached_network_bit_for_bit(small_corpus, modality, variant):
    corpus, reader = small_corpus.corpus, small_corpus.reader
    position = corpus.parts["target", "test"][0]
    utterance = list(reader.utterances(None))[position]
    encoder = Tiny().encoder(modality)
    raw = prefix.raw_input(utterance, modality, Tiny())
    if variant == "shifted":
        rng = shifts.draw("avatars", utterance.id, modality)
        raw = shifts.corrupt(modality, raw, shift=effective_shift(reader.card.shift, PROTOCOL), rng=rng)
    elif modality == "V":
        raw = shifts.normalise_frames(raw)
    with torch.no_grad():
        expected = encoder.prefix(encoder.tokens(raw))
    assert np.array_equal(corpus.features[modality, variant][position], expected.numpy())


def test_cached_prefix_and_suffix_give_the_gradients_of_the_whole_network(small_corpus):
    utterance = next(iter(small_corpus.reader.utterances(None)))
    torch.manual_seed(0)
    network = MultimodalNetwork(Tiny(), 4).eval()
    cached = small_corpus.corpus.batch([0])
    whole = {}
    for m in MODALITIES:
        encoder = Tiny().encoder(m)
        raw = prefix.raw_input(utterance, m, Tiny())
        values = encoder.prefix(encoder.tokens(shifts.normalise_frames(raw) if m == "V" else raw))
        whole[m] = Sequences(values[None].detach(), torch.ones(1, len(values), dtype=torch.bool))
    gradients = []
    for batch in (cached, whole):
        network.zero_grad()
        network(batch)[1]["joint"][0, 1].backward()
        gradients.append([p.grad.clone() for p in network.pretrained_parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_exactly_the_last_three_layers_and_the_new_modules_train():
    network = MultimodalNetwork(Tiny(), 4)
    for m in MODALITIES:
        encoder = Tiny().encoder(m)
        kept = {n for n, _ in encoder.layers.named_parameters()}
        assert {n.split(".")[1] for n in kept} == {"0", "1", "2"}
        assert {n for n, _ in network.encoders[m].pretrained.named_parameters()} == kept
    assert sum(len(list(e.pretrained.parameters())) for e in network.encoders.values()) == len(
        network.pretrained_parameters()
    )


def test_training_set_labels_of_the_target_are_not_in_what_training_opens(small_corpus):
    index = json.loads((small_corpus.corpus.folder / "corpus.json").read_text())
    target = {p for (half, _), part in small_corpus.corpus.parts.items() if half == "target" for p in part}
    assert not target & set(map(int, index["source_labels"]))


def test_a_second_call_finds_the_cache(small_corpus):
    before = (small_corpus.corpus.folder / "digest").stat().st_mtime_ns
    assert small_corpus.prepare().folder == small_corpus.corpus.folder
    assert (small_corpus.corpus.folder / "digest").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_cache_is_made_again(small_corpus, damage, capsys):
    folder = small_corpus.corpus.folder
    path = folder / "A-clean" / "values.npy"
    content = path.read_bytes()
    if damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    small_corpus.prepare()
    assert path.read_bytes() == content
    assert "damaged" in capsys.readouterr().err


def test_nothing_half_made_is_left_when_the_disk_is_full(small_corpus, tmp_path, monkeypatch):
    def full(self, position, row):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prefix.RaggedWriter, "append", full)
    with pytest.raises(DataError, match=r"No space left on device.*MMDA_BENCH_CACHE"):
        small_corpus.prepare(cache=tmp_path)
    assert not [p for p in (tmp_path / "prefix").iterdir() if p.is_dir()]


def test_two_at_once_make_one_cache(small_corpus, tmp_path):
    threads = [threading.Thread(target=small_corpus.prepare, kwargs={"cache": tmp_path}) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([p for p in (tmp_path / "prefix").iterdir() if p.is_dir()]) == 1
    assert small_corpus.prepare(cache=tmp_path).fingerprint == small_corpus.corpus.fingerprint


def test_the_key_names_what_determines_the_content(small_corpus, tmp_path, monkeypatch):
    card, backbone = small_corpus.reader.card, Tiny()

    def folder(card=card, protocol=PROTOCOL):
        return prefix.corpus_folder("avatars", card=card, backbone=backbone, protocol=protocol, cache=tmp_path)

    here = folder()
    assert folder(protocol=replace(PROTOCOL, severity=0.5)) != here
    assert folder(protocol=replace(PROTOCOL, split=1)) != here
    assert folder(card=replace(card, version="v2")) != here
    assert folder(protocol=replace(PROTOCOL, epochs=3)) == here
    monkeypatch.setattr(Tiny, "identity", lambda self: "other weights")
    assert folder() != here


def _unreadable():
    raise ClipError("u.wav is empty")


def test_unreadable_utterances_are_left_out_and_named(small_corpus, tmp_path, monkeypatch):
    def spoiled(self, root):
        for i, utterance in enumerate(original(self, root)):
            yield replace(utterance, waveform=_unreadable) if i < 3 else utterance

    reader = type(small_corpus.reader)
    original = reader.utterances
    monkeypatch.setattr(reader, "utterances", spoiled)
    corpus = small_corpus.prepare(cache=tmp_path)
    assert [reason for _, reason in corpus.skipped] == ["u.wav is empty"] * 3
    assert not {0, 1, 2} & {p for part in corpus.parts.values() for p in part}


def test_a_corpus_that_is_mostly_unreadable_is_refused(small_corpus, tmp_path, monkeypatch):
    reader = type(small_corpus.reader)
    original = reader.utterances
    monkeypatch.setattr(
        reader, "utterances", lambda self, root: (replace(u, frames=_unreadable) for u in original(self, root))
    )
    with pytest.raises(DataError, match=r"could be read.*u\.wav is empty"):
        small_corpus.prepare(cache=tmp_path)


def test_a_class_without_utterances_is_refused(small_corpus, tmp_path, monkeypatch):
    reader = type(small_corpus.reader)
    original = reader.utterances
    monkeypatch.setattr(reader, "utterances", lambda self, root: (u for u in original(self, root) if u.label != 2))
    with pytest.raises(DataError, match="class 'sad'"):
        small_corpus.prepare(cache=tmp_path)


def test_a_corpus_that_cannot_be_opened_is_not_blamed_on_the_cache(small_corpus, tmp_path, monkeypatch):
    def locked(self, root):
        raise PermissionError(13, "Permission denied", "labels.csv")

    monkeypatch.setattr(type(small_corpus.reader), "utterances", locked)
    with pytest.raises(DataError, match=r"cannot read avatars.*labels\.csv"):
        small_corpus.prepare(cache=tmp_path)


def test_a_prefix_in_train_mode_is_refused(small_corpus, monkeypatch):
    job = prefix.Job("avatars", "tiny", "A", PROTOCOL, small_corpus.reader.card)
    monkeypatch.setattr(prefix, "_encoders", {("tiny", "A"): Tiny().encoder("A").train()})
    with pytest.raises(RuntimeError, match="train mode"):
        prefix.encode(job, [(next(iter(small_corpus.reader.utterances(None))), False)])


def test_processes_give_what_one_process_gives(small_corpus, tmp_path):
    corpus = small_corpus.prepare(cache=tmp_path, jobs=2)
    assert (corpus.folder / "digest").read_text() == (small_corpus.corpus.folder / "digest").read_text()
