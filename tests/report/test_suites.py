"""Boards that differ in a condition alone are read together: missing modalities, a wrong anchor, corruptions."""

import csv
import io
import json
import re
from dataclasses import replace
from statistics import fmean

import pytest
from hand_made import make_cell, make_record

from mmda_bench.errors import UsageError
from mmda_bench.protocol import Cell
from mmda_bench.report.boards import make_boards
from mmda_bench.report.figures import gallery
from mmda_bench.report.formats import markdown, page, tables
from mmda_bench.report.load import load_boards
from mmda_bench.report.reference_rows import TITLES
from mmda_bench.report.rows import Score
from mmda_bench.report.suites import suites, with_families
from mmda_bench.report.suites.told import told
from mmda_bench.store import Store

SEEDS = (0, 1)


def records(f1, methods=("dt", "dann"), anchors="ALV", seeds=SEEDS, **conditions):
    """A cell for each; ``f1``: of (method, anchor, seed), in [0, 1]."""
    made = []
    for method in methods:
        for anchor in anchors:
            for seed in seeds:
                cell = make_cell(method, anchor, seed)
                cell = replace(cell, protocol=replace(cell.protocol, **conditions))
                made.append(make_record(cell, f1(method, anchor, seed)))
    return made


def score(method, anchor, seed, level=0.6):
    return level + 0.1 * (method == "dann") + 0.02 * "ALV".index(anchor) + 0.01 * seed


def head_of(made):
    boards = with_families(make_boards(made))
    (head,) = [board for board in boards if board.family]
    return head, boards


def by_name(board):
    return {suite.name: suite for suite in suites(board)}


def line(suite, label):
    return next(one for one in suite.lines if one.label == label)


def lowered(by):
    return lambda *cell: score(*cell) - by


SUBSETS = ("A", "L", "V", "AL", "AV", "LV")


def all_missing(where="test"):
    made = records(score)
    for n, subset in enumerate(SUBSETS):
        made += records(lowered(0.05 * (n + 1)), missing=subset, missing_in=where)
    return made


def test_the_six_subsets_are_one_table_with_their_mean():
    head, boards = head_of(all_missing())
    assert head.protocol.missing == ""
    assert sum(board.brief for board in boards) == 6
    (suite,) = suites(head)
    assert suite.columns == ["none", *SUBSETS, "mean of six"]
    dann = line(suite, "dann")
    clean = 100 * fmean(score("dann", anchor, seed) for anchor in "ALV" for seed in SEEDS)
    assert dann.scores["none"].mean == pytest.approx(clean)
    assert [dann.scores[s].mean for s in SUBSETS] == pytest.approx([clean - 5 * (n + 1) for n in range(6)])
    assert dann.scores["mean of six"].mean == pytest.approx(clean - 17.5)
    assert dann.scores["mean of six"].sd == pytest.approx(2**-0.5), "over seeds, after the mean over anchors"


def test_a_mean_is_over_the_anchors_that_every_board_has():
    made = records(score) + records(lowered(0.1), anchors="AV", missing="L")
    (suite,) = suites(head_of(made)[0])
    assert "mean of six" not in suite.columns
    expected = 100 * fmean(score("dt", anchor, seed) for anchor in "AV" for seed in SEEDS)
    assert line(suite, "dt").scores["none"].mean == pytest.approx(expected)
    assert "mean over the anchors A, V" in suite.caption


def test_regimes_and_rates_have_tables_of_their_own():
    made = records(score) + records(lowered(0.1), missing="A") + records(lowered(0.2), missing="A", missing_in="target")
    made += records(lowered(0.05), missing="ALV", missing_rate=0.3) + records(
        lowered(0.3), missing="ALV", missing_rate=0.7
    )
    found = by_name(head_of(made)[0])
    assert list(found) == ["missing:test", "missing:target", "missing-rate:ALV@test"]
    assert found["missing-rate:ALV@test"].columns == ["0", "0.3", "0.7"]
    levels = [one.mean for one in line(found["missing-rate:ALV@test"], "dt").scores.values()]
    assert levels == sorted(levels, reverse=True)
    assert found["missing:target"].lines[0].scores["A"].mean < found["missing:test"].lines[0].scores["A"].mean


def test_a_method_without_a_cell_has_no_score_and_no_mean():
    made = all_missing() + records(score, methods=("coral", "jan")) + records(score, methods=("coral",), missing="A")
    suite = by_name(head_of(made)[0])["missing:test"]
    assert "jan" not in [one.label for one in suite.lines], "nothing of it ran where something is missing"
    assert line(suite, "coral").scores["none"].complete
    assert line(suite, "coral").scores["mean of six"] == Score({}, 0)


def told_records():
    made = records(score, methods=("dt", "a3d2"))
    found = records(lowered(0.03), methods=("a3d2",), told_anchor="none")
    for record in found:
        right = record["key"]["anchor"] != "L" or record["key"]["seed"] == 0
        record["metrics"]["assumed_anchor"] = {"modality": record["key"]["anchor"] if right else "A"}
    wrong = records(lowered(0.1), methods=("a3d2",), anchors="AV", told_anchor="L")
    wrong += records(lowered(0.2), methods=("a3d2",), anchors="AL", told_anchor="V")
    return made + found + wrong


def test_what_knowledge_of_the_anchor_is_worth_and_what_its_error_costs():
    suite = by_name(head_of(told_records())[0])["told"]
    (a3d2,) = suite.lines
    assert suite.columns == ["told", "found", "told wrongly", "told − found", "told − told wrongly"]
    means = {column: one.mean for column, one in a3d2.scores.items()}
    assert means["told − found"] == pytest.approx(3)
    # anchor A is told L (−10) and V (−20), L is told V (−20), V is told L (−10)
    assert means["told − told wrongly"] == pytest.approx((15 + 20 + 10) / 3)
    assert "A is the anchor and L or V is told; L is the anchor and V is told" in suite.caption
    assert "it was the anchor in 5 of 6 cells" in suite.caption


