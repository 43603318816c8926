"""Tables of corpora: comma or tab separated text in the encodings that people save them in.

A comma is not what it seems where a quotation mark is unpaired, and a row has more fields than the header where a text
with a comma is not quoted. Both would give wrong utterances, so that both are said.
"""

import codecs
import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mmda_bench.errors import DataError
from mmda_bench.units import count

CP1252 = "cp1252"  # what spreadsheets make of curly quotes
BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_csv(path: Path, *, fallback: str = "") -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the rows of a comma separated table, its header first; rows without any text are left out.

    Raises :class:`DataError` where a quotation mark is unpaired, as nobody knows which rows it has swallowed, and for a
    header that names a column twice.
    """
    text = decoded(path, fallback=fallback)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    try:
        for cells in reader:
            if not header:
                header = [cell.strip() for cell in cells]
                if twice := sorted({name for name in header if header.count(name) > 1}):
                    raise DataError(f"{path} has the column {twice[0]!r} twice; remove or rename one")
            if reader.line_num == 1 or any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        reason = f"{error}; look for an unpaired quote"
        if "field limit" in str(error):
            reason = _too_long(text)
        raise DataError(f"{path} line {reader.line_num} is not valid csv: {reason}") from error


def uneven(cells: Sequence[str], header: Sequence[str]) -> str:
    """What is wrong with a row that has not as many fields as the header; "" where it has."""
    if len(cells) == len(header):
        return ""
    return (
        f"{len(cells)} fields, but the header has {len(header)}; "
        'put a text that contains a comma between double quotes: "well, no"'
    )


def read_tabs(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of the rows of a tab separated table in which nothing is quoted, without its header.

    Raises :class:`DataError` for a table without rows and header, and for other columns than ``columns``.
    """
    lines = io.StringIO(decoded(path, fallback=CP1252), newline=None)
    header = _fields(next(lines, ""))
    if header != list(columns):
        found = "is empty" if header == [""] else f"starts with {header}"
        raise DataError(f"{path} {found}, expected the columns {', '.join(columns)}, separated by tabs")
    yield from ((number, _fields(line)) for number, line in enumerate(lines, start=2) if line.strip())


def _fields(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("\t")]  # a quotation mark belongs to the text


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write a comma separated table that :func:`read_csv` reads again, whatever its texts hold."""
    with path.open("w", encoding="utf-8", newline="") as file:
        plain = csv.writer(file, lineterminator="\n")
        quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        for row in rows:  # before Python 3.13 a lone carriage return is not quoted
            (quoted if any("\r" in str(cell) for cell in row) else plain).writerow(row)


def _too_long(text: str) -> str:
    """How long the longest field of a table is, where the csv module gave up on one."""
    limit = csv.field_size_limit()
    try:
        csv.field_size_limit(sys.maxsize)
        longest = max(len(cell) for row in csv.reader(io.StringIO(text, newline="")) for cell in row)
    finally:
        csv.field_size_limit(limit)
    return f"a field of {longest:,} characters, at most {limit:,} are read; shorten it, or look for an unpaired quote"


def decoded(path: Path, *, fallback: str = "") -> str:
    """The text of a table in UTF-8, or in whatever its byte order mark says.

    ``fallback``: the encoding of copies that circulate, for lines that are not UTF-8. Without one, which it is would
    be a guess: raises :class:`DataError` with the command that converts the table.
    """
    content, encoding, mark = _content(path)
    if not mark and content.count(b"\0") > len(content) // 4:
        half = "le" if content[1:2] == b"\0" else "be"
        raise DataError(f"{path} holds zero bytes, as UTF-16 does; {_convert(path, f'utf-16{half}')}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        if fallback and encoding == "utf-8":
            lines = content.splitlines(keepends=True)
            return "".join(line.decode(encoding if _is(line, encoding) else fallback, "replace") for line in lines)
        line = content[: error.start].count(b"\n") + 1
        said = f"byte 0x{content[error.start]:02x} is not {encoding.upper()}"
        raise DataError(f"{path} line {line}: {said}; {_convert(path, '' if mark else _guessed(content))}") from error


def encoding_remark(paths: Iterable[Path], *, fallback: str) -> Iterator[str]:
    """What ``data verify`` says of tables that :func:`decoded` reads in the encoding ``fallback``."""
    for path in paths:
        content, encoding, _ = _content(path)
        lines = content.splitlines() if encoding == "utf-8" else []
        if foreign := [number for number, line in enumerate(lines, start=1) if not _is(line, encoding)]:
            shown = f"{', '.join(map(str, foreign[:5]))}{', …' if len(foreign) > 5 else ''}"
            yield f"{path.name} is not UTF-8 in {count(len(foreign), 'line')} ({shown}): read as {fallback}"


def _is(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _content(path: Path) -> tuple[bytes, str, bytes]:
    """The bytes of a table without their byte order mark, what that says, and the mark."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    mark, encoding = next((pair for pair in BYTE_ORDER_MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    return content.removeprefix(mark), encoding, mark


def _guessed(content: bytes) -> str:
    """What people's tables are where they are not UTF-8; Latin 1 has nothing but control codes from 80 to 9f."""
    upper = {byte for byte in content if byte >= 0x80}
    if not any(byte < 0xA0 for byte in upper):
        return "latin1"
    return "" if upper & set(b"\x81\x8d\x8f\x90\x9d") else "cp1252"


def _convert(path: Path, encoding: str) -> str:
    if not encoding:
        return "find out its encoding and save it as UTF-8, for example in a spreadsheet: 'CSV UTF-8'"
    return f"save the table as UTF-8, for example with: iconv -f {encoding} -t utf-8 {path.name} > fixed.csv"
