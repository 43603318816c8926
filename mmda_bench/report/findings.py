"""What tests find about a board, apart from it: plain JSON that can be kept and put onto the same board again. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any

from mmda_bench.report.kept import digest_of
from mmda_bench.report.paired_tests import Difference
from mmda_bench.report.rows import Board, Row
from mmda_bench.store.store import place

Digests = Mapping[str, str]  # of what lies in the folder of a record, by its place: Store.digests


def made_from(board: Board, digests: Digests) -> str | None:
    """A digest of everything that tests look at: rows, records and predictions. None where a record has no digest."""
    rows = [[row.label, row.title, [digests.get(place(r)) for r in row.records]] for row in rows_of(board)]
    if any(digest is None for *_, found in rows for digest in found):
        return None
    return digest_of(board.signature, board.seeds, board.fingerprints, rows)


def found_in(board: Board) -> dict[str, Any]:
    """What :func:`put_onto` takes back."""
    return {
        "rows": [_of_row(row) for row in rows_of(board)],
        "untested": dict(board.untested),
        "pairs": [[*pair, *astuple(one)] for pair, one in board.pairs.items()],
        "ranks": {label: list(places) for label, places in board.ranks.items()},
        "gaps": [[label, *astuple(one)] for label, one in board.gaps.items()],
        "gains": [[*where, *astuple(one)] for where, one in board.gains.items()],
    }


def put_onto(board: Board, found: Mapping[str, Any]) -> Board:
    """The board as it was when ``found`` was found in it."""
    rows = [_with(row, one) for row, one in zip(rows_of(board), found["rows"], strict=True)]

    def take(like: Sequence[Row]) -> list[Row]:
        return [rows.pop(0) for _ in like]

    return replace(
        board,
        rows=take(board.rows),
        ablation={method: take(mine) for method, mine in board.ablation.items()},
        references=take(board.references),
        external=take(board.external),
        untested=found["untested"],
        pairs={(a, b): Difference(*one) for a, b, *one in found["pairs"]},
        ranks={label: (first, last) for label, (first, last) in found["ranks"].items()},
        gaps={label: Difference(*one) for label, *one in found["gaps"]},
        gains={(label, column): Difference(*one) for label, column, *one in found["gains"]},
    )


def rows_of(board: Board) -> list[Row]:
    """The rows of all tables, one table after the other."""
    ablation = [row for mine in board.ablation.values() for row in mine]
    return [*board.rows, *ablation, *board.references, *board.external]


def _of_row(row: Row) -> dict[str, Any]:
    return {
        "best": sorted(row.best),
        "bold": sorted(row.bold),
        "intervals": {column: list(limits) for column, limits in row.intervals.items()},
        "from_best": {column: astuple(one) for column, one in row.from_best.items()},
        "trust": {column: list(both) for column, both in row.trust.items()},
    }


def _with(row: Row, found: Mapping[str, Any]) -> Row:
    return replace(
        row,
        best=frozenset(found["best"]),
        bold=frozenset(found["bold"]),
        intervals={column: (low, high) for column, (low, high) in found["intervals"].items()},
        from_best={column: Difference(*one) for column, one in found["from_best"].items()},
        trust={column: (error, area) for column, (error, area) in found["trust"].items()},
    )
