"""From a store to boards: records, submissions and their predictions."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import without_seeds
from mmda_bench.report import findings
from mmda_bench.report.boards import make_boards
from mmda_bench.report.calibration import with_trust
from mmda_bench.report.kept import Kept
from mmda_bench.report.rows import Board
from mmda_bench.report.significance import Predictions, with_tests
from mmda_bench.report.suites import with_families
from mmda_bench.store import Damaged, Record, Store
from mmda_bench.store.record import is_chosen, is_external, is_trial
from mmda_bench.store.store import PREDICTIONS, place

if TYPE_CHECKING:
    import numpy as np

    from mmda_bench.selection.choices import Choice

MOST_TESTED = 12  # boards of a family; a suite of corruptions has a hundred


def load_boards(
    store: Store, *, tests: bool = True, signature: str | None = None, kept: Kept | None = None
) -> tuple[list[Board], list[Damaged]]:
    """The boards of a store, and what in it cannot be read. ``signature``: only of what has that one.

    A score is shown only if it is the one that the predictions beside it give, where there are any. ``tests``: with
    intervals, bold sets and trust, which takes seconds, from the predictions that are stored; of a large family
    (:mod:`mmda_bench.report.suites`) only its head is tested. ``kept``: where what was found out about the same files
    before is found again.
    """
    digests = {} if kept is None else kept.digests
    signature = signature and without_seeds(signature)
    stored, damaged = store.records(signature=signature)
    records = [record for record in stored if not is_trial(record)]
    submitted, refused = store.submitted(signature=signature)
    choices: list[Choice] = []
    if any(is_chosen(record) for record in records):
        from mmda_bench.report.winners import current  # scipy, which other boards do without
        from mmda_bench.selection.choices import read_choices

        choices, unchosen = read_choices(store)
        records, refused = current(records, choices), [*refused, *unchosen]
    known = {record["signature"] for record in records if record["status"] != "interrupted"}
    known |= {record["signature"] for record in submitted if "protocol" in record["external"]}
    lost = [record for record in submitted if record["signature"] not in known]
    refused += [Damaged(store.path(record), "no stored cell has its signature") for record in lost]
    predictions = StoredPredictions(store)
    verdicts = Verdicts(predictions, digests, kept)
    chosen, faults = verdicts.verified(records)
    submitted, others = verdicts.verified(record for record in submitted if record["signature"] in known)
    verdicts.keep()
    boards = with_families(make_boards(chosen, submitted))
    if tests:
        crowd = {one.signature for board in boards if len(board.family) > MOST_TESTED for one in board.family[1:]}
        boards = [board if board.signature in crowd else _tested(board, predictions, digests, kept) for board in boards]
    if tests and choices:
        from mmda_bench.report.tuned import with_tuning

        boards = with_tuning(boards, choices, store, predictions)
    return boards, [*damaged, *faults, *refused, *others]


def of_dataset(boards: Sequence[Board], dataset: str | None, *, signature: str | None = None) -> list[Board]:
    """The boards of one corpus, all without one. Raises :class:`UsageError` for a corpus that has none, and where
    there is none of the ``signature`` by which they were looked up."""
    if signature is not None and not boards:
        raise UsageError(f"no record has the signature {signature!r}; mmda-bench status lists those that are stored")
    known = sorted({board.dataset for board in boards})
    if dataset is not None and dataset not in known:
        hint = suggest(dataset, known) or f"; stored are {', '.join(known) or 'none'}"
        raise UsageError(f"no record of dataset {dataset!r}{hint}")
    return [board for board in boards if dataset in (None, board.dataset)]


def _tested(board: Board, predictions: Predictions, digests: findings.Digests, kept: Kept | None) -> Board:
    """The board with what tests find, which may be kept from before."""
    made_from = None if kept is None else findings.made_from(board, digests)
    if kept is not None and made_from is not None and (found := kept.find("tests", made_from)) is not None:
        return findings.put_onto(board, found)
    board = with_trust(with_tests(board, predictions), predictions)
    if kept is not None and made_from is not None:
        kept.keep("tests", made_from, findings.found_in(board))
    return board


def read_predictions(store: Store) -> Predictions:
    """Stored predictions by record, submitted ones too; each file is read once."""
    return StoredPredictions(store)


class StoredPredictions:
    """Called with a record, gives its predictions; None if they are not stored or cannot be read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[tuple[str, str], tuple[Mapping[str, np.ndarray] | None, str]] = {}

    def __call__(self, record: Record) -> "Mapping[str, np.ndarray] | None":
        return self.look(record)[0]

    def look(self, record: Record) -> "tuple[Mapping[str, np.ndarray] | None, str]":
        """The predictions, and why there are none although there is a file, or ''."""
        name = (record["key"]["dataset"], record["hash"])
        if name not in self._read:
            self._read[name] = self.store.load_predictions(record)
        return self._read[name]


class Verdicts:
    """Whether records and the predictions beside them belong together; once for the same bytes."""

    def __init__(self, predictions: StoredPredictions, digests: findings.Digests, kept: Kept | None) -> None:
        self.predictions, self.digests, self.kept = predictions, digests, kept
        self.before: dict[str, list[str]] = (kept.find("verdicts", "") if kept else None) or {}
        self.now: dict[str, list[str]] = {}

    def verified(self, records: Iterable[Record]) -> tuple[list[Record], list[Damaged]]:
        """The records whose scores are not in doubt, and what is damaged: a file of predictions that cannot be read, or
        a record that has another score than its predictions."""
        sound: list[Record] = []
        damaged: list[Damaged] = []
        path = self.predictions.store.path
        for record in records:
            unreadable, disagreeing = self._of(record) if record["status"] == "ok" else ("", "")
            if unreadable:
                damaged.append(Damaged(path(record, PREDICTIONS), f"{unreadable}; {_repair(record)}"))
            if disagreeing:
                damaged.append(Damaged(path(record), f"{disagreeing}; {_repair(record)}"))
            else:
                sound.append(record)
        return sound, damaged

    def keep(self) -> None:
        """For the next look; what was found out about files that are not there any more is forgotten."""
        if self.kept is not None and not self.now.keys() <= self.before.keys():
            there = set(self.digests.values())
            self.kept.keep("verdicts", "", {d: v for d, v in (self.before | self.now).items() if d in there})

    def _of(self, record: Record) -> tuple[str, str]:
        from mmda_bench.store.arrays import disagreement

        digest = self.digests.get(place(record))
        if digest is not None and (found := self.before.get(digest)):
            return found[0], found[1]
        arrays, unreadable = self.predictions.look(record)
        verdict = (unreadable, "" if arrays is None else disagreement(record, arrays))
        if digest is not None:
            self.now[digest] = list(verdict)
        return verdict


def _repair(record: Record) -> str:
    return "submit it again with --replace" if is_external(record) else "remove its folder and run the cell again"
