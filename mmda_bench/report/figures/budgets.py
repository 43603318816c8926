"""The figure of a tuned board: what one may expect after k trials. Pure: data to a Figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mmda_bench.report.figures.style import MUTED, Style, head, look, panels, styled, wrapped
from mmda_bench.report.rows import Board

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure

COLUMNS = 4  # panels side by side


@dataclass(frozen=True)
class Curve:
    """A method: the expected score in percent after 1, 2, … trials, of the validator's choice and of the oracle's."""

    title: str
    look: Style
    expected: Sequence[float]
    at_best: Sequence[float]


def budgets(board: Board) -> tuple["Figure", str, str]:
    """The figure of a tuned board, its caption and its alternative text."""
    methods = board.tuning.methods if board.tuning else ()
    rows = {row.label: row for row in board.lines}
    curves = [
        Curve(one.title, look(rows[one.label].method, rows[one.label].off), one.expected, one.at_best)
        for one in methods
    ]
    figure = expected_scores(f"Expected score after k trials: {board.title}", curves)
    caption = (
        "Weighted F1 on the target test set, mean over the anchors, expected over all subsets of k trials. Solid: what "
        "the validator takes, without target labels. Dashed: an oracle's choice, which nobody can make."
    )
    alt = "; ".join(
        f"{one.title}: {one.expected[0]:.1f} after one trial, {one.expected[-1]:.1f} after {len(one.expected)}, oracle "
        f"{one.at_best[-1]:.1f}"
        for one in curves
    )
    return figure, caption, f"{alt}."


@styled
def expected_scores(title: str, curves: Sequence[Curve]) -> "Figure":
    """A panel per method, all on one scale."""
    from matplotlib.lines import Line2D

    columns = min(COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure, axes = panels(rows, columns, width=10, height=1.1 + 1.9 * rows, sharex=True, sharey=True)
    for ax, curve in zip(axes, curves, strict=False):
        budget = range(1, len(curve.expected) + 1)
        ax.plot(budget, curve.expected, "-", color=curve.look.colour, lw=1.8)
        ax.plot(budget, curve.at_best, "--", color=curve.look.colour, lw=1.2)
        ax.set_title(wrapped(curve.title, 24), loc="left")
        ax.locator_params(axis="x", integer=True)
        ax.grid(axis="y")
    for ax in axes[len(curves) :]:
        ax.set_visible(False)
    for ax in axes[max(0, len(curves) - columns) : len(curves)]:
        ax.set_xlabel("trials")
        ax.tick_params(labelbottom=True)
    for ax in axes[::columns]:
        ax.set_ylabel("weighted F1, percent")
    kinds = {"chosen without target labels": "-", "the best of them (oracle)": "--"}
    handles: list[Artist] = [Line2D([], [], color=MUTED, ls=line, lw=1.5, label=name) for name, line in kinds.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    head(figure, title)
    return figure
