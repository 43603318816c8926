"""One table of a leaderboard, with the rows and columns that somebody asks for: for a paper."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace

from mmda_bench.data.corpora import check_known
from mmda_bench.dataset import MODALITIES, modality
from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import NATURAL
from mmda_bench.registry.spec import lower_name, members, split_outside_brackets
from mmda_bench.report.boards import variants
from mmda_bench.report.calibration import with_trust
from mmda_bench.report.compare import check_names, competitors, row_label
from mmda_bench.report.formats import latex, markdown
from mmda_bench.report.formats.captions import ABSENT
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.formats.tables import references, tables
from mmda_bench.report.load import load_boards, read_predictions
from mmda_bench.report.rows import AVERAGE, Board, Row
from mmda_bench.report.significance import Predictions, with_tests
from mmda_bench.report.suites import with_families
from mmda_bench.store import Store

TUNED = ("tuned", "regret", "range", "validator", "budget", "study")  # of boards whose settings were searched
TABLES = (
    "main", "reference", "external", *TUNED, "ablation", "macro", "published", "prior", "domains", "missing",
    "missing-rate", "told", "corruption", "corruption-error", "interval", "gain", "difference", "pairs", "class",
    "trust", "cost",
)  # fmt: skip
SCENARIOS = (*MODALITIES, NATURAL, AVERAGE)
# The columns that can be known before a record is read; what other tables have depends on the corpus.
COLUMNS = {
    **dict.fromkeys(("main", "reference"), (*SCENARIOS, "rank", "train s", "train min", "memory MB")),
    **dict.fromkeys(("external", "macro", "interval", "difference", "gain"), SCENARIOS),
}
# Tables whose numbers stand in the lines of another one of the CSV.
LINES_OF = {"interval": "main", "difference": "main", "cost": "main", "range": "tuned", "budget": "expected"}


@dataclass(frozen=True)
class Chosen:
    """A table as it was asked for. ``variant``: what sets its board apart from others of the corpus, or ""; ``rows``:
    the labels of the rows that were asked for, none for all; ``columns``: their names, none for all."""

    board: Board
    variant: str
    table: Table
    rows: tuple[str, ...]
    columns: tuple[str, ...]


def choose(
    store: Store, name: str, *, methods: str = "", columns: str = "", dataset: str | None = None,
    signature: str | None = None,
) -> list[Chosen]:  # fmt: skip
    """The table ``name`` of every board that has it, and most of the rows. Raises :class:`UsageError` for wrong names.

    ``methods``: rows in the order in which they shall stand, as in :func:`~mmda_bench.report.compare.compare`, or the
    name of a group; "" for all. Tests, bold and ranks are then made among the methods that are left. References and
    submissions that are named stand below them. ``columns``: such as "A,ave.", "" for all. ``signature``: without
    seeds.
    """
    if name not in TABLES:
        hint = suggest(name, list(TABLES)) or f"; there are {', '.join(TABLES)}"
        raise UsageError(f"--table {name!r}: no such table{hint}")
    _check_columns(name, columns)
    if dataset is not None:
        check_known(dataset, store.dataset_names())
    names = [m for item in split_outside_brackets(methods) for m in members(lower_name(item)) or [item]]
    check_names(store, *names)
    boards = load_boards(store, tests=False, signature=signature)[0]
    kept = [pair for pair in zip(boards, variants(boards), strict=True) if dataset in (None, pair[0].dataset)]
    labels = _labels(names, [board for board, _ in kept])
    predictions = read_predictions(store)
    rows = [[row for label in labels for row in competitors(board) if row.label == label] for board, _ in kept]
    cut = with_families([restricted(board, here) for (board, _), here in zip(kept, rows, strict=True)])
    most, found = max(map(len, rows), default=0), []
    full = [i for i, here in enumerate(rows) if len(here) == most]
    tested = [with_trust(with_tests(cut[i], predictions), predictions) for i in full]
    if name in TUNED:
        tested = _tuned(tested, store, predictions)
    unknown: UsageError | None = None
    for among, i in zip(tested, full, strict=True):
        for table in _named(among, name, rows[i]):
            try:
                chosen = _columns(table, columns)
            except UsageError as error:  # a natural pair has no column V
                unknown = error
                continue
            asked = tuple(row.label for row in rows[i])
            found.append(Chosen(among, kept[i][1], chosen, asked, tuple(chosen.header[1:])))
    if not found and unknown is not None:
        raise unknown
    if not found:
        of = f" of {dataset}" if dataset else ""
        raise UsageError(f"--table {name}: no stored result{of} fills it; mmda-bench status says what is stored")
    return found


def _tuned(boards: Sequence[Board], store: Store, predictions: Predictions) -> list[Board]:
    from mmda_bench.report.tuned import with_tuning  # scipy, which other tables do without
    from mmda_bench.selection.choices import read_choices

    return with_tuning(boards, read_choices(store)[0], store, predictions)


def _labels(names: Sequence[str], boards: Sequence[Board]) -> list[str]:
    rows = [{row.label: row for row in competitors(board)} for board in boards]
    return list(dict.fromkeys(row_label(name, rows) for name in names))


def restricted(board: Board, rows: Sequence[Row]) -> Board:
    """``board`` with the methods among ``rows`` alone, in their order; as it is where none is among them."""
    lines = {row.label for row in board.lines}
    methods = [row for row in rows if row.label in lines]
    if not methods:
        return board
    chosen = {row.label for row in rows}
    parts = {m: [row for row in some if row.label in chosen] for m, some in board.ablation.items()}
    outside = [row for row in board.external if row.label in chosen]
    return replace(board, rows=methods, ablation={m: some for m, some in parts.items() if some}, external=outside)


def _named(board: Board, name: str, asked: Sequence[Row]) -> list[Table]:
    """The tables of that name; below the methods of "main", the references and submissions that were asked for."""
    found = [table for table in tables(board) if table.name.partition(":")[0] == name]
    if name != "main" or not found:
        return found
    labels, table = {row.label for row in asked} - {row.label for row in board.lines}, found[0]
    bounds = replace(board, references=[row for row in board.references if row.label in labels])
    more = [[TextCell(f"{row[0].text} (reference)"), *row[1:]] for row in references(bounds).rows]
    for other in tables(board):
        if other.name == "external" and labels:
            more += [[*row, *[TextCell(ABSENT)] * (len(table.header) - len(row))] for row in other.rows]
    return [replace(table, rows=[*table.rows, *more])]


def _check_columns(name: str, asked: str) -> None:
    """Raise :class:`UsageError` for a column that no table ``name`` has, where that is known without its records."""
    known = COLUMNS.get(name, ())
    for word in _words(asked) if known else ():
        if _plain(word) not in map(_plain, known):
            listed = ", ".join(column for column in known if column != NATURAL)
            raise UsageError(f"--columns {word!r}: the table {name} has {listed}")


def _words(columns: str) -> list[str]:
    """The columns that are asked for, modalities by their letters."""
    words = [part.strip() for part in columns.split(",") if part.strip()]
    return [modality(word) if modality(word) in MODALITIES else word for word in words]


def _columns(table: Table, asked: str) -> Table:
    """``table`` with the columns that were asked for, in that order, and those that name its rows."""
    if not asked:
        return table
    places = {_plain(name): i for i, name in enumerate(table.header) if i >= table.words}
    wanted = list(range(table.words))
    for word in _words(asked):
        if _plain(word) not in places:
            known = ", ".join(table.header[table.words :])
            raise UsageError(f"--columns {word!r}: the table {table.name} has {known}")
        wanted.append(places[_plain(word)])
    header = [table.header[i] for i in wanted]
    return replace(table, header=header, rows=[[row[i] for i in wanted] for row in table.rows])


def _plain(column: str) -> str:
    return column.lower().rstrip(".")


def written(found: Sequence[Chosen], form: str) -> str:
    """The tables as text: ``form`` is "tex", "md" or "csv"."""
    if form == "csv":
        return markdown.csv_lines(line for one in found for line in _lines(one))
    if form == "md":
        return "\n\n".join(markdown.titled(one.table, one.board) for one in found) + "\n"
    names: dict[str, str] = {}
    for one in found:
        label = latex.file_name(f"{one.board.dataset} {one.variant} {one.table.name}", names)
        names[label] = latex.one(one.table, one.board, label=label)
    return latex.PREAMBLE + "\n".join(names.values())


def lines(found: Sequence[Chosen]) -> list[dict[str, object]]:
    """The numbers of the tables, a line for each row and column, as in ``leaderboard.csv``."""
    return [line for one in found for line in _lines(one)]


def _lines(one: Chosen) -> list[dict[str, object]]:
    name = LINES_OF.get(one.table.name, one.table.name)
    methods = {row.label for row in one.board.lines}
    columns = {column for column in one.columns if column in one.board.rows[0].scores} if one.board.rows else set()
    return [
        line
        for line in markdown.rows_of([one.board])
        if _asked(line, name, one.rows, methods) and (not columns or line["column"].rpartition(":")[2] in columns)
    ]


def _asked(line: Mapping[str, object], name: str, rows: Sequence[str], methods: Set[str]) -> bool:
    """Whether a line of the CSV belongs to the table ``name``; among ``rows``, if any are named."""
    if line["table"] == name or str(line["table"]).partition(":")[0] == name:
        return not rows or name == "validator" or line["method"] in rows
    outside = line["table"] in ("reference", "external") and line["method"] not in methods
    return name == "main" and outside and line["method"] in rows
