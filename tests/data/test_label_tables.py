"""A table of labels in another encoding, or with a field beyond all measure: read, or refused with what is true."""

import codecs
import csv
from pathlib import Path

import pytest

from mmda_bench.datasets.folder.reader import Folder
from mmda_bench.errors import DataError

ROWS = ["video_id,clip_id,text,mode,emotion", *(f"v,{i},“café” n° {i},,{('calm', 'glad')[i % 2]}" for i in range(20))]


def texts(root: Path, content: bytes) -> list[str]:
    (root / "labels.csv").write_bytes(content)
    return [u.text for u in Folder().utterances(root)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_a_table_says_its_encoding_by_its_first_bytes(tmp_path, encoding):
    mark = codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b""
    found = texts(tmp_path, mark + "\r\n".join(ROWS).encode(encoding))
    assert found == [f"“café” n° {i}" for i in range(20)]


@pytest.mark.parametrize("encoding", ["latin1", "cp1252", "utf-16-le", "utf-16-be"])
def test_the_advice_converts_the_table_without_loss(tmp_path, encoding):
    """What the message tells a user to run is run here, in Python: it must give the words back."""
    rows = [row.replace("“", '"').replace("”", "").replace('"', "") if encoding == "latin1" else row for row in ROWS]
    with pytest.raises(DataError, match=r"iconv -f \S+ -t utf-8 labels\.csv") as refused:
        texts(tmp_path, "\n".join(rows).encode(encoding))
    advised = str(refused.value).split("iconv -f ")[1].split()[0]
    assert (tmp_path / "labels.csv").read_bytes().decode(advised) == "\n".join(rows)


def test_bytes_that_no_western_table_has_are_not_guessed_at(tmp_path):
    with pytest.raises(DataError, match=r"line 1: byte 0x8f is not UTF-8; find out its encoding and save it as UTF-8"):
        texts(tmp_path, b"video_id,\x8f\x90")


def test_a_field_beyond_all_measure_is_named_with_its_length(tmp_path):
    limit = csv.field_size_limit()
    long = f"v,99,{'word ' * 40_000},,calm"
    with pytest.raises(DataError, match=r"labels\.csv line 22 .*a field of 200,000 characters, at most 131,072"):
        texts(tmp_path, "\n".join([*ROWS, long]).encode())
    assert csv.field_size_limit() == limit
