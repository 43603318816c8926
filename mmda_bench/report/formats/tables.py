"""A board as tables of text: which tables there are and what stands in their cells, once for every format."""

from collections.abc import Iterator, Sequence

from mmda_bench.protocol import SUPERVISED
from mmda_bench.report.against_published import against_published
from mmda_bench.report.formats.captions import (
    ABSENT,
    TIME_UNITS,
    beaten,
    bold_rule,
    caption,
    dagger,
    difference_text,
    hardware,
    picked,
    score_text,
    signed,
    time_text,
    time_unit,
)
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.formats.natural_tables import natural_tables
from mmda_bench.report.formats.suite_tables import suite_tables
from mmda_bench.report.formats.tuned_tables import tuned_tables
from mmda_bench.report.paired_tests import ALPHA, LEAST_SEEDS
from mmda_bench.report.reference_rows import ABOUT
from mmda_bench.report.rows import AVERAGE, SOURCE_BOUND, Board, Row, per_class

MOST_PAIRED = 20  # rows of the matrix of pairs that can still be read
REFERENCES = {
    **ABOUT,
    SOURCE_BOUND: "DT on the source test set: without the shift, but other utterances, and so no ceiling.",
    SUPERVISED: "A run that also trains on target labels.",
}


def tables(board: Board) -> list[Table]:
    """Every table that this board can fill, in reading order; of a brief one, the first two."""
    made = [table_1(board), references(board)]
    if not board.brief:
        made = [*_main(board), *natural_tables(board), *suite_tables(board), *_tests(board), *_details(board)]
    return [table for table in made if table.rows]


def _main(board: Board) -> Iterator[Table]:
    yield table_1(board)
    yield references(board)
    yield from tuned_tables(board)
    if board.external:
        yield Table(
            "external",
            "External: predictions that were submitted",
            ["name", *board.columns],
            [[TextCell(row.marked), *_scores(board, row)] for row in board.external],
            "Scored here on the same utterances, trained elsewhere: nobody here has seen how. Never in bold and never "
            "the best that others are held against; `mmda-bench compare` tells the paired differences.",
        )
    for method, rows in board.ablation.items():
        parts = board.components[method]
        yield Table(
            f"ablation:{method}",
            f"components of {plain_title(board, method)}",
            ["method", *(part.upper() for part in parts), *board.columns],
            [
                [
                    TextCell(row.marked),
                    *(TextCell("✓" if on else "") for on in switched_on(row, method, parts)),
                    *_scores(board, row),
                ]
                for row in rows
            ]
            + [[_reference(row), *(TextCell("") for _ in parts), *_scores(board, row)] for row in label_free(board)],
            " ".join(part for part in ("Percent.", bold_rule(board), dagger(board), beaten(board)) if part),
            words=1 + len(parts),
            number="Table 2",
        )
    yield macro(board)
    yield published(board)


def table_1(board: Board) -> Table:
    """Methods by anchor and average, with the cost of a cell."""
    return Table(
        "main",
        "weighted F1 on the target test set by anchor modality",
        ["method", *board.columns, *_rank_head(board), f"train {time_unit(board)}", "memory MB"],
        [
            [TextCell(row.marked), *_scores(board, row), *_rank(board, row.label), *_costs(board, row)]
            for row in board.rows
        ],
        caption(board),
        number="Table 1",
    )


def references(board: Board) -> Table:
    return Table(
        "reference",
        "Bounds: references, not methods",
        ["reference", *board.columns, *_rank_head(board), f"train {time_unit(board)}", "memory MB"],
        [
            [TextCell(row.marked), *_scores(board, row), *_rank(board, ""), *_costs(board, row)]
            for row in board.references
        ],
        " ".join(REFERENCES[row.title] for row in board.references if row.title in REFERENCES),
    )


def _rank_head(board: Board) -> list[str]:
    return ["rank"] if board.ranks else []


def _rank(board: Board, label: str) -> list[TextCell]:
    """'2', or '2–4'; what is no method has no place."""
    return [TextCell(rank_text(*board.ranks.get(label, (0, 0))))] if board.ranks else []


def rank_text(first: int, last: int) -> str:
    """The range of places; a dash for (0, 0), no place.

    >>> rank_text(2, 4), rank_text(3, 3), rank_text(0, 0)
    ('2–4', '3', '–')
    """
    return ABSENT if not first else f"{first}" if first == last else f"{first}–{last}"


def label_free(board: Board) -> list[Row]:
    """The references that use no target label, in the order of the board."""
    return [row for row in board.references if row.title in ABOUT]


