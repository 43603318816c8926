"""MELD's tables and clips are read as they are, and every trap of its files is counted."""

import csv
import io
from itertools import islice
from pathlib import Path

import pytest

from mmda_bench.data.corpora import reader_of
from mmda_bench.data.export import export
from mmda_bench.data.verify import as_text, verify
from mmda_bench.datasets.meld.layout import COLUMNS, PARTS
from mmda_bench.datasets.meld.reader import BROKEN, MELD
from mmda_bench.errors import ClipError, DataError
from mmda_bench.registry import DATASETS

pytestmark = pytest.mark.slow

COUNTS = {  # neutral, joy, surprise, anger, sadness, disgust, fear, as published
    "train": (4_710, 1_743, 1_205, 1_109, 683, 271, 268),
    "dev": (470, 163, 150, 153, 111, 22, 40),
    "test": (1_256, 402, 281, 345, 208, 68, 50),
}


def row(dialogue, turn, emotion="joy", text="I\u2019m here, \u201creally\u201d", speaker="Joey"):
    return ("1", text, speaker, emotion, "x", str(dialogue), str(turn), "8", "21", "00:16:16,059", "00:16:21,731")


def table(rows, encoding="utf-8") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerows([COLUMNS, *rows])
    return file.getvalue().encode(encoding)


def corpus(root: Path, *, nested=False, encoding="utf-8", **tables) -> Path:
    for part, folder in PARTS.items():
        here = root / part if nested else root
        (here / folder).mkdir(parents=True)
        (here / f"{part}_sent_emo.csv").write_bytes(table(tables.get(part, ()), encoding))
    return root


@pytest.mark.deep
def test_tables_of_the_true_size_are_the_whole_corpus(tmp_path):
    tables = {}
    for part, counts in COUNTS.items():
        emotions = [name for name, count in zip(MELD.card.classes, counts, strict=True) for _ in range(count)]
        tables[part] = [row(i // 24, i % 24, emotion) for i, emotion in enumerate(emotions)]
    root = corpus(tmp_path, **tables)
    assert MELD().describe(root).version == "v1"
    utterances = list(MELD().utterances(root))
    assert len({u.id for u in utterances}) == len(utterances) == 13_708
    shared = {"neutral", "joy", "sadness", "anger"}
    four = [sum(MELD.card.classes[u.label] in shared and u.id.startswith(part) for u in utterances) for part in PARTS]
    assert four == [8_245, 897, 2_211]
    assert not MELD().unusable(root)


def test_the_same_clip_of_two_parts_is_two_utterances(tmp_path):
    root = corpus(tmp_path, train=[row(125, 4, "anger")], dev=[row(125, 4)], test=[row(125, 4), row(125, 4)])
    found = {u.id: u.waveform.args[0].relative_to(root).as_posix() for u in MELD().utterances(root)}
    assert found == {f"{part}_dia125_utt4": f"{folder}/dia125_utt4.mp4" for part, folder in PARTS.items()}
    assert MELD().unusable(root) == [
        ("test_sent_emo.csv line 3", "a second row of the clip in test_sent_emo.csv line 2")
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_curly_quotes_and_carriage_returns_are_read_in_either_encoding(tmp_path, encoding):
    text = "\u201cWell\u201d, I\u2019d \u2026\nsay so"
    root = corpus(tmp_path, encoding=encoding, train=[row(0, 0, text=text)])
    assert [u.text for u in MELD().utterances(root)] == [text]
    assert any("is not UTF-8" in remark for remark in MELD().remarks(root)) == (encoding == "cp1252")


def test_tables_and_clips_may_lie_in_folders_of_their_parts(tmp_path):
    root = corpus(tmp_path, nested=True, train=[row(0, 0)])
    (only,) = MELD().utterances(root)
    assert only.frames.args == (root / "train" / "train_splits" / "dia0_utt0.mp4",)
    (root / "dev" / "dev_splits_complete").rmdir()
    with pytest.raises(DataError, match="lacks dev_splits_complete"):
        MELD().describe(root)


def test_what_is_known_to_be_broken_is_named_and_never_used(tmp_path):
    tables = {part: [row(i, 0) for i in range(9)] for part in PARTS}
    for name in BROKEN:
        part, dialogue, turn = name.split("_")
        tables[part].append(row(dialogue.removeprefix("dia"), turn.removeprefix("utt")))
    root = corpus(tmp_path, **tables)
    lost = {u.id: u for u in MELD().utterances(root) if u.id in BROKEN}
    assert set(lost) == set(BROKEN)
    for name, utterance in lost.items():
        for load in (utterance.waveform, utterance.frames):
            with pytest.raises(ClipError, match=BROKEN[name]):
                load()
    names = next(remark for remark in MELD().remarks(root) if "broken" in remark)
    assert all(name in names for name in BROKEN)


def test_clips_without_a_row_and_files_that_lie_about_are_counted(tmp_path):
    root = corpus(tmp_path, train=[row(0, 0)], test=[row(0, 0)])
    test = root / PARTS["test"]
    for name in ("dia0_utt0.mp4", "dia7_utt1.mp4", "final_videos_testdia66_utt9.mp4", "._dia0_utt0.mp4"):
        (test / name).touch()
    (root / PARTS["train"] / "dia9_utt9.mp4").touch()
    remarks = list(MELD().remarks(root))
    assert remarks == [
        "2 clips have no annotation and are not used: dia9_utt9.mp4, dia7_utt1.mp4",
        "2 files are no clips: ._dia0_utt0.mp4, final_videos_testdia66_utt9.mp4",
    ]


def test_rows_that_are_none_are_counted_and_another_table_is_refused(tmp_path):
    root = corpus(tmp_path, dev=[row(0, 0, "love"), row(0, 1)[:10], row("../0", 2), row(0, 3, "joy ")])
    assert len(list(MELD().utterances(root))) == 1
    assert [why for _, why in MELD().unusable(root)] == [
        "unknown emotion 'love'",
        "10 fields, expected 11",
        "'dia../0_utt2' cannot be the name of a file: it contains '/'",
    ]
    (root / "dev_sent_emo.csv").write_text("Sr No.;Utterance\n")
    with pytest.raises(DataError, match="expected the columns Sr No"):
        MELD().describe(root)
    with (root / "train_sent_emo.csv").open("a") as file:
        file.write('1,"never closed,Joey,joy,x,1,1,8,21,0,0\n')
    with pytest.raises(DataError, match="unpaired quote"):
        MELD().describe(root)


class FewAvatars(DATASETS.get("avatars")):
    def utterances(self, root):
        return islice(super().utterances(root), 8)


def test_what_is_written_in_the_layout_is_read_again_and_pairs_with_four_emotions(tmp_path):
    export(FewAvatars(), "meld", tmp_path / "out")
    written, read = list(FewAvatars().utterances(None)), list(MELD().utterances(tmp_path / "out"))
    assert [u.text.replace("\u2019", "'") for u in read] == [u.text for u in written]
    names = [MELD.card.known_as.get(name, name) for name in MELD.card.classes]
    assert [names[u.label] for u in read] == [FewAvatars.card.classes[u.label] for u in written]
    assert [u.id.split("_")[0] for u in read] == ["train"] * 6 + ["test"] * 2
    assert read[-1].frames().shape[0] == 10
    found = verify("meld", root=tmp_path / "out")
    assert not found.no_sound
    assert "1 files are no clips" in as_text(found)
    card = reader_of("iemocap--meld").readers["target"].card
    assert {card.known_as.get(name, name) for name in card.classes} >= {"neutral", "happy", "sad", "angry"}
