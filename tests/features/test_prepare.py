"""The frozen prefix on disk: equal to the uncached network, resumed when interrupted, repaired when damaged."""

import json
import threading

import noise
import numpy as np
import pytest
import torch

from mmda_bench import shifts
from mmda_bench.backbone.network import MultimodalNetwork
from mmda_bench.backbone.sequences import Sequences
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.cli.options import remarks_told
from mmda_bench.dataset import MODALITIES
from mmda_bench.features import encode
from mmda_bench.features import prepare as prefix
from mmda_bench.protocol import Protocol
from mmda_bench.registry import load_plugin
from mmda_bench.shifts import effective_shift

PROTOCOL = Protocol(backbone="tiny")
pytestmark = pytest.mark.usefixtures("small_shards")
SIZE = 40  # utterances of noise: two shards a modality


def prepare(root, cache, *, protocol=PROTOCOL, jobs=1, progress=None):
    load_plugin(noise.__file__)
    plugins = [noise.__file__]
    return prefix.prepare(
        "noise", root=root, protocol=protocol, cache=cache, jobs=jobs, progress=progress, plugins=plugins
    )


@pytest.fixture(scope="module")
def whole(small_shards, tmp_path_factory):
    """A root, and a cache that nothing disturbed."""
    root = noise.lay_out(tmp_path_factory.mktemp("noise"), SIZE)
    cache = tmp_path_factory.mktemp("whole")
    corpus = prepare(root, cache)
    return root, cache, corpus


def test_every_part_of_both_halves_is_there(small_corpus):
    corpus = small_corpus.corpus
    assert len(corpus.ids) == small_corpus.size
    assert sorted(p for part in corpus.parts.values() for p in part) == list(range(small_corpus.size))
    shifted = corpus.features["V", "shifted"]
    assert set(shifted.rows) == {p for (half, _), part in corpus.parts.items() if half == "target" for p in part}


@pytest.mark.parametrize("variant", ["clean", "shifted"])
@pytest.mark.parametrize("modality", MODALITIES)
def test_cached_prefix_equals_the_uncached_network_bit_for_bit(small_corpus, modality, variant):
    corpus, reader = small_corpus.corpus, small_corpus.reader
    position = corpus.parts["target", "test"][0]
    utterance = list(reader.utterances(None))[position]
    encoder = Tiny().encoder(modality)
    raw = encode.raw_input(utterance, modality, Tiny())
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
        raw = encode.raw_input(utterance, m, Tiny())
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


def test_shifted_shards_hold_the_target_and_clean_ones_everybody(whole):
    _, cache, corpus = whole
    target = {p for (half, _), part in corpus.parts.items() if half == "target" for p in part}
    for m in MODALITIES:
        assert set(corpus.features[m, "clean"].rows) == set(range(SIZE))
        assert set(corpus.features[m, "shifted"].rows) == target
    assert len(noise.shards(cache)) == 2 * 3 * 2


def test_a_second_call_encodes_nothing(whole):
    root, cache, _ = whole
    before, told = noise.shards(cache), []
    prepare(root, cache, progress=lambda *call: told.append(call))
    assert noise.shards(cache) == before
    assert told == []


def test_another_severity_shares_the_clean_shards(whole, tmp_path):
    root, _, _ = whole
    full = prepare(root, tmp_path)
    before = noise.shards(tmp_path)
    half = prepare(root, tmp_path, protocol=Protocol(backbone="tiny", severity=0.5))
    after = noise.shards(tmp_path)
    assert all(after[path] == written for path, written in before.items())
    assert len(after) == len(before) + 6
    p = full.parts["target", "test"][0]
    assert half.parts == full.parts
    assert np.array_equal(full.features["A", "clean"][p], half.features["A", "clean"][p])
    assert not np.array_equal(full.features["A", "shifted"][p], half.features["A", "shifted"][p])


