"""The paper's numbers beside ours: only where they are comparable, with the difference and what the interval says."""

from dataclasses import replace

import pytest
from hand_made import make_cell, make_record

from mmda_bench.protocol import Protocol
from mmda_bench.published import PUBLISHED
from mmda_bench.report.against_published import against_published, comparable
from mmda_bench.report.boards import AVERAGE, make_boards
from mmda_bench.report.formats import tables


def board_of(dataset, protocol, *methods, **options):
    cells = [
        replace(make_cell(method, anchor, seed, **options), dataset=dataset, protocol=protocol)
        for method in methods
        for anchor in "ALV"
        for seed in range(3)
    ]
    return make_boards([make_record(cell, 0.6) for cell in cells])[0]


@pytest.mark.parametrize("dataset", ["iemocap", "mintrec"])
def test_published_averages_are_the_means_of_the_published_scenarios(dataset):
    """But for one, which the paper prints otherwise."""
    for name, (*scenarios, average) in PUBLISHED[dataset].items():
        if (dataset, name) != ("mintrec", "luhp"):
            assert sum(scenarios) / 3 == pytest.approx(average, abs=0.011), name


def test_ours_minus_published_and_whether_the_interval_covers_it():
    board = board_of("mintrec", Protocol(backbone="paper"), "dt", "a3d2")
    rows = [replace(row, intervals={"A": (40.0, 61.0), "L": (60.0, 61.0)}) for row in board.rows]
    board = replace(board, rows=rows)
    dt = against_published(board)["dt"]
    assert dt["A"].difference == pytest.approx(60 - 47.84)
    assert (dt["A"].covered, dt["L"].covered, dt["V"].covered) == (True, False, None)
    table = tables.published(board)
    assert [cell.text for cell in table.rows[0][1:3]] == ["47.84 (+12.16 ✓)", "61.42 (−1.42 ✗)"]
    assert table.rows[0][3].text == "44.66 (+15.34)"


def test_a_column_that_is_not_complete_has_no_difference():
    board = board_of("iemocap", Protocol(backbone="paper"), "dt")
    records = [r for r in board.rows[0].records if (r["key"]["anchor"], r["key"]["seed"]) != ("A", 0)]
    others = board_of("iemocap", Protocol(backbone="paper"), "dann").rows[0].records
    dt = against_published(make_boards([*records, *others])[0])["dt"]
    assert dt["A"].difference is None
    assert dt[AVERAGE].difference is None
    assert dt["L"].difference is not None


@pytest.mark.parametrize(
    ("dataset", "protocol"),
    [
        ("avatars", Protocol(backbone="tiny")),
        ("mintrec", Protocol(backbone="tiny")),
        ("mintrec", Protocol(backbone="paper", shift="released")),
        ("mintrec", Protocol(backbone="paper", severity=0.5)),
        ("mintrec", Protocol(backbone="paper", epochs=4)),
    ],
)
def test_nothing_is_compared_with_another_protocol_or_corpus(dataset, protocol):
    board = board_of(dataset, protocol, "dt")
    assert not comparable(board)
    assert not tables.published(board).rows


def test_a_part_of_the_corpus_or_another_one_in_its_layout_is_not_compared():
    cells = [
        replace(make_cell("dt", anchor), dataset="mintrec", version="v1-0123abcd", protocol=Protocol(backbone="paper"))
        for anchor in "ALV"
    ]
    assert not comparable(make_boards([make_record(cell) for cell in cells])[0])
