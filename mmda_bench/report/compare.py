"""One method against another: the paired difference in every scenario and on average."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import REFERENCES, SUPERVISED
from mmda_bench.registry import METHODS
from mmda_bench.registry.spec import label, lower_name, parse_spec
from mmda_bench.report.formats.captions import difference_text
from mmda_bench.report.formats.tables import wins
from mmda_bench.report.load import of_dataset
from mmda_bench.report.missing import Hole
from mmda_bench.report.paired_tests import DRAWS, LEAST_SEEDS, Difference, differences
from mmda_bench.report.rows import AVERAGE, EXTERNAL, Board, Row
from mmda_bench.report.significance import Predictions, Samples, sample
from mmda_bench.store import Store


@dataclass(frozen=True)
class Comparison:
    """Two rows of one board. By column the first minus the second in percent, or why there is no answer."""

    board: Board
    first: Row
    second: Row
    columns: dict[str, Difference | str]
    holes: list[Hole]


def compare(
    boards: Sequence[Board], predictions: Predictions, first: str, second: str, *, dataset: str | None = None
) -> list[Comparison]:
    """A comparison on every board that has both. Raises :class:`UsageError` for names that are on none."""
    boards = of_dataset(boards, dataset)
    rows = [{row.label: row for row in competitors(board)} for board in boards]
    names = [row_label(name, rows) for name in (first, second)]
    if names[0] == names[1]:
        raise UsageError(f"{first} and {second} are the same method; name two")
    comparisons = [
        _compared(board, predictions, by_label[names[0]], by_label[names[1]])
        for board, by_label in zip(boards, rows, strict=True)
        if names[0] in by_label and names[1] in by_label
    ]
    if not comparisons:
        raise UsageError(f"no table has both {names[0]} and {names[1]}: they were run under different signatures")
    return comparisons


def competitors(board: Board) -> list[Row]:
    """The rows that have a name of their own: methods, ablations, references, submissions."""
    references = [row for row in board.references if row.label not in {line.label for line in board.lines}]
    return [*board.lines, *references, *board.external]


def row_label(name: str, rows: Sequence[dict[str, Row]]) -> str:
    """The label of the row that ``name`` means: as typed, as typed elsewhere, or of a submission."""
    known = list(dict.fromkeys(label for by_label in rows for label in by_label))
    if lower_name(name).partition("[")[0] in METHODS.entries():
        spec = parse_spec(name)
        name = label(spec.method, spec.params, spec.off, spec.rates)
    in_any_case = {row.lower(): row for row in known}
    for candidate in (name, f"{EXTERNAL}{name}"):
        if candidate in known or candidate.lower() in in_any_case:
            return candidate if candidate in known else in_any_case[candidate.lower()]
    raise _no_row(name, known)


def _no_row(name: str, known: Sequence[str]) -> UsageError:
    hint = suggest(name, list(known)) or f"; there are {', '.join(known) or 'none'}"
    return UsageError(f"no row {name!r} in the store{hint}")


def check_names(store: Store, *names: str) -> None:
    """Raise :class:`UsageError` for a name that no method and no folder of the store has; no record is read."""
    stored = store.method_names()
    known = list(dict.fromkeys([*METHODS.entries(), *REFERENCES, SUPERVISED, *stored]))
    for name in names:
        bare = lower_name(name.removeprefix(EXTERNAL)).partition("[")[0]
        if bare not in METHODS.entries() and bare not in {one.lower() for one in known}:
            raise _no_row(name, stored or known)


def _compared(board: Board, predictions: Predictions, first: Row, second: Row) -> Comparison:
    samples = sample(board, predictions, [first, second])
    names = {first.label, second.label}
    return Comparison(
        board,
        first,
        second,
        {column: _difference(samples, first, second, column) for column in board.scored},
        [hole for hole in board.holes if not names.isdisjoint(hole.labels)],
    )


def _difference(samples: Samples, first: Row, second: Row, column: str) -> Difference | str:
    for row in (first, second):
        score = row.scores[column]
        if (row.label, column) in samples.found:
            continue
        if score.failed:
            return f"{row.label}: a cell failed ({', '.join(sorted(set(score.failed)))})"
        if column != AVERAGE and not score.complete:
            return f"{row.label}: {len(score.seeds)} of {score.expected} seeds"
        return f"{row.label}: {samples.why_not(row.label, column)}"
    return differences([samples.found[first.label, column] - samples.found[second.label, column]])[0]


def _unknown_spread(comparison: Comparison) -> list[str]:
    """Rows whose variation from run to run the test cannot know: of one run, or of fewer than the other row."""
    runs = {row.title: max(s.expected for s in row.scores.values()) for row in (comparison.first, comparison.second)}
    return [
        f"{title}: {n} {'run' if n == 1 else 'runs'}; how the method varies from run to run is not in the intervals"
        for title, n in runs.items()
        if n == 1 or n < max(runs.values())
    ]


def as_text(comparisons: Sequence[Comparison], options: Sequence[str] = ()) -> str:
    """For a terminal. ``options``: of the command that was typed, which the commands that fill holes need too."""
    blocks = []
    for comparison in comparisons:
        won, of = wins(comparison.first, comparison.second)
        lines = [
            f"{comparison.first.title} minus {comparison.second.title} on {comparison.board.title}",
            f"  {comparison.board.signature}",
        ]
        for column, answer in comparison.columns.items():
            lines.append(f"  {column:5} {answer if isinstance(answer, str) else difference_text(answer)}")
        lines += [f"  {line}" for line in _unknown_spread(comparison)]
        lines.append(f"  higher in {won} of {of} pairs of cells (anchor, seed); these pairs are not independent")
        for hole in comparison.holes:
            lines += [f"  hole: {hole.cells}", f"    {' '.join([hole.command, *map(shlex.quote, options)])}"]
        blocks.append("\n".join(lines))
    note = (
        "Points of weighted F1 with 95 % interval; p of one comparison, not adjusted for others.\n"
        f"Paired t test on the mean over seeds: its variance is that of {DRAWS:,} bootstrap draws over the target test "
        "utterances plus that between seeds.\n"
        f"With fewer than {LEAST_SEEDS} seeds it calls equal methods different too often."
    )
    return "\n\n".join([*blocks, note])


def as_json(comparisons: Sequence[Comparison]) -> str:
    """For programs."""
    answers = []
    for comparison in comparisons:
        won, of = wins(comparison.first, comparison.second)
        columns = {column: _answer(answer) for column, answer in comparison.columns.items()}
        board = comparison.board
        names = {"dataset": board.dataset, "signature": board.signature}
        corpus = {"corpus": board.title, "synthetic": board.synthetic}
        pair = {"first": comparison.first.label, "second": comparison.second.label, "wins": won, "cells": of}
        answers.append(
            {**names, **corpus, **pair, "columns": columns, "holes": [hole.as_json() for hole in comparison.holes]}
        )
    return json.dumps(answers, indent=1)


def _answer(answer: Difference | str) -> dict[str, float | str]:
    if isinstance(answer, str):
        return {"reason": answer}
    return {"difference": answer.mean, "low": answer.low, "high": answer.high, "p": answer.p}
