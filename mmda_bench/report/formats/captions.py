"""The words and numbers of the tables as people read them: cells, captions, and how the bold face was earned."""

from mmda_bench.report.boards import Board, Score, fingerprints
from mmda_bench.report.paired_tests import ALPHA, DRAWS, Difference
from mmda_bench.store import Record

ABSENT = "–"


def score_text(score: Score) -> str:
    """'61.23 ± 0.41', with '(2/3)' where seeds are missing, '– (diverged)' where one failed, or '–'."""
    if score.failed:
        return f"{ABSENT} ({', '.join(sorted(set(score.failed)))})"
    if score.mean is None:
        return ABSENT
    text = f"{score.mean:.2f}" + (f" ± {score.sd:.2f}" if score.sd is not None else "")
    return text if score.complete else f"{text} ({len(score.seeds)}/{score.expected})"


def difference_text(difference: Difference) -> str:
    """'−3.1 (−4.3 to −1.9), p = 0.002'."""
    d = difference
    return f"{signed(d.mean, 1)} ({signed(d.low, 1)} to {signed(d.high, 1)}), {p_text(d.adjusted)}"


def p_text(p: float) -> str:
    """'p = 0.020'; with a fourth digit where three would not show on which side of 5 % it lies."""
    if p < 0.001:
        return "p < 0.001"
    text = f"p = {p:.3f}"
    return f"p = {p:.4f}" if text == f"p = {ALPHA:.3f}" else text


def signed(value: float, digits: int = 2) -> str:
    """With a sign, and a true minus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def not_comparable(board: Board) -> str:
    """That the corpus changed between cells of one signature, and which rows have cells of several states; or ''."""
    if len(board.fingerprints) < 2:
        return ""
    found = ", ".join(f"`{one[:12]}`" for one in board.fingerprints)
    mixed = [row.title for row in (*board.lines, *board.references) if len(fingerprints(row.records)) > 1]
    within = f"; even within one row, whose means are then of no one corpus: {', '.join(mixed)}" if mixed else ""
    return f"Not comparable: the corpus changed between these cells ({found}){within}; `--rerun all` makes them one."


def losses(board: Board) -> str:
    """How many utterances the cells could not use, or only in part; '' where they used everything."""
    kept = [r.get("dataset") or {} for row in (*board.lines, *board.references) for r in row.records]
    left_out = {note[0] for facts in kept for note in facts.get("skipped") or ()}
    partly = {note[0] for facts in kept for note in facts.get("substituted") or ()}
    words = {"could not be read and were left out": left_out, "were used with a part missing": partly}
    said = [f"{len(ids)} {what}" for what, ids in words.items() if ids]
    return f"Utterances of the corpus: {' and '.join(said)}; the records name them." if said else ""


def caption(board: Board) -> str:
    """What the numbers of Table 1 are, and how the bold face was earned."""
    n = len(board.seeds)
    over = f"mean ± standard deviation over {n} seeds" if n > 1 else "one seed"
    text = (
        f"Percent, {over}. Train min: mean minutes of training per cell; memory MB: the peak of a cell (without a GPU, "
        "that of its whole process, libraries included)."
    )
    scores = [score for row in (*board.rows, *board.references) for score in row.scores.values()]
    if any(score.mean is not None and not score.complete for score in scores):
        text += f" (k/{n}): only k of the seeds have run."
    if any(score.mean is None for score in scores):
        text += f" {ABSENT}: no average over missing or failed cells."
    return " ".join(part for part in (not_comparable(board), text, losses(board), bold_rule(board)) if part)


def bold_rule(board: Board) -> str:
    """How the bold face was earned, or why there is none."""
    reasons = "; ".join(f"{column} ({reason})" for column, reason in board.untested.items())
    if not any(row.bold for row in board.lines):
        why = f": {reasons}" if reasons else ""
        return f"Nothing is set in bold, as nothing was tested{why}; small differences may be noise."
    seeds = (
        "one seed, so that the test is of the trained models only"
        if len(board.seeds) == 1
        else f"all {len(board.seeds)} seeds in every draw and their own spread added"
    )
    text = (
        f"Bold: the best of a column and every method whose paired difference from it is not significant at "
        f"{ALPHA:.0%} (bootstrap over the target test utterances, {DRAWS:,} draws; {seeds}; Holm over the comparisons)."
    )
    return f"{text} Without a test: {reasons}." if reasons else text


def hardware(board: Board) -> str:
    """'cpu (x86_64, 2 processors)', of everything that the cells ran on."""

    def name(record: Record) -> str:
        facts = record.get("hardware") or {}
        place = facts.get("gpu") or f"{facts.get('machine', 'unknown')}, {facts.get('cpus', '?')} processors"
        return f"{record.get('device') or 'unknown device'} ({place})"

    found = {name(r) for row in board.lines for r in row.records if r["status"] == "ok" and r.get("hardware")}
    return ", ".join(sorted(found)) or "machines that the records do not name"
