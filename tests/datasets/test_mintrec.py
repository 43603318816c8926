"""MIntRec's tables and clips are read as they are, with everything that can be wrong with them."""

import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mmda_bench.data.media import video
from mmda_bench.data.media.write import held, write_mp4
from mmda_bench.dataset import MAX_SAMPLES
from mmda_bench.datasets.mintrec.reader import MIntRec
from mmda_bench.errors import ClipError, DataError

HEADER = "season\tepisode\tclip\ttext\tlabel"
RATE = Fraction(24)


def corpus(root: Path, *, train=(), dev=(), test=(), newline="\n") -> Path:
    """Tables of these rows, and no clips."""
    for name, rows in (("train.tsv", train), ("dev.tsv", dev), ("test.tsv", test)):
        (root / name).write_bytes("".join(f"{line}{newline}" for line in [HEADER, *rows]).encode("utf-8"))
    (root / "raw_data").mkdir(exist_ok=True)
    return root


def read(root: Path) -> list[tuple[str, str, str]]:
    return [(u.id, u.text, MIntRec.card.classes[u.label]) for u in MIntRec().utterances(root)]


def tone(seconds: float, hertz: float = 440) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(int(16_000 * seconds)) / 16_000)).astype(np.float32)


def grey(count: int) -> np.ndarray:
    """Pictures of which number i is 20·i bright."""
    return np.stack([np.full((48, 64, 3), 20 * i, np.uint8) for i in range(count)])


def clip(root: Path, seconds: float = 1.0, sound: np.ndarray | None = None) -> Path:
    path = root / "clip.mp4"
    write_mp4(path, held(grey(12), round(24 * seconds)), RATE, sound)
    return path


def test_the_three_tables_are_merged_and_an_id_is_season_episode_clip(tmp_path):
    corpus(
        tmp_path,
        train=["S05\tE16\t329\tyou're welcome.\tThank"],
        dev=["S04\tE01\t7\twait\tPrevent"],
        test=["S06\tE02\t1010\thelp me out here\tAsk for help"],
    )
    assert read(tmp_path) == [
        ("S05_E16_329", "you're welcome.", "Thank"),
        ("S04_E01_7", "wait", "Prevent"),
        ("S06_E02_1010", "help me out here", "Ask for help"),
    ]
    first = next(iter(MIntRec().utterances(tmp_path)))
    assert first.waveform.args == (tmp_path / "raw_data" / "S05" / "E16" / "329.mp4",)


@pytest.mark.parametrize("text", ['"hello', 'he said "no', '"', 'a ""b"" c', "it's", '"all of it"'])
def test_a_quotation_mark_belongs_to_the_text(tmp_path, text):
    corpus(tmp_path, train=[f"S04\tE01\t1\t{text}\tGreet", "S04\tE01\t2\tnext\tAgree"])
    assert read(tmp_path) == [("S04_E01_1", text, "Greet"), ("S04_E01_2", "next", "Agree")]


def test_carriage_returns_a_byte_order_mark_and_foreign_bytes_do_no_harm(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\thi there\tGreet"], newline="\r\n")
    (tmp_path / "dev.tsv").write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"\nS04\tE01\t2\tcaf\xe9\tCare")
    assert read(tmp_path) == [("S04_E01_1", "hi there", "Greet"), ("S04_E01_2", "caf\xe9", "Care")]
    assert list(MIntRec().remarks(tmp_path)) == ["dev.tsv is not UTF-8 in 1 line (2): read as cp1252"]


