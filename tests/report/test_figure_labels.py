"""What in a figure tells rows apart: a look of its own for each, and names that lie over nothing else."""

import matplotlib as mpl
import numpy as np
import pytest
from hand_made import make_cell, make_record
from matplotlib.backends.backend_agg import FigureCanvasAgg

from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import (
    balance,
    budgets,
    chosen,
    conditions,
    diagnostics,
    domains,
    scores,
    style,
)
from mmda_bench.report.figures.scores import Estimate, Line
from mmda_bench.report.rows import COLUMNS

ANCHORS = ("A", "L", "V")

VARIANTS = [
    *({"method": "a3d2", **settings} for settings in ({}, {"gamma2": 0.5}, {"detach": True}, {"off": ("aa",)})),
    {"method": "a3d2", "gamma1": 2000.0, "off": ("aa",)},
    *({"method": method, **settings} for method in ("dann", "cdan") for settings in ({}, {"align_on": "drifts"})),
]


def test_every_row_of_a_board_has_a_look_of_its_own_and_variants_keep_the_colour_of_their_method():
    (board,) = make_boards([make_record(make_cell(**variant)) for variant in VARIANTS])
    looks = chosen.looks_of(board)
    assert len(looks) == len(VARIANTS)
    assert len({(one.colour, one.marker) for one in looks.values()}) == len(looks)
    for method in ("a3d2", "dann", "cdan"):
        assert looks[method] == style.look(method), "the method itself looks as ever"
    assert looks["dann[align_on=drifts]"].colour == looks["dann"].colour
    of_a3d2 = [one.dashes for label, one in looks.items() if one.colour == looks["a3d2"].colour]
    assert len(set(of_a3d2)) == len(of_a3d2) == 3, "lines differ as well"


def test_lines_of_a_method_differ_in_the_severity_figure():
    looks = style.looks([("dann", "dann", ()), ("dann[align_on=drifts]", "dann", ())])
    points = [(0.5, Estimate(80.0)), (1.0, Estimate(70.0))]
    figure = scores.f1_against_severity("severity", {"A": [(name, how, points) for name, how in looks.items()]})
    lines = [line for line in figure.axes[0].lines if not line.get_label().startswith("_")]
    assert [line.get_linestyle() for line in lines] == ["-", "--"]
    assert len({line.get_marker() for line in lines}) == 2


NAMES = [  # of rows beside each other, with settings that are longer than a panel is high
    *("DT", "DANN[align_on=drifts]", "CDAN[align_on=drifts,entropy=True]", "A3D2[gamma2=0.5]", "A3D2[detach=True]"),
    *("A3D2[gamma1=2000,-aa] †", "Anchor teaching", "A3D2 as released[start=0.735,-representations]", "LUHP", "MADA"),
    *("f-DD[divergence=jensen,reversal=0.25]", "mean of heads (reference)"),
]


LONG_TITLE = "Weighted F1 with modalities missing: Avatars, 4 emotions (synthetic)"
ONE_PANEL = "missing in the test set of the target"


