"""``--missing``: the target lacks modalities at test or throughout; stand-ins are made once and lie by themselves."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mmda_bench.backbone.tiny import Tiny
from mmda_bench.features import encode
from mmda_bench.features.prepare import open_corpus, prepare
from mmda_bench.protocol import SPLITS, Protocol
from mmda_bench.shifts import lacking, normalise_frames

pytestmark = pytest.mark.slow

PROTOCOL = Protocol(backbone="tiny")


def made(small, **protocol):
    return prepare("avatars", root=None, protocol=replace(PROTOCOL, **protocol), cache=small.cache)


def replaced(small, corpus, modality, *, half="target", part="test", variant="clean"):
    """Which utterances of a part have other features than in the whole corpus."""
    whole = small.corpus.features[modality, variant]
    found = corpus.features[modality, variant]
    return [not np.array_equal(found[p], whole[p]) for p in corpus.parts[half, part]]


@pytest.mark.parametrize("regime", ["test", "target"])
def test_what_is_missing_is_missing_in_its_regime_and_nowhere_else(small_corpus, regime):
    corpus = made(small_corpus, missing="AL", missing_in=regime)
    for part in SPLITS:
        gone = part == "test" or regime == "target"
        for modality in "ALV":
            for variant in ("clean", "shifted"):
                seen = replaced(small_corpus, corpus, modality, part=part, variant=variant)
                assert all(seen) if gone and modality in "AL" else not any(seen)
            assert not any(replaced(small_corpus, corpus, modality, half="source", part=part))


def test_silence_black_pictures_and_one_mask_stand_in(small_corpus):
    corpus = made(small_corpus, missing="AV", missing_in="target", missing_rate=1.0)
    words = made(small_corpus, missing="L")
    position = corpus.parts["target", "test"][0]
    utterance = next(u for u in small_corpus.reader.utterances(None) if u.id == corpus.ids[position])
    backbone = Tiny()
    raw = {m: encode.raw_input(utterance, m, backbone) for m in "ALV"}
    black = normalise_frames(np.zeros_like(raw["V"]))
    for m, found, expected in (("A", corpus, np.zeros_like(raw["A"])), ("V", corpus, black), ("L", words, ["[MASK]"])):
        encoder = backbone.encoder(m)
        with encode.repeatable():
            features = encoder.prefix(encoder.tokens(expected)).numpy().astype(backbone.cache_dtype)
        np.testing.assert_array_equal(found.features[m, "clean"][position], features)


def test_a_backbone_may_say_itself_how_it_sees_what_is_absent(small_corpus, tmp_path, monkeypatch):
    def ones(self, modality, raw, *, mask):
        return Tiny.__mro__[1].absent(self, modality, raw, mask=mask) + 1

    monkeypatch.setattr(Tiny, "absent", ones)
    corpus = prepare("avatars", root=None, protocol=replace(PROTOCOL, missing="A"), cache=tmp_path)
    position = corpus.parts["target", "test"][0]
    encoder = Tiny().encoder("A")
    utterance = next(u for u in small_corpus.reader.utterances(None) if u.id == corpus.ids[position])
    loud = np.ones_like(encode.raw_input(utterance, "A", Tiny()))
    with encode.repeatable():
        expected = encoder.prefix(encoder.tokens(loud)).numpy().astype(Tiny.cache_dtype)
    np.testing.assert_array_equal(corpus.features["A", "clean"][position], expected)


def test_stand_ins_are_made_once_for_every_shift_and_regime(small_corpus):
    made(small_corpus, missing="V", shift="released")
    before = {path: path.stat().st_mtime_ns for path in small_corpus.cache.glob("prefix/*/*/digest")}
    again = replace(PROTOCOL, missing="V", missing_in="target", missing_rate=0.5)
    corpus = open_corpus("avatars", root=None, protocol=again, cache=small_corpus.cache)
    assert {path: path.stat().st_mtime_ns for path in small_corpus.cache.glob("prefix/*/*/digest")} == before
    seen = replaced(small_corpus, corpus, "V", part="train")
    assert 0.2 < np.mean(seen) < 0.8, "some utterances have it and some do not"


def test_stand_ins_that_are_not_there_are_made_when_a_cell_opens_the_corpus(small_corpus):
    corpus = open_corpus("avatars", root=None, protocol=replace(PROTOCOL, missing="L"), cache=small_corpus.cache)
    assert all(replaced(small_corpus, corpus, "L"))


def test_a_higher_rate_takes_the_same_and_more_and_one_modality_always_stays():
    rates = (0.1, 0.3, 0.5, 0.7, 1.0)
    drawn = [[lacking("c", f"u{i}", modalities="ALV", rate=rate) for rate in rates] for i in range(400)]
    assert all(a <= b for by_rate in drawn for a, b in pairwise(by_rate))
    assert all(len(found) < 3 for by_rate in drawn for found in by_rate)
    two = [[lacking("c", f"u{i}", modalities="AV", rate=rate) for rate in rates] for i in range(2_000)]
    for n, rate in enumerate(rates):
        for modality in "AV":
            assert np.mean([modality in found[n] for found in two]) == pytest.approx(rate, abs=0.04)
