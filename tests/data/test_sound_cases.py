"""Sound as people have it: cut, misnamed, too loud, cancelling itself. It is heard right, named, or refused by name."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from clips import TONE, noted, video

from mmda_bench.data.media.files import read_waveform
from mmda_bench.data.media.video import read_sound
from mmda_bench.errors import ClipError


def wav(path: Path, samples: np.ndarray = TONE, rate: int = 16_000, subtype: str = "FLOAT", **options) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype, **options)
    return path


def promising(path: Path, count: int) -> Path:
    """A wav whose header says that it has ``count`` bytes of sound."""
    content = bytearray(path.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = count.to_bytes(4, "little")
    path.write_bytes(content)
    return path


def test_a_wav_that_was_cut_is_truncated(tmp_path):
    path = wav(tmp_path / "a.wav", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:8_044])
    with pytest.raises(ClipError, match="is truncated: its header promises 32,000 bytes of sound, it has 8,000"):
        read_waveform(path)


@pytest.mark.parametrize("kind", ["FLAC", "AIFF"])
def test_sound_of_another_kind_under_the_name_of_a_wav_is_named_and_truncated_if_it_was_cut(tmp_path, kind):
    path = wav(tmp_path / "a.wav", subtype="PCM_16", format=kind)
    found, said = noted(read_waveform, path)
    np.testing.assert_allclose(found, TONE, atol=1e-4)
    assert said == f"{kind} content under the name .wav"
    path.write_bytes(path.read_bytes()[:5_000])
    with pytest.raises(ClipError, match=r"a\.wav is (truncated|not readable sound)"):
        read_waveform(path)


def test_the_sound_of_a_video_under_the_name_of_a_wav_is_read_and_named(tmp_path):
    video(tmp_path / "a.mp4", sound=TONE).rename(tmp_path / "a.wav")
    found, said = noted(read_waveform, tmp_path / "a.wav")
    np.testing.assert_allclose(found[500:12_000], TONE[500:12_000], atol=0.02)
    assert said == "mov content under the name .wav"


@pytest.mark.parametrize(
    ("count", "samples", "said"),
    [
        (32_100, 16_000, "its header promises 100 more bytes of sound than it has"),
        (0xFFFFFFFF, 16_000, "its header does not say how long it is"),
        (16_000, 8_000, "16,000 bytes behind its last part are not read"),
    ],
)
def test_a_header_that_is_wrong_about_its_length_is_named(tmp_path, count, samples, said):
    loud = np.sign(TONE)
    found, notes = noted(read_waveform, promising(wav(tmp_path / "a.wav", loud, subtype="PCM_16"), count))
    assert (len(found), notes) == (samples, said)


def test_floats_that_hold_whole_numbers_are_refused(tmp_path):
    with pytest.raises(ClipError, match=r"samples up to 9,830.*expected −1 to 1.*divide them by .* 32768"):
        read_waveform(wav(tmp_path / "a.wav", np.round(TONE * 32_768)))


def test_sound_that_has_to_be_clipped_is_named(tmp_path):
    found, said = noted(read_waveform, wav(tmp_path / "a.wav", 9 * TONE))
    assert np.abs(found).max() == 1
    assert said == "clipped: 75.9% of the samples lie beyond ±1, up to 2.7"
    assert noted(read_waveform, wav(tmp_path / "a.wav", np.append(3 * TONE, 1.2)))[1] == "", "one sample of 16,000"


@pytest.mark.parametrize("second", [-1.0, -0.9])
def test_where_the_channels_cancel_each_other_the_loudest_is_heard_and_named(tmp_path, second):
    found, said = noted(read_waveform, wav(tmp_path / "a.wav", np.stack([0.8 * TONE * second, 0.8 * TONE], 1)))
    loudest = 1 if second == -1 else 2
    np.testing.assert_allclose(found, 0.8 * TONE * (second if loudest == 1 else 1), atol=1e-6)
    assert said == f"channel {loudest} of 2 alone, as together they cancel each other"


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.full(8_000, 0.25), "silent: every sample is 0.25"),
        (TONE * 1e-6, "all but silent: no sample beyond ±3e-07"),
        (TONE + 0.4, "off zero by 0.4 on average"),
        (np.zeros(8_000), ""),  # which the engine names itself
    ],
)
def test_sound_that_a_listener_would_miss_is_named_and_left_as_it_is(tmp_path, samples, said):
    found, notes = noted(read_waveform, wav(tmp_path / "a.wav", samples))
    np.testing.assert_allclose(found, samples, atol=1e-7)
    assert notes == said


@pytest.mark.parametrize("rate", [11_025, 16_001, 96_000])
def test_any_rate_of_a_recording_is_heard_at_its_pitch(tmp_path, rate):
    sine = 0.3 * np.sin(2 * np.pi * 300 * np.arange(rate) / rate)
    found, said = noted(read_waveform, wav(tmp_path / "a.wav", sine, rate))
    expected = 0.3 * np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(found[800:15_200], expected[800:15_200], atol=0.01)
    assert said == f"resampled from {rate} Hz"


@pytest.mark.parametrize("rate", [1, 100, 2_000_000])
def test_a_rate_of_no_recording_is_refused(tmp_path, rate):
    with pytest.raises(ClipError, match=rf"has {rate:,} samples a second; expected 4,000 to 384,000"):
        read_waveform(wav(tmp_path / "a.wav", TONE, rate))


@pytest.mark.parametrize(
    ("channels", "outcome"),
    [
        (np.stack([TONE, -TONE]), "channel 1 of 2 alone, as together they cancel each other"),
        (np.stack([TONE, TONE]) * 32_768, "expected −1 to 1"),
        (np.stack([TONE, TONE]) * np.float32(np.nan), "not numbers"),
    ],
    ids=["cancelling", "whole numbers", "no numbers"],
)
def test_the_sound_of_a_video_is_held_to_the_same_rules(tmp_path, channels, outcome):
    with av.open(str(tmp_path / "a.mov"), "w") as container:
        stream = container.add_stream("pcm_f32le", rate=16_000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(channels.T.reshape(1, -1).copy(), format="flt", layout="stereo")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
    try:
        found, said = noted(read_sound, tmp_path / "a.mov")
        np.testing.assert_array_equal(found, TONE)
    except ClipError as error:
        said = str(error)
    assert outcome in said
