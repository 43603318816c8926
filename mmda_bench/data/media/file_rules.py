"""Is a media file whole? Its own parts are held against its size, whatever its name says it is.

A file that was cut often plays up to where it ends, so a decoder alone does not notice. Here a cut file raises
:class:`ClipError` with the word "truncated"; bytes that only follow the last part cost nothing and are named.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from mmda_bench.dataset import substituted
from mmda_bench.errors import ClipError

MP4_PARTS = frozenset(
    b"ftyp moov mdat moof mfra free skip wide uuid meta udta sidx ssix styp prft pdin emsg pnot bloc junk".split()
)
NEEDED = (b"moov", b"mdat", b"moof")  # parts that a decoder cannot do without
RIFF: Mapping[bytes, Literal["little", "big"]] = {b"RIFF": "little", b"RF64": "little", b"RIFX": "big", b"FORM": "big"}
SOUND_PARTS = (b"data", b"SSND")
UNSAID = 0x7FFF_F000  # lengths from here on are written by programs that cannot know them yet
COMPLETE = 0.99  # share of the promised bytes below which a file was cut; a careless header is some bytes off
EBML, SEGMENT = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067")  # of Matroska and WebM
FORMATS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".avi": "avi",
    ".mkv": "matroska",
    ".webm": "webm",
    ".flv": "flv",
    ".wav": "wav",
}


def name_format(path: Path, found: str) -> None:
    """Name a file whose content, in FFmpeg's words ``found``, is of another kind than its suffix says."""
    expected = FORMATS.get(path.suffix.lower())
    if expected is not None and expected not in found.split(","):
        substituted(f"{found.split(',')[0]} content under the name {path.suffix}")


def check_whole(path: Path) -> None:
    """Raise :class:`ClipError` if a part of ``path`` that matters ends beyond the file; other formats pass."""
    with path.open("rb") as file:
        start = file.read(12)
        size = os.fstat(file.fileno()).st_size
        if start[4:8] in MP4_PARTS:
            _check_mp4(path, file, size)
        elif start[:4] in RIFF:
            _check_riff(path, file, size, RIFF[start[:4]], start[8:12])
        elif start[:4] == EBML:
            _check_matroska(path, file, size)


class _Part(NamedTuple):
    """A part of a file: its ``name``, and where its content begins and should end."""

    name: bytes
    start: int
    end: int


def _check_mp4(path: Path, file: BinaryIO, size: int) -> None:
    seen = set()
    end = 0
    for part in _boxes(file, size):
        if part.name not in MP4_PARTS and not (_is_name(part.name) and part.end <= size):
            break  # no box, but something that was appended
        if part.end > size and part.name in NEEDED:
            raise ClipError(f"{path} is truncated: its part {part.name.decode()} ends beyond its {size:,} bytes")
        seen.add(part.name)
        end = part.end
    if not {b"moov", b"moof"} & seen:
        raise ClipError(f"{path} is truncated: it has no part moov, which says where its pictures and sound lie")
    _name_rest(size - end)


def _boxes(file: BinaryIO, size: int) -> Iterator[_Part]:
    """The boxes of an mp4, one behind the other; fewer than eight bytes are none."""
    position = 0
    while size - position >= 8:
        file.seek(position)
        header = file.read(16)
        length, content = int.from_bytes(header[:4], "big"), position + 8
        if length == 1:  # a large box: its length stands in 64 bits behind its name
            length, content = int.from_bytes(header[8:16], "big"), position + 16
        elif length == 0:  # up to the end of the file
            length = size - position
        end = position + max(length, 8)
        yield _Part(header[4:8], content, end)
        position = end


def _check_riff(path: Path, file: BinaryIO, size: int, order: Literal["little", "big"], kind: bytes) -> None:
    """A wav, aiff or avi; of a wav the samples are looked at, of an avi the whole."""
    if kind == b"AVI ":
        file.seek(4)
        promised = int.from_bytes(file.read(4), order)
        if 0 < promised < UNSAID and size - 8 < COMPLETE * promised:
            raise ClipError(f"{path} is truncated: its header promises {promised + 8:,} bytes, it has {size:,}")
        return
    long: int | None = None
    end = size
    for part in _chunks(file, size, order):
        if part.end > size and part.name not in SOUND_PARTS:
            break  # something that was appended
        end = min(part.end, size)
        if part.name == b"ds64":  # lengths too large for 32 bits
            file.seek(part.start + 8)
            long = int.from_bytes(file.read(8), order)
        if part.name in SOUND_PARTS:
            promised = part.end - part.start
            if promised >= UNSAID:
                if long is None:
                    substituted("its header does not say how long it is")
                    return
                promised = long
            _check_samples(path, promised, size - part.start)
            if long is not None:
                return
    _name_rest(size - end)


def _check_samples(path: Path, promised: int, found: int) -> None:
    if found < COMPLETE * promised:
        raise ClipError(f"{path} is truncated: its header promises {promised:,} bytes of sound, it has {found:,}")
    if found < promised:
        substituted(f"its header promises {promised - found:,} more bytes of sound than it has")


def _chunks(file: BinaryIO, size: int, order: Literal["little", "big"]) -> Iterator[_Part]:
    """The chunks of a RIFF file up to the first thing that is none."""
    position = 12
    while size - position >= 8:
        file.seek(position)
        header = file.read(8)
        if not _is_name(header[:4]):
            return
        length = int.from_bytes(header[4:], order)
        yield _Part(header[:4], position + 8, position + 8 + length)
        position += 8 + length + length % 2


def _is_name(name: bytes) -> bool:
    return all(32 <= byte < 127 for byte in name)


def _check_matroska(path: Path, file: BinaryIO, size: int) -> None:
    file.seek(4)
    header = _vint(file)
    if header is None:
        return
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != SEGMENT:
        return
    length = _vint(file)
    if length is not None and file.tell() + length > size:
        raise ClipError(f"{path} is truncated: its segment ends beyond its {size:,} bytes")


def _vint(file: BinaryIO) -> int | None:
    """A number as EBML writes it: as many zero bits in front as bytes follow. None where it stands for "unknown"."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    following = 8 - first[0].bit_length()
    value = int.from_bytes(bytes([first[0] ^ (0x80 >> following)]) + file.read(following), "big")
    return None if value == (1 << 7 * (following + 1)) - 1 else value


def _name_rest(count: int) -> None:
    if count >= 8:
        substituted(f"{count:,} bytes behind its last part are not read")
