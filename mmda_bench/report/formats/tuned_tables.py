"""The tables that the trials of a tuned board fill: choices, regret, validators, budgets, studies."""

from collections.abc import Iterator, Sequence
from statistics import median

from mmda_bench.report.formats.captions import ABSENT, signed
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.paired_tests import Difference
from mmda_bench.report.rows import AVERAGE, Board
from mmda_bench.report.search import Scores, Searched, Tuned

ORACLE = "the oracle takes the best by target labels, which nobody has, and is never bold"


def tuned_tables(board: Board) -> Iterator[Table]:
    """Those of ``board.tuning``; none where it has none."""
    tuning = board.tuning
    if tuning is None:
        return
    yield _side_by_side(tuning, board.columns)
    yield _regret(tuning, board.columns)
    yield _ranges(tuning, board.columns)
    yield _validators(tuning, board.columns)
    yield _budgets(tuning)
    yield _studies(tuning)


def _side_by_side(tuning: Tuned, columns: Sequence[str]) -> Table:
    def text(found: Scores | None) -> TextCell:
        if found is None:
            return TextCell(ABSENT)
        return TextCell(f"{_number(found.published)} → {found.chosen:.1f} ({found.oracle:.1f})")

    return Table(
        "tuned",
        "Published → tuned (oracle), on the tuning seed",
        ["method", "chosen by", *columns],
        [
            [TextCell(one.title), TextCell(one.validator), *(text(one.scores.get(column)) for column in columns)]
            for one in tuning.methods
        ],
        "Weighted F1 on the target test set of three trials of one search: the published setting, the one that the "
        f"validator takes without target labels, and the best: {ORACLE}. Table 1 has the tuned setting on the report "
        f"seeds.{_own(tuning)}",
        words=2,
    )


def _own(tuning: Tuned) -> str:
    """Which methods are not chosen by the validator of the others, and why."""
    first = max((one.validator for one in tuning.methods), key=[one.validator for one in tuning.methods].count)
    others = [f"{one.title} by {one.validator}" for one in tuning.methods if one.validator != first]
    return f" A method is not chosen by its own loss: {', '.join(others)}." if others else ""


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"


def _regret(tuning: Tuned, columns: Sequence[str]) -> Table:
    def text(found: Difference | None) -> TextCell:
        if found is None or found.low == found.high:  # the same trial
            return TextCell(ABSENT if found is None else f"{found.mean:.1f}")
        return TextCell(f"{found.mean:.1f} ({found.low:.1f} to {found.high:.1f})".replace("-", "−"))

    return Table(
        "regret",
        "Regret: what choosing without target labels cost",
        ["method", *columns],
        [
            [TextCell(one.title), *(text(one.regret.get(column)) for column in columns)]
            for one in tuning.methods
            if one.regret
        ],
        "Points of weighted F1: the oracle's trial minus the chosen one, with a 95 % interval for these two models on "
        "other target utterances; without one where both are the same. The best of many trials is partly luck: the "
        "regret is rather less than this.",
    )


def _ranges(tuning: Tuned, columns: Sequence[str]) -> Table:
    def text(found: Scores | None) -> TextCell:
        return TextCell(ABSENT if found is None else f"{found.worst:.1f} to {found.oracle:.1f}")

    return Table(
        "range",
        "Range over the trials",
        ["method", *columns, "failed"],
        [
            [
                TextCell(one.title),
                *(text(one.scores.get(column)) for column in columns),
                TextCell(f"{one.failed}/{one.trials}"),
            ]
            for one in tuning.methods
        ],
        "Weighted F1 on the target test set of the worst and of the best trial that ended well. A trial that failed or "
        "diverged is spent: every method has the same number.",
    )


def _validators(tuning: Tuned, columns: Sequence[str]) -> Table:
    from mmda_bench.selection import GUARD  # scipy, which other boards do without
    from mmda_bench.selection.hindsight import ENSV_OVER_ALL

    anchors = [column for column in columns if any(column in one.by_anchor for one in tuning.verdicts)]

    def regret(mean: float, worst: float) -> TextCell:
        return TextCell(f"{100 * mean:.1f} ({100 * worst:.1f})")

    rows = []
    for one in tuning.verdicts:
        overall = one.overall
        cells = [
            regret(found.regret, found.worst) if (found := one.by_anchor.get(anchor)) else None for anchor in anchors
        ]
        rows.append(
            [
                TextCell(f"{overall.validator} (in use)" if one.in_use else overall.validator),
                TextCell(ABSENT if overall.spearman is None else signed(overall.spearman)),
                *(cell or TextCell(ABSENT) for cell in cells),
                regret(overall.regret, overall.worst),
            ]
        )
    left_out = "; ".join(f"{name}: {', '.join(values)}" for name, values in tuning.own.items())
    return Table(
        "validator",
        "Validators: how well each would have chosen",
        ["validator", "Spearman", *anchors, "all"],
        rows,
        "Spearman: rank correlation of score and target F1 over the trials of a method, mean over methods and anchors. "
        "Then the regret of choosing by it, mean and worst over methods, in points. Each is judged without the methods "
        f"whose own loss it is{f' ({left_out})' if left_out else ''}. Trials that lose more than {100 * GUARD:.0f} "
        f"points on source validation are not taken. {ENSV_OVER_ALL}: its pool is the trials of all methods, so that "
        "it chooses for nobody.",
    )


def _budgets(tuning: Tuned) -> Table:
    most = max(len(one.expected) for one in tuning.methods)
    budgets = [k for k in (1, 2, 4, 8, 16, 32, 64) if k < most] + [most]
    return Table(
        "budget",
        "Expected score after k trials",
        ["method", *(f"k = {k}" for k in budgets), f"best of {most}"],
        [
            [TextCell(one.title), *(_after(one, k) for k in budgets), TextCell(_number(one.at_best[-1]))]
            for one in tuning.methods
        ],
        "Weighted F1 on the target test set of what the validator takes of k trials, expected over all subsets of k "
        f"trials, mean over the anchors; last: {ORACLE}.",
    )


def _after(one: Searched, k: int) -> TextCell:
    return TextCell(_number(one.expected[k - 1]) if k <= len(one.expected) else ABSENT)


def _studies(tuning: Tuned) -> Table:
    count = max((len(one.studies) for one in tuning.methods), default=0)
    rows = []
    for one in tuning.methods:
        known = [value for value in one.studies if value is not None]
        if len(known) == count and count:
            spread = max(known) - min(known)
            cells = [*(f"{value:.2f}" for value in known), f"{median(known):.2f}", f"{spread:.2f}"]
            rows.append([TextCell(one.title), *map(TextCell, cells)])
    return Table(
        "study",
        "Independent studies: how much the search itself varies",
        ["method", *(f"study {number}" for number in range(count)), "median", "range"],
        rows,
        f"The {AVERAGE} of winners on the report seeds. A study has a tuning seed, settings and winners of its own.",
    )
