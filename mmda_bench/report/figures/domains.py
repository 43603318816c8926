"""How close the two domains lie in representation space: Figures 3 and 4 of the paper, for any corpus.

t-SNE takes seconds a cell and needs representations, which are not committed; its coordinates are kept by the cell in
``figures/tsne.json``, so that a clone draws the same figure and nothing is projected twice.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.protocol import DOMAINS
from mmda_bench.report.figures.scores import column_title
from mmda_bench.report.figures.style import (
    INK,
    MUTED,
    Style,
    head,
    legend_entries,
    panels,
    short,
    styled,
    wrapped,
)
from mmda_bench.store import Record, Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# More classes than these colours: the most frequent ones, and grey for every other.
CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#7a3b00", "#56b4e9", "#b3261e", "#3d3a8c")
DOMAIN_MARKERS = {"source": "o", "target": "x"}
IN_A_LINE = 4  # names of a legend, which may have settings
MOST_PROJECTED, ITERATIONS = 400, 500  # utterances of a domain: more hide each other, and a cell would take seconds


@dataclass(frozen=True)
class Projection:
    """Test utterances of both domains in the plane: (N, 2) and class (N,) by domain."""

    points: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]


def project(outputs: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> Projection:
    """t-SNE of the joint vector [Z_A, Z_L, Z_V] of both domains at once; seeded, rounded to hundredths.

    ``outputs``: ``<domain>_test/z_<m>`` (N, 256); ``labels``: (N,) by domain, in the same order. Of many utterances, at
    most :data:`MOST_PROJECTED` of each domain, evenly spaced.
    """
    from sklearn.manifold import TSNE

    rows = {h: np.unique(np.linspace(0, len(labels[h]) - 1, MOST_PROJECTED).astype(int)) for h in DOMAINS}
    joint = {h: np.concatenate([outputs[f"{h}_test/z_{m}"][rows[h]] for m in MODALITIES], 1) for h in DOMAINS}
    z = np.concatenate([joint[domain] for domain in DOMAINS]).astype(np.float32)
    model = TSNE(init="pca", perplexity=min(30.0, (len(z) - 1) / 3), random_state=0, max_iter=ITERATIONS)
    plane = np.round(model.fit_transform(z).astype(float), 2)
    first = len(joint["source"])
    points = {"source": plane[:first], "target": plane[first:]}
    return Projection(points, {domain: labels[domain][rows[domain]] for domain in DOMAINS})


class Coordinates:
    """The projections in ``figures/tsne.json``. One is used only for the very record that it was made from."""

    def __init__(self, path: Path) -> None:
        try:
            kept = json.loads(path.read_text("utf-8"))["cells"]
        except (OSError, ValueError, KeyError, TypeError):
            kept = {}
        self.kept: dict[str, Any] = kept if isinstance(kept, dict) else {}
        self.used: dict[str, Any] = {}

    def of(self, record: Record, store: Store) -> Projection | None:
        """The projection of a cell, made now if it is not kept; None where its representations are not here."""
        name, digest = record["hash"], _digest(record)
        entry = self.kept.get(name)
        if not isinstance(entry, dict) or entry.get("record") != digest:
            outputs, predictions = store.representations(record), store.predictions(record)
            if outputs is None or predictions is None:
                return None
            made = project(outputs, {domain: predictions[f"{domain}_test/labels"] for domain in DOMAINS})
            kept = {h: {"points": made.points[h].tolist(), "labels": made.labels[h].tolist()} for h in DOMAINS}
            entry = {"record": digest, **kept}
        self.used[name] = entry
        return Projection(
            {domain: np.array(entry[domain]["points"], float).reshape(-1, 2) for domain in DOMAINS},
            {domain: np.array(entry[domain]["labels"], int) for domain in DOMAINS},
        )

    def text(self) -> str:
        """What to keep: the projections that were used, a line per domain of a cell."""
        lines = [
            f'"{name}": {{"record": "{entry["record"]}",\n'
            + ",\n".join(f'"{domain}": {json.dumps(entry[domain], separators=(",", ":"))}' for domain in DOMAINS)
            + "}"
            for name, entry in sorted(self.used.items())
        ]
        return '{"cells": {\n' + ",\n".join(lines) + "\n}}\n"


def _digest(record: Record) -> str:
    """Ten digits that change when a cell is run again, or is to be projected in another way."""
    return hashlib.sha256(json.dumps([record, MOST_PROJECTED, ITERATIONS], sort_keys=True).encode()).hexdigest()[:10]


@styled
def tsne_panels(
    title: str, projections: Mapping[str, Mapping[str, Projection]], classes: Sequence[str], anchors: Sequence[str]
) -> "Figure":
    """Figure 3: a line of panels per method, a column per scenario; class by colour, domain by marker."""
    figure, axes = panels(len(projections), len(anchors), width=9.5, height=1.0 + 3.0 * len(projections))
    shown = _most_frequent(projections, len(classes))
    for row, (method, per_anchor) in enumerate(projections.items()):
        for column, anchor in enumerate(anchors):
            ax = axes[row * len(anchors) + column]
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(True)
            ax.set_box_aspect(1)
            if anchor in per_anchor:
                _scatter(ax, per_anchor[anchor], shown)
            else:
                ax.text(0.5, 0.5, "not projected", transform=ax.transAxes, ha="center", va="center", color=MUTED)
            if row == 0:
                ax.set_title(column_title(anchor), loc="left")
            if column == 0:
                ax.set_ylabel(wrapped(method, 30), fontweight="bold", fontsize=9.5)
    head(figure, title)
    _scatter_legend(figure, shown, classes)
    return figure


def _most_frequent(projections: Mapping[str, Mapping[str, Projection]], classes: int) -> dict[int, str]:
    """Colour by class: of all classes, or of as many frequent ones as there are colours."""
    found = [labels for by_anchor in projections.values() for p in by_anchor.values() for labels in p.labels.values()]
    counts = np.bincount(np.concatenate(found), minlength=classes) if found else np.zeros(classes)
    order = np.argsort(-counts, kind="stable")[: len(CLASS_COLOURS)]
    return dict(zip(sorted(order.tolist()), CLASS_COLOURS, strict=False))


def _scatter(ax: "Axes", projection: Projection, shown: Mapping[int, str]) -> None:
    """Every domain's utterances, the rarer classes first, so that they hide none of the others."""
    for domain, marker in DOMAIN_MARKERS.items():
        points, labels = projection.points[domain], projection.labels[domain]
        style: dict[str, Any] = {"marker": marker, "alpha": 0.75, "linewidths": 0.9 if marker == "x" else 0}
        for chosen, colour in [(~np.isin(labels, list(shown)), MUTED), *((labels == k, c) for k, c in shown.items())]:
            x, y = points[chosen].T
            ax.scatter(x, y, s=13, color=colour, rasterized=True, **style)


