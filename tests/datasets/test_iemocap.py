"""IEMOCAP's label files, transcripts and videos, in the lines and names that the release has."""

import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from mmda_bench.data.media.video import read_excerpt
from mmda_bench.datasets.iemocap import layout, reader
from mmda_bench.datasets.iemocap.reader import IEMOCAP
from mmda_bench.errors import ClipError, DataError

RATE = Fraction(30_000, 1_001)
VOTES = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\nC-F1:\tNeutral;Anger;\t(tired)\n"
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def add(root: Path, dialogue: str, turns: list[tuple[str, str, str]], *, newline: str = "\n", extra: str = "") -> Path:
    """A dialogue with turns (suffix, emotion, text) of a second each, ``extra`` among its label lines; no video."""
    session = root / f"Session{dialogue[4]}"
    labels, words = HEADER, ""
    for i, (suffix, emotion, text) in enumerate(turns):
        name = f"{dialogue}_{suffix}"
        labels += f"[{i:.4f} - {i + 1:.4f}]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]\n{VOTES}\n"
        words += f"{name} [{i:08.4f}-{i + 1:08.4f}]: {text}\n"
    for part, content in ((layout.LABELS, labels + extra), (layout.WORDS, words)):
        (session / part).mkdir(parents=True, exist_ok=True)
        (session / part / f"{dialogue}.txt").write_bytes(content.replace("\n", newline).encode("latin1"))
    for part in (layout.VIDEO, layout.SOUND):
        (session / part).mkdir(parents=True, exist_ok=True)
    return root


def read(root: Path) -> dict[str, tuple[str, str]]:
    return {u.id: (IEMOCAP.card.classes[u.label], u.text) for u in IEMOCAP().utterances(root)}


def wrong(root: Path) -> dict[str, str]:
    """Without the sessions that a small corpus lacks."""
    return {where: why for where, why in IEMOCAP().unusable(root) if not where.startswith("Session")}


def test_lines_are_read_as_the_release_has_them(tmp_path):
    session = tmp_path / "Session1"
    add(tmp_path, "Ses01F_impro01", [])
    (session / layout.LABELS / "Ses01F_impro01.txt").write_text(
        HEADER + "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]\n" + VOTES
    )
    (session / layout.WORDS / "Ses01F_impro01.txt").write_text("Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\n")
    (utterance,) = IEMOCAP().utterances(tmp_path)
    assert (utterance.id, utterance.text, utterance.label, utterance.speaker) == (
        "Ses01F_impro01_F000", "Excuse me.", 0, "Ses01F",
    )  # fmt: skip
    video = session / "dialog" / "avi" / "DivX" / "Ses01F_impro01.avi"
    assert utterance.frames.args == (video, 6.2901, 8.2357, True)
    assert utterance.waveform.args[0].relative_to(session).as_posix() == (
        "sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    )
    assert not wrong(tmp_path)


def test_four_classes_are_made_of_five_labels_and_the_others_are_not_used(tmp_path):
    emotions = ["neu", "hap", "exc", "sad", "ang", "fru", "sur", "fea", "dis", "oth", "xxx"]
    add(tmp_path, "Ses02M_script02_2", [(f"F{i:03d}", emotion, emotion) for i, emotion in enumerate(emotions)])
    assert [label for label, _ in read(tmp_path).values()] == ["neutral", "happy", "happy", "sad", "angry"]
    assert not wrong(tmp_path)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("Ses05M_script01_1", "Ses05M_script01_1b"),
        ("Ses03M_impro05a", "Ses03M_impro05b"),
        ("Ses03M_impro08a", "Ses03M_impro08b"),
    ],
)
def test_a_name_that_begins_like_another_is_another(tmp_path, short, long):
    add(tmp_path, short, [("F000", "sad", "short"), ("M000", "neu", "also short")])
    add(tmp_path, long, [("F000", "ang", "long")])
    assert read(tmp_path) == {
        f"{short}_F000": ("sad", "short"),
        f"{short}_M000": ("neutral", "also short"),
        f"{long}_F000": ("angry", "long"),
    }
    for utterance in IEMOCAP().utterances(tmp_path):
        dialogue = utterance.id.rsplit("_", 1)[0]
        assert utterance.frames.args[0].stem == utterance.waveform.args[0].parent.name == dialogue
        assert utterance.frames.args[3] == (utterance.id.rsplit("_", 1)[1] == "M000"), "the man wears the markers"


@pytest.mark.parametrize("text", ["He said: [no]: go.", "[LAUGHTER]", "well: it's 5:30", "a ]: b", ""])
def test_words_are_what_follows_the_first_bracket_and_colon(tmp_path, text):
    add(tmp_path, "Ses04F_impro02", [("M000", "hap", text)])
    assert read(tmp_path) == {"Ses04F_impro02_M000": ("happy", text)}


def test_transcripts_have_lines_of_unlabelled_turns_and_of_none():
    lines = [
        "Ses05M_script03_2_MXX0 [001.0000-002.0000]: [BREATHING]",
        "M: what?",
        "",
        "Ses05M_impro01_M001 [1-2]: Yes.",
    ]
    assert reader.transcribed(lines) == {"Ses05M_script03_2_MXX0": "[BREATHING]", "Ses05M_impro01_M001": "Yes."}


