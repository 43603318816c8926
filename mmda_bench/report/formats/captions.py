"""The words and numbers of the tables as people read them: cells, captions, and how the bold face was earned."""

from collections.abc import Mapping

from mmda_bench.report.boards import fingerprints
from mmda_bench.report.paired_tests import ALPHA, DRAWS, LEAST_SEEDS, Difference
from mmda_bench.report.rows import AVERAGE, BASELINE, Board, Score
from mmda_bench.report.steadiness import MARK, MOST
from mmda_bench.store import Record
from mmda_bench.units import count

ABSENT = "–"
TIME_UNITS = {"s": "seconds", "min": "minutes"}
# Percent at most, of results/simulation.md: two equal methods called different by three seeds; tables of ten equal
# methods, by seeds at least, in which some one is left out of the bold set, or gets another place than the others.
CALLED_DIFFERENT = 8
LEFT_OUT, MISPLACED = {5: 22, 10: 16}, {5: 17, 10: 6}


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


def time_unit(board: Board) -> str:
    """ "s" where every row of the board trains in less than a minute, else "min"."""
    minutes = [row.minutes for row in (*board.lines, *board.references) if row.minutes is not None]
    return "s" if max(minutes, default=1.0) < 1 else "min"


def time_text(minutes: float | None, unit: str) -> str:
    """'11.5' seconds or '2.31' minutes."""
    if minutes is None:
        return ABSENT
    return f"{60 * minutes:.1f}" if unit == "s" else f"{minutes:.2f}"


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


def synthetic(board: Board) -> str:
    """What scores on a synthetic corpus are good for; '' of recorded people."""
    if not board.synthetic:
        return ""
    return "Synthetic corpus: its scores compare implementations of methods and say nothing about recorded people."


def caption(board: Board) -> str:
    """What the numbers of Table 1 are, and how the bold face was earned."""
    n = len(board.seeds)
    over = f"mean ± standard deviation over {n} seeds" if n > 1 else "one seed"
    text = (
        f"Percent, {over}. Train {time_unit(board)}: mean {TIME_UNITS[time_unit(board)]} of training per cell; memory "
        "MB: the peak of a cell (without a GPU, that of its whole process, libraries included)."
    )
    scores = [score for row in (*board.rows, *board.references) for score in row.scores.values()]
    if any(score.mean is not None and not score.complete for score in scores):
        text += f" (k/{n}): only k of the seeds have run."
    if any(score.mean is None for score in scores):
        text += f" {ABSENT}: no average over missing or failed cells."
    parts = (
        not_comparable(board),
        synthetic(board),
        text,
        losses(board),
        bold_rule(board),
        dagger(board),
        places(board),
        beaten(board),
    )
    return " ".join(part for part in parts if part)


def bold_rule(board: Board) -> str:
    """How the bold face was earned, or why there is none."""
    reasons = "; ".join(f"{column} ({reason})" for column, reason in board.untested.items())
    seeds = len(board.seeds)
    if not any(row.from_best for row in board.lines):
        why = f": {reasons}" if reasons else ""
        return f"Nothing is set in bold, as nothing was tested{why}; small differences may be noise."
    if seeds < LEAST_SEEDS:
        text = f"Nothing is set in bold: {few_seeds(seeds)}"
    else:
        text = (
            "Bold: the best of a column, and every method whose paired difference from it is not significant at "
            f"{ALPHA:.0%} (Holm over the comparisons). {how_tested(seeds)}"
        )
    return f"{text} Without a test: {reasons}." if reasons else text


def few_seeds(seeds: int) -> str:
    """Why a test of fewer than :data:`~mmda_bench.statistics.LEAST_SEEDS` seeds gives no bold set."""
    if seeds == 1:
        return (
            "one seed does not show how a method varies from seed to seed. Intervals and p are about the trained "
            f"models, not about the methods: their variance is that of {DRAWS:,} bootstrap draws over the target test "
            "utterances."
        )
    return (
        f"{seeds} seeds are fewer than {LEAST_SEEDS}, and with so few the test calls equal methods different too often "
        f"(in simulation in up to {CALLED_DIFFERENT} % of the cases, where it says {ALPHA:.0%}). {how_tested(seeds)}"
    )