def _reference(row: Row) -> TextCell:
    """Its name in a table of methods."""
    return TextCell(f"{row.marked} (reference)")


def _named(
    methods: Sequence[Row], references: Sequence[Row], external: Sequence[Row] = ()
) -> list[tuple[TextCell, Row]]:
    """Rows with their names in a table that has methods and others."""
    first = [(TextCell(row.marked), row) for row in methods]
    return [*first, *((_reference(row), row) for row in references), *((TextCell(row.marked), row) for row in external)]


def macro(board: Board) -> Table:
    """F1 averaged over classes alike; without rows where the records lack the F1 of classes."""
    said = beaten(board)
    return Table(
        "macro",
        "Macro-F1 on the target test set",
        ["method", *board.columns],
        [
            [name, *(TextCell(score_text(row.macro[c])) for c in board.columns)]
            for name, row in _named(board.lines, board.references, board.external)
            if row.macro
        ],
        "Percent: the mean of the F1 of all classes, whatever their frequency; the weighted F1 above counts frequent "
        "classes more. Nothing is tested here." + (f" By weighted F1, {said}" if said else ""),
    )


def _tests(board: Board) -> Iterator[Table]:
    seeds = "and other seeds " if len(board.seeds) > 1 else ""
    yield Table(
        "interval",
        "95 % intervals",
        ["method", *board.columns],
        [
            [name, *(_interval(row, column) for column in board.columns)]
            for name, row in _named(board.lines, board.references, board.external)
            if row.intervals
        ],
        f"Of the mean over seeds of weighted F1: other utterances {seeds}of the same corpus.",
    )
    yield gains(board)
    yield Table(
        "difference",
        "Difference from the best",
        ["method", *board.columns],
        [
            [name, *(_from_best(row, column) for column in board.columns)]
            for name, row in _named(board.rows, board.references)
            if row.from_best or row.best
        ],
        "Points of weighted F1, 95 % interval (not adjusted), p adjusted by Holm within the column; of a reference, p "
        f"of one comparison. {picked(board)}".strip(),
    )
    if board.pairs:
        yield _matrix(board)


def gains(board: Board) -> Table:
    """Every method against the best label-free reference; without rows where nothing could be tested."""
    reference = board.best_reference
    tested = {label for label, _ in board.gains}
    return Table(
        "gain",
        f"Difference from the best label-free reference{f', {reference.title}' if reference else ''}",
        ["method", *board.columns],
        [
            [TextCell(row.marked), *(_gain(board, row, column) for column in board.columns)]
            for row in board.rows
            if row.label in tested
        ],
        "Points of weighted F1, 95 % interval (not adjusted), p adjusted by Holm within the column. The reference is "
        "made from the heads of DT, without adaptation: a method below it has gained nothing from the target.",
    )


def _gain(board: Board, row: Row, column: str) -> TextCell:
    found = board.gains.get((row.label, column))
    return TextCell(difference_text(found) if found else ABSENT)


def _matrix(board: Board) -> Table:
    paired = {label for pair in board.pairs for label in pair}
    rows = [row for row in board.rows if row.label in paired]
    leading = sorted(rows, key=lambda row: -(row.scores[AVERAGE].mean or 0.0))[:MOST_PAIRED]
    chosen = {row.label for row in leading}
    shown = [row for row in rows if row.label in chosen]
    best = f"The {MOST_PAIRED} best by average of {len(rows)}. " if len(rows) > MOST_PAIRED else ""
    bold = f"Bold: significant at {ALPHA:.0%} after Holm's correction over all pairs."
    if len(board.seeds) < LEAST_SEEDS:
        bold = f"Nothing is set in bold: that takes {LEAST_SEEDS} seeds."
    return Table(
        "pairs",
        "Method against method: average column, row minus column",
        ["method", *(row.title for row in shown)],
        [[TextCell(a.marked), *(_pair(board, a, b) for b in shown)] for a in shown],
        f"{best}Points of weighted F1 and, in parentheses, of how many pairs of cells (anchor, seed) the row has the "
        f"higher score. {bold} Cells of one corpus share their utterances and are no independent trials: the counts "
        "describe, and only the test decides.",
    )


def _pair(board: Board, a: Row, b: Row) -> TextCell:
    if (a.label, b.label) in board.pairs:
        difference, sign = board.pairs[a.label, b.label], 1
    elif (b.label, a.label) in board.pairs:
        difference, sign = board.pairs[b.label, a.label], -1
    else:
        return TextCell("")
    won, of = wins(a, b)
    bold = difference.significant and len(board.seeds) >= LEAST_SEEDS
    return TextCell(f"{signed(sign * difference.mean, 1)} ({won}/{of})", bold)