def test_what_macos_leaves_and_other_folders_are_not_read(tmp_path):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi")])
    labels = tmp_path / "Session1" / layout.LABELS
    (labels / "._Ses01F_impro01.txt").write_bytes(b"\x00\x05\x16\x07[0.0 - 1.0]\tSes01F_impro01_F001\tneu\t\xff\n")
    (labels / "Categorical").mkdir()
    (labels / "Categorical" / "Ses01F_impro01_e2_cat.txt").write_text("Ses01F_impro01_F000 :Neutral state; ()\n")
    (tmp_path / "._Session1").touch()
    assert list(read(tmp_path)) == ["Ses01F_impro01_F000"]
    assert not wrong(tmp_path)


def test_carriage_returns_and_foreign_bytes_do_no_harm(tmp_path):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "caf\xe9"), ("M000", "ang", "out")], newline="\r\n")
    assert read(tmp_path) == {"Ses01F_impro01_F000": ("neutral", "caf\xe9"), "Ses01F_impro01_M000": ("angry", "out")}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1.0 - 2.0] Ses01F_impro01_F009 neu [2.5, 2.5, 2.5]", "not a label"),
        ("[1.0 2.0]\tSes01F_impro01_F009\tneu\t[2.5, 2.5, 2.5]", "not a label"),
        ("[x - 2.0]\tSes01F_impro01_F009\tneu\t[2.5, 2.5, 2.5]", "not a label"),
        ("[1.0 - 2.0]\tSes01F_impro01_F009", "not a label"),
        ("[1.0 - 2.0]\tSes01F_impro01_FXX0\tneu\t[2.5, 2.5, 2.5]", "not a label"),
        ("\x00\x01", "not a label"),
        ("[1.0 - 2.0]\tSes01F_impro01_F009\tnue\t[2.5, 2.5, 2.5]", "unknown emotion 'nue'"),
        ("[2.0 - 1.0]\tSes01F_impro01_F009\tneu\t[2.5, 2.5, 2.5]", "ends at 1 s, before its start at 2 s"),
        ("[1.0 - 2.0]\tSes01F_impro01b_F009\tneu\t[2.5, 2.5, 2.5]", "is not of this dialogue"),
        ("[1.0 - 2.0]\tSes01F_impro01_F000\tsad\t[2.5, 2.5, 2.5]", "labelled a second time"),
    ],
)
def test_a_malformed_label_is_counted_and_the_others_are_read(tmp_path, line, reason):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi"), ("F001", "sad", "no")], extra=line + "\n" + VOTES)
    assert len(read(tmp_path)) == 2
    ((where, why),) = wrong(tmp_path).items()
    assert where == "Ses01F_impro01.txt line 13"
    assert reason in why


def test_a_label_without_words_is_counted(tmp_path):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi"), ("F001", "sad", "no")])
    path = tmp_path / "Session1" / layout.WORDS / "Ses01F_impro01.txt"
    path.write_text(path.read_text().replace("F001 [", "F002 ["))
    assert list(read(tmp_path)) == ["Ses01F_impro01_F000"]
    assert wrong(tmp_path) == {"Ses01F_impro01_F001": "no words in Session1/dialog/transcriptions/Ses01F_impro01.txt"}


def test_absent_sessions_are_named(tmp_path):
    add(tmp_path, "Ses04F_impro01", [("F000", "neu", "hi")])
    missing = [where for where, why in IEMOCAP().unusable(tmp_path) if why == "the folder is missing"]
    assert missing == ["Session1", "Session2", "Session3", "Session5"]


@pytest.mark.parametrize("part", [layout.VIDEO, layout.SOUND, layout.WORDS, layout.LABELS])
def test_an_absent_folder_is_named_with_its_session(tmp_path, part):
    for session in (1, 2):
        add(tmp_path, f"Ses0{session}F_impro01", [("F000", "neu", "hi")])
    folder = tmp_path / "Session2" / part
    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=rf"lacks Session2/{part};.*Session1.*licence"):
        IEMOCAP().describe(tmp_path)


def test_a_folder_that_is_not_the_release_is_refused(tmp_path):
    (tmp_path / "wav").mkdir()
    with pytest.raises(DataError, match=r"lacks Session\*; found wav; expected Session\*.*usc\.edu"):
        list(IEMOCAP().utterances(tmp_path))
    with pytest.raises(DataError, match="needs --data-root DIR"):
        IEMOCAP().describe(None)


def test_the_release_is_pointed_at_from_one_of_its_sessions(tmp_path):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi")])
    with pytest.raises(DataError, match=rf"--data-root {tmp_path}$"):
        IEMOCAP().describe(tmp_path / "Session1")


