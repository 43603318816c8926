"""From a store to boards: records, submissions and their predictions."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mmda_bench.report.boards import make_boards
from mmda_bench.report.calibration import with_trust
from mmda_bench.report.rows import Board
from mmda_bench.report.significance import Predictions, with_tests
from mmda_bench.store import Damaged, Record, Store
from mmda_bench.store.record import is_external, is_trial
from mmda_bench.store.store import PREDICTIONS

if TYPE_CHECKING:
    import numpy as np


def load_boards(store: Store, *, tests: bool = True, signature: str | None = None) -> tuple[list[Board], list[Damaged]]:
    """The boards of a store, and what in it cannot be read. ``signature`` (without seeds): only that one.

    A score is shown only if it is the one that the predictions beside it give, where there are any. ``tests``: with
    intervals, bold sets and trust, which takes seconds, from the predictions that are stored.
    """
    stored, damaged = store.records()
    records = [record for record in stored if not is_trial(record)]
    submitted, refused = store.submitted()
    known = {record["signature"] for record in records if record["status"] != "interrupted"}
    lost = [record for record in submitted if record["signature"] not in known]
    refused += [Damaged(store.path(record), "no stored cell has its signature") for record in lost]
    chosen = [record for record in records if signature in (None, record["signature"])]
    predictions = StoredPredictions(store)
    chosen, faults = predictions.verified(chosen)
    submitted, others = predictions.verified(record for record in submitted if record["signature"] in known)
    boards = make_boards(chosen, submitted)
    if tests:
        boards = [with_trust(with_tests(board, predictions), predictions) for board in boards]
    return boards, [*damaged, *faults, *refused, *others]


def read_predictions(store: Store) -> Predictions:
    """Stored predictions by record, submitted ones too; each file is read once."""
    return StoredPredictions(store)


class StoredPredictions:
    """Called with a record, gives its predictions; None if they are not stored or cannot be read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[tuple[str, str], tuple[Mapping[str, np.ndarray] | None, str]] = {}

    def __call__(self, record: Record) -> "Mapping[str, np.ndarray] | None":
        return self._look(record)[0]

    def verified(self, records: Iterable[Record]) -> tuple[list[Record], list[Damaged]]:
        """The records whose scores are not in doubt, and what is damaged: a file of predictions that cannot be read, or
        a record that has another score than its predictions."""
        from mmda_bench.store.arrays import disagreement

        sound: list[Record] = []
        damaged: list[Damaged] = []
        for record in records:
            arrays, unreadable = self._look(record) if record["status"] == "ok" else (None, "")
            if unreadable:
                damaged.append(Damaged(self.store.path(record, PREDICTIONS), f"{unreadable}; {_repair(record)}"))
            if arrays is not None and (reason := disagreement(record, arrays)):
                damaged.append(Damaged(self.store.path(record), f"{reason}; {_repair(record)}"))
            else:
                sound.append(record)
        return sound, damaged

    def _look(self, record: Record) -> "tuple[Mapping[str, np.ndarray] | None, str]":
        name = (record["key"]["dataset"], record["hash"])
        if name not in self._read:
            self._read[name] = self.store.load_predictions(record)
        return self._read[name]


def _repair(record: Record) -> str:
    return "submit it again with --replace" if is_external(record) else "remove its folder and run the cell again"
