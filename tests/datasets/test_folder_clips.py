"""The sound and the pictures of a prepared folder: when and how they are read, and what a clip that cannot be says."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from prepared import pictures, read, table, tone, write

from mmda_bench.data.media.files import read_frames, read_waveform
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, substitutions
from mmda_bench.errors import ClipError

# --- sound


def test_clips_are_loaded_when_asked_for_in_any_process(tmp_path):
    utterance = pickle.loads(pickle.dumps(read(write(tmp_path, table()))[0]))
    with pytest.raises(ClipError, match=r"v_000\.wav is missing"):
        utterance.waveform()
    with pytest.raises(ClipError, match="v_000 is missing"):
        utterance.frames()
    soundfile.write(tmp_path / "v_000.wav", tone(900), 16_000)
    pictures(tmp_path / "v_000", 10)
    assert utterance.waveform().shape == (900,)
    assert utterance.frames().shape == (10, 16, 24, 3)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_another_rate_is_resampled(tmp_path, rate):
    soundfile.write(tmp_path / "a.wav", tone(rate, rate=rate), rate)
    wave = read_waveform(tmp_path / "a.wav")
    assert wave.dtype == np.float32
    assert len(wave) == 16_000
    np.testing.assert_allclose(wave[800:-800], tone(16_000)[800:-800], atol=0.01)


@pytest.mark.parametrize(("rate", "expected"), [(8_000, ["resampled from 8000 Hz"]), (16_000, [])])
def test_only_a_wav_of_another_rate_is_named(tmp_path, rate, expected):
    soundfile.write(tmp_path / "a.wav", tone(rate, rate=rate), rate)
    with substitutions() as said:
        read_waveform(tmp_path / "a.wav")
    assert said == expected


def test_stereo_is_the_mean_of_the_channels(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack([tone(4_000), -0.5 * tone(4_000)], axis=1), 16_000, subtype="FLOAT")
    np.testing.assert_allclose(read_waveform(tmp_path / "a.wav"), 0.25 * tone(4_000), atol=1e-6)


@pytest.mark.parametrize(("seconds", "rate", "expected"), [(9, 16_000, MAX_SAMPLES), (9, 44_100, MAX_SAMPLES)])
def test_long_sound_is_cut(tmp_path, seconds, rate, expected):
    soundfile.write(tmp_path / "a.wav", tone(seconds * rate, rate=rate), rate)
    wave = read_waveform(tmp_path / "a.wav")
    assert len(wave) == expected
    np.testing.assert_allclose(wave[800:], tone(expected)[800:], atol=0.01)  # to the end: no edge of the filter


def test_short_sound_is_padded(tmp_path):
    soundfile.write(tmp_path / "a.wav", tone(50), 16_000)
    wave = read_waveform(tmp_path / "a.wav")
    assert len(wave) == MIN_SAMPLES
    assert not wave[50:].any()


def test_sound_above_full_scale_is_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", 9 * tone(2_000), 16_000, subtype="FLOAT")
    assert np.abs(read_waveform(tmp_path / "a.wav")).max() == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not readable sound"),
        (b"RIFF\x24\x00\x00\x00WAVEjunk", "not readable sound"),
        (b"text" * 99, "not readable"),
    ],
)
def test_sound_that_cannot_be_read_is_a_clip_error(tmp_path, content, reason):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(ClipError, match=rf"a\.wav is {reason}"):
        read_waveform(tmp_path / "a.wav")


def test_sound_without_samples_is_a_clip_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 16_000)
    with pytest.raises(ClipError, match=r"a\.wav has no samples"):
        read_waveform(tmp_path / "a.wav")


def test_sound_that_is_not_a_number_is_a_clip_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(800, np.nan), 16_000, subtype="FLOAT")
    with pytest.raises(ClipError, match="not numbers"):
        read_waveform(tmp_path / "a.wav")


# --- pictures


def levels(folder: Path) -> list[int]:
    return [round(float(frame.mean()) / 10) for frame in read_frames(folder)]


def test_ten_pictures_are_taken_in_the_order_of_their_numbers(tmp_path):
    assert levels(pictures(tmp_path / "a", 10)) == list(range(10))
    assert levels(pictures(tmp_path / "b", 25)) == [0, 2, 5, 7, 10, 12, 15, 17, 20, 22]


def test_few_pictures_are_repeated(tmp_path):
    assert levels(pictures(tmp_path / "a", 3)) == [0, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    assert levels(pictures(tmp_path / "b", 1)) == [0] * 10


def test_pictures_of_other_sizes_follow_the_first(tmp_path):
    folder = pictures(tmp_path / "a", 4)
    Image.new("L", (99, 50), 70).save(folder / "frame_2.jpg")  # grey, and larger
    frames = read_frames(folder)
    assert frames.shape == (10, 16, 24, 3)
    assert frames.dtype == np.uint8
    assert round(float(frames[2].mean()) / 10) == 7


def test_what_is_no_picture_is_left_out(tmp_path):
    folder = pictures(tmp_path / "a", 2)
    (folder / "._frame_0.jpg").write_bytes(b"macOS")
    (folder / "notes.txt").touch()
    assert levels(folder) == [0, 1, 1, 1, 1, 1, 1, 1, 1, 1]


def test_a_truncated_picture_is_a_clip_error(tmp_path):
    folder = pictures(tmp_path / "a", 3, size=(200, 200))
    victim = folder / "frame_1.jpg"
    victim.write_bytes(victim.read_bytes()[:-400])
    with pytest.raises(ClipError, match=r"frame_1\.jpg is not a readable picture: .*truncated"):
        read_frames(folder)


def test_a_file_that_only_claims_to_be_a_picture_is_a_clip_error(tmp_path):
    (pictures(tmp_path / "a", 1) / "frame_0.jpg").write_bytes(b"no picture")
    with pytest.raises(ClipError, match=r"frame_0\.jpg is not a readable picture"):
        read_frames(tmp_path / "a")


def test_a_folder_without_pictures_is_a_clip_error(tmp_path):
    with pytest.raises(ClipError, match="contains no jpg"):
        read_frames(pictures(tmp_path / "a", 0))