def test_the_whole_corpus_is_v1_and_anything_else_has_digits_of_its_own(tmp_path, monkeypatch):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi")])
    before = IEMOCAP().describe(tmp_path)
    assert before.version.startswith("v1-")
    monkeypatch.setattr(IEMOCAP, "card", replace(IEMOCAP.card, expected={"utterances": 1, "neutral": 1, "Ses01*": 1}))
    assert IEMOCAP().describe(tmp_path).version == "v1"
    (tmp_path / "Session1" / layout.VIDEO / "Ses01F_impro01.avi").write_bytes(b"now it is here")
    assert IEMOCAP().describe(tmp_path).files != before.files


def test_the_card_adds_up():
    expected = IEMOCAP.card.expected
    assert sum(expected[name] for name in IEMOCAP.card.classes) == expected["utterances"]
    assert sum(number for name, number in expected.items() if name.endswith("*")) == expected["utterances"]


@pytest.fixture(scope="module", params=["in order", "out of order"])
def video(request, tmp_path_factory) -> Path:
    """20 seconds in which each half has a pattern of its own that moves every frame; outside all is white.

    Once with pictures that are stored in the order shown, once with some that refer to later ones.
    """
    path = tmp_path_factory.mktemp("avi") / "Ses01F_impro01.avi"
    with av.open(str(path), "w") as container:
        options = {"qmin": "2", "qmax": "2", "g": "120", "bf": "0" if request.param == "in order" else "2"}
        stream = container.add_stream("mpeg4", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 720, 480, "yuv420p", 8_000_000
        for number in range(600):
            frame = av.VideoFrame.from_ndarray(scene(number), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def scene(number: int) -> np.ndarray:
    """Left dark, right bright; the height of a grey bar tells the frame."""
    picture = np.full((480, 720, 3), 255, np.uint8)
    for columns, brightness in ((slice(6, 355), 40), (slice(362, 711), 120)):
        picture[122:360, columns] = brightness
        picture[122 : 122 + 8 + number % 100 * 2, columns.start + 100 : columns.start + 200] = brightness + 80
    return picture


def expected(number: int, left: bool) -> np.ndarray:
    half = scene(number)[122:360, 6:355] if left else scene(number)[122:360, 362:711]
    return np.asarray(Image.fromarray(half).resize((112, 112), Image.Resampling.BILINEAR)).astype(int)


@pytest.mark.slow
@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize(("first", "count"), [(0, 30), (7, 95), (119, 12), (421, 150), (580, 20)])
def test_the_speakers_half_is_cut_out_at_the_pictures_of_the_turn(video, first, count, left):
    found = reader.read_speaker(video, float(first / RATE), float((first + count) / RATE), left)
    assert found.shape == (10, 112, 112, 3)
    assert found.dtype == np.uint8
    for i, picture in enumerate(found.astype(int)):
        number = first + i * count // 10
        difference = np.abs(picture - expected(number, left)).mean()
        assert difference < 1.5
        assert difference < min(np.abs(picture - expected(number + d, left)).mean() for d in (-1, 1))


@pytest.mark.slow
def test_seeking_gives_what_reading_from_the_start_gives(video):
    with av.open(str(video)) as container:
        everything = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    box = (slice(122, 360), slice(6, 355))
    found = read_excerpt(video, start=float(300 / RATE), end=float(340 / RATE), box=box, size=(720, 480))
    np.testing.assert_array_equal(found, [everything[300 + 4 * i][box] for i in range(10)])


def test_a_turn_of_one_picture_or_beyond_the_end_repeats_the_last(video):
    single = reader.read_speaker(video, 5.0, 5.01, True)
    assert (single == single[0]).all()
    beyond = reader.read_speaker(video, float(590 / RATE), float(650 / RATE), True)
    assert (beyond[-1] == beyond[4]).all()
    with pytest.raises(ClipError, match=r"impro01\.avi ends before 60\.00 s"):
        reader.read_speaker(video, 60.0, 61.0, True)


def test_a_missing_a_damaged_and_a_resized_video_are_errors_of_their_clips(tmp_path, video):
    with pytest.raises(ClipError, match=r"gone\.avi is missing"):
        reader.read_speaker(tmp_path / "gone.avi", 0, 1, True)
    (tmp_path / "bad.avi").write_bytes(b"RIFF, or so it says")
    with pytest.raises(ClipError, match=r"bad\.avi cannot be decoded"):
        reader.read_speaker(tmp_path / "bad.avi", 0, 1, True)
    with pytest.raises(ClipError, match="is 720×480, expected 360×240 pixels"):
        read_excerpt(video, start=0, end=1, box=(slice(None), slice(None)), size=(360, 240))


def test_without_its_video_an_utterance_still_has_its_sound(tmp_path):
    add(tmp_path, "Ses01F_impro01", [("F000", "neu", "hi")])
    (utterance,) = pickle.loads(pickle.dumps(list(IEMOCAP().utterances(tmp_path))))
    wav = tmp_path / "Session1" / layout.SOUND / "Ses01F_impro01" / "Ses01F_impro01_F000.wav"
    wav.parent.mkdir(parents=True)
    soundfile.write(wav, np.full(16_000, 0.25), 16_000, subtype="PCM_16")
    np.testing.assert_array_equal(utterance.waveform(), np.full(16_000, 0.25, np.float32))
    with pytest.raises(ClipError, match=r"Ses01F_impro01\.avi is missing"):
        utterance.frames()
