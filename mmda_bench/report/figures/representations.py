"""The figures of representations, which need what is not part of a board: t-SNE and the distance of the domains."""

from typing import TYPE_CHECKING

import numpy as np

from mmda_bench.dataset import NAMES
from mmda_bench.report.figures import domains
from mmda_bench.report.figures.chosen import classes_of, looks_of, row_of, scored
from mmda_bench.report.figures.style import LackingError
from mmda_bench.report.rows import AVERAGE, BASELINE, Board
from mmda_bench.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAPER_METHOD = "a3d2"


def tsne(board: Board, store: Store, coordinates: domains.Coordinates) -> tuple["Figure", str, str]:
    """t-SNE of DT, the best method and A3D2, with caption and alternative text. Raises :class:`LackingError`."""
    first, last = row_of(board, BASELINE), row_of(board, PAPER_METHOD)
    best = max(board.rows, key=lambda row: row.scores[AVERAGE].mean or -1.0)
    rows = list({row.label: row for row in (first, best, last)}.values())
    seed = board.seeds[0]
    projections = {
        row.title: {
            record["key"]["anchor"]: projection
            for record in row.records
            if record["status"] == "ok"
            and record["key"]["seed"] == seed
            and (projection := coordinates.of(record, store)) is not None
        }
        for row in rows
    }
    projections = {title: by_anchor for title, by_anchor in projections.items() if by_anchor}
    if not projections:
        raise LackingError(
            "the representations (outputs.npz) of DT and A3D2 are not here: they stay on the machine that ran the cells"
        )
    title = f"t-SNE of the joint representation: {board.title}"
    figure = domains.tsne_panels(title, projections, classes_of(board), board.anchors)
    caption = (
        f"Up to {domains.MOST_PROJECTED} test utterances of each domain, seed {seed}; each panel is a "
        "projection of its own, axes have no unit. Rows: DT, the best average and A3D2, those of which are here. "
        "Domains that lie on each other class by class are aligned."
    )
    alt = (
        "Scatter plots of source and target test utterances, class by colour and domain by marker; rows: "
        + ", ".join(projections)
        + "; columns: anchors acoustic, lexical, visual. How far the domains lie apart is measured in the next figure."
    )
    return figure, caption, alt


def distance(board: Board, store: Store) -> tuple["Figure", str, str]:
    """The category distances of DT, A3D2 and its parts, in the same way. Raises :class:`LackingError`."""
    rows = board.ablation.get(PAPER_METHOD) or [row_of(board, BASELINE), row_of(board, PAPER_METHOD)]
    names = {("add",): "AA", ("aa",): "ADD", (): ""}
    classes = classes_of(board)
    measured, how = {}, looks_of(board)
    for row in rows:
        short = names.get(row.off, "")
        by_anchor = domains.distances(scored(row), store, len(classes))
        if by_anchor:
            measured[f"{short} ({row.title})" if short else row.title] = (how[row.label], by_anchor)
    if not measured:
        raise LackingError("neither the records nor stored representations have the category distance")
    title = f"Category distance between source and target: {board.title}"
    figure = domains.category_distances(title, measured, board.anchors)
    alt = "; ".join(
        f"{name}, anchor {anchor}: " + ", ".join(f"{NAMES[m]} {np.mean(values):.2f}" for m, values in by_m.items())
        for name, (_, by_anchor) in measured.items()
        for anchor, by_m in by_anchor.items()
    )
    caption = "A dot a seed, a bar at their mean. Small: the domains' class centres are close."
    return figure, f"{caption} {domains.nearer(measured)}".strip(), f"{alt}."