def test_a_table_without_anything_is_refused(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\thi there\tGreet"])
    (tmp_path / "test.tsv").write_bytes(b"")
    with pytest.raises(DataError, match=r"test.tsv is empty, expected the columns season"):
        MIntRec().describe(tmp_path)


def test_the_spelling_of_the_files_is_the_one_that_counts(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\tsorry\tApologise", "S04\tE01\t2\tsorry\tApologize"])
    assert [label for *_, label in read(tmp_path)] == ["Apologise"]
    assert MIntRec().unusable(tmp_path) == [("train.tsv line 3", "unknown label 'Apologize'")]


def test_rows_that_are_none_are_counted_with_a_reason(tmp_path):
    good = "S04\tE01\t1\tfine\tAgree"
    corpus(tmp_path, train=[good, "S04\tE01\t2\tno label", "", "S04\tE01\t3\ta\tb\tAgree"], test=[good])
    assert len(read(tmp_path)) == 1
    assert MIntRec().unusable(tmp_path) == [
        ("train.tsv line 3", "4 columns, expected 5"),
        ("train.tsv line 5", "6 columns, expected 5"),
        ("test.tsv line 2", "a second row of the clip in train.tsv line 2"),
    ]


def test_a_wrong_folder_is_answered_with_what_was_found_and_how_to_get_the_right_one(tmp_path):
    with pytest.raises(DataError, match=r"needs --data-root DIR.*github"):
        MIntRec().describe(None)
    with pytest.raises(DataError, match="is not a folder"):
        MIntRec().describe(tmp_path / "nowhere")
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match=r"lacks train\.tsv, .*found holiday\.jpg; expected train\.tsv.*github"):
        MIntRec().describe(tmp_path)


def test_one_absent_part_is_named(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\thi\tGreet"])
    (tmp_path / "dev.tsv").unlink()
    with pytest.raises(DataError, match=r"lacks dev\.tsv;"):
        MIntRec().describe(tmp_path)
    (tmp_path / "dev.tsv").write_text("season,episode,clip,text,label\n")
    with pytest.raises(DataError, match="separated by tabs"):
        MIntRec().describe(tmp_path)


@pytest.mark.parametrize("given", [".", "MIntRec/raw_data", "MIntRec/raw_data/S04/E01"])
def test_the_right_folder_is_pointed_at_from_one_level_up_or_some_down(tmp_path, given):
    (tmp_path / "MIntRec").mkdir()
    corpus(tmp_path / "MIntRec")
    (tmp_path / given).mkdir(parents=True, exist_ok=True)
    with pytest.raises(DataError, match=rf"--data-root {tmp_path / 'MIntRec'}$"):
        MIntRec().describe(tmp_path / given)


def test_the_whole_corpus_is_v1_and_anything_else_has_digits_of_its_own(tmp_path, monkeypatch):
    corpus(tmp_path, train=["S04\tE01\t1\tha ha ha\tJoke"])
    assert MIntRec().describe(tmp_path).version.startswith("v1-")
    counts = {"utterances": 1, "Joke": 1, "one-word utterances": 57}
    monkeypatch.setattr(MIntRec, "card", replace(MIntRec.card, expected=counts))
    assert MIntRec().describe(tmp_path).version == "v1"


def test_a_clip_that_changes_is_another_state_of_the_files(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\tha ha ha\tJoke"])
    before = MIntRec().describe(tmp_path)
    path = tmp_path / "raw_data" / "S04" / "E01" / "1.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"repaired")
    after = MIntRec().describe(tmp_path)
    assert after.files != before.files
    assert after.version == before.version


def test_sound_and_pictures_travel_to_another_process(tmp_path):
    corpus(tmp_path, train=["S04\tE01\t1\tha ha ha\tJoke"])
    utterance = pickle.loads(pickle.dumps(next(iter(MIntRec().utterances(tmp_path)))))
    with pytest.raises(ClipError, match=r"1\.mp4 is missing"):
        utterance.frames()
    with pytest.raises(ClipError, match=r"1\.mp4 is missing"):
        utterance.waveform()


@pytest.mark.parametrize("cut", [0.02, 0.5, 0.97])
@pytest.mark.parametrize("index_first", [False, True])
def test_a_truncated_clip_is_an_error_wherever_its_index_lies(tmp_path, cut, index_first):
    path = clip(tmp_path, sound=tone(1))
    if index_first:
        path = remuxed(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    for read_one in (video.read_sound, video.read_pictures):
        with pytest.raises(ClipError, match=r"clip\.mp4 (is truncated|cannot be decoded)"):
            read_one(path)


def remuxed(path: Path) -> Path:
    """The same streams with the index in front: such a file plays up to where it was cut."""
    (path.parent / "fast").mkdir()
    out = path.parent / "fast" / path.name
    with av.open(str(path)) as source, av.open(str(out), "w", options={"movflags": "faststart"}) as target:
        streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    video.read_pictures(out)
    return out


def test_a_clip_without_sound_is_silent_for_its_length(tmp_path):
    sound = video.read_sound(clip(tmp_path, seconds=1.5))
    assert not sound.any()
    assert len(sound) == pytest.approx(24_000, abs=100)
    assert sound.dtype == np.float32


def test_a_clip_without_pictures_is_an_error(tmp_path):
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 4800), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(ClipError, match="no video stream"):
        video.read_pictures(path)


@pytest.mark.parametrize(
    ("load", "codec", "kind"),
    [(video.read_pictures, b"avc1", "video"), (video.read_sound, b"mp4a", "audio")],
)
def test_a_damaged_header_is_an_error_of_its_clip(tmp_path, load, codec, kind):
    path = clip(tmp_path, sound=tone(1.0))
    path.write_bytes(path.read_bytes().replace(codec, b"????").replace(b"esds", b"????"))  # the second names it again
    with pytest.raises(ClipError, match=f"stream of {kind} of a kind that no decoder knows"):
        load(path)


@pytest.mark.parametrize("error", [AttributeError("x"), ZeroDivisionError("x"), TypeError("x"), IndexError("x")])
def test_whatever_the_library_stumbles_over_is_an_error_of_its_clip(tmp_path, monkeypatch, error):
    def stumble(*_):
        raise error

    path = clip(tmp_path, sound=tone(1.0))
    monkeypatch.setattr(video, "_check_known", stumble)
    for load in (video.read_sound, video.read_pictures):
        with pytest.raises(ClipError, match=r"clip\.mp4 cannot be decoded: x"):
            load(path)


def test_something_that_is_no_clip_is_an_error(tmp_path):
    for content in (b"", b"\0" * 64, b"not a clip at all, but long enough to be looked at"):
        (tmp_path / "clip.mp4").write_bytes(content)
        with pytest.raises(ClipError, match=r"clip\.mp4"):
            video.read_pictures(tmp_path / "clip.mp4")


@pytest.mark.parametrize("count", [1, 4, 10])
def test_a_short_clip_repeats_its_last_picture(tmp_path, count):
    path = tmp_path / "clip.mp4"
    write_mp4(path, held(grey(count), count), RATE, None)
    brightness = video.read_pictures(path).mean((1, 2, 3))
    np.testing.assert_allclose(brightness, [20 * min(i, count - 1) for i in range(10)], atol=3)


def test_ten_pictures_are_taken_at_even_distances(tmp_path):
    path = tmp_path / "clip.mp4"
    write_mp4(path, held(grey(12), 12), RATE, None)
    brightness = video.read_pictures(path).mean((1, 2, 3))
    np.testing.assert_allclose(brightness, [20 * (12 * i // 10) for i in range(10)], atol=3)


def test_sound_is_the_mean_of_the_channels_at_16_khz(tmp_path):
    path = tmp_path / "clip.mp4"
    wave = np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100, layout="stereo")
        stream.bit_rate = 192_000
        frame = av.AudioFrame.from_ndarray(np.stack([0.6 * wave, 0 * wave]), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44_100, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    found = video.read_sound(path)
    assert len(found) == pytest.approx(16_000, abs=800)
    np.testing.assert_allclose(found[2_000:14_000], tone(1)[2_000:14_000], atol=0.01)


def test_sound_of_more_channels_than_pyav_has_planes_is_their_mean(tmp_path):
    samples = np.tile(np.arange(16, dtype=np.int16) * 1_000, 16_000)
    with av.open(str(tmp_path / "many.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="hexadecagonal")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="hexadecagonal")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    (tmp_path / "many.mkv").rename(tmp_path / "many.mp4")
    np.testing.assert_allclose(video.read_sound(tmp_path / "many.mp4"), 7_500 / 2**15, atol=1e-6)


def test_sound_is_cut_at_five_seconds(tmp_path):
    found = video.read_sound(clip(tmp_path, seconds=6, sound=tone(6)))
    assert len(found) == MAX_SAMPLES
    np.testing.assert_allclose(found[-8_000:], tone(6)[MAX_SAMPLES - 8_000 : MAX_SAMPLES], atol=0.02)
