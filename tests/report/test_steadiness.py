"""Rows that are not steady are marked and compared, and never in bold; few seeds give no bold and no ranks."""

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, make_record, scored_record
from hypothesis import given
from hypothesis import strategies as some

from mmda_bench.report import load, steadiness
from mmda_bench.report.boards import AVERAGE, make_boards
from mmda_bench.report.formats import captions, latex, markdown, tables
from mmda_bench.report.formats.page import summary
from mmda_bench.store import Store

LABELS = np.random.default_rng(0).integers(0, 4, 200)


def fill(store, accuracies, *, seeds=range(5)):
    for method, accuracy in accuracies.items():
        for anchor in "ALV":
            for seed in seeds:
                cell = make_cell(method, anchor, seed)
                predicted = erring(np.random.default_rng([ord(method[0]), ord(anchor), seed]), LABELS, accuracy)
                store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))


def only_board(store):
    (board,), _ = load.load_boards(store)
    return board


def record(anchor="A", seed=0, *, late=(), epochs=8, f1=0.5):
    cell = make_cell("dt", anchor, seed, epochs=epochs)
    curve = [None] * (epochs - len(late)) + list(late)
    return make_record(cell, f1, curves={"terms": {}, "target_f1": curve})


@given(some.lists(some.floats(0, 1), min_size=3, max_size=3))
def test_oscillation_is_the_spread_of_the_last_quarter_of_the_epochs_in_points(late):
    whole = record(late=[0.0, 1.0, *late], epochs=12)
    assert steadiness.oscillation(whole) == pytest.approx(100 * (max(late) - min(late)))
    assert steadiness.oscillation(record(late=late[:2], epochs=12)) is None, "a score is lacking"
    assert steadiness.oscillation(make_record(make_cell())) is None, "as of an older record"
    assert steadiness.oscillation(whole | {"key": {"method": "theirs"}}) is None, "as of a submission"


def test_a_row_oscillates_where_the_cells_of_a_scenario_do_on_average():
    calm = [record(anchor, seed, late=[0.5, 0.51]) for anchor in "ALV" for seed in range(2)]
    one_wild = [record("A", 2, late=[0.5, 0.62])]  # 12 points; with 1 and 1 that is 4.7 on average
    assert not steadiness.oscillates(calm + one_wild)
    assert steadiness.oscillates([*calm, record("A", 2, late=[0.3, 0.6])])
    failed = record("L", 2, late=[0.1, 0.9]) | {"status": "failed", "metrics": None}
    assert not steadiness.oscillates([*calm, failed])


def test_a_row_with_oscillating_epochs_or_far_seeds_has_a_dagger_in_the_tables():
    def row(**options):
        records = [record(anchor, seed, **options) for anchor in "ALV" for seed in range(2)]
        return make_boards(records)[0].rows[0]

    assert row(late=[0.5, 0.51]).marked == "DT"
    assert row().marked == "DT", "older records have no curve"
    assert row(late=[0.4, 0.5]).marked == "DT †"
    far = [record(anchor, seed, f1=0.5 + 0.13 * seed * (anchor == "L")) for anchor in "ALV" for seed in range(2)]
    (board,) = make_boards(far)
    assert board.rows[0].scores["L"].sd > 8 > board.rows[0].scores[AVERAGE].sd
    assert board.rows[0].marked == "DT †"
    assert "†: not steady, and therefore never in bold" in captions.caption(board)
    assert "DT †" in markdown.markdown([board])
    assert r"DT $\dagger$" in latex.latex([board])
    assert [line["steady"] for line in markdown.rows_of([board]) if line["table"] == "main"] == [0] * 4


def test_the_best_row_is_compared_with_and_not_in_bold_where_it_is_not_steady(tmp_path):
    store = Store(tmp_path)
    fill(store, {"dt": 0.4, "dann": 0.6})
    fill(store, {"cdan": 0.55}, seeds=[0, 1])
    fill(store, {"cdan": 0.95}, seeds=[2, 3, 4])
    board = only_board(store)
    rows = {row.label: row for row in board.rows}
    assert not rows["cdan"].steady
    assert rows["cdan"].best == {"A", "L", "V", AVERAGE}
    assert not rows["cdan"].bold
    assert AVERAGE in rows["dann"].bold, "cannot be told from it"
    table = next(table for table in tables.tables(board) if table.name == "difference")
    assert [row[4].text for row in table.rows if row[0].text == "CDAN †"] == ["best"]
    assert "It is not steady over seeds or epochs. Not significantly worse: DANN" in summary(board)


def test_five_seeds_give_bold_and_ranks_and_four_give_intervals_alone(tmp_path):
    five, four = Store(tmp_path / "five"), Store(tmp_path / "four")
    for store, seeds in ((five, 5), (four, 4)):
        fill(store, {"dt": 0.4, "mada": 0.8, "cdan": 0.8}, seeds=range(seeds))
    board = only_board(five)
    assert board.ranks == {"dt": (3, 3), "cdan": (1, 2), "mada": (1, 2)}
    main = tables.table_1(board)
    assert main.header[5] == "rank"
    assert [row[5].text for row in main.rows] == ["3", "1–2", "1–2"]
    assert "Rank: the places that the tests leave open for the average." in main.caption
    assert f"the last is {len(board.ranks)} minus the number that are significantly worse" in main.caption
    assert any(row.bold for row in board.rows)
    matrix = next(table for table in tables.tables(board) if table.name == "pairs")
    assert any(cell.bold for row in matrix.rows for cell in row)
    places = {line["method"]: (line["rank_first"], line["rank_last"]) for line in markdown.rows_of([board])
              if line["table"] == "main"}  # fmt: skip
    assert places == board.ranks

    board = only_board(four)
    assert "**" not in markdown.markdown([board])
    assert all(row.intervals and (row.from_best or row.best) for row in board.rows)
    assert "rank" not in tables.table_1(board).header
    assert "Nothing is set in bold: 4 seeds are fewer than 5" in captions.caption(board)
    assert "It takes 5 seeds to say which methods are worse" in summary(board)
