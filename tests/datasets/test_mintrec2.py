"""MIntRec2.0's tables and clips are read as they are; its three series are natural domains."""

from collections.abc import Iterator
from itertools import cycle, islice, repeat
from pathlib import Path

import pytest

from mmda_bench.data.corpora import reader_of
from mmda_bench.data.export import export
from mmda_bench.data.verify import verify
from mmda_bench.datasets.mintrec.reader import MIntRec
from mmda_bench.datasets.mintrec2.layout import COLUMNS, SERIES
from mmda_bench.datasets.mintrec2.reader import MIntRec2
from mmda_bench.errors import DataError
from mmda_bench.registry import DATASETS

pytestmark = pytest.mark.slow

ROWS = {"train.tsv": 6_165, "dev.tsv": 1_106, "test.tsv": 2_033}  # as published
OF_SERIES = {"superstore": 5_382, "friends": 2_097, "bigbang": 1_825}
SHARED = {"superstore": 3_842, "friends": 1_263, "bigbang": 1_134}  # with one of MIntRec's twenty intents
GOOD = ["0", "3", 'he said "no', "Oppose", "00:00:02,035", "00:00:03,100", "Friends", "Ross"]


def corpus(root: Path, clips: str = "raw_data", **tables) -> Path:
    """Tables of these rows and a folder for clips, without any."""
    (root / "in-scope" / clips).mkdir(parents=True)
    for name in ROWS:
        lines = ["\t".join(row) for row in [COLUMNS, *tables.get(name.removesuffix(".tsv"), ())]]
        (root / "in-scope" / name).write_text("\n".join(lines) + "\n", "utf-8", newline="")
    return root


def labels_of(series: str) -> Iterator[str]:
    """Of a series of the true size: so many utterances of MIntRec's twenty intents, the rarest of them last."""
    shared = [label for label in MIntRec.card.classes if label != "Flaunt"]
    rare = 13 if series == "friends" else SHARED[series] // 20
    others = sorted(set(MIntRec2.card.classes) - set(MIntRec.card.classes))
    yield from islice(cycle(shared), SHARED[series] - rare)
    yield from repeat("Flaunt", rare)
    yield from islice(cycle(others), OF_SERIES[series] - SHARED[series])


def test_tables_of_the_true_size_are_the_whole_corpus(tmp_path):
    series = [s for s, count in OF_SERIES.items() for _ in range(count)]
    labels = [label for s in OF_SERIES for label in labels_of(s)]
    tables, number = {}, 0
    for name, count in ROWS.items():
        rows = []
        for _ in range(count):
            place = (str(number // 9), str(number % 9))
            rows.append((*place, f"text {number}", labels[number], "", "", series[number], "Amy"))
            number += 1
        tables[name.removesuffix(".tsv")] = rows
    root = corpus(tmp_path, **tables)
    card = MIntRec2().describe(root)
    assert card.version == "v1"
    assert {s: sum(1 for _ in reader_of(f"mintrec2[{s}]").utterances(root)) for s in SERIES} == OF_SERIES
    for name, count in SHARED.items():
        found = [card.classes[u.label] for u in reader_of(f"mintrec2[{name}]").utterances(root)]
        assert sum(label in MIntRec.card.classes for label in found) == count
        assert found.count("Flaunt") == 13 or name != "friends"
    ids = [u.id for u in MIntRec2().utterances(root)]
    assert len(set(ids)) == len(ids) == 9_304
    assert ids[10] == "dia1_utt1"
    first = next(iter(MIntRec2().utterances(root)))
    assert first.waveform.args == (root / "in-scope" / "raw_data" / "dia0_utt0.mp4",)
    assert (first.section, first.speaker) == ("superstore", "superstore_Amy")


def test_the_twenty_intents_of_mintrec_are_shared(tmp_path):
    rows = [
        [str(i), "0", "text", label, "", "", SERIES[i % 3], ""] for i, label in enumerate(MIntRec2.card.classes * 3)
    ]
    root = corpus(tmp_path, train=rows)
    assert set(MIntRec.card.classes) < set(MIntRec2.card.classes)
    pair = reader_of("mintrec2[superstore]--mintrec2[friends]")
    card = pair.describe(root)
    assert card.classes == MIntRec2.card.classes
    assert {u.section for u in pair.utterances(root)} == {"superstore", "friends"}
    assert card.title == "MIntRec2.0, superstore → MIntRec2.0, friends"


def test_nothing_is_quoted_and_rows_that_are_none_are_counted(tmp_path):
    bad = [[*GOOD[:3], "Opose", *GOOD[4:]], GOOD[:7], [*GOOD[:6], "Frasier", "x"], GOOD, ["../x", *GOOD[1:]]]
    root = corpus(tmp_path, train=[GOOD], test=bad)
    (only,) = MIntRec2().utterances(root)
    assert (only.id, only.text, only.section) == ("dia0_utt3", 'he said "no', "friends")
    assert MIntRec2().unusable(root) == [
        ("test.tsv line 2", "unknown label 'Opose'"),
        ("test.tsv line 3", "7 columns, expected 8"),
        ("test.tsv line 4", "unknown series 'Frasier'"),
        ("test.tsv line 5", "a second row of the clip in train.tsv line 2"),
        ("test.tsv line 6", "'dia../x_utt3' cannot be the name of a file: it contains '/'"),
    ]


def test_the_folder_of_clips_may_have_been_renamed_and_another_one_is_answered(tmp_path):
    root = corpus(tmp_path / "a", clips="video", train=[GOOD])
    (only,) = MIntRec2().utterances(root)
    assert only.waveform.args == (root / "in-scope" / "video" / "dia0_utt3.mp4",)
    other = corpus(tmp_path / "b", clips="audio_data")
    with pytest.raises(DataError, match="lacks in-scope/raw_data"):
        MIntRec2().describe(other)
    with pytest.raises(DataError, match=r"is not the folder of MIntRec2\.0, but .*b is"):
        MIntRec2().describe(tmp_path / "b" / "in-scope")
    (other / "in-scope" / "dev.tsv").write_text("a,b\n")
    (other / "in-scope" / "raw_data").mkdir()
    with pytest.raises(DataError, match=r"dev\.tsv starts with"):
        MIntRec2().describe(other)


def few(name, count):
    class Few(DATASETS.get(name)):
        def utterances(self, root):
            return islice(super().utterances(root), count)

    return Few()


def test_what_is_written_in_the_layout_is_read_again(tmp_path):
    source = few("avatars-intent", 6)
    export(source, "mintrec2", tmp_path / "out")
    written, read = list(source.utterances(None)), list(MIntRec2().utterances(tmp_path / "out"))
    assert [u.text for u in read] == [" ".join(u.text.split()) for u in written]
    classes = DATASETS.get("avatars-intent").card.classes
    assert [MIntRec2.card.classes[u.label] for u in read] == [classes[u.label] for u in written]
    assert [u.section for u in read] == [*SERIES, *SERIES]
    assert read[0].frames().shape[0] == 10
    assert abs(len(read[0].waveform()) - min(80_160, len(written[0].waveform()))) < 1_600
    found = verify("mintrec2", root=tmp_path / "out")
    assert not found.no_sound
    assert not found.unusable
    assert "synthetic" in found.version
