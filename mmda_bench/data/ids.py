"""Ids of utterances that may become names of files: one component of a path, on every system, and nothing else.

A corpus names its own utterances, and readers and writers join these names to folders. An id such as ``../x`` or
``/home/me/x`` would lead out of them: it is refused where a reader hands it over, and again where a path is joined.
"""

import re
import unicodedata
from pathlib import Path

from mmda_bench.errors import DataError

LONGEST = 200  # bytes of UTF-8: file systems take 255, and a suffix or a temporary name comes behind
DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)  # files that Windows reserves
DRIVE = re.compile(r"[A-Za-z]:")


def id_fault(name: str) -> str:
    """Why ``name`` cannot be the name of one file, or "".

    >>> id_fault("S05_E16_329")
    ''
    >>> id_fault("../escaped_0")
    "it contains '/'"
    """
    if not name:
        return "it is empty"
    if found := next((sign for sign in "/\\" if sign in name), ""):
        return f"it contains {found!r}"
    if name in (".", "..") or DRIVE.match(name):
        return "it leads to another folder"
    if odd := next((sign for sign in name if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")), ""):
        return f"it contains the character {odd!a}"
    if name != name.strip():
        return "it begins or ends with a blank"
    if DEVICES.fullmatch(name):
        return "it is the name of a device"
    if (size := len(name.encode())) > LONGEST:
        return f"it is {size} bytes long, more than {LONGEST}"
    return ""


def name_fault(*names: str) -> str:
    """Which of ``names`` cannot be the name of one file, and why; "" where all can.

    >>> name_fault("S05", "a/b")
    "'a/b' cannot be the name of a file: it contains '/'"
    """
    for name in names:
        if fault := id_fault(name):
            return f"{name[:80]!r} cannot be the name of a file: {fault}"
    return ""


def inside(folder: Path, name: str, suffix: str = "") -> Path:
    """The path of the file ``name`` + ``suffix`` in ``folder``. Raises :class:`DataError` for a name that leads
    elsewhere.

    >>> inside(Path("out"), "u_1", ".wav").as_posix()
    'out/u_1.wav'
    """
    if fault := name_fault(name):
        raise DataError(f"{fault}; {EXPECTED}")
    return folder / f"{name}{suffix}"


EXPECTED = f"expected one name without slashes, at most {LONGEST} bytes long, such as S05_E16_329"
