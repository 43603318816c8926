"""A table of text, as every format writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


class TextCell(NamedTuple):
    text: str
    bold: bool = False


@dataclass(frozen=True)
class Table:
    """``name``: of the table in CSV and JSON; ``words``: how many columns, from the left, are text and no numbers.
    ``number``: "Table 1", of the tables that have one."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[TextCell]]
    caption: str = ""
    words: int = 1
    number: str = ""

    @property
    def heading(self) -> str:
        """The title, after its number where there is one."""
        return f"{self.number}: {self.title}" if self.number else self.title
