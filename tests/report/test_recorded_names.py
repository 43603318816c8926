"""Rows keep the names under which they ran, whatever has become of the registry since."""

from dataclasses import replace

import pytest
from hand_made import make_cell, make_record

from mmda_bench.registry import DATASETS, METHODS
from mmda_bench.report.boards import Board, make_boards
from mmda_bench.report.frames import results_frame


def sweep(method, **options):
    return [make_record(make_cell(method, anchor, seed, **options)) for seed in range(2) for anchor in "ALV"]


def only(records) -> Board:
    (board,) = make_boards(records)
    return board


def without_titles(records):
    return [{name: part for name, part in record.items() if name != "titles"} for record in records]


@pytest.fixture
def other_default(monkeypatch):
    """Another release: the default of a parameter is another, and so are a title and that of the corpus."""
    entry, corpus = METHODS.entry("a3d2"), DATASETS.entry("avatars")
    changed = replace(entry, parameters={**entry.parameters, "gamma1": 77.0}, facts={**entry.facts, "title": "New"})
    monkeypatch.setitem(METHODS.entries(), "a3d2", changed)
    monkeypatch.setitem(DATASETS.entries(), "avatars", replace(corpus, facts={**corpus.facts, "title": "New corpus"}))


def names(board):
    return [(row.label, row.title) for row in board.rows], board.title


def test_a_changed_default_or_title_renames_no_row(request):
    records = sweep("dt") + sweep("a3d2") + sweep("a3d2", gamma1=5.0) + sweep("a3d2", off=("add",))
    before = only(records)
    request.getfixturevalue("other_default")
    after = only(records)
    assert names(after) == names(before)
    assert [row.label for row in after.ablation["a3d2"]] == ["dt", "a3d2[-add]", "a3d2"]
    assert set(results_frame(records)["method"]) == {"dt", "a3d2[-add]", "a3d2", "a3d2[gamma1=5]"}


def test_older_records_have_the_names_of_the_registry(other_default):
    records = without_titles(sweep("dt") + sweep("a3d2", gamma1=5.0))
    assert names(only(records)) == ([("dt", "DT"), ("a3d2[gamma1=5]", "New[gamma1=5]")], "New corpus (synthetic)")


def test_two_settings_that_ran_under_one_label_are_told_apart_as_they_are_typed_now(request):
    old = sweep("a3d2")
    request.getfixturevalue("other_default")
    board = only(old + sweep("a3d2"))
    assert {row.label for row in board.rows} == {"a3d2", "a3d2[gamma1=10]"}


def test_the_command_of_a_hole_is_typed_as_this_installation_reads_it(request):
    records = sweep("dt") + sweep("a3d2")[:-1]
    request.getfixturevalue("other_default")
    (hole,) = only(records).holes
    assert hole.cells.startswith("a3d2: anchor V, seed 1")
    assert "'a3d2[gamma1=10]'" in hole.command


def test_a_method_that_is_not_installed_keeps_its_title_and_label(monkeypatch):
    records = sweep("a3d2", gamma1=5.0)
    before = names(only(records))
    monkeypatch.delitem(METHODS.entries(), "a3d2")
    assert names(only(records)) == before
