"""The figures of a leaderboard: which are drawn of its boards, what is lacking for the others, and their files."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import make_cell, make_record
from pages import full_record

from mmda_bench.protocol import Protocol
from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import chosen, diagnostics, domains, gallery, scores
from mmda_bench.store import Store

ANCHORS = ("A", "L", "V")


def records(severity=1.0, methods=("dt", "dann")):
    found = []
    for method in methods:
        for seed in range(2):
            for anchor in ANCHORS:
                cell = make_cell(method, anchor, seed)
                protocol = Protocol(backbone="tiny", severity=severity)
                found.append(make_record(replace(cell, protocol=protocol), 0.5 + 0.1 * seed))
    return found


def plates_of(records, tmp_path):
    boards = make_boards(records)
    return gallery.draw(boards, Store(tmp_path), domains.Coordinates(tmp_path / "tsne.json"))


def test_what_cannot_be_drawn_says_what_is_lacking(tmp_path, undrawn):
    (plates,) = plates_of(records(), tmp_path).values()
    by_kind = {plate.name.rpartition("-")[2]: plate for plate in plates}
    assert {kind for kind, plate in by_kind.items() if plate.svg} == {"f1", "cost"}
    assert "mmda-bench run --dataset avatars --methods dt,a3d2" in by_kind["tsne"].reason
    assert "--severity 0.5" in by_kind["severity"].reason
    assert all(plate.reason for plate in plates if not plate.svg)
    assert "DT 55.0" in by_kind["f1"].alt


def test_nothing_is_summed_over_a_failed_cell_but_its_loss_is_shown_as_far_as_it_went():
    cells = [make_cell("dt", anchor, seed) for anchor in "AL" for seed in (0, 1)]
    records = [full_record(cell, 0.5) for cell in cells]
    records[1] |= {"status": "diverged", "reason": "NaN", "metrics": None, "curves": {"terms": {"ib": [3.0, None]}}}
    (board,) = make_boards(records)
    scored = chosen.scored(board.rows[0])
    assert {record["key"]["anchor"] for record in scored} == {"L"}
    assert diagnostics.confusions(scored)["L"].tolist() == [[16, 4], [6, 14]]
    shown = diagnostics.terms(board.rows[0].records)["A"]["ib"]
    assert np.array_equal(shown, [[1.0, 0.5], [3.0, np.nan]], equal_nan=True)


def test_boards_that_differ_in_severity_alone_make_a_curve_and_the_smaller_ones_only_scores(tmp_path, undrawn):
    plates = plates_of(records() + records(0.5, methods=("dt",)), tmp_path)
    assert list(plates) == ["avatars", "avatars-shift-paper-0.5"]
    severity = next(plate for plate in plates["avatars"] if plate.name == "avatars-severity")
    assert severity.svg
    assert "0.5, 1" in severity.alt
    assert [plate.name for plate in plates["avatars-shift-paper-0.5"]] == ["avatars-shift-paper-0.5-f1"]


def test_the_score_figures_of_boards_of_one_corpus_have_titles_of_their_own(tmp_path, undrawn, monkeypatch):
    titles = []
    draw = scores.f1_by_scenario
    monkeypatch.setattr(scores, "f1_by_scenario", lambda title, *rest: (titles.append(title), draw(title, *rest))[1])
    plates_of(records() + records(0.5, methods=("dt",)), tmp_path)
    assert titles[1] == f"{titles[0]}, shift:paper*0.5"


def test_the_severity_axis_begins_where_nothing_is_shifted_and_rows_of_one_severity_are_named_not_drawn(
    tmp_path, undrawn, monkeypatch
):
    drawn, draw = [], scores.f1_against_severity
    monkeypatch.setattr(
        scores, "f1_against_severity", lambda title, lines: drawn.append(draw(title, lines)) or drawn[0]
    )
    plates = plates_of(records() + records(0.5, methods=("dt",)), tmp_path)
    ax = drawn[0].axes[0]
    assert ax.get_xlim()[0] <= 0
    lines = {line.get_label(): len(line.get_xdata()) for line in ax.lines if not line.get_label().startswith("_")}
    assert lines == {"DT": 2}
    caption = next(plate.caption for plate in plates["avatars"] if plate.name == "avatars-severity")
    assert "of one severity: DANN." in caption


def test_of_many_methods_the_best_are_drawn_and_the_caption_says_so(tmp_path, undrawn, monkeypatch):
    """Else the figures of some hundred methods would take minutes, and more pixels than matplotlib can draw."""
    monkeypatch.setattr(gallery, "MOST_DRAWN", 3)
    many = [full_record(make_cell(f"m{i}", anchor), 0.3 + 0.01 * i) for i in range(5) for anchor in ANCHORS]
    (plates,) = plates_of(many, tmp_path).values()
    for plate in plates:
        if plate.svg:
            assert "2 others are not drawn" in plate.caption, plate.name
    f1 = next(plate for plate in plates if plate.name == "avatars-f1")
    assert "m2" in f1.alt
    assert "m1" not in f1.alt


@pytest.mark.parametrize(("dataset", "slug"), [("数据", "corpus"), ("methods", "methods-0"), ("a_b", "a-b")])
def test_every_corpus_has_a_name_that_files_and_parts_of_the_page_can_have(dataset, slug):
    record = make_record(replace(make_cell(), dataset=dataset))
    assert gallery.slugs(make_boards([record])) == [slug]


def test_the_picture_of_the_readme_is_the_first_boards_scores(tmp_path):
    coordinates = domains.Coordinates(tmp_path / "tsne.json")
    plates = gallery.draw(make_boards(records(methods=("dt",))), Store(tmp_path), coordinates)
    files = gallery.files(plates, coordinates)
    assert files["figures/leaderboard.svg"] == files["figures/avatars-f1.svg"]
    assert files["figures/leaderboard.png"].startswith(b"\x89PNG")
    assert "figures/tsne.json" not in files, "nothing was projected"


def test_figures_that_can_no_longer_be_drawn_go_and_everything_else_stays(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("avatars-f1.svg", "avatars-curves.png", "leaderboard.svg", "my-own.png", "tsne.json"):
        (tmp_path / "figures" / name).touch()
    left_over = gallery.stale(tmp_path, ["figures/avatars-f1.svg"])
    assert [path.name for path in left_over] == ["avatars-curves.png"]
