"""Every corruption: what it does to the input, monotone in severity, nested, alone in its modality."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage, signal, stats

from mmda_bench import shifts
from mmda_bench.shifts.corruptions import CORRUPTIONS, absent
from mmda_bench.shifts.corruptions.acoustic import speech_power
from mmda_bench.shifts.corruptions.base import Surroundings
from mmda_bench.shifts.corruptions.lexical import edits, mistyped, nearest

SEVERITIES = range(1, 6)
DRAW = np.random.default_rng(0)
FRAMES = np.stack(
    [np.asarray(Image.fromarray(DRAW.integers(0, 256, (6, 5, 3), dtype=np.uint8)).resize((40, 48))) for _ in range(10)]
)  # (10, 48, 40, 3), smooth, each another
SILENCE = np.zeros(4_000)
WAVE = np.concatenate([SILENCE, 0.2 * DRAW.standard_normal(24_000) * np.hanning(24_000), SILENCE]).astype(np.float32)
SENTENCE = "please bring another chair because nobody found the window that they painted before breakfast again"
WORDS = 2 * SENTENCE.split()
VOICES = tuple(0.1 * DRAW.standard_normal(8_000).astype(np.float32) for _ in range(8))
AROUND = Surroundings(mask="[M]", words=tuple(sorted({*WORDS, "their", "fount", "widow"})), voices=VOICES)
WITHOUT_DRAWS = ("dark", "contrast", "blur", "jpeg", "pixelate", "clipping", "low-pass")
RAW = {"A": WAVE, "L": WORDS, "V": FRAMES}


def apply(name: str, severity: int, raw=None, *, utterance: str = "u1"):
    found = CORRUPTIONS[name]
    raw = RAW[found.modality] if raw is None else raw
    return found(raw, severity=severity, rng=shifts.draw("c", utterance, found.modality), around=AROUND)


def changed(name: str) -> list[np.ndarray]:
    """Which values differ from the input, severity by severity."""
    raw = np.asarray(RAW[CORRUPTIONS[name].modality])
    return [np.asarray(apply(name, severity)) != raw for severity in SEVERITIES]


def nested(masks: list[np.ndarray]) -> bool:
    """Whether every mask holds the one before."""
    return all((weaker <= stronger).all() for weaker, stronger in pairwise(masks))


def test_the_table_is_there():
    assert {m: sum(c.modality == m for c in CORRUPTIONS.values()) for m in "ALV"} == {"A": 7, "L": 4, "V": 10}
    assert all(len(c.levels) == 5 for c in CORRUPTIONS.values())


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_is_a_pure_function_of_input_severity_and_draw(name):
    modality = CORRUPTIONS[name].modality
    before = RAW[modality].copy()
    assert apply(name, 0) is RAW[modality], "severity 0 is the input"
    for severity in SEVERITIES:
        found, again = apply(name, severity), apply(name, severity)
        np.testing.assert_array_equal(found, again)
        np.testing.assert_array_equal(RAW[modality], before)
        if modality == "L":
            assert all(isinstance(word, str) and word for word in found)
        else:
            assert (found.shape, found.dtype) == (before.shape, before.dtype)
            assert modality == "V" or np.abs(found).max() <= 1
    assert len(found) != len(before) or (np.asarray(found) != np.asarray(before)).any()
    with pytest.raises(ValueError, match="expected a whole number from 0 to 5"):
        apply(name, 6)


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in WITHOUT_DRAWS])
def test_another_utterance_is_corrupted_otherwise(name):
    assert not np.array_equal(np.asarray(apply(name, 3)), np.asarray(apply(name, 3, utterance="u2")))


# --- more of the same, severity by severity


def residual(name: str, severity: int) -> np.ndarray:
    """What was added, after whatever scaling brought the sum back to [−1, 1]."""
    found = apply(name, severity).astype(np.float64)
    quiet = slice(0, 4_000)
    if np.abs(found).max() < 1:
        return found - WAVE
    noise = residual(name, 1)  # the same noise at another gain; the silence tells both
    gain = found[quiet] @ noise[quiet] / (noise[quiet] @ noise[quiet])
    scale = (found - gain * noise) @ WAVE / (WAVE @ WAVE)
    return found / scale - WAVE


@pytest.mark.parametrize("name", ["white-noise", "pink-noise", "babble"])
def test_noise_has_the_signal_to_noise_ratio_of_its_level(name):
    ratios = [10 * np.log10(speech_power(WAVE) / np.mean(residual(name, s) ** 2)) for s in SEVERITIES]
    np.testing.assert_allclose(ratios, CORRUPTIONS[name].levels, atol=0.05)
    assert ratios == sorted(ratios, reverse=True)
    one, five = residual(name, 1), residual(name, 5)
    assert np.corrcoef(one, five)[0, 1] > 0.9999, "the same noise"


@pytest.mark.parametrize("name", ["white-noise", "pink-noise", "babble"])
def test_silence_around_the_speech_does_not_change_the_noise_and_silence_stays_silent(name):
    longer = np.concatenate([WAVE, np.zeros(32_000, np.float32)])
    power = [np.mean(np.square(apply(name, 3, raw)[:4_000], dtype=np.float64)) for raw in (WAVE, longer)]
    assert power[0] == pytest.approx(power[1], rel=0.35)
    np.testing.assert_array_equal(apply(name, 5, np.zeros(800, np.float32)), np.zeros(800))


def test_pink_noise_is_equally_strong_in_every_octave():
    frequency, density = signal.welch(residual("pink-noise", 1), 16_000, nperseg=4_096)
    bands = [density[(frequency >= low) & (frequency < 2 * low)].sum() for low in (250, 500, 1_000, 2_000)]
    assert max(bands) < 1.3 * min(bands)


def test_babble_is_three_to_seven_others_and_needs_them():
    def speakers(utterance: str) -> int:
        """How many of eight voices, each a tone of its own, are in the noise."""
        hertz = np.arange(500, 4_500, 500)
        tones = tuple(np.sin(2 * np.pi * f * np.arange(8_000) / 16_000).astype(np.float32) for f in hertz)
        found = CORRUPTIONS["babble"](
            WAVE, severity=1, rng=shifts.draw("c", utterance, "A"), around=Surroundings(voices=tones)
        )
        spectrum = np.abs(np.fft.rfft((found - WAVE)[:32_000]))
        peaks = spectrum[1_000:9_000:1_000]  # of 0.5 Hz each
        return int((peaks > 0.2 * peaks.max()).sum())

    counts = {speakers(f"u{i}") for i in range(60)}
    assert counts == {3, 4, 5, 6, 7}
    with pytest.raises(ValueError, match="babble needs at least 3 voices of other speakers, found 2"):
        CORRUPTIONS["babble"](WAVE, severity=1, rng=DRAW, around=Surroundings(voices=VOICES[:2]))


def test_reverberation_decays_by_60_db_in_its_time():
    click = np.zeros(40_000, np.float32)
    click[0] = 1
    energies = []
    for severity, time in zip(SEVERITIES, CORRUPTIONS["reverb"].levels, strict=True):
        tail = apply("reverb", severity, click).astype(np.float64)[1:] ** 2
        energies.append(tail.sum())
        start, end = (tail[int(at * 16_000) : int(at * 16_000) + 1_600].mean() for at in (0.0, 0.5 * time))
        assert 10 * np.log10(start / end) == pytest.approx(30, abs=1.5)
    np.testing.assert_allclose(np.array(energies) / energies[2], np.array(CORRUPTIONS["reverb"].levels) / 0.6, rtol=0.1)


def test_clipping_keeps_what_is_quieter_than_its_quantile():
    limits = [np.abs(apply("clipping", s)).max() for s in SEVERITIES]
    assert limits == sorted(limits, reverse=True)
    loud = WAVE[4_000:28_000]
    for limit, level in zip(limits, CORRUPTIONS["clipping"].levels, strict=True):
        assert np.mean(np.abs(loud) <= limit) == pytest.approx(level, abs=0.05)  # frames all but silent aside
    np.testing.assert_array_equal(apply("clipping", 3), np.clip(WAVE, -limits[2], limits[2]))


def test_a_low_pass_keeps_what_is_below_and_takes_what_is_above():
    time = np.arange(32_000) / 16_000
    for severity, level in zip(SEVERITIES, CORRUPTIONS["low-pass"].levels, strict=True):
        below, edge, above = (
            np.std(apply("low-pass", severity, (0.3 * np.sin(2 * np.pi * f * time)).astype(np.float32))[8_000:24_000])
            for f in (600 * level, 1_000 * level, 1_600 * level)
        )
        assert [below, edge] == pytest.approx([0.3 / np.sqrt(2), 0.15], rel=0.02)
        assert above < 0.01


def test_dropouts_are_silent_chunks_of_the_share_and_each_severity_keeps_those_before():
    speech = np.where(WAVE == 0, np.float32(0.1), WAVE)
    silent = [apply("dropout", s, speech) == 0 for s in SEVERITIES]
    assert [mask.mean() for mask in silent] == pytest.approx(CORRUPTIONS["dropout"].levels)
    assert nested(silent)
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], silent[4].astype(int), [0]]))))[::2]
    assert runs.min() >= 1_600
    assert apply("dropout", 5, speech[:1_000]).all(), "the only chunk stays"


def test_pictures_grow_darker_and_flatter():
    means = [apply("dark", s).mean() for s in SEVERITIES]
    np.testing.assert_allclose(means, np.array(CORRUPTIONS["dark"].levels) * FRAMES.mean(), atol=0.2)
    spreads = [apply("contrast", s).std((1, 2)) for s in SEVERITIES]
    for spread, level in zip(spreads, CORRUPTIONS["contrast"].levels, strict=True):
        np.testing.assert_allclose(spread, level * FRAMES.std((1, 2)), atol=0.4)
    np.testing.assert_allclose(apply("contrast", 5).mean((1, 2)), FRAMES.mean((1, 2)), atol=0.5)


def test_gaussian_noise_has_its_standard_deviation_and_is_the_same_at_every_severity():
    grey = np.full((10, 48, 40, 3), 128, np.uint8)
    added = [apply("gaussian-noise", s, grey) / 255 - 128 / 255 for s in SEVERITIES[:2]]  # weak enough not to be cut
    assert [noise.std() for noise in added] == pytest.approx([0.08, 0.12], rel=0.02)
    assert np.corrcoef(added[0].ravel(), added[1].ravel())[0, 1] > 0.999


def test_shot_noise_has_the_distribution_of_counted_photons():
    for severity, photons in zip(SEVERITIES, CORRUPTIONS["shot-noise"].levels, strict=True):
        grey = np.full((10, 48, 40, 3), 102, np.uint8)  # 0.4 of white
        found = apply("shot-noise", severity, grey) * (photons / 255)
        counts = np.bincount(np.round(found).astype(int).ravel(), minlength=int(photons) + 1) / found.size
        expected = stats.poisson.pmf(np.arange(int(photons) + 1), 0.4 * photons)
        assert np.abs(counts[: int(photons)] - expected[: int(photons)]).max() < 0.01
    assert not apply("shot-noise", 5, np.zeros_like(FRAMES)).any(), "black has no photons"


def test_impulses_strike_their_share_and_each_severity_strikes_those_before():
    grey = np.full((10, 48, 40, 3), 128, np.uint8)
    struck = [apply("impulse-noise", s, grey) != 128 for s in SEVERITIES]
    levels = np.array(CORRUPTIONS["impulse-noise"].levels)
    deviations = np.sqrt(levels * (1 - levels) / grey.size)
    assert (np.abs([mask.mean() for mask in struck] - levels) < 4 * deviations).all()
    assert nested(struck)
    assert set(np.unique(apply("impulse-noise", 5, grey)).tolist()) == {0, 128, 255}


def test_a_blur_is_that_of_scipy_and_scales_with_the_picture():
    for severity, sigma in zip(SEVERITIES, CORRUPTIONS["blur"].levels, strict=True):
        scaled = sigma * 40 / 224
        reach = max(1, int(np.ceil(4 * scaled)))
        options = {"mode": "nearest", "radius": (0, reach, reach, 0)}
        expected = ndimage.gaussian_filter(FRAMES.astype(float), (0, scaled, scaled, 0), **options)
        np.testing.assert_allclose(apply("blur", severity), expected, atol=0.51)


@pytest.mark.parametrize("name", ["jpeg", "pixelate"])
def test_a_stronger_compression_is_further_from_the_picture(name):
    noisy = DRAW.integers(0, 256, FRAMES.shape, dtype=np.uint8)
    errors = [np.abs(apply(name, s, noisy).astype(int) - noisy).mean() for s in SEVERITIES]
    assert errors == sorted(errors)
    assert errors[0] > 1


def test_pixels_of_a_pixelated_picture_are_as_few_as_its_level_says():
    board = (np.indices((80, 80)).sum(0) % 2 * 255).astype(np.uint8)[None, ..., None].repeat(3, 3)
    found = apply("pixelate", 5, board)
    blocks = found.reshape(1, 20, 4, 20, 4, 3)
    assert (blocks == blocks[:, :, :1, :, :1]).all()


def test_a_square_covers_its_share_in_one_place_and_grows_around_it():
    white = np.full((10, 40, 60, 3), 255, np.uint8)
    covered = [apply("occlusion", s, white) == 0 for s in SEVERITIES]
    for mask, level in zip(covered, CORRUPTIONS["occlusion"].levels, strict=True):
        assert np.sqrt(mask[0, ..., 0].sum()) / 40 == pytest.approx(level, abs=0.03)
        assert (mask == mask[:1]).all()
    assert nested(covered)


def test_frozen_pictures_are_those_before_them_and_each_severity_freezes_more():
    still = {s: np.zeros(9) for s in SEVERITIES}
    for i in range(300):
        held = [
            np.array([(frame == before).all() for before, frame in pairwise(found)])
            for found in (apply("frozen", s, utterance=f"u{i}") for s in SEVERITIES)
        ]
        assert nested(held)
        for severity, mask in zip(SEVERITIES, held, strict=True):
            still[severity] += mask
    shares = [counts.mean() / 300 for counts in still.values()]
    assert shares == pytest.approx(CORRUPTIONS["frozen"].levels, abs=0.03)
    assert (apply("frozen", 5)[0] == FRAMES[0]).all()


# --- words


def test_masked_and_deleted_words_are_of_the_share_and_each_severity_keeps_those_before():
    masks = changed("masked")
    assert [mask.sum() for mask in masks] == [round(level * len(WORDS)) for level in CORRUPTIONS["masked"].levels]
    assert nested(masks)
    numbered = [f"w{i}" for i in range(20)]
    left = [apply("deleted", s, numbered) for s in SEVERITIES]
    assert [len(words) for words in left] == [18, 16, 14, 12, 10]
    assert all(set(b) < set(a) and b == [w for w in a if w in b] for a, b in pairwise(left))
    assert apply("deleted", 5, ["yes"]) == ["yes"]
    assert [len(word) for word in apply("deleted", 5, ["我们赢了比赛太棒了"])] == [5], "characters, without spaces"


def test_typos_are_one_slip_in_the_share_of_the_long_words():
    long = sum(len(word) > 3 for word in WORDS)
    struck = changed("typos")
    assert [mask.sum() for mask in struck] == [round(level * long) for level in CORRUPTIONS["typos"].levels]
    assert nested(struck)
    assert all(len(word) > 3 for word, hit in zip(WORDS, struck[4], strict=True) if hit)


@given(st.text("abcdeéЖ我-'ZQ", min_size=4, max_size=9), st.tuples(*[st.floats(0, 1, exclude_max=True)] * 3))
def test_a_slip_changes_a_word_by_one_letter_or_one_swap(word, numbers):
    if not any(map(str.isalpha, word)):
        return
    typed = mistyped(word, *numbers)
    assert typed != word
    swapped = len(typed) == len(word) and sorted(typed) == sorted(word)
    assert edits(word, typed) == 1 or (swapped and edits(word, typed) == 2)


def test_a_neighbouring_key_is_next_to_the_letter():
    assert {mistyped("ghost", 0.4, 0.0, which / 20)[0] for which in range(20)} == set("ftyhvb")


def test_a_recogniser_errs_at_its_rate_with_words_of_the_corpus():
    rates = np.zeros(5)
    kinds = np.zeros(3)
    for i in range(200):
        for severity in SEVERITIES:
            heard = apply("recogniser", severity, utterance=f"u{i}")
            assert set(heard) <= set(AROUND.words)
            rates[severity - 1] += edits(WORDS, heard) / len(WORDS) / 200
        longer = len(heard) - len(WORDS)
        kinds += [edits(WORDS, heard), max(0, longer), max(0, -longer)]
    np.testing.assert_allclose(rates, CORRUPTIONS["recogniser"].levels, atol=0.06)
    assert (np.diff(rates) > 0).all()
    assert abs(kinds[1] - kinds[2]) < 0.1 * kinds[0], "as many insertions as deletions"
    assert apply("recogniser", 5, ["window"])


def test_a_recogniser_takes_a_word_for_one_that_is_near():
    known = ("their", "there", "where", "banana", "window", "widow", "winter")
    assert nearest("there", known)[:2] == ("where", "their")
    assert nearest("window", known)[0] == "widow"


@settings(max_examples=30)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_the_edit_distance_is_that_of_the_definition(a, b):
    def slow(x: str, y: str) -> int:
        if not x or not y:
            return len(x) + len(y)
        return min(slow(x[1:], y) + 1, slow(x, y[1:]) + 1, slow(x[1:], y[1:]) + (x[0] != y[0]))

    assert edits(a, b) == slow(a, b)


# --- missing modalities


def test_a_missing_modality_is_silent_black_or_one_mask():
    for modality, expected in (("A", np.zeros_like(WAVE)), ("V", np.zeros_like(FRAMES)), ("L", ["[M]"])):
        found = absent(modality, RAW[modality], mask="[M]")
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="'joint' cannot be missing; expected one of A, L, V"):
        absent("joint", WAVE)
