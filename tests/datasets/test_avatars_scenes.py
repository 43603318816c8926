"""The two scenes of the avatars: the same emotions, other people, phrases, sound, light and frequencies."""

from collections import Counter

import numpy as np
import pytest

from mmda_bench.data.corpora import reader_of
from mmda_bench.datasets.avatars import corpus, scenes, words
from mmda_bench.registry import DATASETS


def first(name, count=300):
    return [scenes.generate(name, i) for i in range(count)]


def test_the_scenes_are_sections_with_casts_and_frequencies_of_their_own():
    card = DATASETS.get("avatars-scenes").card
    assert card.sections == ("studio", "street")
    casts = [set(scene.cast) for scene in scenes.SCENES.values()]
    others = {*corpus.CAST, *corpus.DEVELOPMENT_CAST, *corpus.PRETRAINING_CAST}
    assert not casts[0] & casts[1]
    assert not (casts[0] | casts[1]) & others, "nobody that a backbone or a calibration knows"
    for name, scene in scenes.SCENES.items():
        found = Counter(u.label for u in first(name, 1_500))
        shares = np.array([found[i] for i in range(4)]) / 1_500
        np.testing.assert_allclose(shares, scene.shares, atol=0.04)
        assert {u.section for u in first(name, 9)} == {name}


def test_an_utterance_is_a_pure_function_of_scene_and_index():
    for name in scenes.SCENES:
        one, again = scenes.generate(name, 7), scenes.generate(name, 7)
        np.testing.assert_array_equal(one.waveform(), again.waveform())
        np.testing.assert_array_equal(one.frames(), again.frames())
        assert one.waveform().dtype == np.float32
        assert one.frames().shape == (10, 64, 64, 3)


def test_each_scene_has_phrases_of_its_own_and_some_of_both_from_one_vocabulary():
    studio, street = (
        scenes.lines_of(scenes.SCENES[name])["angry"].openings.split("|") for name in ("studio", "street")
    )
    assert set(studio) - set(street)
    assert set(street) - set(studio)
    assert set(studio) & set(street)
    known = set(words.vocabulary(words.EMOTIONS))
    assert {word for name in scenes.SCENES for u in first(name) for word in u.text.split()} <= known


def test_the_street_has_the_band_of_a_telephone_and_the_light_of_a_lamp():
    rng = np.random.default_rng(0)
    hiss = 0.1 * rng.standard_normal(16_000).astype(np.float32)
    heard = scenes.on_the_phone(hiss, rng)
    spectrum, hertz = np.abs(np.fft.rfft(heard)) ** 2, np.fft.rfftfreq(16_000, 1 / 16_000)
    inside, above = spectrum[(hertz > 500) & (hertz < 3_000)].mean(), spectrum[hertz > 6_000].mean()
    assert above < 0.01 * inside
    white = np.full((10, 64, 64, 3), 255, np.uint8)
    red, _, blue = scenes.in_the_evening(white, rng).mean((0, 1, 2))
    assert blue < 0.8 * red < 0.8 * 255


@pytest.mark.slow
def test_the_pair_runs_embedded_on_the_four_emotions():
    pair = reader_of("avatars-scenes[studio]--avatars-scenes[street]")
    card = pair.describe(None)
    assert card.classes == ("neutral", "happy", "sad", "angry")
    assert (card.natural, card.synthetic, card.backbone) == (True, True, "tiny")
    domains = Counter(u.domain for u in pair.utterances(None))
    assert domains == {"source": scenes.EACH, "target": scenes.EACH}
