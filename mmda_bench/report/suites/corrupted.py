"""Suites of corruptions: weighted F1 by corruption and severity, and the mean corruption error relative to DT. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from mmda_bench.protocol import CORRUPT
from mmda_bench.report.rows import BASELINE, Board, Score
from mmda_bench.report.suites.base import (
    Line,
    Suite,
    lines_over,
    mean_of,
    over_anchors,
    rows_of,
    shared_anchors,
    siblings,
    titles_of,
)
from mmda_bench.shifts.corruptions import CORRUPTIONS

ONE = re.compile(rf"{CORRUPT}([\w-]+)(?:#\w+)?@(\d)")  # a single corruption; several together are no suite
ERRORS, MEAN = "corruption-error", "mean corruption error"
BySeverity = Mapping[int, Board]


def corrupted(board: Board) -> Iterator[Suite]:
    """Two tables with methods in their columns: scores, and errors relative to DT's."""
    found: dict[str, dict[int, Board]] = defaultdict(dict)
    for one in siblings(board, ("shift",)):
        if match := ONE.fullmatch(one.protocol.shift):
            found[match[1]][int(match[2])] = one
    known = list(CORRUPTIONS)
    order = sorted(found, key=lambda name: (known.index(name) if name in known else len(known), name))
    suites = {name: dict(sorted(found[name].items())) for name in order}
    if suites:
        yield _scores(suites)
        yield _errors(suites)


def _scores(suites: Mapping[str, BySeverity]) -> Suite:
    lines: dict[str, Line] = {}
    for name, by_severity in suites.items():
        boards = {f"{name}@{severity}": one for severity, one in by_severity.items()}
        for line in lines_over(boards, shared_anchors(boards.values())):
            before = lines[line.label].scores if line.label in lines else {}
            lines[line.label] = Line(line.label, line.title, {**before, **line.scores})
    return Suite(
        "corruption",
        "Corruptions: weighted F1 by corruption and severity",
        [f"{name}@{severity}" for name, by_severity in suites.items() for severity in by_severity],
        list(lines.values()),
        "Percent, mean over the anchors that the corruption leaves alone, ± standard deviation over the seeds that all "
        "columns have. @1 is the mildest severity, @5 the strongest; the draws are nested.",
        across=True,
        curves={name: {f"{name}@{severity}": float(severity) for severity in suites[name]} for name in suites},
    )


def _errors(suites: Mapping[str, BySeverity]) -> Suite:
    """CE = Σ_s (100 − F1) / Σ_s (100 − F1 of DT), in percent, of every corruption, and its mean (as in ImageNet-C)."""
    boards = [one for by_severity in suites.values() for one in by_severity.values()]
    lines = []
    for label, title in titles_of(boards).items():
        scores = {name: _relative(by_severity, label) for name, by_severity in suites.items()}
        if any(score.seeds for score in scores.values()):
            lines.append(Line(label, title, {**scores, MEAN: mean_of(list(scores.values()))}))
    return Suite(
        ERRORS,
        "Corruptions: error relative to DT",
        [*suites, MEAN],
        lines,
        "Percent: the errors (100 − weighted F1) of all severities of a corruption together, relative to those of DT's "
        "mean over seeds; below 100 is better than DT. The last line is their mean (mCE).",
        across=True,
    )


def _relative(by_severity: BySeverity, label: str) -> Score:
    anchors = shared_anchors(by_severity.values())
    if not all({label, BASELINE} <= set(rows_of(board)) for board in by_severity.values()):
        return Score({}, 0)
    mine = [over_anchors(board, label, anchors) for board in by_severity.values()]
    theirs = [over_anchors(board, BASELINE, anchors).mean for board in by_severity.values()]
    error = sum(100 - mean for mean in theirs if mean is not None)
    if None in theirs or not error:
        return Score({}, 0)
    mean = mean_of(mine)  # over the severities, seed by seed
    return Score({s: 100 * len(mine) * (100 - f1) / error for s, f1 in mean.seeds.items()}, mean.expected)
