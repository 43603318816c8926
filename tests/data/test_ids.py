"""An id is the name of one file. Others are refused by readers, contract and writers, and nothing else is touched."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmda_bench.data import export as exporting
from mmda_bench.data.export import export
from mmda_bench.data.ids import id_fault, inside
from mmda_bench.data.validation import read_utterances
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.datasets.folder.writer import write_folder
from mmda_bench.datasets.mintrec.layout import COLUMNS
from mmda_bench.datasets.mintrec.reader import MIntRec
from mmda_bench.errors import DataError

BAD = {
    "": "it is empty",
    "/home/me/precious": "it contains '/'",
    "../escaped": "it contains '/'",
    "a\\b": r"it contains '\\'",
    "..": "it leads to another folder",
    ".": "it leads to another folder",
    "C:evil": "it leads to another folder",
    "a\0b": r"it contains the character '\x00'",
    "a\nb": r"it contains the character '\n'",
    "a\ud800": r"it contains the character '\ud800'",
    " a": "it begins or ends with a blank",
    "com1": "it is the name of a device",
    "NUL.wav": "it is the name of a device",
    "é" * 101: "it is 202 bytes long, more than 200",
}


def sound() -> np.ndarray:
    return np.full(400, 0.1, np.float32)


def pictures() -> np.ndarray:
    return np.zeros((10, 8, 8, 3), np.uint8)


GOOD = Utterance(id="u1", text="a word", label=1, waveform=sound, frames=pictures)
CARD = Card(
    name="mine", title="Mine", version="v1", classes=("yes", "no"), licence="", citation="", obtain="",
    shift=Shift(noise=0, brightness=1, visual_noise=0, masked=0), needs_root=False,
)  # fmt: skip


class Mine(Dataset):
    card = CARD

    def __init__(self, *ids: str) -> None:
        self.ids = ids

    def utterances(self, root):
        return [replace(GOOD, id=name, label=i % 2) for i, name in enumerate(self.ids)]


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_not_one_file_is_refused_by_the_contract_and_where_it_is_joined(tmp_path, name):
    assert id_fault(name) == BAD[name]
    with pytest.raises(DataError, match=r"cannot be the name of a file: it "):
        inside(tmp_path, name)
    with pytest.raises(DataError, match=r"mine: number 1 has the id .*expected (a name|one name without slashes)"):
        read_utterances(Mine("u0", name), CARD, None)


@pytest.mark.parametrize("name", ["S05_E16_329", "video$_$12", "00:12:01", "e.wav", "-x", ".hidden", "日本", "x" * 200])
def test_names_that_corpora_have_are_kept(tmp_path, name):
    assert id_fault(name) == ""
    assert inside(tmp_path, name, ".wav").parent == tmp_path
    assert read_utterances(Mine(name), CARD, None)[0].id == name


@pytest.mark.slow
@given(st.text(max_size=30))
def test_whatever_is_let_through_stays_in_its_folder(name):
    if id_fault(name) == "":
        folder = Path("/some/folder")
        path = inside(folder, name, ".wav")
        assert path.parent == folder
        assert path.name == f"{name}.wav"
        path.name.encode()


def clip(stem: Path) -> None:
    soundfile.write(f"{stem}.wav", np.full(800, 0.1), 44_100, subtype="PCM_24")
    stem.mkdir()
    Image.new("RGB", (8, 8)).save(stem / "0.jpg")


def corpus(root: Path, *rows: str) -> Path:
    """A prepared folder of 24 clips, and of whatever else ``rows`` name."""
    root.mkdir()
    usual = [f"a,{i},hello there,,{'xy'[i % 2]}" for i in range(24)]
    for i in range(24):
        clip(root / f"a_{i}")
    (root / "labels.csv").write_text("\n".join(["video_id,clip_id,text,mode,emotion", *usual, *rows]) + "\n")
    return root


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("video", ["../victim/precious", "{victim}/precious", "a\\b"])
def test_a_table_that_names_clips_elsewhere_is_refused_and_they_are_left_alone(tmp_path, video):
    (tmp_path / "victim").mkdir()
    clip(tmp_path / "victim" / "precious_0")
    root = corpus(tmp_path / "corpus", f"{video.format(victim=tmp_path / 'victim')},0,hi,,x")
    before = content(tmp_path)
    with pytest.raises(DataError, match=r"labels\.csv line 26: video_id and clip_id make .*can be linked"):
        export(Folder(), "folder", tmp_path / "outs" / "o", root=root)
    assert content(tmp_path) == before


def test_a_linked_clip_is_read_and_its_original_left_alone(tmp_path):
    (tmp_path / "victim").mkdir()
    clip(tmp_path / "victim" / "precious_0")
    root = corpus(tmp_path / "corpus", "precious,0,hi,,x")
    for name in ("precious_0.wav", "precious_0"):
        (root / name).symlink_to(tmp_path / "victim" / name)
    before = content(tmp_path / "victim")
    assert export(Folder(), "folder", tmp_path / "out", root=root).skipped == {}
    assert content(tmp_path / "victim") == before


@pytest.mark.parametrize(("season", "clip_name"), [("..", "1"), ("S04", "../../../../victim"), ("S04", "/etc/x")])
def test_a_row_of_mintrec_that_leads_elsewhere_is_no_utterance(tmp_path, season, clip_name):
    header = "\t".join(COLUMNS)
    for name in ("train.tsv", "dev.tsv", "test.tsv"):
        (tmp_path / name).write_text(f"{header}\n{season}\tE01\t{clip_name}\thi\tGreet\n" if name[0] == "t" else header)
    (tmp_path / "raw_data").mkdir()
    assert list(MIntRec().utterances(tmp_path)) == []
    assert [where for where, _ in MIntRec().unusable(tmp_path)] == ["train.tsv line 2", "test.tsv line 2"]
    assert "cannot be the name of a file" in next(iter(MIntRec().unusable(tmp_path)))[1]


def test_a_writer_checks_ids_itself_before_it_writes(tmp_path):
    (tmp_path / "out").mkdir()
    escaping = [replace(GOOD, id="u_0"), replace(GOOD, id=f"{tmp_path}/victim_0")]
    with pytest.raises(DataError, match="cannot be the name of a file"):
        write_folder(ExportTask(CARD, escaping, tmp_path / "out", None, 1))
    assert content(tmp_path) == {}


@pytest.mark.parametrize("ids", [("a", "a_0"), ("label_s.csv",), ("a_1", "a_1.wav")])
def test_two_things_are_never_written_to_one_place(tmp_path, ids):
    with pytest.raises(DataError, match=r"would both be written to (a_0\.wav|label_s\.csv|a_1\.wav)"):
        export(Mine(*ids), "folder", tmp_path / "out")
    assert content(tmp_path) == {}


def test_a_folder_that_looks_like_our_temporary_one_is_left_alone(tmp_path, monkeypatch):
    theirs = tmp_path / ".out.partial-7-00"
    theirs.mkdir()
    (theirs / "precious").write_text("theirs")
    monkeypatch.setattr(exporting.os, "getpid", lambda: 7)
    monkeypatch.setattr(exporting.secrets, "token_hex", lambda count: "00")
    with pytest.raises(Exception, match="cannot write"):
        export(Mine("u_0", "u_1"), "folder", tmp_path / "out")
    assert (theirs / "precious").read_text() == "theirs"
