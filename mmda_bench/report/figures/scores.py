"""Figures of scores: by method and scenario, against cost, against the shift's severity. Pure: data to a Figure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mmda_bench.dataset import NAMES
from mmda_bench.protocol import NATURAL
from mmda_bench.report.figures.style import (
    INK,
    MUTED,
    PAPER,
    RULE,
    Style,
    head,
    legend_entries,
    panels,
    short,
    spread,
    styled,
)
from mmda_bench.report.rows import Row

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_NAMES = 21  # names that always have room in the margin
BOUND_LINES = {"DT, source test": ":", "target-supervised": "--"}


@dataclass(frozen=True)
class Estimate:
    """A score in percent. ``low`` and ``high``: its interval, None where there is none; ``seeds``: the single runs."""

    mean: float
    low: float | None = None
    high: float | None = None
    seeds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Line:
    """A method in a figure. ``scores`` by column (a scenario's anchor, or the average); a hole has no entry."""

    title: str
    look: Style
    scores: Mapping[str, Estimate] = field(default_factory=dict)
    minutes: float | None = None


def line(row: Row, looks: Mapping[str, Style], *, reference: bool = False) -> Line:
    """A row of a table as a figure shows it; ``looks`` by label."""
    scores = {}
    for column, score in row.scores.items():
        if score.mean is not None:
            low, high = row.intervals.get(column, (None, None))
            scores[column] = Estimate(score.mean, low, high, tuple(score.seeds.values()))
    title = f"{row.marked} (reference)" if reference else row.marked
    return Line(title, looks[row.label], scores, row.minutes)


def column_title(column: str) -> str:
    if column == NATURAL:
        return "no anchor"
    return f"anchor {column} ({NAMES[column]})" if column in NAMES else "average"


@styled
def f1_by_scenario(title: str, lines: Sequence[Line], bounds: Sequence[Line], columns: Sequence[str]) -> "Figure":
    """A dot with its interval per method, a panel per scenario; small marks are single seeds. In the order of the table
    on the page: the best average on top, references below the methods and a rule."""
    average = columns[-1]
    means = {line.title: line.scores[average].mean if average in line.scores else -1.0 for line in lines}
    rows = sorted(lines, key=lambda line: (not line.look.hollow, means[line.title]))
    below = sum(line.look.hollow for line in rows)
    figure, axes = panels(1, len(columns), width=10, height=1.6 + 0.3 * len(rows), sharey=True, sharex=True)
    for ax, column in zip(axes, columns, strict=True):
        for y, line in enumerate(rows):
            if column in line.scores:
                _interval(ax, y, line.scores[column], line.look)
            else:
                ax.text(0.5, y, "no score", transform=ax.get_yaxis_transform(), ha="center", va="center", color=MUTED)
        for bound in bounds:
            if column in bound.scores:
                style = BOUND_LINES.get(bound.title, "-.")
                ax.axvline(bound.scores[column].mean, color=INK, lw=1, ls=style, label=bound.title, zorder=0)
        if 0 < below < len(rows):
            ax.axhline(below - 0.5, color=RULE, lw=1, zorder=0)
        ax.set_title(column_title(column), loc="left")
        ax.set_xlabel("weighted F1, percent")
        ax.grid(axis="x")
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
    axes[0].set_yticks(range(len(rows)), [short(line.title) for line in rows])
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    head(figure, title)
    _legend_of_intervals(figure, axes, rows)
    return figure


def _interval(ax: "Axes", y: float, estimate: Estimate, look: Style) -> None:
    if estimate.low is not None and estimate.high is not None:
        ax.plot([estimate.low, estimate.high], [y, y], color=look.colour, lw=2.2, solid_capstyle="butt", zorder=2)
    ax.plot(estimate.seeds, [y - 0.27] * len(estimate.seeds), "|", mec=MUTED, ms=3.5, mew=0.8, zorder=3)
    ax.plot(estimate.mean, y, marker=look.marker, **look.face, ms=look.size, zorder=4)


def _legend_of_intervals(figure: "Figure", axes: "Sequence[Axes]", rows: Sequence[Line]) -> None:
    """What the marks are, in one line below the panels."""
    from matplotlib.lines import Line2D

    shown = [estimate for line in rows for estimate in line.scores.values()]
    handles: list[Artist] = [Line2D([], [], marker="o", ls="", color=MUTED, label="mean over seeds")]
    if any(line.look.hollow for line in rows):
        handles.append(Line2D([], [], marker="o", ls="", mfc=PAPER, mec=MUTED, mew=1.2, label="reference, no method"))
    if any(estimate.low is not None for estimate in shown):
        handles.append(Line2D([], [], color=MUTED, lw=2.2, label="95 % interval"))
    if any(len(estimate.seeds) > 1 for estimate in shown):
        handles.append(Line2D([], [], marker="|", ls="", mec=MUTED, mew=0.8, ms=5, label="single seeds"))
    handles += legend_entries(axes).values()
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


@styled
def f1_against_cost(title: str, lines: Sequence[Line], column: str) -> "Figure":
    """Weighted F1 against the time of training per cell; upper left is better. Every point is named in the margin."""
    figure, (ax,) = panels(1, 1, width=6.5, height=max(4.2, 1.1 + 0.16 * len(lines)))
    factor, unit = time_scale(lines)
    names = []
    for line in lines:
        if line.minutes is None or column not in line.scores:
            continue
        estimate, look = line.scores[column], line.look
        if estimate.low is not None and estimate.high is not None:
            ax.plot([factor * line.minutes] * 2, [estimate.low, estimate.high], color=look.colour, lw=1.2, alpha=0.6)
        ax.plot(factor * line.minutes, estimate.mean, marker=look.marker, **look.face, ms=look.size + 1)
        names.append((factor * line.minutes, estimate.mean, short(line.title), look.colour))
    ax.set_xlim(left=0)
    ax.margins(x=0.04)
    _name_in_margin(ax, names)
    ax.grid()
    ax.set_xlabel(f"training time of a cell, {unit}")
    ax.set_ylabel(f"weighted F1, {column_title(column)}, percent")
    ax.set_title(title, loc="left")
    return figure


def time_scale(lines: Sequence[Line]) -> tuple[float, str]:
    """What minutes are multiplied by to be shown, and the unit: seconds where all are below a minute.

    >>> time_scale([Line("DT", look=None, minutes=0.2)]), time_scale([Line("DT", look=None, minutes=2.0)])
    ((60.0, 'seconds'), (1.0, 'minutes'))
    """
    short_ones = all(line.minutes < 1 for line in lines if line.minutes is not None)
    return (60.0, "seconds") if short_ones else (1.0, "minutes")


@styled
def f1_against_severity(
    title: str, lines: Mapping[str, Sequence[tuple[str, Style, Sequence[tuple[float, Estimate]]]]]
) -> "Figure":
    """Mean weighted F1 against the severity of the shift, a panel per scenario; small marks are single seeds.

    ``lines``: anchor → (method, look, points (severity, score)). Severity 1 is the corpus's own, marked by a rule. The
    axis begins at 0, where nothing is shifted; a method with one severity is a point.
    """
    most = max((len(methods) for methods in lines.values()), default=0)
    figure, axes = panels(1, len(lines), width=10, height=max(3.6, 0.9 + 0.24 * most), sharey=True)
    for ax, (anchor, methods) in zip(axes, lines.items(), strict=True):
        ax.axvline(1, color=RULE, lw=1.5, zorder=0)
        for name, how, points in methods:
            xs, scores = zip(*points, strict=True)
            means = [score.mean for score in scores]
            ax.plot(xs, means, ls=how.dashes, marker=how.marker, label=short(name), ms=how.size - 2, lw=1.4, **how.face)
            for x, score in points if len(points) > 1 else ():
                ax.plot([x] * len(score.seeds), score.seeds, "_", mec=how.colour, ms=9, mew=1.2, zorder=3)
        ax.set_title(column_title(anchor), loc="left")
        ax.set_xlabel("severity of the shift")
        ax.set_xlim(left=-0.04)
        ax.grid(axis="y")
    axes[0].set_ylabel("weighted F1, percent")
    handles = legend_entries(axes)
    figure.legend(handles.values(), handles.keys(), loc="outside right center")
    head(figure, title)
    return figure


def _name_in_margin(ax: "Axes", points: Sequence[tuple[float, float, str, str]]) -> None:
    """Names right of the axes at the height of their points, moved apart where they would overlap, but not above or
    below the axes."""
    if not points:
        return
    low, high = ax.get_ylim()
    gap = (high - low) / max(LEAST_NAMES, len(points))
    names = spread([y for _, y, _, _ in points], gap, within=(low + gap / 2, high - gap / 2))
    for (x, y, name, colour), at in zip(points, names, strict=True):
        ax.annotate(
            name, (x, y), xytext=(1.03, at), textcoords=ax.get_yaxis_transform(), va="center", color=INK, fontsize=8,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "alpha": 0.7, "shrinkB": 4, "relpos": (0, 0.5)},
        )  # fmt: skip
