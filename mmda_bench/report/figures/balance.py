"""How strongly each term of a loss acts beside L_IB, epoch by epoch. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from mmda_bench.metrics.term_balance import DOMINATES, HARDLY, ratios, verdicts
from mmda_bench.report.figures.diagnostics import TERM_COLOURS, TERM_STYLES, term_name
from mmda_bench.report.figures.scores import column_title
from mmda_bench.report.figures.style import MUTED, RULE, LackingError, frame_line, head, panels, short, styled
from mmda_bench.store import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Balance = Mapping[str, Mapping[str, np.ndarray]]  # anchor → term → (seeds, epochs)
CAPTION = (
    "In the last step of each epoch, in the modality where the ratio is largest; geometric mean and range over seeds. "
    "Shaded below: the term hardly acts; above: it dominates."
)
LOWEST = 1e-4  # of the axis: a term without a gradient lies on its edge


def balance(records: Iterable[Record]) -> dict[str, dict[str, np.ndarray]]:
    """Anchor → term → (seeds, epochs): its gradient at Z over L_IB's, NaN where a run did not record it."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for record in records:
        gradients = (record.get("curves") or {}).get("gradients") or {}
        for term, values in ratios(gradients).items():
            found.setdefault(record["key"]["anchor"], {}).setdefault(term, []).append(values)
    return {
        anchor: {term: np.array(list(zip_longest(*runs, fillvalue=np.nan))).T for term, runs in by_term.items()}
        for anchor, by_term in found.items()
    }


def remarkable(records: Iterable[Record]) -> list[str]:
    """Terms that hardly act or that dominate in every run of a method and scenario: 'anchor A, domain, joint: …'."""
    said: dict[tuple[str, str], list[str]] = {}
    for record in records:
        gradients = (record.get("curves") or {}).get("gradients") or {}
        for term, verdict in verdicts(gradients).items():
            said.setdefault((record["key"]["anchor"], term), []).append(verdict)
    return [
        f"anchor {anchor}, {term_name(term)}: {found[0]}"
        for (anchor, term), found in sorted(said.items())
        if all(verdict.endswith(("it hardly acts", "it dominates")) for verdict in found)
    ]


@styled
def term_balance(title: str, measured: Mapping[str, Balance]) -> "Figure":
    """A line of panels per method, a column per scenario; the gradient of every term at Z over that of L_IB, by epoch.

    ``measured``: method → :func:`balance`. The line is the geometric mean over seeds, the band from the lowest to the
    highest seed. Shaded below: terms that hardly act; above: those that dominate.
    """
    anchors = sorted({anchor for per_anchor in measured.values() for anchor in per_anchor})
    rows = len(measured)
    figure, axes = panels(rows, len(anchors), width=9.5, height=0.9 + 1.35 * rows, sharex=True, sharey=True)
    highest = max(np.nanmax(v, initial=1.0) for b in measured.values() for t in b.values() for v in t.values())
    for row, (method, per_anchor) in enumerate(measured.items()):
        line = axes[row * len(anchors) : (row + 1) * len(anchors)]
        names = sorted({term for by_term in per_anchor.values() for term in by_term})
        for ax, anchor in zip(line, anchors, strict=True):
            _frame(ax, highest=max(10.0, 1.5 * float(highest)))
            for number, term in enumerate(names):
                _ratio(ax, per_anchor.get(anchor, {}).get(term), number, term)
            if row == 0:
                ax.set_title(column_title(anchor), loc="left")
        frame_line(line, method)
    figure.supxlabel("epoch", fontsize=8.5)
    figure.supylabel("gradient of a term over that of the source objective", fontsize=8.5)
    head(figure, title)
    return figure


def _frame(ax: "Axes", *, highest: float) -> None:
    ax.set_yscale("log")
    ax.set_ylim(LOWEST, highest)
    ax.axhspan(LOWEST, HARDLY, color=RULE, alpha=0.45, lw=0)
    ax.axhspan(DOMINATES, highest, color=RULE, alpha=0.45, lw=0)
    ax.axhline(1, color=MUTED, lw=0.6)
    ax.yaxis.set_major_formatter("{x:g}")
    ax.tick_params(labelsize=7)


def _ratio(ax: "Axes", values: np.ndarray | None, number: int, term: str) -> None:
    if values is None or not np.isfinite(values).any():
        return
    known = np.isfinite(values).any(0)
    drawn = np.maximum(values[:, known], LOWEST)
    epochs = np.arange(1, values.shape[1] + 1)[known]
    colour, style = TERM_COLOURS[number % len(TERM_COLOURS)], TERM_STYLES[number % len(TERM_STYLES)]
    ax.plot(epochs, np.exp(np.nanmean(np.log(drawn), 0)), color=colour, ls=style, lw=1.3, label=short(term_name(term)))
    if len(values) > 1:
        ax.fill_between(epochs, np.nanmin(drawn, 0), np.nanmax(drawn, 0), color=colour, alpha=0.15, lw=0)


def drawn(title: str, rows: Mapping[str, Sequence[Record]]) -> tuple["Figure", str]:
    """The figure of rows, records by title, and what a reader who cannot see it must know. Raises :class:`LackingError`
    where none of them recorded gradients."""
    if not (measured := {name: found for name, records in rows.items() if (found := balance(records))}):
        raise LackingError("no cell of this board recorded the gradients of its terms; older records lack them")
    said = [f"{name}: {'; '.join(terms)}" for name in measured if (terms := remarkable(rows[name]))]
    return term_balance(title, measured), f"Terms that hardly act or dominate. {'; '.join(said) or 'None'}."
