"""A table of text, as every format writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class TextCell(NamedTuple):
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """``name``: of the table in CSV and JSON; ``words``: how many columns, from the left, are text and no numbers."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[TextCell]]
    caption: str = ""
    words: int = 1
