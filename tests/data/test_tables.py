"""Tables of corpora: no row is lost or cut without a word, in whatever encoding people saved them."""

import pytest

from mmda_bench.data.tables import CP1252, decoded, encoding_remark, read_csv, read_tabs, uneven, write_csv
from mmda_bench.errors import DataError


def saved(folder, content: bytes):
    (folder / "table.csv").write_bytes(content)
    return folder / "table.csv"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_a_table_is_read_in_the_encodings_that_people_save(tmp_path, encoding):
    path = saved(tmp_path, "id,text\n1,“well”, I’d\n".replace(", I", " I").encode(encoding))
    assert list(read_csv(path, fallback=CP1252)) == [(1, ["id", "text"]), (2, ["1", "“well” I’d"])]
    said = list(encoding_remark([path], fallback=CP1252))
    assert said == (["table.csv is not UTF-8 in 1 line (2): read as cp1252"] if encoding == "cp1252" else [])
    if encoding == "cp1252":
        with pytest.raises(DataError, match=r"line 2: byte 0x93 is not UTF-8; .*iconv -f cp1252"):
            decoded(path)


def test_one_foreign_line_spoils_no_other(tmp_path):
    path = saved(tmp_path, "café\n".encode() + "I’d\n".encode("cp1252") + b"yes\r\n")
    assert decoded(path, fallback=CP1252) == "café\nI’d\nyes\r\n"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ('1,"never closed\n2,b', "unpaired quote"),
        ('1,"text, 1",\n2,"text, 2,x\n3,"c",\n', "line 4 is not valid csv.*unpaired quote"),
        (f"1,{'x' * 140_000}", "a field of 140,000 characters"),
    ],
)
def test_a_quotation_mark_that_may_have_swallowed_rows_is_no_guess(tmp_path, rows, reason):
    with pytest.raises(DataError, match=reason):
        list(read_csv(saved(tmp_path, f"id,text\n{rows}".encode())))


def test_a_row_with_a_comma_too_many_and_a_column_that_is_there_twice_are_told(tmp_path):
    assert uneven(["1", "I have 3", " 2"], ["id", "text"]).startswith("3 fields, but the header has 2; put a text")
    assert uneven(["1", "a"], ["id", "text"]) == ""
    with pytest.raises(DataError, match="the column 'text' twice"):
        list(read_csv(saved(tmp_path, b"id,text, text\n1,a,b\n")))


@pytest.mark.parametrize(("content", "found"), [(b"", "is empty"), (b"id;text\n", "starts with")])
def test_a_table_without_its_columns_is_refused(tmp_path, content, found):
    with pytest.raises(DataError, match=f"{found}.*expected the columns id, text, separated by tabs"):
        list(read_tabs(saved(tmp_path, content), ("id", "text")))


def test_what_is_written_is_read_again(tmp_path):
    rows = [["id", "text"], ["1", "well\rno"], ["2", 'a "b", c\nd'], ["3", "plain"]]
    write_csv(tmp_path / "table.csv", rows)
    assert [cells for _, cells in read_csv(tmp_path / "table.csv")] == rows
    assert (tmp_path / "table.csv").read_text().endswith("3,plain\n"), "nothing is quoted without need"
