"""Numbers as people read them: durations, sizes, counts, and reasons on one line."""

import unicodedata

STEERING = ("Cc", "Cs")  # control characters, and halves of characters that no encoding has


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(40), duration(180), duration(7500)
    ('40 s', '3 min', '2 h 05 min')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, what: str) -> str:
    """A number with its noun.

    >>> count(1, "cell"), count(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{number} {what}{'' if number == 1 else 's'}"


def one_line(text: str | None) -> str:
    """A reason without its line breaks.

    >>> one_line("no such file\\n  in results"), one_line(None)
    ('no such file in results', '')
    """
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
    """A size in bytes in the largest unit that it fills.

    >>> in_units(7_600_000_000), in_units(512)
    ('7.6 GB', '512 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
