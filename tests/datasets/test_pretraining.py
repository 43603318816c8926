"""The weights of the tiny backbone: reproducible, complete, and from people that no benchmark corpus contains."""

import hashlib

import pytest

from mmda_bench import registry
from mmda_bench.backbone.tiny import BUCKETS, SPECIAL, Tiny, word_index
from mmda_bench.datasets.avatars import corpus, pretraining


def test_the_same_command_gives_the_same_file(tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    losses = [pretraining.pretrain(path, utterances=24, steps=3) for path in (first, second)]
    assert losses[0] == losses[1]
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.deep
def test_pretraining_lowers_every_loss(tmp_path):
    short = pretraining.pretrain(tmp_path / "a.safetensors", utterances=60, steps=2)
    longer = pretraining.pretrain(tmp_path / "b.safetensors", utterances=60, steps=60)
    assert all(longer[m] < 0.95 * short[m] for m in ("A", "L", "V")), (short, longer)


def test_no_speaker_or_seed_of_the_benchmark_is_pretrained_on():
    assert not set(corpus.CAST) & set(corpus.PRETRAINING_CAST)
    assert corpus.SEED != corpus.PRETRAINING_SEED
    assert {u.speaker for u in pretraining.corpus(50)}.isdisjoint(
        u.speaker for u, _ in zip(registry.DATASETS.get("avatars")().utterances(None), range(50), strict=False)
    )


def test_what_pretraining_draws_does_not_change_with_the_corpora():
    """The shipped weights were made from these utterances: a digest of what 300 of them say, show and are."""
    said = [(u.text, u.label, u.speaker) for u in pretraining.corpus(300)]
    assert hashlib.sha256(repr(said).encode()).hexdigest()[:16] == "a022d98a78c69baf"
    frames = next(iter(pretraining.corpus(1))).frames()
    assert hashlib.sha256(frames.tobytes()).hexdigest()[:16] == "44e23b25004f381b"


def test_the_shipped_weights_know_every_word_of_the_corpus():
    vocabulary = Tiny().encoder("L").vocabulary
    assert vocabulary == pretraining.vocabulary()
    words = {word for i in range(300) for word in corpus.generate(i).text.split()}
    assert all(len(SPECIAL) <= word_index(word, vocabulary) < len(vocabulary) for word in words)
    assert word_index("unheard", vocabulary) in range(len(vocabulary), len(vocabulary) + BUCKETS)


def test_the_backbone_is_as_small_as_it_says():
    sizes = {m: sum(p.numel() for p in Tiny().encoder(m).parameters()) for m in ("A", "L", "V")}
    assert 0.15e6 < sum(sizes.values()) < 0.2e6
