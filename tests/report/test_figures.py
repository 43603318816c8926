"""Figures: what is drawn is the data, and the same data are the same bytes."""

import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from hand_made import make_cell, make_record
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from mmda_bench.published import PAPER_ORDER
from mmda_bench.report.figures import diagnostics, domains, scores, style
from mmda_bench.report.figures.scores import Estimate, Line
from mmda_bench.report.rows import COLUMNS
from mmda_bench.store import Store

CLASSES = ["neutral", "happy", "sad"]
ANCHORS = ("A", "L", "V")


def lines():
    first = {column: Estimate(50.0 + i, 45.0 + i, 55.0 + i, (48.0, 52.0)) for i, column in enumerate(COLUMNS)}
    second = {column: Estimate(70.0 + i) for i, column in enumerate(COLUMNS)}
    return [
        Line("DT", style.look("dt"), first, 0.5),
        Line("$DANN_1$ <b>", style.look("dann"), second, 1.0),
        Line("holes", style.look("cdan"), {"A": Estimate(60.0)}, None),
    ]


def matrices():
    return {
        "DT": {"A": np.array([[8, 2, 0], [1, 9, 0], [0, 0, 0]]), "L": np.eye(3) * 4},
        "A3D2": {"A": np.ones((3, 3))},
    }


def curves():
    runs = np.array([[1.0, 0.5, np.nan], [2.0, 0.7, np.nan]])
    return {"DT": {"A": {"ib": -runs}}, "A3D2": {"A": {"ib": runs, "aa_L": runs * 50, "dead": runs * np.nan}}}


def projection(shift=0.0):
    rng = np.random.default_rng(0)
    points = {half: rng.normal(size=(30, 2)) + shift for half in ("source", "target")}
    return domains.Projection(points, {half: np.arange(30) % 3 for half in points})


def falling():
    return [(0.5, Estimate(80.0, seeds=(79.0, 81.0))), (1, Estimate(60.0))]


def all_figures():
    yield scores.f1_by_scenario("F1", lines(), [lines()[0]], COLUMNS)
    yield scores.f1_against_cost("cost", lines(), "ave.")
    yield scores.f1_against_severity("severity", {"A": [("DT", style.look("dt"), falling())]})
    yield diagnostics.confusion_matrices("confusion", matrices(), CLASSES)
    yield diagnostics.loss_curves("curves", curves())
    yield domains.tsne_panels("t-SNE", {"DT": {"A": projection()}, "A3D2": {}}, CLASSES, ANCHORS)
    yield domains.category_distances("D", {"DT": (style.look("dt"), {"A": {"L": [0.5, 0.7]}})}, ANCHORS)


@pytest.fixture(scope="module")
def drawn():
    """All figures, as (SVG, PNG)."""
    return [(style.svg(figure), style.png(figure)) for figure in all_figures()]


@pytest.mark.deep
def test_the_same_data_give_the_same_bytes_whatever_the_machines_own_settings(drawn):
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "lines.linewidth": 9, "svg.hashsalt": "other"}):
        settings = dict(mpl.rcParams)
        again = [(style.svg(figure), style.png(figure)) for figure in all_figures()]
        assert dict(mpl.rcParams) == settings
    assert drawn == again


def test_an_svg_is_well_formed_has_no_date_and_no_reference_out_of_itself(drawn):
    for text in (svg.decode() for svg, _ in drawn):
        ElementTree.fromstring(text)
        assert "<dc:date" not in text
        assert "Matplotlib v" not in text
        links = [part.split('"')[0] for part in text.split('href="')[1:]]
        assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)


