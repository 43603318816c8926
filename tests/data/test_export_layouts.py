"""The layouts of MIntRec and IEMOCAP: what is written comes back through the readers, codecs included."""

import json
import re
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmda_bench.data.export import export
from mmda_bench.dataset import Dataset
from mmda_bench.datasets.avatars.corpus import Avatars, AvatarsIntent
from mmda_bench.datasets.iemocap.reader import IEMOCAP
from mmda_bench.datasets.mintrec.reader import MIntRec
from mmda_bench.errors import UsageError

pytestmark = pytest.mark.slow

COUNT = 40
ENLARGED = {MIntRec: Image.Resampling.NEAREST, IEMOCAP: Image.Resampling.BILINEAR}
CORPORA = {"mintrec": (AvatarsIntent, MIntRec), "iemocap": (Avatars, IEMOCAP)}


@pytest.fixture(scope="module", params=CORPORA)
def written(request, tmp_path_factory):
    """(original utterances by the ids they got, what the reader gives back, reader, folder)"""
    origin, reader = (cls() for cls in CORPORA[request.param])
    out = export(origin, request.param, tmp_path_factory.mktemp("layout") / "corpus", limit=COUNT).out
    ids = json.loads((out / "origin.json").read_text())["ids"]
    before = {u.id: u for u in islice(origin.utterances(None), COUNT)}
    return {new: before[old] for new, old in ids.items()}, list(reader.utterances(out)), reader, out


def labels(dataset: Dataset, utterances) -> list[str]:
    return [dataset.card.classes[u.label] for u in utterances]


def test_texts_and_labels_come_back_exactly(written):
    before, after, reader, out = written
    assert sorted(u.id for u in after) == sorted(before)
    assert len(after) == COUNT
    assert [u.text for u in after] == [before[u.id].text for u in after]
    origin = Avatars() if isinstance(reader, IEMOCAP) else AvatarsIntent()
    assert labels(reader, after) == labels(origin, [before[u.id] for u in after])
    assert list(reader.unusable(out)) == []


def test_sound_comes_back_in_time_and_at_its_level(written):
    before, after, *_ = written
    for u in after[::4]:
        expected, found = before[u.id].waveform(), u.waveform()
        assert 0 <= len(found) - len(expected) <= 1024, "a codec may fill up its last frame"
        difference = found[: len(expected)] - expected
        assert np.mean(difference**2) < 1e-3 * np.mean(expected**2), "one sample of delay would exceed this"


def test_pictures_come_back_from_their_place_and_time(written):
    before, after, reader, _ = written
    for u in after[::4]:
        found = u.frames().astype(int)
        large = [
            Image.fromarray(frame).resize(found.shape[1:3], ENLARGED[type(reader)]) for frame in before[u.id].frames()
        ]
        expected = np.stack([np.asarray(frame) for frame in large]).astype(int)
        same = np.abs(found - expected).mean((1, 2, 3))
        assert same.max() < 3
        assert np.abs(found[:-1] - expected[1:]).mean() > 1.5 * same.mean(), "one picture later it looks different"
        for axis in (1, 2):
            assert np.abs(found - np.roll(expected, 3, axis)).mean() > 1.2 * same.mean(), "so does a shifted crop"


def test_a_corpus_in_anothers_layout_is_not_taken_for_it(written):
    _, _, reader, out = written
    card = reader.describe(out)
    assert card.synthetic
    assert "synthetic" in card.title
    assert card.version.startswith("v1-"), "its counts are not those of the whole corpus"


def test_two_exports_are_the_same_corpus(written, tmp_path):
    _, _, reader, out = written
    layout, (origin, _) = next((name, pair) for name, pair in CORPORA.items() if isinstance(reader, pair[1]))
    again = export(origin(), layout, tmp_path / "again", limit=COUNT, jobs=2).out
    assert reader.describe(again).files == reader.describe(out).files


def folders(out: Path) -> set[str]:
    return {str(path.relative_to(out)) for path in out.rglob("*")}


@pytest.mark.parametrize("written", ["mintrec"], indirect=True)
def test_mintrec_is_three_tables_and_a_clip_for_every_row(written):
    _, after, _, out = written
    rows = []
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        header, *lines = (out / name).read_text().splitlines()
        assert header == "season\tepisode\tclip\ttext\tlabel"
        rows += [line.split("\t") for line in lines]
    assert {len(row) for row in rows} == {5}
    assert all(re.fullmatch(r"S0[456] E\d\d [1-9]\d*", " ".join(row[:3])) for row in rows)
    assert {f"raw_data/{a}/{b}/{c}.mp4" for a, b, c, *_ in rows} <= folders(out)
    assert [u.id for u in after] == ["_".join(row[:3]) for row in rows]


@pytest.mark.parametrize("written", ["iemocap"], indirect=True)
def test_iemocap_has_everything_that_makes_it_hard_to_read(written):
    _, after, _, out = written
    files = folders(out)
    assert {"Session3/dialog/avi/DivX/Ses03M_impro05a.avi", "Session5/dialog/avi/DivX/Ses05M_script01_1b.avi"} <= files
    assert "Session1/dialog/EmoEvaluation/._Ses01F_impro01.txt" in files
    labelled = (out / "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt").read_text()
    assert re.search(r"^\[0\.\d{4} - \d\.\d{4}\]\tSes01F_impro01_[FM]000\t\w{3}\t\[2\.5000, ", labelled, re.M)
    assert "\tfru\t" in labelled
    assert "\txxx\t" in labelled
    words = (out / "Session1/dialog/transcriptions/Ses01F_impro01.txt").read_text()
    assert "Ses01F_impro01_MXX0 [" in words
    assert b"\r\n" in (out / "Session2/dialog/EmoEvaluation/Ses02F_impro01.txt").read_bytes()
    sides = {u.id[5] == u.id.rsplit("_", 1)[1][0] for u in after}
    assert sides == {True, False}, "speakers on the left and on the right"


@pytest.mark.parametrize("written", ["iemocap"], indirect=True)
def test_every_speaker_is_an_actor_of_their_own(written):
    before, after, *_ = written
    speakers = {u.speaker for u in before.values()}
    pairs = {(before[u.id].speaker, u.speaker) for u in after}
    assert len(pairs) == len({new for _, new in pairs}) == len(speakers) > 8


@pytest.mark.parametrize(("corpus", "layout"), [(Avatars, "mintrec"), (AvatarsIntent, "iemocap")])
def test_a_layout_holds_no_classes_but_its_own(corpus, layout, tmp_path):
    with pytest.raises(UsageError, match=f"the layout {layout} knows"):
        export(corpus(), layout, tmp_path / "a", limit=1)
    assert list(tmp_path.iterdir()) == []