def wins(a: Row, b: Row) -> tuple[int, int]:
    """In how many pairs of cells with the same anchor and seed ``a`` scores higher, and how many there are."""
    pairs = [
        (a.scores[anchor].seeds[seed], b.scores[anchor].seeds[seed])
        for anchor in a.anchors
        for seed in a.scores[anchor].seeds.keys() & b.scores[anchor].seeds.keys()
    ]
    return sum(x > y for x, y in pairs), len(pairs)


def published(board: Board) -> Table:
    """The paper's numbers beside ours; without rows where nothing comparable is published."""
    marks = {True: " ✓", False: " ✗", None: ""}
    titles = {row.label: row.marked for row in board.lines}

    def text(known: float, difference: float | None, covered: bool | None) -> TextCell:
        return TextCell(f"{known:.2f} ({ABSENT if difference is None else signed(difference) + marks[covered]})")

    return Table(
        "published",
        "Published against ours",
        ["method", *board.columns],
        [
            [TextCell(titles[label]), *(text(c.published, c.difference, c.covered) for c in columns.values())]
            for label, columns in against_published(board).items()
        ],
        "The paper's number and, in parentheses, ours minus it; ✓: our 95 % interval covers the published value, ✗: it "
        "does not. The paper's split, its spread over runs and its predictions are unknown.",
    )


def _details(board: Board) -> Iterator[Table]:
    yield _per_class(board)
    yield Table(
        "trust",
        "Trust: calibration and detection of errors",
        ["method", *(f"ECE {c}" for c in board.columns), *(f"AUROC {c}" for c in board.columns)],
        [
            [name, *(_measure(row, c, place) for place in (0, 1) for c in board.columns)]
            for name, row in _named(board.lines, board.references, board.external)
            if row.trust
        ],
        "Percent, mean over seeds. ECE: expected calibration error of the largest probability, 15 bins, lower is "
        "better. AUROC: area under the curve of telling right from wrong predictions by it; 50 is chance.",
    )
    yield Table(
        "cost",
        "Cost of a cell",
        ["method", f"train {time_unit(board)}", "memory MB", "trained parameters"],
        [
            [TextCell(r.marked), *_costs(board, r), TextCell(f"{r.parameters:,}" if r.parameters else ABSENT)]
            for r in board.lines
        ],
        f"Mean {TIME_UNITS[time_unit(board)]} of training, highest peak of memory. Measured on {hardware(board)}.",
    )


def _per_class(board: Board) -> Table:
    named = _named(board.lines, label_free(board))
    scores = [(name, per_class(row)) for name, row in named if row.scores[AVERAGE].complete]
    classes = list(dict.fromkeys(c for _, one in scores for c in one))
    return Table(
        "class",
        "F1 by class",
        ["method", *classes],
        [[name, *(TextCell(f"{one[c]:.1f}" if c in one else ABSENT) for c in classes)] for name, one in scores if one],
        "Percent, mean over scenarios and seeds.",
    )


def plain_title(board: Board, method: str) -> str:
    """The title of a method without its settings."""
    return board.ablation[method][-1].title.partition("[")[0]


def switched_on(row: Row, method: str, components: Sequence[str]) -> list[bool]:
    """Which components a row of Table 2 has; the baseline row has none."""
    return [row.method == method and part not in row.off for part in components]


def _scores(board: Board, row: Row) -> list[TextCell]:
    return [TextCell(score_text(row.scores[column]), column in row.bold) for column in board.columns]


def _costs(board: Board, row: Row) -> list[TextCell]:
    time = TextCell(time_text(row.minutes, time_unit(board)))
    return [time, TextCell(ABSENT if row.memory_mb is None else f"{row.memory_mb:.0f}")]


def _measure(row: Row, column: str, place: int) -> TextCell:
    return TextCell(f"{row.trust[column][place]:.1f}" if column in row.trust else ABSENT)


def _interval(row: Row, column: str) -> TextCell:
    limits = row.intervals.get(column)
    return TextCell(f"{limits[0]:.1f} to {limits[1]:.1f}" if limits else ABSENT)


def _from_best(row: Row, column: str) -> TextCell:
    if column in row.from_best:
        return TextCell(difference_text(row.from_best[column]))
    return TextCell("best" if column in row.best else ABSENT)
