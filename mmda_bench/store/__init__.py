"""The store: one record per finished cell, written atomically, never edited; and submitted predictions."""

from mmda_bench.errors import StoreError
from mmda_bench.store.faults import scored
from mmda_bench.store.record import (
    SCHEMA,
    STATUSES,
    Damaged,
    Record,
    Submission,
    new_record,
    scores_of,
    unfinished,
    weighted_f1,
)
from mmda_bench.store.store import DEFAULT_RESULTS, Rerun, Store, existing_store, write_bytes, write_text

__all__ = [
    "DEFAULT_RESULTS", "SCHEMA", "STATUSES", "Damaged", "Record", "Rerun", "Store", "StoreError", "Submission",
    "existing_store", "new_record", "scored", "scores_of", "unfinished", "weighted_f1", "write_bytes", "write_text",
]  # fmt: skip
