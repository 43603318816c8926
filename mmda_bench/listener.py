"""Who hears what happens in a run: displays on a terminal, callbacks of a notebook."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mmda_bench.protocol import Cell
from mmda_bench.store import Record

if TYPE_CHECKING:
    from mmda_bench.features.corpus import Corpus
    from mmda_bench.selection.choices import Choice


class Listener:
    """Observes a run. Override what you want to hear of; nothing that it does changes the run.

    >>> class Loud(Listener):
    ...     def on_start(self, cell):
    ...         print("a cell starts")
    >>> Loud().on_start(None)
    a cell starts
    """

    def on_prepare(self, stage: str, done: int, total: int) -> None:
        """``done`` of ``total`` utterances have passed ``stage`` of the preparation."""

    def on_prepared(self, corpus: "Corpus") -> None:
        """The corpus is ready; ``corpus.skipped`` and ``.substituted`` name what could not be used as it is."""

    def on_start(self, cell: Cell) -> None:
        """A cell starts."""

    def on_result(self, cell: Cell, record: Record) -> None:
        """A cell has ended and its record is stored."""

    def on_choice(self, choice: "Choice") -> None:
        """The trials of a scenario have ended and one of them was taken."""


class Calling(Listener):
    """Hands each record to a function."""

    def __init__(self, on_result: Callable[[Record], Any]) -> None:
        self.call = on_result

    def on_result(self, cell: Cell, record: Record) -> None:
        self.call(record)
