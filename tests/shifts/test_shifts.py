"""The corruptions are those of the table in the paper's section 4, drawn once per utterance and modality."""

import hashlib

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmda_bench import shifts
from mmda_bench.dataset import Shift
from mmda_bench.protocol import Protocol
from mmda_bench.shifts import effective_shift

IEMOCAP = Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4)
MINTREC = Shift(noise=0.005, brightness=0.3, visual_noise=0.05, masked=0.2)
FRAMES = np.random.default_rng(0).integers(0, 256, (10, 24, 20, 3), dtype=np.uint8)
WAVE = (0.06 * np.sin(np.arange(32_000) / 9)).astype(np.float32)
WORDS = [f"w{i}" for i in range(20)]


def rng(name: str = "u1") -> np.random.Generator:
    return shifts.draw("corpus", name, "A")


@pytest.mark.parametrize("card", [IEMOCAP, MINTREC])
def test_acoustic_noise_has_the_variance_of_the_card(card):
    added = shifts.shift_waveform(WAVE, noise=card.noise, rng=rng()) - WAVE
    assert added.dtype == np.float32
    assert abs(added.mean()) < 4 * np.sqrt(card.noise / len(WAVE))
    assert added.var() == pytest.approx(card.noise, rel=0.04)
    assert abs(np.corrcoef(added[1:], added[:-1])[0, 1]) < 0.03  # white


def test_shifted_sound_stays_in_range():
    loud = shifts.shift_waveform(np.full(5_000, 0.95, np.float32), noise=0.1, rng=rng())
    assert loud.max() == 1
    assert loud.min() >= -1


@pytest.mark.parametrize("card", [IEMOCAP, MINTREC])
def test_frames_are_darkened_then_normalised_then_noisy(card):
    seen = shifts.shift_frames(FRAMES, brightness=card.brightness, noise=card.visual_noise, rng=rng())
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    added = seen - (FRAMES / 255 * card.brightness - mean) / std
    assert seen.dtype == np.float32
    assert seen.shape == FRAMES.shape
    assert added.var() == pytest.approx(card.visual_noise, rel=0.05)
    assert np.abs(added.mean(axis=(0, 1, 2))).max() < 0.03
    assert added.max() > 3 * np.sqrt(card.visual_noise)  # not clipped


def test_clean_frames_are_normalised_as_imagenet():
    clean = shifts.normalise_frames(FRAMES)
    expected = (FRAMES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(clean, expected, atol=2e-6)
    assert clean.dtype == np.float32


@given(st.integers(1, 40), st.floats(0, 1), st.integers(0, 9))
@example(1, 1.0, 0)
@example(26, 0.9, 0)
def test_the_share_of_words_is_masked_and_one_word_always_stays(count, share, seed):
    words = [f"w{i}" for i in range(count)]
    masked = shifts.mask_words(words, share=share, mask="[M]", rng=rng(str(seed)))
    assert masked.count("[M]") == min(round(share * count), count - 1)
    assert all(new in (old, "[M]") for new, old in zip(masked, words, strict=True))


def test_an_utterance_without_words_stays_without_words():
    assert shifts.mask_words([], share=0.4, mask="[M]", rng=rng()) == []


def test_every_position_is_masked_equally_often():
    counts = np.zeros(5)
    for i in range(2_000):
        masked = shifts.mask_words(WORDS[:5], share=0.4, mask="[M]", rng=shifts.draw("c", f"u{i}", "L"))
        counts += [word == "[M]" for word in masked]
    assert np.abs(counts / 2_000 - 0.4).max() < 0.045  # four standard deviations


def test_a_draw_belongs_to_corpus_utterance_modality_and_seed():
    names = [("c", "u", "A", 0), ("c", "u", "V", 0), ("c", "v", "A", 0), ("d", "u", "A", 0), ("c", "u", "A", 1)]
    values = [shifts.draw(*name[:3], seed=name[3]).standard_normal() for name in names]
    assert len(set(values)) == len(values)
    again = [shifts.draw(*name[:3], seed=name[3]).standard_normal() for name in names]
    assert values == again


def test_the_draw_is_seeded_by_a_hash_of_names():
    digest = hashlib.sha256(b"shift\x1f0\x1favatars\x1favatars_0000\x1fA").digest()
    expected = np.random.default_rng(int.from_bytes(digest[:8], "big") >> 1).standard_normal(5)
    np.testing.assert_array_equal(shifts.draw("avatars", "avatars_0000", "A").standard_normal(5), expected)


@pytest.mark.parametrize(("modality", "raw"), [("A", WAVE), ("L", WORDS), ("V", FRAMES)])
def test_severity_zero_is_the_clean_input(modality, raw):
    shift = effective_shift(IEMOCAP, Protocol(backbone="tiny", severity=0.0))
    out = shifts.corrupt(modality, raw, shift=shift, rng=rng())
    expected = shifts.normalise_frames(raw) if modality == "V" else raw
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize(("modality", "raw"), [("A", WAVE), ("L", WORDS), ("V", FRAMES)])
def test_the_input_is_left_alone(modality, raw):
    before = raw.copy()
    shifts.corrupt(modality, raw, shift=IEMOCAP, rng=rng())
    np.testing.assert_array_equal(raw, before)


def test_a_weaker_severity_scales_the_same_noise_and_masks_a_subset():
    weak = effective_shift(IEMOCAP, Protocol(backbone="tiny", severity=0.25))
    full = shifts.shift_waveform(WAVE, noise=IEMOCAP.noise, rng=rng()) - WAVE
    less = shifts.shift_waveform(WAVE, noise=weak.noise, rng=rng()) - WAVE
    np.testing.assert_allclose(less, full / 2, atol=1e-6)  # a quarter of the variance
    hidden = {s: {w for w, m in zip(WORDS, _masked(s), strict=True) if m == "[M]"} for s in (0.2, 0.4)}
    assert hidden[0.2] < hidden[0.4]


def _masked(share: float) -> list[str]:
    return shifts.mask_words(WORDS, share=share, mask="[M]", rng=rng())


@pytest.mark.parametrize("brightness", [0.0, 0.1, 0.25, 1.0])
def test_the_released_code_darkens_to_whole_brightness_values(brightness):
    frames = np.arange(128, dtype=np.uint8)[:126].reshape(2, 3, 7, 3) * 2
    card = Shift(noise=0.2, brightness=brightness, visual_noise=0.0, masked=0.4)
    shift = effective_shift(card, Protocol(backbone="tiny", shift="released-8bit"))
    found = shifts.corrupt("V", frames, shift=shift, rng=rng())
    for place in np.ndindex(frames.shape):
        value = np.rint(np.float32(brightness) * np.float32(frames[place]))
        mean, deviation = (0.485, 0.456, 0.406)[place[-1]], (0.229, 0.224, 0.225)[place[-1]]
        assert found[place] == pytest.approx((value / 255 - mean) / deviation, abs=1e-5)
    plain = effective_shift(card, Protocol(backbone="tiny", shift="released"))
    assert (shift.noise, shift.brightness, shift.masked) == (plain.noise, plain.brightness, plain.masked)
    assert shift != plain, "the cache of one is not that of the other"


def test_corrupt_names_the_modalities_it_knows():
    with pytest.raises(ValueError, match=r"'X'.*A, L, V"):
        shifts.corrupt("X", WAVE, shift=IEMOCAP, rng=rng())