@pytest.mark.slow
def test_processes_give_what_one_process_gives(whole, tmp_path):
    root, cache, corpus = whole
    found = prepare(root, tmp_path, jobs=2)
    assert noise.digests(tmp_path) == noise.digests(cache)
    assert found.fingerprint == corpus.fingerprint
    assert (found.folder / "digest").read_text() == (corpus.folder / "digest").read_text()


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_a_damaged_shard_is_made_again_and_no_other(whole, tmp_path, damage, capsys):
    root, cache, _ = whole
    corpus = prepare(root, tmp_path)
    before = noise.shards(tmp_path)
    path = corpus.folder / "V-000032" / "values.bin"
    content = path.read_bytes()
    if damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        path.unlink()
    with remarks_told():
        prepare(root, tmp_path)
    assert path.read_bytes() == content
    after = noise.shards(tmp_path)
    assert {name for name in before if after[name] != before[name]} == {path.parent.relative_to(tmp_path)}
    assert noise.digests(tmp_path) == noise.digests(cache)
    assert f"mmda-bench: the cached shard {path.parent} is damaged; making it again\n" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["corpus.json", "target-labels.json", "digest"])
def test_a_damaged_index_is_written_again_without_encoding(whole, name):
    root, cache, corpus = whole
    path, before = corpus.folder / name, noise.shards(cache)
    content = path.read_bytes()
    path.write_bytes(content[:-2])
    prepare(root, cache)
    assert path.read_bytes() == content
    assert noise.shards(cache) == before


def interrupt(stage, done, total):
    if stage == "noise: lexical features" and done >= 34:
        raise KeyboardInterrupt


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_ctrl_c_keeps_the_finished_shards_and_the_next_call_makes_the_others(whole, tmp_path, jobs):
    root, cache, _ = whole
    with pytest.raises(KeyboardInterrupt):
        prepare(root, tmp_path, jobs=jobs, progress=interrupt)
    kept = noise.shards(tmp_path)
    assert {"A-000000", "A-000032"} <= {path.name for path in kept}
    assert not any("V-" in path.name for path in kept)
    assert not list(tmp_path.glob("prefix/*/.tmp-*"))
    assert not list(tmp_path.glob("prefix/*/corpus.json")), "no cell may take it for prepared"
    told = []
    prepare(root, tmp_path, progress=lambda *call: told.append(call))
    assert told[-1] == ("noise: visual features", SIZE, SIZE)
    assert "noise: acoustic features" not in {stage for stage, *_ in told}
    assert noise.shards(tmp_path).items() >= kept.items()
    assert noise.digests(tmp_path) == noise.digests(cache)


def test_two_at_once_make_one_cache_and_the_second_says_that_it_waits(whole, tmp_path, capsys):
    root, cache, _ = whole
    told = {0: [], 1: []}

    def run(i):
        prepare(root, tmp_path, progress=lambda *call: told[i].append(call))

    threads = [threading.Thread(target=run, args=(i,)) for i in told]
    with remarks_told():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert noise.digests(tmp_path) == noise.digests(cache)
    assert [] in told.values(), "one of them encoded nothing"
    assert capsys.readouterr().err.count("another process prepares this corpus") == 1


def test_a_cell_finds_the_corpus_and_prepares_it_where_it_is_not(whole, tmp_path):
    root, cache, corpus = whole
    assert prefix.open_corpus("noise", root=root, protocol=PROTOCOL, cache=cache).folder == corpus.folder
    made = prefix.open_corpus("noise", root=root, protocol=PROTOCOL, cache=tmp_path)
    assert made.fingerprint == corpus.fingerprint


def test_what_is_left_out_and_what_was_silent_is_named(tmp_path):
    root = noise.lay_out(
        tmp_path / "root", SIZE, unreadable=[1, 4], silent=[7], unusable=[["table line 9", "2 columns"]]
    )
    corpus = prepare(root, tmp_path)
    assert corpus.skipped == [["table line 9", "2 columns"], ["n_1", "1.wav is empty"], ["n_4", "4.wav is empty"]]
    assert corpus.substituted == [["n_7", "acoustic: silent or missing sound"]]
    everybody = {p for part in corpus.parts.values() for p in part}
    assert everybody == set(range(SIZE)) - {1, 4}
    assert corpus.batch(sorted(everybody)[:3])["A"].mask.any(1).all()
