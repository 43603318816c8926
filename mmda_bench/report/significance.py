"""Which differences of a board are more than noise: from stored predictions to intervals, differences, the bold set.

The bold set of a column is made among the rows that are complete in it, if the predictions of all of them are stored: a
test among the others would put in bold what was merely the best of those that could be tested. Fewer than five seeds
give intervals and differences, but no bold and no ranks. A row that is not steady
(:mod:`mmda_bench.report.steadiness`) is compared like the others and is never in bold. A reference is no competitor,
and neither is a submitted row, whose training nobody here has seen: these have intervals and no bold.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmda_bench.protocol import ANCHORS
from mmda_bench.report.paired_tests import (
    DRAWS,
    LEAST_SEEDS,
    Difference,
    Sample,
    all_pairs,
    average,
    differences,
    from_the_best,
    interval,
    rank_ranges,
    resampled_f1,
    weighted_f1,
)
from mmda_bench.report.reference_rows import answers
from mmda_bench.report.rows import AVERAGE, BASELINE, SOURCE_BOUND, Board, Row
from mmda_bench.store import Record
from mmda_bench.store import weighted_f1 as recorded_f1

Predictions = Callable[[Record], Mapping[str, np.ndarray] | None]
LARGEST_GAP = 0.01  # percent between the score of a record and that of its predictions: only rounding


@dataclass
class Samples:
    """``found``: by row and column; ``missing``: by row and anchor, why a complete row has none."""

    found: dict[tuple[str, str], Sample] = field(default_factory=dict)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)

    def why_not(self, label: str, column: str) -> str:
        """Why a row has no sample in ``column``; the average lacks what a scenario lacks."""
        parts = ANCHORS if column == AVERAGE else (column,)
        found = (self.missing.get((label, part)) for part in parts)
        return next((reason for reason in found if reason), "not every scenario has all its seeds")


def sample(board: Board, predictions: Predictions, rows: Sequence[Row], *, draws: int = DRAWS) -> Samples:
    """Scores and their resamples in percent, of every column in which a row is complete.

    All rows share the draws, which are seeded by the board's corpus, version and split: nothing else changes them.
    """
    result = Samples()
    first: Mapping[str, np.ndarray] | None = None
    runs: dict[tuple[str, str], np.ndarray] = {}  # predicted classes (K, N)
    for row in rows:
        for anchor in (m for m in row.anchors if row.scores[m].complete):
            found = []
            for record in (r for r in row.records if r["key"]["anchor"] == anchor):
                arrays = predictions(record)
                first = first or arrays
                if reason := _unusable(board, record, arrays, first):
                    result.missing[row.label, anchor] = f"{reason} (anchor {anchor}, seed {record['key']['seed']})"
                    break
                found.append(_predicted(record, arrays))
            else:
                runs[row.label, anchor] = np.stack(found)
    if first is not None and runs:
        labels, answers = first["target_test/labels"], np.concatenate(list(runs.values()))
        scores = 100 * resampled_f1(labels, answers, classes=_classes(first), names=board.drawn_by, draws=draws)
        parts = np.split(scores, np.cumsum([len(one) for one in runs.values()])[:-1], axis=1)
        _add(result, rows, dict(zip(runs, parts, strict=True)), len(labels))
    return result


def _add(result: Samples, rows: Sequence[Row], draws: Mapping[tuple[str, str], np.ndarray], utterances: int) -> None:
    """Samples from draws (B, K) by row and anchor, and of the average where a row has every scenario."""
    for row in rows:
        for anchor in row.anchors:
            if (row.label, anchor) in draws:
                values = np.array(list(row.scores[anchor].seeds.values()))
                result.found[row.label, anchor] = Sample(values, draws[row.label, anchor].mean(1), utterances)
        parts = [result.found[row.label, anchor] for anchor in row.anchors if (row.label, anchor) in result.found]
        if len(parts) == len(row.anchors) and row.scores[AVERAGE].complete:
            result.found[row.label, AVERAGE] = average(parts)


def _predicted(record: Record, arrays: Mapping[str, np.ndarray] | None) -> np.ndarray:
    probabilities = None if arrays is None else answers(record, arrays)
    assert probabilities is not None, "what is not stored is unusable"
    return np.asarray(probabilities.argmax(1))


def _classes(arrays: Mapping[str, np.ndarray]) -> int:
    return int(arrays["target_test/probabilities"].shape[1])


def _unusable(
    board: Board, record: Record, arrays: Mapping[str, np.ndarray] | None, first: Mapping[str, np.ndarray] | None
) -> str:
    """Why these predictions cannot be compared with the first ones, or ''."""
    if len(board.fingerprints) > 1:
        return "the corpus changed between the cells of this table"
    if arrays is None or first is None:
        return "its predictions are not stored"
    if answers(record, arrays) is None:
        return "the probabilities of its heads are not stored"
    if any(not np.array_equal(arrays[name], first[name]) for name in ("target_test/ids", "target_test/labels")):
        return "its predictions are of other utterances"
    labels, once = arrays["target_test/labels"], np.ones((1, len(arrays["target_test/labels"])))
    found = 100 * weighted_f1(labels, _predicted(record, arrays)[None], once, classes=_classes(arrays)).item()
    if abs(found - 100 * recorded_f1(record)) > LARGEST_GAP:
        return "its predictions do not give the score of its record"
    return ""


def with_tests(board: Board, predictions: Predictions, *, draws: int = DRAWS) -> Board:
    """The board with intervals, differences from the best and from the references, bold sets, and all pairs."""
    tested = [row for row in board.references if row.records and row.title != SOURCE_BOUND]
    samples = sample(board, predictions, [*board.lines, *tested, *board.external], draws=draws)
    bold = len(board.seeds) >= LEAST_SEEDS
    obstacles = {column: _obstacle(board.rows, samples, column) for column in board.scored}
    rows = _compared(board.rows, samples, bold=bold)
    whole = {row.label: found for row in board.rows if (found := samples.found.get((row.label, AVERAGE)))}
    pairs = all_pairs(whole)
    return replace(
        board,
        rows=rows,
        ablation={method: _compared(mine, samples, bold=bold) for method, mine in board.ablation.items()},
        references=[_reference(row, rows, samples) if row in tested else row for row in board.references],
        external=[_with_intervals(row, samples) for row in board.external],
        untested={column: reason for column, reason in obstacles.items() if reason},
        pairs=pairs,
        ranks=rank_ranges(pairs) if bold and not obstacles[AVERAGE] else {},
        gains=_gains(board, samples),
        gaps=_gaps(board, samples),
    )


def _compared(rows: Sequence[Row], samples: Samples, *, bold: bool) -> list[Row]:
    """Rows of one table with intervals and, in every column that can be tested, their differences from the best."""
    done = [_with_intervals(row, samples) for row in rows]
    for column in rows[0].scores if rows else ():
        if not _obstacle(rows, samples, column):
            done = _from_best(done, samples, column, bold=bold)
    return done


def _obstacle(rows: Sequence[Row], samples: Samples, column: str) -> str:
    """Why the rows that are complete in ``column`` cannot all be tested, or ''."""
    complete = [row for row in rows if row.scores[column].complete]
    if len(complete) < 2:
        return "fewer than two complete rows"
    lacking = [row for row in complete if (row.label, column) not in samples.found]
    return f"{lacking[0].label}: {samples.why_not(lacking[0].label, column)}" if lacking else ""


def _with_intervals(row: Row, samples: Samples) -> Row:
    mine = {column: samples.found[row.label, column] for column in row.scores if (row.label, column) in samples.found}
    limits = {column: interval(one) for column, one in mine.items()}
    return replace(row, intervals={c: (max(0.0, low), min(100.0, high)) for c, (low, high) in limits.items()})


def _from_best(rows: Sequence[Row], samples: Samples, column: str, *, bold: bool) -> list[Row]:
    best, others = from_the_best(
        {row.label: samples.found[row.label, column] for row in rows if row.scores[column].complete}
    )
    level = {best} | {label for label, difference in others.items() if not difference.significant}
    return [
        replace(
            row,
            best=row.best | {column} if row.label == best else row.best,
            bold=row.bold | {column} if bold and row.label in level and row.steady else row.bold,
            from_best={**row.from_best, column: others[row.label]} if row.label in others else row.from_best,
        )
        for row in rows
    ]


def _reference(row: Row, rows: Sequence[Row], samples: Samples) -> Row:
    """A reference with intervals and its differences from the best method; each is a comparison of its own."""
    found: dict[str, Difference] = {}
    for best in rows:
        for column in (c for c in best.best if (row.label, c) in samples.found):
            found[column] = differences([samples.found[row.label, column] - samples.found[best.label, column]])[0]
    return replace(_with_intervals(row, samples), from_best=found)


def _gaps(board: Board, samples: Samples) -> dict[str, Difference]:
    """How far every other line of Table 1 and Table 2 is above DT on average; each is a comparison of its own."""
    base = next((row.label for row in board.rows if row.method == BASELINE), "")
    found = {row.label: samples.found.get((row.label, AVERAGE)) for row in board.lines}
    if (baseline := found.pop(base, None)) is None:
        return {}
    return {label: differences([one - baseline])[0] for label, one in found.items() if one is not None}


def _gains(board: Board, samples: Samples) -> dict[tuple[str, str], Difference]:
    """How far the rows of Table 1 are above the best label-free reference, Holm-adjusted within the column."""
    found: dict[tuple[str, str], Difference] = {}
    reference = board.best_reference
    for column in board.scored:
        base = None if reference is None else samples.found.get((reference.label, column))
        if base is None:
            continue
        mine = {row.label: one for row in board.rows if (one := samples.found.get((row.label, column))) is not None}
        gained = differences([one - base for one in mine.values()])
        found |= {(label, column): one for label, one in zip(mine, gained, strict=True)}
    return found
