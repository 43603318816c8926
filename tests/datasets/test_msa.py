"""The layout of MOSI, MOSEI and CH-SIMS: ids are texts, zeros are left out and counted, what is no row is named."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from mmda_bench.data.export import export
from mmda_bench.data.verify import as_text, verify
from mmda_bench.dataset import Dataset, Utterance
from mmda_bench.datasets.msa.layout import COLUMNS
from mmda_bench.datasets.msa.reader import MSA
from mmda_bench.errors import DataError


def corpus(root: Path, *rows: str, encoding="utf-8") -> Path:
    (root / "Raw").mkdir(parents=True)
    (root / "label.csv").write_bytes("\n".join([",".join(COLUMNS), *rows]).encode(encoding))
    return root


def test_ids_are_texts_and_signs_are_classes(tmp_path):
    root = corpus(
        tmp_path,
        'video_0001,0001,"我不想嫁给李茶",-1.0,-1,-1,-1,Negative,train',
        'video_0001,0002,"well, ""no""",0.2,0,0,0,Positive,test',
        "$abc,3,flat,0.0,0,0,0,Neutral,valid",
        encoding="utf-8-sig",
    )
    found = [(u.id, u.text, MSA.card.classes[u.label]) for u in MSA().utterances(root)]
    assert found == [("video_0001_0001", "我不想嫁给李茶", "negative"), ("video_0001_0002", 'well, "no"', "positive")]
    first = next(iter(MSA().utterances(root)))
    assert first.waveform.args == (root / "Raw" / "video_0001" / "0001.mp4",)
    (remark,) = MSA().remarks(root)
    assert remark == "1 clips have the label 0, neither negative nor positive, and are left out"
    card = MSA().describe(root)
    assert card.title == f"Sentiment corpus {root.name}"


def test_another_table_is_another_version(tmp_path):
    one = MSA().describe(corpus(tmp_path / "mosi", "a,1,good,1.0,,,,,"))
    two = MSA().describe(corpus(tmp_path / "mosei", "a,1,good,2.0,,,,,"))
    assert one.version != two.version
    assert one.version.startswith("v1-")


def test_rows_that_are_none_are_counted(tmp_path):
    root = corpus(
        tmp_path,
        "a,1,good,1.0,,,,,",
        "a,1,again,1.0,,,,,",
        "a,2,x,good,,,,,",
        "a,3,x,7,,,,,",
        "../a,4,x,1,,,,,",
        "a,5,x",
        "a,6,I have 3, 2,more words,-1.8,,,,,",
    )
    assert len(list(MSA().utterances(root))) == 1
    assert [(where, why.split(":")[0]) for where, why in MSA().unusable(root)] == [
        ("label.csv line 3", "a second row of the clip in label.csv line 2"),
        ("label.csv line 4", "label 'good' is no number"),
        ("label.csv line 5", "label 7 is not from −3 to 3"),
        ("label.csv line 6", "'../a' cannot be the name of a file"),
        ("label.csv line 7", "3 fields, but the header has 9; put a text that contains a comma between double quotes"),
        ("label.csv line 8", "11 fields, but the header has 9; put a text that contains a comma between double quotes"),
    ]


def test_another_table_and_another_folder_are_answered(tmp_path):
    root = corpus(tmp_path / "x")
    (root / "label.csv").write_text("video_id,text\n")
    with pytest.raises(DataError, match="lacks the columns clip_id, label; expected video_id,"):
        MSA().describe(root)
    (tmp_path / "y").mkdir()
    with pytest.raises(DataError, match=r"lacks label\.csv, Raw"):
        MSA().describe(tmp_path / "y")


def tone(hertz: int) -> np.ndarray:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(9_600) / 16_000)).astype(np.float32)


def grey(level: int) -> np.ndarray:
    return np.full((10, 32, 32, 3), level, np.uint8)


class Moods(Dataset):
    card = replace(MSA.card, name="moods", title="Moods", synthetic=True, needs_root=False, backbone="tiny")

    def utterances(self, root):
        for i in range(5):
            yield Utterance(
                id=f"m{i}", text=f"mood {i}", label=i % 2, waveform=partial(tone, 300 + 100 * i),
                frames=partial(grey, 40 * i),
            )  # fmt: skip


def test_what_is_written_in_the_layout_is_read_again(tmp_path):
    export(Moods(), "msa", tmp_path / "out")
    read = list(MSA().utterances(tmp_path / "out"))
    assert [(u.id, u.text, u.label) for u in read] == [
        (f"video_0000_{i + 1:04d}", f"mood {i}", i % 2) for i in range(5)
    ]
    assert abs(float(read[4].frames().mean()) - 160) < 6
    assert abs(len(read[0].waveform()) - 9_600) < 1_600
    found = verify("msa", root=tmp_path / "out")
    assert not found.no_sound
    assert "Moods in the layout of Sentiment corpus" in as_text(found)
