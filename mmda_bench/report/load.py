"""From a store to boards: records, submissions and their predictions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmda_bench.report.boards import Board, make_boards
from mmda_bench.report.calibration import with_trust
from mmda_bench.report.significance import Predictions, with_tests
from mmda_bench.store import Damaged, Record, Store, submissions
from mmda_bench.store.record import submission_fault

if TYPE_CHECKING:
    import numpy as np


def load_boards(store: Store, *, tests: bool = True, signature: str | None = None) -> tuple[list[Board], list[Damaged]]:
    """The boards of a store, and what in it cannot be read. ``signature`` (without seeds): only that one.

    ``tests``: with intervals, bold sets and trust, which takes seconds, from the predictions that are stored.
    """
    records, damaged = store.records()
    submitted, refused = submissions.read_all(store)
    known = {record["signature"] for record in records if record["status"] != "interrupted"}
    faults = [_fault_of_submission(record, known) for record in submitted]
    refused += [
        Damaged(store.relative(submissions.folder(store, record) / "record.json"), fault)
        for record, fault in zip(submitted, faults, strict=True)
        if fault
    ]
    submitted = [record for record, fault in zip(submitted, faults, strict=True) if not fault]
    chosen = [record for record in records if signature in (None, record["signature"])]
    boards = make_boards(chosen, submitted)
    if tests:
        predictions = read_predictions(store)
        boards = [with_trust(with_tests(board, predictions), predictions) for board in boards]
    return boards, [*damaged, *refused]


def _fault_of_submission(record: Record, known: set[str]) -> str:
    """Why a submission is not shown, or ''. ``known``: signatures of stored cells."""
    return submission_fault(record) or ("" if record["signature"] in known else "no stored cell has its signature")


def read_predictions(store: Store) -> Predictions:
    """Stored predictions by record, submitted ones too; each file is read once."""
    kept: dict[tuple[str, str], Mapping[str, np.ndarray] | None] = {}

    def read(record: Record) -> "Mapping[str, np.ndarray] | None":
        name = (record["key"]["dataset"], record["hash"])
        if name not in kept:
            arrays = (
                submissions.predictions(store, record) if submissions.is_external(record) else store.predictions(record)
            )
            kept[name] = arrays if arrays is not None and _whole(arrays) else None
        return kept[name]

    return read


def _whole(arrays: "Mapping[str, np.ndarray]") -> bool:
    """Whether the arrays of the target test set are there and fit each other."""
    parts = [arrays.get(f"target_test/{name}") for name in ("ids", "labels", "probabilities")]
    return all(part is not None for part in parts) and len({len(part) for part in parts if part is not None}) == 1
