"""A prepared folder is read as data.md describes it, and everything that can be wrong with one is said clearly."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmda_bench.data.media.files import read_frames, read_waveform
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, substitutions
from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.errors import ClipError, DataError

HEADER = "video_id,clip_id,text,mode,emotion"
CLASSES = ("calm", "glad")


def table(count: int = 20, *, prefix: str = "v") -> list[str]:
    return [HEADER, *(f'{prefix},{i:03d},"words, number {i}",train,{CLASSES[i % 2]}' for i in range(count))]


def write(root: Path, lines: list[str], *, name: str = "labels.csv", newline: str = "\n") -> Path:
    (root / name).write_bytes(newline.join([*lines, ""]).encode())
    return root


def tone(samples: int, *, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hertz * np.arange(samples) / rate)


def pictures(folder: Path, count: int, *, size: tuple[int, int] = (24, 16)) -> Path:
    """Flat grey pictures whose brightness is 10 times their number."""
    folder.mkdir()
    for i in range(count):
        Image.new("RGB", size, (10 * i,) * 3).save(folder / f"frame_{i}.jpg", quality=95)
    return folder


def read(root: Path | None) -> list:
    return list(Folder().utterances(root))


def broken(root: Path | None) -> str:
    """The message of the DataError that both calls raise."""
    with pytest.raises(DataError) as described:
        Folder().describe(root)
    with pytest.raises(DataError) as listed:
        read(root)
    assert str(described.value) == str(listed.value)
    return str(listed.value)


# --- tables


def test_rows_become_utterances(tmp_path):
    utterances = read(write(tmp_path, table()))
    assert [u.id for u in utterances[:2]] == ["v_000", "v_001"]
    assert utterances[3].text == "words, number 3"
    assert [u.label for u in utterances[:3]] == [0, 1, 0]
    assert {u.domain for u in utterances} == {None}
    card = Folder().describe(tmp_path)
    assert card.classes == CLASSES
    assert card.fractions == (0.6, 0.2, 0.2)
    assert (card.shift.noise, card.shift.masked) == (0.01, 0.4)


def test_two_tables_fix_the_halves(tmp_path):
    write(tmp_path, table(prefix="s"), name="label_s.csv")
    write(tmp_path, table(prefix="t"), name="label_t.csv")
    assert [u.domain for u in read(tmp_path)] == ["source"] * 20 + ["target"] * 20


def test_crlf_quotes_and_a_byte_order_mark_are_read(tmp_path):
    lines = table()
    lines[1] = 'v,000,"she said ""no"", and left",train,calm'
    lines[0] = "\ufeff" + lines[0]
    utterances = read(write(tmp_path, lines, newline="\r\n"))
    assert utterances[0].text == 'she said "no", and left'
    assert len(utterances) == 20


def test_columns_may_come_in_another_order_and_bring_a_speaker(tmp_path):
    rows = [f"{CLASSES[i % 2]},hello,{i},v,ann" for i in range(20)]
    utterances = read(write(tmp_path, ["emotion,text,clip_id,video_id,speaker", *rows]))
    assert (utterances[5].id, utterances[5].speaker, utterances[5].label) == ("v_5", "ann", 1)


def test_dataset_json_overrides_the_defaults(tmp_path):
    facts = {"classes": ["glad", "calm"], "fractions": [0.4, 0.1, 0.5], "synthetic": True, "title": "Mine"}
    facts["shift"] = {"noise": 0.005, "brightness": 0.3, "visual_noise": 0.05, "masked": 0.2}
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    card = Folder().describe(write(tmp_path, table()))
    assert card.classes == ("glad", "calm")
    assert card.fractions == (0.4, 0.1, 0.5)
    assert (card.title, card.synthetic, card.shift.brightness) == ("Mine", True, 0.3)
    assert read(tmp_path)[0].label == 1


def test_the_version_follows_what_the_folder_holds(tmp_path):
    versions = [Folder().describe(write(tmp_path, table())).version]
    soundfile.write(tmp_path / "v_000.wav", tone(900), 16_000)
    versions.append(Folder().describe(tmp_path).version)
    pictures(tmp_path / "v_000", 3)
    versions.append(Folder().describe(tmp_path).version)
    (tmp_path / "v_000" / "frame_1.jpg").unlink()
    versions.append(Folder().describe(tmp_path).version)
    versions.append(Folder().describe(write(tmp_path, table(21))).version)
    (tmp_path / "dataset.json").write_text('{"title": "Mine"}')
    versions.append(Folder().describe(tmp_path).version)
    assert len(set(versions)) == len(versions)
    assert Folder().describe(tmp_path).version == versions[-1]


def test_a_link_that_leads_nowhere_is_a_file_of_unknown_size_and_costs_its_clip_alone(tmp_path):
    """git-annex and datalad leave such links for files that were not fetched."""
    write(tmp_path, table())
    (pictures(tmp_path / "v_000", 3) / "frame_1.jpg").unlink()
    (tmp_path / "v_001.wav").symlink_to(tmp_path / "annex" / "1")
    without = Folder().describe(tmp_path).version
    (tmp_path / "v_000" / "frame_1.jpg").symlink_to(tmp_path / "annex" / "0")
    assert Folder().describe(tmp_path).version != without
    with pytest.raises(ClipError, match=r"frame_1\.jpg is not a readable picture"):
        read(tmp_path)[0].frames()
    with pytest.raises(ClipError, match=r"v_001\.wav is missing"):
        read(tmp_path)[1].waveform()


# --- what can be wrong with them


def test_no_root_and_no_such_root_say_how_to_get_one(tmp_path):
    assert "--data-root" in broken(None)
    message = broken(tmp_path / "nowhere")
    assert "nowhere" in message
    assert "data export" in message


def test_a_folder_without_a_table_lists_what_it_has(tmp_path):
    (tmp_path / "train.tsv").touch()
    message = broken(tmp_path)
    assert "labels.csv" in message
    assert "train.tsv" in message


def test_half_of_the_two_tables_is_not_enough(tmp_path):
    assert "label_t.csv" in broken(write(tmp_path, table(), name="label_s.csv"))


def test_one_table_and_two_tables_contradict_each_other(tmp_path):
    write(tmp_path, table())
    assert "alone" in broken(write(tmp_path, table(), name="label_s.csv"))


def test_a_missing_column_is_named(tmp_path):
    message = broken(write(tmp_path, ["video_id,clip_id,text,mode,label", "v,0,hi,,calm"]))
    assert "lacks the column emotion" in message
    assert "found video_id, clip_id, text, mode, label" in message


@pytest.mark.parametrize(("lines", "expected"), [([], "is empty"), ([HEADER], "no rows")])
def test_an_empty_table_is_said_to_be_empty(tmp_path, lines, expected):
    assert expected in broken(write(tmp_path, lines))


def test_an_id_that_appears_twice_is_named_with_both_lines(tmp_path):
    message = broken(write(tmp_path, [*table(), "v,003,again,,calm"]))
    assert "v_003 appears twice" in message
    assert "line 5" in message
    assert "line 22" in message


def test_an_id_in_both_tables_appears_twice(tmp_path):
    write(tmp_path, table(), name="label_s.csv")
    assert "label_s.csv line 2 and label_t.csv line 2" in broken(write(tmp_path, table(), name="label_t.csv"))


def test_an_unquoted_comma_is_explained(tmp_path):
    message = broken(write(tmp_path, [*table(), "v,100,well, no,train,calm"]))
    assert "line 22: 6 fields, but the header has 5" in message
    assert "double quotes" in message


def test_an_unpaired_quote_does_not_swallow_the_rest(tmp_path):
    lines = table()
    lines[4] = 'v,003,"open,train,glad'
    message = broken(write(tmp_path, lines))
    assert "is not valid csv" in message
    assert "unpaired quote" in message


def test_bytes_that_are_not_utf8_are_located(tmp_path):
    (tmp_path / "labels.csv").write_bytes("\n".join([*table(), "v,100,café,,calm"]).encode("latin1"))
    message = broken(tmp_path)
    assert "line 22: byte 0xe9 is not UTF-8" in message
    assert "iconv" in message


def test_a_row_without_emotion_is_named(tmp_path):
    assert "line 22: emotion is empty" in broken(write(tmp_path, [*table(), "v,100,hi,train,"]))


def test_an_emotion_outside_the_classes_is_named(tmp_path):
    (tmp_path / "dataset.json").write_text('{"classes": ["calm", "glad"]}')
    assert "'furious'" in broken(write(tmp_path, [*table(), "v,100,hi,train,furious"]))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_class_too_small_for_the_split_is_an_empty_class(tmp_path, count):
    (tmp_path / "dataset.json").write_text('{"classes": ["calm", "glad", "rare"]}')
    rare = [f"v,{100 + i},hi,train,rare" for i in range(count)]
    message = broken(write(tmp_path, [*table(), *rare]))
    assert f"empty class: rare has {count} utterances of {20 + count}" in message


def test_eight_of_a_class_are_enough(tmp_path):
    rare = [f"v,{100 + i},hi,train,rare" for i in range(8)]
    assert len(read(write(tmp_path, [*table(), *rare]))) == 28


def test_a_single_class_is_no_task(tmp_path):
    assert "at least two" in broken(write(tmp_path, [HEADER, *(f"v,{i},hi,,calm" for i in range(20))]))


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"classes": "calm"}',
        '{"shift": {"noise": 1}}',
        '{"shift": {"noise": NaN, "brightness": 1, "visual_noise": 0, "masked": 0}}',
        '{"fractions": [0.5, 0.5]}',
        '{"fractions": [1, 1, 1]}',
    ],
)
def test_a_dataset_json_that_makes_no_sense_is_refused(tmp_path, content):
    (tmp_path / "dataset.json").write_text(content)
    assert "dataset.json cannot be used" in broken(write(tmp_path, table()))


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


@pytest.mark.parametrize("text", ['{"shift": {"noise": 1' + "0" * 400 + "}}", '{"shift": ' + "[" * 100_000])
def test_numbers_and_depths_that_python_cannot_hold_are_told_of_the_file(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    assert "dataset.json cannot be used" in broken(write(tmp_path, table()))