def test_references_stand_where_the_column_says_what_they_know():
    head, _ = head_of(told_records() + records(score, methods=("dt",), seeds=(2,)))
    dt = next(row for row in head.rows if row.label == "dt")
    (suite,) = told(replace(head, references=[replace(dt, label=name, title=title) for name, title in TITLES.items()]))
    known = {one.label: set(one.scores) for one in suite.lines if one.label in TITLES}
    assert list(known.values()) == [{"told"}, {"found"}, {"told", "found"}]
    assert line(suite, "mean-of-heads").scores["found"].seeds.keys() == set(SEEDS)


def test_columns_are_means_over_the_seeds_that_all_of_them_have():
    (before,) = by_name(head_of(told_records())[0])["told"].lines
    more = records(lowered(0.3), methods=("dt", "a3d2"), seeds=(2, 3))
    (after,) = by_name(head_of(told_records() + more)[0])["told"].lines
    assert after.scores == before.scores


def corrupted_records():
    made = records(score)
    for severity in (1, 3):
        made += records(lowered(0.1 * severity), anchors="AL", shift=f"corrupt:dark@{severity}")
    return made + records(lowered(0.2), anchors="LV", shift="corrupt:white-noise@2")


def test_the_mean_corruption_error_is_relative_to_dt_over_all_severities_together():
    found = by_name(head_of(corrupted_records())[0])
    scores, errors = found["corruption"], found["corruption-error"]
    assert scores.columns == ["white-noise@2", "dark@1", "dark@3"]
    assert errors.columns == ["white-noise", "dark", "mean corruption error"]

    def error(method, name):
        return sum(100 - line(scores, method).scores[column].mean for column in scores.columns if name in column)

    for name in ("dark", "white-noise"):
        expected = 100 * error("dann", name) / error("dt", name)
        assert line(errors, "dann").scores[name].mean == pytest.approx(expected)
        assert line(errors, "dt").scores[name].mean == pytest.approx(100)
    both = [line(errors, "dann").scores[name].mean for name in ("dark", "white-noise")]
    assert line(errors, "dann").scores["mean corruption error"].mean == pytest.approx(fmean(both))


def test_severities_of_the_paper_s_shift_are_no_members_and_other_conditions_are_kept_apart():
    made = records(score) + records(lowered(0.1), severity=0.5) + records(lowered(0.1), missing="A")
    made += records(lowered(0.2), missing="A", told_anchor="none") + records(lowered(0.2), missing="L", epochs=3)
    head, boards = head_of(made)
    assert sum(board.brief for board in boards) == 2
    assert [suite.name for suite in suites(head)] == ["missing:test"]
    assert all(not suites(board) for board in boards if board is not head)


def test_the_head_shows_the_tables_in_every_format_and_members_are_brief():
    _, boards = head_of(all_missing() + told_records() + corrupted_records())
    text = markdown.markdown(boards)
    assert text.count("### Missing modalities in the test set of the target: weighted F1 by what is missing") == 1
    assert "### Corruptions: error relative to DT" in text
    assert "### Knowledge of the anchor" in text
    assert {len(tables.tables(board)) <= 2 for board in boards if board.brief} == {True}
    rows = list(csv.DictReader(io.StringIO(markdown.csv_text(boards))))
    mine = [row for row in rows if row["table"] == "missing:test" and row["method"] == "dann"]
    assert [row["column"] for row in mine] == ["none", *SUBSETS, "mean of six"]
    document = json.loads(markdown.json_text(boards))
    named = [suite["name"] for board in document["boards"] for suite in board["suites"]]
    assert named == ["missing:test", "told", "corruption", "corruption-error"]


def test_figures_show_what_is_missing_and_severities_and_members_have_none(tmp_path, undrawn):
    store = Store(tmp_path)
    for record in all_missing() + corrupted_records():
        store.write(make_cell_of(record), record, None)
    boards, damaged = load_boards(store, tests=False)
    assert not damaged
    plates = gallery.draw(boards, store, gallery.domains.Coordinates(tmp_path / "none.json"))
    names = {board.brief: [plate.name for plate in plates[slug]] for board, slug in zip(boards, plates, strict=True)}
    assert names[True] == []
    html = page.page(boards, [], plates, store)
    sections = re.findall(r'<section class="(board[^"]*)".*?</section>', html, re.S)
    assert sorted(sections) == sorted("board brief" if one.brief else "board" for one in boards)
    assert html.count("<h3>Row by row</h3>") == 1, "of the head alone; a family may have a hundred members"
    links, _, members = re.search(r"<nav.*?</nav>", html, re.S)[0].partition("<details>")
    assert (links.count('href="#avatars'), members.count('href="#avatars')) == (1, sum(one.brief for one in boards))
    drawn = {plate.name.rpartition("-")[2]: plate for mine in plates.values() for plate in mine if plate.svg}
    assert {"missing", "corruptions"} <= set(drawn)
    assert "white-noise, dark" in drawn["corruptions"].alt
    figure = gallery.figure(boards, store, "missing")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["none", *SUBSETS]


def make_cell_of(record):
    return Cell.from_key(record["key"])


def test_a_figure_without_cells_says_how_to_make_them(tmp_path):
    boards = with_families(make_boards(records(score)))
    with pytest.raises(UsageError, match=r"the figure missing cannot be drawn: .*run --missing A"):
        gallery.figure(boards, Store(tmp_path), "missing")
