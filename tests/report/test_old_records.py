"""Records of the first schema, without predictions beside them: read, and shown, for as long as the schema is 1.

``fixtures/records-schema1`` holds DT and A3D2 with its ablations on avatars as version 0.1 of the suite wrote them.
"""

from pathlib import Path
from statistics import fmean

import pytest

from mmda_bench.protocol import Cell
from mmda_bench.report import compare, load
from mmda_bench.report.formats import latex, markdown
from mmda_bench.store import Store

STORE = Store(Path(__file__).resolve().parents[1] / "fixtures" / "records-schema1")


@pytest.fixture(scope="module")
def records():
    found, damaged = STORE.records()
    assert damaged == []
    return found


def test_every_old_record_is_usable_and_its_cell_is_not_run_again(records):
    cells = [Cell.from_key(record["key"]) for record in records]
    assert len(cells) == 36
    assert STORE.missing(cells) == []
    assert [STORE.predictions(record) for record in records] == [None] * 36
    assert [cell.signature for cell in cells] == [record["signature"] for record in records]


def test_the_tables_come_without_bold_intervals_and_trust_and_say_why(records):
    boards, damaged = load.load_boards(STORE)
    assert damaged == []
    assert [row.label for row in boards[0].rows] == ["dt", "a3d2"]
    assert [row.label for row in boards[0].ablation["a3d2"]] == ["dt", "a3d2[-add]", "a3d2[-aa]", "a3d2"]
    text = markdown.markdown(boards)
    assert "**" not in text
    assert "as nothing was tested: A (dt: its predictions are not stored" in text
    for absent in ("95 % intervals", "Trust", "Difference from the best", "Published"):
        assert absent not in text
    for there in ("F1 by class", "Cost of a cell", " neutral |"):
        assert there in text
    assert "\\textbf" not in latex.latex(boards)


def test_the_numbers_are_those_of_the_records(records):
    board = load.load_boards(STORE)[0][0]
    for row in board.lines:
        values = [
            r["metrics"]["target_test"]["weighted_f1"]
            for r in records
            if (r["key"]["method"], tuple(r["key"]["off"])) == (row.method, row.off)
        ]
        assert len(values) == 9
        assert row.scores["ave."].mean == pytest.approx(100 * fmean(values))


def test_comparing_them_says_that_their_predictions_are_not_stored():
    duel = compare.compare(load.load_boards(STORE)[0], load.read_predictions(STORE), "a3d2", "dt")[0]
    assert duel.columns["A"] == "a3d2: its predictions are not stored (anchor A, seed 0)"