def test_dots_intervals_and_bounds_lie_where_the_data_say_and_the_best_average_is_on_top():
    figure = scores.f1_by_scenario("F1", lines(), [lines()[0]], COLUMNS)
    ax = figure.axes[COLUMNS.index("ave.")]
    dots = {
        (round(x, 2), y)
        for line in ax.lines
        if line.get_marker() in "so"
        for x, y in zip(*line.get_data(), strict=True)
    }
    assert {(53.0, 1), (73.0, 2)} <= dots
    spans = [tuple(line.get_xdata()) for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert (48.0, 58.0) in spans
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["holes", "DT", "$DANN_1$ <b>"]
    assert any(text.get_text() == "no score" for text in ax.texts)
    assert any(line.get_linestyle() == "-." and line.get_xdata()[0] == 53.0 for line in ax.lines)


def test_cost_leaves_out_what_has_no_time_and_names_the_others_without_overlap():
    figure = scores.f1_against_cost("cost", lines(), "ave.")
    names = [text for text in figure.axes[0].texts if text.get_text()]
    assert [name.get_text() for name in names] == ["DT", "$DANN_1$ <b>"]
    FigureCanvasAgg(figure).draw()
    for name in names:  # its line ends left of it, where it crosses no other name
        box, (x, y) = Text.get_window_extent(name), name.arrow_patch.get_path().vertices[0]
        assert x <= box.x0
        assert box.y0 < y < box.y1


@given(st.lists(st.floats(0, 100), max_size=12), st.floats(0.1, 10))
def test_names_are_moved_apart_by_the_gap_and_keep_their_order(positions, gap):
    placed = style.spread(positions, gap)
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    steps = np.diff([placed[i] for i in order])
    assert (steps >= gap - 1e-6).all()
    if len(positions) > 1 and np.diff(sorted(positions)).min() >= gap:
        assert placed == pytest.approx(positions)


def test_methods_differ_in_marker_and_in_colour():
    looks = [style.look(method) for method in PAPER_ORDER]
    assert len({look.marker for look in looks}) == len(looks)
    assert len({look.colour for look in looks}) == len(looks)
    assert style.look("a3d2", ("add",)) != style.look("a3d2", ("aa",)) != style.look("a3d2")
    assert style.look("somebody's own") == style.look("somebody's own")


def test_a_confusion_matrix_shows_shares_of_each_true_class_and_zero_for_a_class_that_is_absent():
    figure = diagnostics.confusion_matrices("confusion", matrices(), CLASSES)
    shown = np.asarray(figure.axes[0].collections[0].get_array()).reshape(3, 3)
    counts = matrices()["DT"]["A"]
    slow = [[100 * n / sum(row) if sum(row) else 0 for n in row] for row in counts.tolist()]
    assert shown == pytest.approx(np.array(slow))
    empty = next(ax for ax in figure.axes if any(text.get_text() == "no score" for text in ax.texts))
    assert not empty.collections


def test_twenty_classes_are_drawn_without_numbers_in_the_squares():
    names = [f"intent {k}" for k in range(20)]
    figure = diagnostics.confusion_matrices("confusion", {"DT": {"A": np.eye(20)}}, names)
    assert not figure.axes[0].texts
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == names


def test_a_loss_curve_is_the_mean_over_seeds_and_ends_where_the_loss_was_no_number():
    figure = diagnostics.loss_curves("curves", curves())
    line = next(line for line in figure.axes[1].lines if line.get_label() == "domain (AA), lexical")
    assert list(line.get_xdata()) == [1, 2]
    assert list(line.get_ydata()) == pytest.approx([75.0, 30.0])
    assert all(line.get_label() != "dead" for line in figure.axes[1].lines)


def test_a_category_distance_is_a_dot_a_seed_with_a_bar_at_their_mean_and_a_sentence_says_who_is_nearer():
    dt = (style.look("dt"), {"A": {"L": [0.5, 0.7], "A": [0.0]}})
    figure = domains.category_distances("D", {"DT": dt}, ANCHORS)
    bars = [line for line in figure.axes[0].lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "s"]
    assert [pytest.approx([0.0, 0.0]), pytest.approx([0.6, 0.6])] == [bar.get_ydata() for bar in bars]
    assert [list(line.get_ydata()) for line in dots] == [[0.0], [0.5, 0.7]]
    assert figure.axes[0].get_ylim()[1] > 0.7
    assert domains.nearer({"DT": dt}) == ""
    further = (style.look("a3d2"), {"A": {"L": [0.9], "A": [0.0]}})
    assert domains.nearer({"DT": dt, "A3D2": further}).endswith("nearer to each other than DT in 0 of 1 drifts.")
    assert figure.axes[0].get_xticklabels()[0].get_text() == "acoustic\n(anchor)"


def test_more_classes_than_colours_show_the_frequent_ones_and_grey_for_the_rest():
    labels = np.repeat(np.arange(12), np.arange(1, 13))
    points = np.zeros((len(labels), 2))
    many = domains.Projection(dict.fromkeys(("source", "target"), points), dict.fromkeys(("source", "target"), labels))
    figure = domains.tsne_panels("t-SNE", {"DT": {"A": many}}, [f"c{k}" for k in range(12)], ANCHORS)
    colours = {tuple(patch.get_facecolor()[0]) for patch in figure.axes[0].collections}
    assert len(colours) == len(domains.CLASS_COLOURS) + 1
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["source domain", "target domain", *(f"c{k}" for k in range(4, 12)), "other classes"]


def outputs(seed=0, size=24):
    rng = np.random.default_rng(seed)
    arrays = {f"{half}_test/z_{m}": rng.normal(size=(size, 5)) for half in ("source", "target") for m in ANCHORS}
    for half in ("source", "target"):
        arrays |= {
            f"{half}_test/ids": np.array([f"u{k}" for k in range(size)]),
            f"{half}_test/labels": np.arange(size) % 3,
            f"{half}_test/probabilities": np.full((size, 3), 1 / 3),
        }
    return arrays


def stored(store, cell, **changes):
    record = make_record(cell, **changes) | {"dataset": {"classes": CLASSES}}
    store.write(cell, record, outputs())
    return store.read(cell)


def test_category_distances_come_from_the_record_or_else_from_its_representations(tmp_path):
    store, cell = Store(tmp_path), make_cell("dt")
    record, arrays = stored(store, cell), outputs()
    slow = {}
    for m in ANCHORS:
        gaps = []
        for c in range(3):
            centres = [arrays[f"{h}_test/z_{m}"][arrays[f"{h}_test/labels"] == c].mean(0) for h in ("source", "target")]
            gaps.append(np.sqrt(((centres[0] - centres[1]) ** 2).sum()))
        slow[m] = np.mean(gaps)
    measured = domains.distances([record], store, 3)["A"]
    assert {m: values[0] for m, values in measured.items()} == pytest.approx(slow, rel=1e-5)
    recorded = record | {"metrics": record["metrics"] | {"category_distance": {"A": 1.0, "L": 2.0, "V": None}}}
    assert domains.distances([recorded], store, 3) == {"A": {"A": [1.0], "L": [2.0]}}


def test_a_projection_is_made_once_and_redrawn_from_its_coordinates_in_a_clone(tmp_path, monkeypatch):
    store, cell, path = Store(tmp_path), make_cell("dt"), tmp_path / "figures" / "tsne.json"
    record = stored(store, cell)
    first = domains.Coordinates(path)
    made = first.of(record, store)
    path.parent.mkdir()
    path.write_text(first.text())
    (store.folder(cell) / "outputs.npz").unlink()
    monkeypatch.setattr(domains, "project", lambda *_: pytest.fail("projected again"))
    again = domains.Coordinates(path)
    for half in ("source", "target"):
        assert (again.of(record, store).points[half] == made.points[half]).all()
        assert (again.of(record, store).labels[half] == made.labels[half]).all()
    assert again.text() == first.text()
    assert domains.Coordinates(path).of(record | {"ended_utc": "later"}, store) is None, "coordinates of another run"


@pytest.mark.parametrize("content", ["", "{half", "[]", '{"cells": []}'])
def test_a_damaged_file_of_coordinates_is_as_none(tmp_path, content):
    (tmp_path / "tsne.json").write_text(content)
    assert domains.Coordinates(tmp_path / "tsne.json").kept == {}


def test_a_projection_keeps_neighbours_together():
    arrays = outputs()
    for m in ANCHORS:
        arrays[f"target_test/z_{m}"] = arrays[f"target_test/z_{m}"] + 50.0
    plane = domains.project(arrays, {half: arrays[f"{half}_test/labels"] for half in ("source", "target")})
    centres = [plane.points[half].mean(0) for half in ("source", "target")]
    spread = max(plane.points[half].std() for half in ("source", "target"))
    assert np.linalg.norm(centres[0] - centres[1]) > spread


def test_of_many_utterances_some_are_projected_each_with_its_label(monkeypatch):
    arrays = outputs(size=60)
    monkeypatch.setattr(domains, "MOST_PROJECTED", 20)
    found = domains.project(arrays, {half: np.arange(60) for half in ("source", "target")})
    for half in ("source", "target"):
        assert found.points[half].shape == (20, 2)
        assert found.labels[half][[0, -1]].tolist() == [0, 59]
        assert len(set(found.labels[half].tolist())) == 20


def test_single_seeds_are_marks_of_the_severity_figure():
    figure = scores.f1_against_severity("severity", {"A": [("DT", style.look("dt"), falling())]})
    marks = [mark for mark in figure.axes[0].get_lines() if mark.get_marker() == "_"]
    assert [list(mark.get_ydata()) for mark in marks] == [[79.0, 81.0], []]
    assert {mark.get_markeredgecolor() for mark in marks} == {style.look("dt").colour}


def test_an_svg_for_the_page_differs_only_in_a_style_for_the_dark():
    text = style.svg(scores.f1_against_cost("cost", lines(), "ave.")).decode()
    themed = style.for_both_themes(text)
    assert "prefers-color-scheme: dark" in themed
    start = themed.index("<style>@media")
    assert themed[:start] + themed[themed.index("</style>", start) + len("</style>") :] == text
