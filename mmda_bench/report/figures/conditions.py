"""Figures over the boards of a family: weighted F1 by what is missing and by corruption and severity."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from mmda_bench.report.figures.scores import Estimate
from mmda_bench.report.figures.style import Style, head, legend_entries, looks, panels, short, styled, wrapped
from mmda_bench.report.formats.suite_tables import leading
from mmda_bench.report.rows import Board
from mmda_bench.report.suites import Suite, suites

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DRAWN = 10
WIDEST = 6  # panels side by side


class Kind(NamedTuple):
    """``begins``: the names of its suites; ``axis``: what stands below; ``command``: what makes its cells."""

    title: str
    begins: str
    axis: str
    command: str


KINDS = {
    "missing": Kind(
        "Weighted F1 with modalities missing",
        "missing",
        "what is missing, or how likely",
        "`mmda-bench run --missing A` makes the first",
    ),
    "corruptions": Kind(
        "Weighted F1 against the severity of corruptions",
        "corruption",
        "severity",
        "`mmda-bench run --shift corrupt:dark@1 --anchors A,L` makes the first",
    ),
}
Points = Sequence[tuple[float, Estimate]]
Curves = Mapping[str, Sequence[tuple[str, Style, Points]]]  # panel → (method, look, points)


def makers(board: Board) -> "Iterator[tuple[str, str, Callable[[], tuple[Figure, str, str]]]]":
    """(kind, title, function that draws it) of every figure that the family of ``board`` can show."""
    made = [suite for suite in suites(board) if suite.curves]
    for name, kind in KINDS.items():
        if mine := [suite for suite in made if suite.name.startswith(kind.begins)]:
            yield name, kind.title, partial(_drawn, board, kind, mine)


def _drawn(board: Board, kind: Kind, mine: Sequence[Suite]) -> "tuple[Figure, str, str]":
    """The figure, its caption and its alternative text."""
    how = looks((line.label, line.label.partition("[")[0], ()) for suite in mine for line in suite.lines)
    curves = {panel: points for suite in mine for panel, points in _curves(suite, how).items()}
    ticks = {panel: places for suite in mine for panel, places in suite.curves.items()}
    caption = "Mean over seeds and over the anchors that the tables name; small marks are single seeds."
    many = max(len(suite.lines) for suite in mine) - MOST_DRAWN
    caption += f" The {MOST_DRAWN} best; {many} others are not drawn." if many > 0 else ""
    alt = f"{kind.title}, a panel each: {', '.join(curves)}; the numbers are in the tables of the same name."
    return f1_by_condition(f"{kind.title}: {board.title}", curves, ticks, kind.axis), caption, alt


def _curves(suite: Suite, how: Mapping[str, Style]) -> Curves:
    chosen = leading(suite, MOST_DRAWN)
    shown = [line for line in suite.lines if line.label in chosen]
    return {
        panel: [
            (line.title, how[line.label], points)
            for line in shown
            if (points := [
                (x, Estimate(score.mean, None, None, tuple(score.seeds.values())))
                for column, x in places.items()
                if (score := line.scores.get(column)) is not None and score.mean is not None
            ])
        ]
        for panel, places in suite.curves.items()
    }  # fmt: skip


@styled
def f1_by_condition(title: str, curves: Curves, ticks: Mapping[str, Mapping[str, float]], axis: str) -> "Figure":
    """Mean weighted F1 against a condition, a panel each. ``ticks``: name → place on the horizontal axis, by panel."""
    columns = min(len(curves), WIDEST)
    rows = math.ceil(len(curves) / columns)
    figure, axes = panels(rows, columns, width=max(6.0, 2.4 * columns + 2), height=2.4 * rows + 1, sharey=True)
    for ax, (panel, methods) in zip(axes, curves.items(), strict=False):
        for name, style, points in methods:
            xs, scores = zip(*points, strict=True)
            means = [score.mean for score in scores]
            how = {"marker": style.marker, "ms": style.size - 2, **style.face}
            ax.plot(xs, means, ls=style.dashes, label=short(name), lw=1.4, **how)
            for x, score in points:
                ax.plot([x] * len(score.seeds), score.seeds, "_", mec=style.colour, ms=7, mew=1.0, zorder=3)
        places = ticks[panel]
        ax.set_xticks(list(places.values()), [name.rpartition("@")[2] for name in places])
        ax.set_title(wrapped(panel, 30))
        ax.grid(axis="y")
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    for ax in axes[::columns]:
        ax.set_ylabel("weighted F1, percent")
    for ax in axes[max(0, len(curves) - columns) : len(curves)]:
        ax.set_xlabel(axis)
    handles = legend_entries(axes)
    figure.legend(handles.values(), handles.keys(), loc="outside right center")
    head(figure, title)
    return figure