def how_tested(seeds: int) -> str:
    """Which test is behind intervals and p. ``seeds``: 2 or more."""
    return (
        f"Intervals and p: t test on the mean over {seeds} seeds. Its variance is that of {DRAWS:,} bootstrap draws "
        "over the target test utterances plus that between the seeds; its degrees of freedom are Satterthwaite's."
    )


def dagger(board: Board) -> str:
    """What the dagger means, where some row has it; else ''."""
    if all(row.steady for row in (*board.lines, *board.references, *board.external)):
        return ""
    return (
        f"{MARK}: not steady, and therefore never in bold: the standard deviation over seeds is above {MOST:g} points "
        f"in some column, or the scores after the last quarter of the epochs lie more than {MOST:g} points apart (mean "
        "over the seeds of an anchor)."
    )


def places(board: Board) -> str:
    """What the ranks mean, where there are any; else ''."""
    if not board.ranks:
        return ""
    return (
        "Rank: the places that the tests leave open for the average. The first is one more than the number of methods "
        f"that are significantly better; the last is {len(board.ranks)} minus the number that are significantly worse "
        f"(paired tests of all pairs, Holm over all of them, {ALPHA:.0%}). In simulation ten equal methods get "
        f"different places in up to {_at_most(MISPLACED, board)} % of tables."
    )


def picked(board: Board) -> str:
    """What it means that the best is picked on the same data; '' where there is no bold set."""
    if len(board.seeds) < LEAST_SEEDS:
        return ""
    return (
        "The best is picked on the same data: in simulation at least one of ten equal methods is left out of the bold "
        f"set in up to {_at_most(LEFT_OUT, board)} % of tables. A method that spreads widely over seeds is hard to "
        "tell from the best: bold means not told apart."
    )


def _at_most(simulated: Mapping[int, int], board: Board) -> int:
    """Of the largest number of seeds that the board reaches."""
    return simulated[max(seeds for seeds in simulated if seeds <= len(board.seeds))]


def beaten(board: Board) -> str:
    """How many methods are better than the best label-free reference, by the paired test if there is one."""
    reference = board.best_reference
    methods = [row for row in board.rows if row.label != BASELINE and row.scores[AVERAGE].complete]
    if reference is None or not methods:
        return ""
    level = reference.scores[AVERAGE].mean or 0.0
    name = f"the {reference.title}, the best label-free reference ({level:.1f} on average)"
    gains = [board.gains[row.label, AVERAGE] for row in methods if (row.label, AVERAGE) in board.gains]
    if not gains:
        higher = sum((row.scores[AVERAGE].mean or 0.0) > level for row in methods)
        have = "has" if 1 in (higher, len(methods)) else "have"
        text = f"{higher} of {count(len(methods), 'method')} {have} a higher average than {name}"
        return f"{text}; this could not be tested, as the predictions are not stored."
    better = sum(gain.significant and gain.mean > 0 for gain in gains)
    are = "is" if 1 in (better, len(gains)) else "are"
    text = f"{better} of {count(len(gains), 'method')} {are} significantly better than {name}"
    return f"{text}; paired test, Holm over the rows of the table."


def hardware(board: Board) -> str:
    """'cpu (x86_64, 2 processors)', of everything that the cells ran on."""

    def name(record: Record) -> str:
        facts = record.get("hardware") or {}
        place = facts.get("gpu") or f"{facts.get('machine', 'unknown')}, {facts.get('cpus', '?')} processors"
        return f"{record.get('device') or 'unknown device'} ({place})"

    found = {name(r) for row in board.lines for r in row.records if r["status"] == "ok" and r.get("hardware")}
    return ", ".join(sorted(found)) or "machines that the records do not name"
