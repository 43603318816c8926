"""Figures that explain a score: what is confused with what, and how the terms of the loss went. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from mmda_bench.dataset import NAMES
from mmda_bench.report.figures.scores import column_title
from mmda_bench.report.figures.style import INK, MUTED, frame_line, head, panels, short, styled, wrapped
from mmda_bench.store import Record, scores_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ANNOTATED = 6  # up to so many classes the shares are printed into the squares
DARK = 55  # percent: in a square of a larger share the number is white
PER_LINE, PER_LINE_OF_MANY = 5, 3  # panels, of few classes and of more
TERM_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b6470", "#7a5bd0")
TERM_STYLES = ("-", "--", "-.", ":")


def confusions(records: Iterable[Record]) -> dict[str, np.ndarray]:
    """Counts on the target test set by anchor, (C, C), rows the true classes: the sum over the records."""
    summed: dict[str, np.ndarray] = {}
    for record in records:
        counts = scores_of(record).get("confusion")
        if counts is not None:
            anchor = record["key"]["anchor"]
            summed[anchor] = summed.get(anchor, 0) + np.asarray(counts, float)
    return summed


@styled
def confusion_matrices(
    title: str, matrices: Mapping[str, Mapping[str, np.ndarray]], classes: Sequence[str]
) -> "Figure":
    """Shares of each true class (rows, summing to 100) by prediction (columns): a panel per method and scenario.

    ``matrices``: method → anchor → (C, C) counts, summed over seeds. A scenario that a method lacks says so.
    """
    anchors = sorted({anchor for per_anchor in matrices.values() for anchor in per_anchor})
    per_line = PER_LINE if len(classes) <= ANNOTATED else PER_LINE_OF_MANY
    blocks = [list(matrices)[i : i + per_line] for i in range(0, len(matrices), per_line)]
    across, side = max(map(len, blocks)), 9.2 / per_line
    figure, axes = panels(
        len(blocks) * len(anchors), across, width=0.9 + side * across, height=0.9 + side * len(blocks) * len(anchors),
    )  # fmt: skip
    for position, ax in enumerate(axes):
        line, column = divmod(position, across)
        block, row = divmod(line, len(anchors))
        if column >= len(blocks[block]):
            ax.set_visible(False)
            continue
        method = blocks[block][column]
        _confusion(ax, matrices[method].get(anchors[row]), classes)
        ax.set_title(wrapped(method) if row == 0 else "")
        ax.set_ylabel(f"{column_title(anchors[row])}\ntrue class" if column == 0 else "")
        ax.tick_params(length=0, labelleft=column == 0, labelbottom=line == len(blocks) * len(anchors) - 1)
    figure.supxlabel("predicted class; percent of the true class, seeds together", fontsize=8.5)
    head(figure, title)
    return figure


def _confusion(ax: "Axes", counts: np.ndarray | None, classes: Sequence[str]) -> None:
    few = len(classes) <= ANNOTATED
    ax.set_box_aspect(1)
    if counts is None:
        ax.text(0.5, 0.5, "no score", transform=ax.transAxes, ha="center", va="center", color=MUTED)
    else:
        shares = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
        lines = {"edgecolors": "white", "linewidth": 0.3} if few else {"rasterized": True}
        ax.pcolormesh(shares, vmin=0, vmax=100, cmap="Blues", **lines)
        for (row, column), share in np.ndenumerate(shares) if few else ():
            ink = "white" if share > DARK else INK
            ax.text(column + 0.5, row + 0.5, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=7)
    ax.spines[:].set_visible(False)
    ax.set(xlim=(0, len(classes)), ylim=(len(classes), 0))
    ticks, names = np.arange(len(classes)) + 0.5, [short(name, 20) for name in classes]
    ax.set_xticks(ticks, names, rotation=90, fontsize=7 if few else 6)
    ax.set_yticks(ticks, names, rotation=0, fontsize=7 if few else 6)


def terms(records: Iterable[Record]) -> dict[str, dict[str, np.ndarray]]:
    """Anchor → term → (seeds, epochs), NaN where a run did not log it, as after it diverged."""
    logged: dict[str, dict[str, list[list[float]]]] = {}
    for record in records:
        for term, values in ((record.get("curves") or {}).get("terms") or {}).items():
            numbers = [float("nan") if value is None else float(value) for value in values]
            logged.setdefault(record["key"]["anchor"], {}).setdefault(term, []).append(numbers)
    return {
        anchor: {
            term: np.array(list(zip_longest(*runs, fillvalue=np.nan))).T for term, runs in by_term.items() if any(runs)
        }
        for anchor, by_term in logged.items()
    }


def term_name(term: str) -> str:
    """A term of the loss as people read it.

    >>> term_name("ib"), term_name("domain_joint"), term_name("aa_L"), term_name("second_head")
    ('source objective', 'domain, joint', 'domain (AA), lexical', 'second head')
    """
    known = {"ib": "source objective", "aa": "domain (AA)", "add": "anchor drag (ADD)", "mmd": "MMD",
             "nwd": "nuclear norms", "ot": "transport"}  # fmt: skip
    name, _, part = term.rpartition("_")
    if name and part in NAMES:
        return f"{known.get(name, name.replace('_', ' '))}, {NAMES[part]}"
    return known.get(term, term.replace("_", " "))


@styled
def loss_curves(title: str, curves: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]]) -> "Figure":
    """Every term of the loss by epoch: a line of panels per method, a column per scenario.

    ``curves``: method → anchor → term → (seeds, epochs). The line is the mean over seeds, the band from the lowest to
    the highest seed. Both ends of the axis are linear around 0 and logarithmic further out: terms differ in size.
    """
    anchors = sorted({anchor for per_anchor in curves.values() for anchor in per_anchor})
    figure, axes = panels(len(curves), len(anchors), width=9.5, height=0.9 + 1.35 * len(curves), sharey="row")
    epochs = max((values.shape[1] for a in curves.values() for t in a.values() for values in t.values()), default=1)
    for row, (method, per_anchor) in enumerate(curves.items()):
        line = axes[row * len(anchors) : (row + 1) * len(anchors)]
        names = sorted({term for by_term in per_anchor.values() for term in by_term}, key=lambda t: (t != "ib", t))
        for ax, anchor in zip(line, anchors, strict=True):
            for number, term in enumerate(names):
                if term in per_anchor.get(anchor, {}):
                    _curve(ax, per_anchor[anchor][term], number, term)
            ax.set_yscale("symlog", linthresh=1)
            ax.yaxis.set_major_formatter("{x:g}")
            ax.axhline(0, color=MUTED, lw=0.4)
            ax.set_xlim(1 - 0.05 * epochs, 1.05 * epochs)
            ax.tick_params(labelsize=7, labelbottom=row == len(curves) - 1)
            if row == 0:
                ax.set_title(column_title(anchor), loc="left")
        frame_line(line, method)
    figure.supxlabel("epoch", fontsize=8.5)
    figure.supylabel("mean of a term over the epoch; beyond ±1 the axis is logarithmic", fontsize=8.5)
    head(figure, title)
    return figure


def _curve(ax: "Axes", values: np.ndarray, number: int, term: str) -> None:
    colour = TERM_COLOURS[number % len(TERM_COLOURS)]
    style = TERM_STYLES[number % len(TERM_STYLES)]
    epochs = np.arange(1, values.shape[1] + 1)
    finite = np.isfinite(values).any(0)
    if not finite.any():
        return
    mean = np.nanmean(values[:, finite], 0)
    ax.plot(epochs[finite], mean, color=colour, ls=style, lw=1.3, label=short(term_name(term)))
    if len(values) > 1:
        low, high = np.nanmin(values[:, finite], 0), np.nanmax(values[:, finite], 0)
        ax.fill_between(epochs[finite], low, high, color=colour, alpha=0.15, lw=0)