def crowded(kind):
    """A figure of rows with long names, whose scores lie close together at the top."""
    looks = [style.look(name.lower()) for name in NAMES]
    found = [dict.fromkeys(COLUMNS, Estimate(79.5 - 0.05 * i, 75.0, 80.0, (79.0, 80.0))) for i in range(len(NAMES) - 1)]
    found.append(dict.fromkeys(COLUMNS, Estimate(68.0)))
    many = [Line(*row, 0.2) for row in zip(NAMES, looks, found, strict=True)]
    points = [(line.title, line.look, [(s, line.scores["A"]) for s in (0.5, 1.0)]) for line in many]
    distances = {line.title: (line.look, {a: {m: [0.5, 0.7] for m in ANCHORS} for a in ANCHORS}) for line in many}
    runs = {a: {term: np.array([[1.0, 0.5], [0.9, 0.4]]) for term in ("add_L", "aa_L", "aa_V")} for a in ANCHORS}
    plane = domains.Projection(*(dict.fromkeys(("source", "target"), values) for values in (np.eye(2), np.arange(2))))
    ticks = {"corrupt:dark": {"dark@1": 1, "dark@3": 3}, "missing A": {"test": 0, "both": 1}}
    return {
        "f1": lambda: scores.f1_by_scenario("F1", many, many[:1], COLUMNS),
        "cost": lambda: scores.f1_against_cost("Weighted F1 against cost: Avatars, 4 emotions", many, "ave."),
        "severity": lambda: scores.f1_against_severity("severity", dict.fromkeys(ANCHORS, points)),
        "conditions": lambda: conditions.f1_by_condition("missing", dict.fromkeys(ticks, points), ticks, "severity"),
        "missing": lambda: conditions.f1_by_condition(
            LONG_TITLE, {ONE_PANEL: points}, {ONE_PANEL: {"A": 1}}, "missing"
        ),
        "distance": lambda: domains.category_distances("distance", distances, ANCHORS),
        "tsne": lambda: domains.tsne_panels(
            "t-SNE", {n: dict.fromkeys(ANCHORS, plane) for n in NAMES[4:7]}, ["neutral", "happy"], ANCHORS
        ),
        "confusion": lambda: diagnostics.confusion_matrices(
            "confusion", {n: dict.fromkeys(ANCHORS, np.eye(2)) for n in NAMES}, ["neutral", "happy"]
        ),
        "curves": lambda: diagnostics.loss_curves("curves", dict.fromkeys(NAMES[:8], runs)),
        "balance": lambda: balance.term_balance("balance", dict.fromkeys(NAMES[:8], runs)),
        "budget": lambda: budgets.expected_scores(
            "k trials", [budgets.Curve(n, look, (0.5, 0.6), (0.6, 0.7)) for n, look in zip(NAMES, looks, strict=True)]
        ),
    }[kind]()


KINDS = ("f1", "cost", "severity", "conditions", "missing", "distance", "tsne", "curves", "budget")
DEAR = [pytest.param(kind, marks=pytest.mark.deep) for kind in ("balance", "confusion")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, *DEAR])
def test_no_label_lies_over_another_and_none_is_cut(kind):
    made = style.settle(crowded(kind))
    renderer = FigureCanvasAgg(made).get_renderer()
    texts = [text for text in made.findobj(mpl.text.Text) if text.get_text().strip() and text.get_visible()]
    unseen = {
        tick.label1
        for ax in made.axes
        for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim())))
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
    }
    extent = mpl.text.Text.get_window_extent  # that of an annotation would hold its arrow as well
    seen = [text for text in texts if text not in unseen and (text.axes is None or text.axes.get_visible())]
    boxes = [(text.get_text(), extent(text, renderer).padded(-1)) for text in seen]
    over = {(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)}
    assert over == set()
    assert [name for name, box in boxes if box.x0 < 0 or box.x1 > made.bbox.x1] == []


def test_a_long_title_and_the_name_of_a_panel_are_whole():
    texts = {" ".join(text.get_text().split()) for text in crowded("missing").findobj(mpl.text.Text)}
    assert {LONG_TITLE, ONE_PANEL} <= texts


def test_the_names_of_the_cost_figure_stand_beside_its_axes_and_no_line_crosses_the_title():
    figure = style.settle(crowded("cost"))
    renderer = FigureCanvasAgg(figure).get_renderer()
    (ax,) = figure.axes
    names = [text for text in ax.texts if text.get_text()]
    assert [name.get_text() for name in names] == [style.short(name) for name in NAMES]
    inside = ax.get_window_extent(renderer)
    for name in names:
        ends = name.arrow_patch.get_path().vertices[:, 1]
        assert inside.y0 - 1 <= min(ends)
        assert max(ends) <= inside.y1 + 1
