"""What a board has for a figure: its rows and their looks, their scored records, the names of its classes; and what it
lacks."""

from mmda_bench.report.figures.style import LackingError, Style, looks
from mmda_bench.report.findings import rows_of
from mmda_bench.report.rows import Board, Row
from mmda_bench.store import Record


def row_of(board: Board, label: str) -> Row:
    """The row of Table 1 with this label. Raises :class:`LackingError`."""
    for row in board.rows:
        if row.label == label:
            return row
    raise LackingError(f"it needs a row of {label}: `mmda-bench run --dataset {board.dataset} --methods dt,a3d2`")


def looks_of(board: Board) -> dict[str, Style]:
    """The look of every row by its label, the same in all figures of the board."""
    return looks((row.label, row.method, row.off) for row in rows_of(board))


def scored(row: Row) -> list[Record]:
    """The records of a row's scenarios that have a score: nothing is averaged over a failed cell."""
    there = [record for record in row.records if row.scores[record["key"]["anchor"]].mean is not None]
    return [record for record in there if record["status"] == "ok"]


def classes_of(board: Board) -> list[str]:
    """The names of the classes, or their numbers where no record has the names."""
    records = [record for row in (*board.rows, *board.references) for record in row.records]
    named = [(record.get("dataset") or {}).get("classes") or [] for record in records]
    scored = [(record.get("metrics") or {}).get("target_test") or {} for record in records]
    counts = {len(part) for s in scored for part in (s.get("per_class_f1") or (), s.get("confusion") or (), *named)}
    counts -= {0}
    if len(counts) > 1:
        raise LackingError(f"its cells are of corpora with different numbers of classes ({sorted(counts)})")
    if not counts:
        raise LackingError("no cell of this board has a score")
    return next((list(names) for names in named if names), [f"class {k}" for k in range(counts.pop())])
