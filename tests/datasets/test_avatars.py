"""The embedded corpus is a pure function of numbers, raw like a recorded one, and says what it should."""

import pickle
from collections import Counter

import numpy as np
import pytest

from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE, VIDEO_FRAMES
from mmda_bench.datasets.avatars import corpus, face, voice, words
from mmda_bench.registry import DATASETS

PRETRAINING = {
    "seed": corpus.PRETRAINING_SEED,
    "cast": corpus.PRETRAINING_CAST,
    "incongruence": corpus.CONGRUENT,
    "intensity": corpus.PRETRAINING_INTENSITY,
}
SETTING = corpus.SETTINGS["avatars"]

WHOLE = corpus.Avatars.utterances  # before a test cuts the corpus short


@pytest.fixture(scope="module")
def everybody():
    return list(WHOLE(corpus.Avatars(), None))


def test_it_is_registered_and_needs_no_files():
    assert DATASETS.get("avatars") is corpus.Avatars
    card = corpus.Avatars().describe(None)
    assert not card.needs_root
    assert card.synthetic
    assert card.classes == corpus.RECIPES["avatars"].classes
    assert sum(card.fractions) == pytest.approx(1)


@pytest.mark.slow
def test_the_corpus_has_its_4800_utterances_once_each(everybody):
    assert len(everybody) == corpus.Avatars.card.expected["utterances"] == 4_800
    assert len({u.id for u in everybody}) == 4_800
    assert everybody[1].id == "avatars_0001"


def test_labels_and_speakers_have_their_shares(everybody):
    shares = np.bincount([u.label for u in everybody]) / len(everybody)
    np.testing.assert_allclose(shares, corpus.RECIPES["avatars"].shares, atol=0.03)
    speakers = Counter(u.speaker for u in everybody)
    assert len(speakers) == 10
    assert min(speakers.values()) > 380


def test_an_utterance_depends_on_its_index_only(everybody):
    alone = corpus.generate(2_345)
    assert (alone.id, alone.text, alone.label) == tuple(getattr(everybody[2_345], k) for k in ("id", "text", "label"))
    for _ in range(2):
        np.testing.assert_array_equal(alone.waveform(), everybody[2_345].waveform())
        np.testing.assert_array_equal(alone.frames(), everybody[2_345].frames())


def test_the_same_thing_said_twice_is_not_the_same_recording():
    once, again = ("avatars", 0, 1), ("avatars", 0, 2)
    prosody, expression = voice.Prosody(), face.Expression()
    waves = [corpus._waveform("hello", prosody, 0, key).tobytes() for key in (once, again)]
    clips = [corpus._frames(expression, 0, key).tobytes() for key in (once, again)]
    assert waves[0] != waves[1]
    assert clips[0] != clips[1]


def test_another_seed_gives_another_corpus():
    one, other = corpus.generate(3), corpus.generate(3, seed=99)
    assert one.frames().tobytes() != other.frames().tobytes()
    assert one.waveform().tobytes() != other.waveform().tobytes()


def test_sound_and_pictures_travel_to_another_process(everybody):
    there = pickle.loads(pickle.dumps(everybody[7]))
    np.testing.assert_array_equal(there.waveform(), everybody[7].waveform())
    np.testing.assert_array_equal(there.frames(), everybody[7].frames())


def test_sound_and_pictures_are_in_the_form_of_the_contract(everybody):
    for utterance in everybody[:12]:
        wave, frames = utterance.waveform(), utterance.frames()
        assert wave.dtype == np.float32
        assert MIN_SAMPLES <= len(wave) <= MAX_SAMPLES
        assert np.abs(wave).max() <= 1
        assert frames.dtype == np.uint8
        assert frames.shape == (VIDEO_FRAMES, face.SIZE, face.SIZE, 3)
        assert frames.flags.c_contiguous


def test_loudness_and_duration_resemble_close_talk(everybody):
    waves = [u.waveform() for u in everybody[:150]]
    seconds = np.array([len(w) for w in waves]) / SAMPLE_RATE
    assert np.mean([np.sqrt(np.mean(w**2)) for w in waves]) == pytest.approx(0.06, abs=0.006)
    assert 0.8 < seconds.min() < seconds.max() < 1.9
    assert np.mean([np.abs(w).max() >= 1 for w in waves]) < 0.02  # hardly ever clipped


