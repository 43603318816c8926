"""``--shift corrupt:NAME@S`` changes one modality of the target domain, under a name of its own in the cache."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mmda_bench import shifts
from mmda_bench.backbone.tiny import Tiny
from mmda_bench.cli.main import app
from mmda_bench.dataset import Utterance
from mmda_bench.errors import ClipError, DataError, UsageError
from mmda_bench.features import encode
from mmda_bench.features import prepare as prepare_module
from mmda_bench.features.cache import place_of
from mmda_bench.features.prepare import preparation, prepare
from mmda_bench.protocol import Protocol
from mmda_bench.shifts.corruptions import CORRUPTIONS
from mmda_bench.shifts.corruptions.base import Surroundings
from mmda_bench.sweep import plan

pytestmark = pytest.mark.slow


def protocol(shift: str) -> Protocol:
    return Protocol(backbone="tiny", shift=shift)


def made(small, shift: str):
    return preparation("avatars", root=None, protocol=protocol(shift), cache=small.cache)


ONE_EACH = ("dark", "babble", "recogniser")
OTHERS = [pytest.param(f"corrupt:{name}@5", marks=pytest.mark.deep) for name in CORRUPTIONS if name not in ONE_EACH]


@pytest.mark.parametrize("shift", [*(f"corrupt:{name}@5" for name in ONE_EACH), *OTHERS])
def test_only_the_modality_of_the_corruption_changes_and_clean_features_are_shared(small_corpus, shift):
    modality = CORRUPTIONS[shift[8:-2]].modality
    corpus = prepare("avatars", root=None, protocol=protocol(shift), cache=small_corpus.cache)
    target = corpus.parts["target", "test"]
    for m in "ALV":
        clean, shifted = corpus.features[m, "clean"], corpus.features[m, "shifted"]
        same = [clean[p].shape == shifted[p].shape and np.array_equal(clean[p], shifted[p]) for p in target]
        assert sum(same) <= 0.1 * len(target) if m == modality else all(same)
        np.testing.assert_array_equal(clean[target[0]], small_corpus.corpus.features[m, "clean"][target[0]])
    assert made(small_corpus, shift).place.clean == made(small_corpus, "paper").place.clean


def test_every_corruption_and_severity_has_its_place_in_the_cache(small_corpus):
    card = small_corpus.reader.describe(None)
    names = ["paper", "corrupt:dark@1", "corrupt:dark@2", "corrupt:jpeg@1"]
    options = {"card": card, "backbone": Tiny(), "cache": small_corpus.cache}
    places = {place_of("avatars", protocol=protocol(name), **options).shifted for name in names}
    assert len(places) == len(names)


def test_an_utterance_is_corrupted_as_the_pure_function_does_it(small_corpus):
    prepared = made(small_corpus, "corrupt:recogniser@3")
    utterances, parts = prepared.read()
    jobs = {shard.job.modality: shard.job for shard in prepared.shards(utterances, parts)}
    utterance = next(iter(small_corpus.reader.utterances(None)))
    words = utterance.text.split()
    found = encode.shifted(jobs["L"], words, utterance, mask="[M]")
    expected = CORRUPTIONS["recogniser"](
        words, severity=3, rng=shifts.draw("avatars", utterance.id, "L"), around=Surroundings(words=jobs["L"].words)
    )
    assert found == expected != words
    assert {word for u in utterances for word in u.text.split()} == set(jobs["L"].words)
    wave = utterance.waveform()
    np.testing.assert_array_equal(encode.shifted(jobs["A"], wave, utterance, mask="[M]"), wave)


def test_several_corruptions_act_in_turn_and_each_modality_has_its_own(small_corpus):
    prepared = made(small_corpus, "corrupt:dark@2+white-noise@3+impulse-noise@4")
    utterances, parts = prepared.read()
    jobs = {shard.job.modality: shard.job for shard in prepared.shards(utterances, parts)}
    assert {m: job.corruption for m, job in jobs.items()} == {
        "A": "corrupt:white-noise@3",
        "L": "",
        "V": "corrupt:dark@2+impulse-noise@4",
    }
    utterance = next(iter(small_corpus.reader.utterances(None)))
    frames = encode.raw_input(utterance, "V", Tiny())
    dark = CORRUPTIONS["dark"](frames, severity=2, rng=shifts.draw("avatars", utterance.id, "V"))
    expected = CORRUPTIONS["impulse-noise"](dark, severity=4, rng=shifts.draw("avatars", utterance.id, "V 1"))
    found = encode.shifted(jobs["V"], frames, utterance, mask="[M]")
    np.testing.assert_array_equal(found, shifts.normalise_frames(expected))


def sound(level: float) -> np.ndarray:
    if level < 0:
        raise ClipError("gone")
    return np.full(400, level, np.float32)


def test_a_babble_is_of_other_speakers_one_of_each_or_of_other_utterances():
    def spoken(i: int, speaker: str | None, level: float) -> Utterance:
        return Utterance(
            id=f"u{i}", text="", label=0, waveform=lambda: sound(level), frames=lambda: None, speaker=speaker
        )

    named = [spoken(i, speaker, i / 10) for i, speaker in enumerate(["a", "b", "b", "c", "d"])]
    job = encode.Job("c", "tiny", "A", None, voices=(*named, spoken(9, "e", -1)))
    heard = encode.voices_of(job)
    assert [u.id for u, _ in heard] == ["u0", "u1", "u2", "u3", "u4"], "what cannot be read is left out"
    levels = [round(float(wave[0]), 1) for wave in encode.others(heard, named[0])]
    assert sorted(levels) == [0.1, 0.3, 0.4]
    alone = replace(job, corruption="corrupt:babble@1", voices=tuple(named[:3]))
    with pytest.raises(DataError, match=r"babble needs 4 target utterances whose sound.*; found 3"):
        encode.voices_of(alone)
    unknown = [(replace(u, speaker=None), wave) for u, wave in heard]
    assert len(encode.others(unknown, unknown[2][0])) == 4


def test_a_corruption_is_refused_where_it_makes_no_sense(small_corpus):
    card = small_corpus.reader.describe(None)
    with pytest.raises(UsageError, match="the severity of a corruption stands in its name, corrupt:jpeg@1"):
        plan.protocol_for(card, shift="corrupt:jpeg@1", severity=0.5)
    with pytest.raises(UsageError, match="unknown corruption 'jpg'"):
        plan.protocol_for(card, shift="corrupt:jpg@1")
    chosen = plan.protocol_for(card, shift="corrupt:jpeg@1")
    options = {"methods": "dt", "dataset": "avatars", "version": card.version, "protocol": chosen, "seeds": [0]}
    with pytest.raises(UsageError, match=r"corrupt:jpeg@1 changes V, which cannot be the anchor.*--anchors A,L"):
        plan.expand(anchors=["A", "L", "V"], **options)
    several = options | {"protocol": plan.protocol_for(card, shift="corrupt:jpeg@1+babble@2")}
    assert len(plan.expand(anchors=["A", "L", "V"], **several)) == 6, "at every anchor something drifts"
    cells = plan.expand(anchors=["A", "L"], **options)
    assert "|shift:corrupt:jpeg@1|" in cells[0].signature


def test_a_run_under_a_corruption_has_a_leaderboard_of_its_own(small_corpus, tmp_path):
    command = [
        "run",
        "--methods",
        "dt",
        "--seeds",
        "1",
        "--anchors",
        "A",
        "--no-bounds",
        "--epochs",
        "1",
        "--jobs",
        "0",
    ]
    options = ["--shift", "corrupt:dark@5", "--cache", str(small_corpus.cache), "--results", str(tmp_path / "results")]
    answer = CliRunner().invoke(app, [*command, *options])
    assert answer.exit_code == 0, answer.output
    assert "shift:corrupt:dark@5" in answer.output


@pytest.mark.parametrize(("shift", "unchanged"), [("corrupt:masked@5", 2), ("corrupt:dark@1", None)])
def test_texts_that_a_corruption_cannot_take_words_from_are_counted(small_corpus, shift, unchanged):
    legible = prepare_module._legible(made(small_corpus, shift), ["yes", "", "she said no"])
    assert (legible.texts, legible.unchanged) == (3, unchanged)