def _scatter_legend(figure: "Figure", shown: Mapping[int, str], classes: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], marker=marker, ls="", color=INK, mec=INK, ms=5, label=f"{domain} domain")
        for domain, marker in DOMAIN_MARKERS.items()
    ]
    handles += [
        Line2D([], [], marker="s", ls="", color=colour, ms=6, label=short(classes[label]))
        for label, colour in shown.items()
    ]
    if len(shown) < len(classes):
        handles.append(Line2D([], [], marker="s", ls="", color=MUTED, ms=6, label="other classes"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 6))


def distances(records: Iterable[Record], store: Store, classes: int) -> dict[str, dict[str, list[float]]]:
    """D_m by anchor and modality, a value per seed: as recorded, else from the stored representations, else absent."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        measured = (record["metrics"] or {}).get("category_distance") or _measure(record, store, classes)
        per_modality = found.setdefault(record["key"]["anchor"], {})
        for modality, value in measured.items():
            if value is not None and np.isfinite(value):
                per_modality.setdefault(modality, []).append(float(value))
    return {anchor: per_modality for anchor, per_modality in found.items() if per_modality}


def _measure(record: Record, store: Store, classes: int) -> dict[str, float]:
    outputs, predictions = store.representations(record), store.predictions(record)
    if outputs is None or predictions is None:
        return {}
    import torch

    from mmda_bench.functional.objective import category_distance

    def tensors(modality: str, domain: str) -> tuple[torch.Tensor, torch.Tensor]:
        z, labels = outputs[f"{domain}_test/z_{modality}"], predictions[f"{domain}_test/labels"]
        return torch.from_numpy(z.astype(np.float32)), torch.from_numpy(labels.astype(np.int64))

    return {m: category_distance(*tensors(m, "source"), *tensors(m, "target"), classes).item() for m in MODALITIES}


Measured = Mapping[str, tuple[Style, Mapping[str, Mapping[str, Sequence[float]]]]]


def nearer(measured: Measured) -> str:
    """One sentence of what the distances say: how often the last method has the drifts nearer than the first.

    >>> near, far = {"A": {"L": [0.1], "A": [0.0]}}, {"A": {"L": [0.4], "A": [0.0]}}
    >>> nearer({"DT": (None, far), "A3D2": (None, near)})
    'A3D2 has the domains nearer to each other than DT in 1 of 1 drifts.'
    """
    (first, (_, before)), *_, (last, (_, after)) = [*measured.items(), *measured.items()]
    pairs = [
        (np.mean(before[anchor][m]), np.mean(after[anchor][m]))
        for anchor in before.keys() & after.keys()
        for m in (before[anchor].keys() & after[anchor].keys()) - {anchor}
    ]
    if first == last or not pairs:
        return ""
    won = sum(bool(a < b) for b, a in pairs)
    return f"{last} has the domains nearer to each other than {first} in {won} of {len(pairs)} drifts."


@styled
def category_distances(title: str, measured: Measured, anchors: Sequence[str]) -> "Figure":
    """Figure 4: the distance between the domains' class centres, a panel per scenario, by modality: a dot per seed, and
    a bar at their mean.

    ``measured``: method → (look, anchor → modality → D_m per seed).
    """
    figure, axes = panels(1, len(anchors), width=9.5, height=3.4, sharey=True)
    width = 0.8 / len(measured)
    for ax, anchor in zip(axes, anchors, strict=True):
        for number, (method, (look, per_anchor)) in enumerate(measured.items()):
            for x, modality in enumerate(MODALITIES):
                values = per_anchor.get(anchor, {}).get(modality, [])
                if values:
                    at = x + (number - (len(measured) - 1) / 2) * width
                    ax.plot([at - 0.4 * width, at + 0.4 * width], [np.mean(values)] * 2, color=look.colour, lw=2)
                    ax.plot(
                        [at] * len(values),
                        values,
                        ls="",
                        marker=look.marker,
                        label=short(method),
                        alpha=0.7,
                        ms=0.7 * look.size,
                        **look.face,
                    )
        names = [f"{NAMES[m]}\n({'anchor' if m == anchor else 'drift'})" for m in MODALITIES]
        ax.set_xticks(range(len(MODALITIES)), names)
        ax.tick_params(axis="x", length=0)
        ax.set_title(column_title(anchor), loc="left")
        ax.grid(axis="y")
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("category distance between domains, $D_m$", parse_math=True)
    handles = legend_entries(axes)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), IN_A_LINE))
    head(figure, title)
    return figure
