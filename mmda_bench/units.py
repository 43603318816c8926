"""Numbers as people read them: durations, sizes, counts, and reasons on one line."""

import unicodedata

STEERING = ("Cc", "Cs")  # control characters, and halves of characters that no encoding has


def duration(seconds: float) -> str:
    """'40 s', '3 min', '2 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, what: str) -> str:
    """'1 cell', '2 cells'."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def one_line(text: str | None) -> str:
    """A reason without its line breaks."""
    return " ".join((text or "").split())


def shown(text: str) -> str:
    r"""Text of foreign origin for a terminal or a table: what would steer either is written out, lines stay lines.

    >>> print(shown("a\x1b[31mb"))
    a\x1b[31mb
    """
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in STEERING else _written(c) for c in text)


def _written(character: str) -> str:
    return character.encode("unicode_escape").decode()


def in_units(size: int) -> str:
    """'7.6 GB', or in the unit of a smaller size: '80.0 MB', '4.1 kB', '512 bytes'."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