def test_each_modality_contradicts_the_label_as_often_as_stated():
    classes = corpus.RECIPES["avatars"].classes
    options = (corpus.SEED, corpus.CAST, SETTING.incongruence, SETTING.intensity)
    roles = [corpus._role(i, "avatars", *options) for i in range(3_000)]
    for modality, rate in SETTING.incongruence.items():
        assert 0.05 <= rate <= 0.2
        wrong = np.mean([role.shown[modality] != classes[role.label] for role in roles])
        assert wrong == pytest.approx(rate, abs=0.025)
        strength = [role.strength[modality] for role in roles]
        a, b = SETTING.intensity[modality]
        assert min(strength) >= corpus.WEAKEST
        assert np.std(strength) > 0.1
        assert np.mean(strength) == pytest.approx(a / (a + b), abs=0.03), "the mean of its Beta distribution"


def test_pretraining_shares_no_person_no_draw_and_has_no_contradictions(everybody):
    assert not set(corpus.PRETRAINING_CAST) & set(corpus.CAST)
    assert corpus.PRETRAINING_SEED != corpus.SEED
    sample = [corpus.generate(i, **PRETRAINING) for i in range(200)]
    assert not {u.speaker for u in sample} & {u.speaker for u in everybody}
    classes = corpus.RECIPES["avatars"].classes
    for i in range(200):
        role = corpus._role(i, "avatars", *PRETRAINING.values())
        assert set(role.shown.values()) == {classes[role.label]}
    assert sample[0].frames().tobytes() != everybody[0].frames().tobytes()


def test_every_word_is_in_the_vocabulary(everybody):
    known = set(words.vocabulary(words.EMOTIONS))
    spoken = {word for u in everybody for word in u.text.split()}
    assert spoken <= known
    assert len(spoken) > 0.95 * len(known)
    assert all(word.isalpha() and word.islower() for word in known)


def test_a_recipe_describes_the_same_classes_in_every_modality():
    for recipe in corpus.RECIPES.values():
        assert tuple(recipe.lines) == tuple(recipe.prosody) == tuple(recipe.expressions)
        assert len(recipe.shares) == len(recipe.lines)
        assert sum(recipe.shares) == pytest.approx(1)


def test_an_intensity_of_zero_is_neutral():
    assert voice.EMOTIONS["angry"].scaled(0) == voice.Prosody()
    assert face.EMOTIONS["happy"].scaled(0) == face.Expression()
    assert face.EMOTIONS["happy"].scaled(1).smile == pytest.approx(1)


def test_an_angry_voice_is_louder_and_shorter_than_a_sad_one():
    def spoken(emotion: str) -> np.ndarray:
        prosody, rng = voice.EMOTIONS[emotion], np.random.default_rng(0)
        waves = [voice.speak("my brother came by", prosody, voice.voice_of(i), rng) for i in range(10)]
        return np.mean([(np.sqrt(np.mean(w**2)), len(w)) for w in waves], axis=0)

    (angry, short), (sad, long) = spoken("angry"), spoken("sad")
    assert angry > 1.8 * sad
    assert short < 0.9 * long


def test_a_smile_opens_a_mouth_with_teeth():
    def mouth(emotion: str) -> np.ndarray:
        person, rng = face.face_of(1), np.random.default_rng(0)
        clips = [face.draw(face.EMOTIONS[emotion], person, rng) for _ in range(8)]
        return np.mean([clip[:, 38:56, 18:46] for clip in clips], axis=(0, 1, 4))

    assert np.abs(mouth("happy") - mouth("neutral")).max() > 40
    assert np.abs(mouth("sad") - mouth("angry")).max() > 40


def test_a_text_without_vowels_can_be_spoken():
    for text in ("", "hmm"):
        wave = voice.speak(text, voice.Prosody(), voice.voice_of(0), np.random.default_rng(0))
        assert np.isfinite(wave).all()
        assert len(wave) > SAMPLE_RATE // 2
