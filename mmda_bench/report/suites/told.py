"""What it is worth to know the anchor, and what it costs to be told a wrong one. Pure."""

from collections.abc import Iterator, Mapping, Sequence

from mmda_bench.metrics.reference_heads import ANCHOR_HEAD, DETECTED_ANCHOR, MEAN_OF_HEADS
from mmda_bench.report.rows import Board, Score
from mmda_bench.report.suites.base import (
    Line,
    Suite,
    mean_of,
    of_seeds,
    rows_of,
    shared_anchors,
    siblings,
    titles_of,
    what_is_averaged,
)

RIGHT, FOUND, WRONG = "told", "found", "told wrongly"
WORTH, COST = "told − found", "told − told wrongly"
UNTOLD = "none"
KNOWS = {ANCHOR_HEAD: (RIGHT,), DETECTED_ANCHOR: (FOUND,), MEAN_OF_HEADS: (RIGHT, FOUND)}  # what references are told


def told(board: Board) -> Iterator[Suite]:
    """One table: told rightly, not told (the method takes what looks least shifted), told wrongly, and differences."""
    by_told = {one.protocol.told_anchor: one for one in siblings(board, ("told_anchor",))}
    if board.protocol.told_anchor or len(by_told) < 2:
        return
    finding = by_told.get(UNTOLD)
    wrong = {m: one for m, one in by_told.items() if m not in ("", UNTOLD)}
    lied = {
        m: [t for t, one in wrong.items() if t != m and m in shared_anchors([one])] for m in shared_anchors([board])
    }
    anchors = [m for m in shared_anchors([board, *([finding] if finding else [])]) if lied[m] or not wrong]
    labels = {label for said, one in by_told.items() if said for label in rows_of(one)}
    lines = []
    for label, title in titles_of([board]).items():
        if label in labels and label not in KNOWS and anchors:
            scores = {RIGHT: mean_of([_at(board, label, m) for m in anchors])}
            if finding:
                scores[FOUND] = mean_of([_at(finding, label, m) for m in anchors])
            if wrong:
                scores[WRONG] = mean_of([mean_of([_at(wrong[t], label, m) for t in lied[m]]) for m in anchors])
            scores |= {name: _minus(scores[RIGHT], scores[of]) for name, of in _differences(scores)}
            lines.append(Line(label, title, scores))
    seeds = set.intersection(*(set(one.seeds) for one in by_told.values()))
    lines += [
        Line(label, title, {name: of_seeds(mean_of([_at(board, label, m) for m in anchors]), seeds) for name in knows})
        for label, title in titles_of([board]).items()
        if (knows := [name for name in KNOWS.get(label, ()) if name == RIGHT or finding])
    ]
    yield Suite(
        "told",
        "Knowledge of the anchor: weighted F1 of methods that are told it, find it, or are told another one",
        [name for name in (RIGHT, FOUND, WRONG, WORTH, COST) if any(name in line.scores for line in lines)],
        [line for line in lines if any(score.seeds for score in line.scores.values())],
        f"{what_is_averaged(anchors)}{_lies(lied, anchors, wrong)}{_hits(finding, anchors)} A method that does not ask "
        "for the anchor scores the same in all. References: the anchor head is told, the detected anchor is found.",
    )


def _differences(scores: Mapping[str, Score]) -> list[tuple[str, str]]:
    return [(name, of) for name, of in ((WORTH, FOUND), (COST, WRONG)) if of in scores]


def _at(board: Board, label: str, anchor: str) -> Score:
    row = rows_of(board).get(label)
    return row.scores[anchor] if row is not None and row.scores[anchor].complete else Score({}, 0)


def _minus(a: Score, b: Score) -> Score:
    seeds = sorted(a.seeds.keys() & b.seeds.keys())
    return Score({s: a.seeds[s] - b.seeds[s] for s in seeds}, len(seeds))


def _lies(lied: Mapping[str, Sequence[str]], anchors: Sequence[str], wrong: Mapping[str, Board]) -> str:
    said = "; ".join(f"{m} is the anchor and {' or '.join(lied[m])} is told" for m in anchors)
    return f" Told wrongly: {said}." if wrong else ""


def _hits(finding: Board | None, anchors: Sequence[str]) -> str:
    """In how many cells the anchor was found; "" where nobody looked for it."""
    found = [
        (record["key"]["anchor"], assumed["modality"])
        for row in (finding.rows if finding else ())
        for record in row.records
        if (assumed := (record["metrics"] or {}).get("assumed_anchor")) and record["key"]["anchor"] in anchors
    ]
    right = sum(anchor == modality for anchor, modality in found)
    return (
        f" Found: the modality that looks least shifted; it was the anchor in {right} of {len(found)} cells."
        if found
        else ""
    )
