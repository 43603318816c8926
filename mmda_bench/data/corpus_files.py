"""What the readers of corpora on disk share: is it the right folder, and what identifies the files in it."""

import codecs
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mmda_bench.dataset import ONE_WORD, Card, Utterance, tally
from mmda_bench.errors import ClipError, DataError

ORIGIN = "origin.json"  # left by ``data export``: which corpus was written in this layout


def corpus_root(root: Path | None, card: Card, needs: Sequence[str]) -> Path:
    """``root`` if it holds all that ``needs`` names (patterns). Raises :class:`DataError` that says what is missing."""
    how = f"How to obtain {card.title}: {card.obtain}"
    if root is None:
        raise DataError(f"the dataset {card.name} needs --data-root DIR, the folder of the corpus. {how}")
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; --data-root must name the one of {card.title}. {how}")
    missing = [pattern for pattern in needs if not any(root.glob(pattern))]
    if not missing:
        return root
    inside = sorted(path for path in root.iterdir() if path.is_dir())
    for folder in (*inside, *root.absolute().parents[:3]):  # one level too high, or some too low
        if all(any(folder.glob(pattern)) for pattern in needs):
            raise DataError(f"{root} is not the folder of {card.title}, but {folder} is: --data-root {folder}")
    names = sorted(entry.name for entry in os.scandir(root))
    found = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise DataError(
        f"{root} lacks {', '.join(missing)}; found {found or 'nothing'}; expected {', '.join(needs)}. {how}"
    )


def completed(
    card: Card, root: Path, utterances: Sequence[Utterance], *, tables: Iterable[Path], media: Iterable[Path]
) -> Card:
    """The card as these files fulfil it.

    The version stays what it is if all counts are those of the card, so that everybody's table of the whole corpus has
    one name; anything else gets digits of its own. ``files`` is a digest of the tables' content and the media's sizes.
    """
    digest = hashlib.sha256()
    for path in tables:
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    for path in media:
        digest.update(f"{path.relative_to(root)} {size_of(path)}\n".encode())
    facts: dict[str, Any] = {"files": digest.hexdigest()[:12]}
    counts = tally(card, utterances)
    if any(counts[name] != number for name, number in card.expected.items() if name != ONE_WORD):
        content = repr([(u.id, u.text, card.classes[u.label]) for u in utterances])
        facts["version"] = f"{card.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    if (root / ORIGIN).is_file():
        origin = json.loads((root / ORIGIN).read_text("utf-8"))
        facts |= {"synthetic": bool(origin["synthetic"]), "title": f"{origin['title']} in the layout of {card.title}"}
    return replace(card, **facts)


BYTE_ORDER_MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def refused(reason: str) -> NoReturn:
    """Stands for the sound or the pictures of a clip that is known to be broken. Raises :class:`ClipError`."""
    raise ClipError(reason)


def broken_remark(ids: Sequence[str]) -> Iterator[str]:
    """What ``data verify`` says of the clips of a corpus that are known to be broken; nothing where there are none."""
    if ids:
        yield f"{len(ids)} clips are known to be broken and are not used: {', '.join(ids)}"


def decoded(path: Path) -> str:
    """The text of a table in UTF-8, or in whatever its byte order mark says.

    Raises :class:`DataError` with the command that converts any other one: which one it is would be a guess.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    mark, encoding = next((pair for pair in BYTE_ORDER_MARKS if content.startswith(pair[0])), (b"", "utf-8"))
    content = content.removeprefix(mark)
    if not mark and content.count(b"\0") > len(content) // 4:
        half = "le" if content[1:2] == b"\0" else "be"
        raise DataError(f"{path} holds zero bytes, as UTF-16 does; {_convert(path, f'utf-16{half}')}")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        said = f"byte 0x{content[error.start]:02x} is not {encoding.upper()}"
        raise DataError(f"{path} line {line}: {said}; {_convert(path, '' if mark else _guessed(content))}") from error


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


def size_of(path: os.PathLike[str]) -> int | None:
    """Bytes of a file; None if it is not there, as behind a link that leads nowhere (git-annex, datalad)."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None
