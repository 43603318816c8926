"""What is kept between two looks at a store: the same answer, sooner; never another one."""

from pathlib import Path

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record

from mmda_bench.protocol import Cell
from mmda_bench.report import Kept, findings, load, write
from mmda_bench.report.figures import gallery
from mmda_bench.store import Store

pytestmark = pytest.mark.slow

METHODS = ("dt", "dann", "a3d2")


def fill(folder: Path, *, epochs: int = 8) -> Store:
    """Three methods, all anchors, two seeds; all records are of 60 utterances."""
    store, rng = Store(folder), np.random.default_rng(epochs)
    labels = np.arange(60) % 4
    for number, method in enumerate(METHODS):
        for anchor in "ALV":
            for seed in range(2):
                predicted = erring(rng, labels, 0.5 + 0.1 * number)
                cell = make_cell(method, anchor, seed, epochs=epochs)
                store.write(cell, scored_record(cell, labels, predicted), make_outputs(labels, predicted))
    return store


@pytest.fixture
def store(tmp_path):
    return fill(tmp_path)


def count(monkeypatch, room, name):
    calls, real = [], getattr(room, name)
    monkeypatch.setattr(room, name, lambda *given, **named: (calls.append(given), real(*given, **named))[1])
    return calls


def test_tests_are_made_once_and_are_the_same_afterwards(store, monkeypatch):
    tested = count(monkeypatch, load, "with_tests")
    plain = load.load_boards(store)
    first, second = (load.load_boards(store, kept=Kept(store)) for _ in range(2))
    assert len(tested) == 2
    assert first == second == plain
    assert plain[0][0].pairs
    assert plain[0][0].rows[0].trust


def test_one_changed_signature_costs_its_own_tests_and_no_others(store, tmp_path, monkeypatch):
    fill(tmp_path, epochs=4)
    load.load_boards(store, kept=Kept(store))
    cell = make_cell("dann", "A", 1, epochs=4)
    labels = np.arange(60) % 4
    store.write(cell, scored_record(cell, labels, labels), make_outputs(labels, labels), replace=True)
    tested, read = count(monkeypatch, load, "with_tests"), count(monkeypatch, Store, "load_predictions")
    boards, _ = load.load_boards(store, kept=Kept(store))
    assert [board.protocol.epochs for (board, _) in tested] == [4]
    assert {record["key"]["protocol"]["epochs"] for _, record in read} == {4}
    assert boards == load.load_boards(store)[0]


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_a_score_that_was_kept_is_doubted_again_when_a_byte_of_its_files_changes(store):
    load.load_boards(store, kept=Kept(store))
    damage(store.folder(make_cell("dann", "A", 1)) / "predictions.npz")
    boards, damaged = load.load_boards(store, kept=Kept(store))
    assert [one.path.rpartition("/")[2] for one in damaged] == ["predictions.npz"]
    assert (boards, damaged) == load.load_boards(store)


def test_what_was_kept_and_damaged_is_made_anew(store):
    boards = load.load_boards(store, kept=Kept(store))
    kept = sorted((store.results / ".kept").glob("*.json"))
    assert {path.name.partition("-")[0] for path in kept} == {"tests", "verdicts"}
    for path in kept:
        damage(path)
    assert load.load_boards(store, kept=Kept(store)) == boards


def test_a_folder_that_cannot_be_written_keeps_nothing_and_shows_everything(store):
    (store.results / ".kept").write_text("a file")
    assert load.load_boards(store, kept=Kept(store)) == load.load_boards(store)


def test_what_no_look_at_everything_needs_any_more_goes(store):
    kept = Kept(store)
    load.load_boards(store, kept=kept)
    kept.keep("tests", "of another time", 1)
    later = Kept(store)
    load.load_boards(store, kept=later)
    later.clear()
    assert Kept(store).find("tests", "of another time") is None
    assert Kept(store).find("verdicts", "")


def test_only_the_boards_of_the_signature_that_was_asked_for_are_made(store, tmp_path, monkeypatch):
    fill(tmp_path, epochs=4)
    read = count(monkeypatch, Store, "load_predictions")
    asked = make_cell(epochs=4).signature
    boards, _ = load.load_boards(store, signature=asked)
    assert [board.records_signature for board in boards] == [asked]
    assert {record["signature"] for _, record in read} == {asked}


def test_a_record_whose_text_is_written_in_another_way_is_found_by_its_signature(store):
    path = next(store.results.rglob("record.json"))
    path.write_text(path.read_text().replace('"mmda-bench:', '"\\u006dmda-bench:'))
    asked = make_cell().signature
    assert store.records(signature=asked) == store.records()


def test_findings_are_put_onto_the_board_that_they_were_found_in(store):
    (board,), _ = load.load_boards(store)
    (bare,), _ = load.load_boards(store, tests=False)
    assert findings.put_onto(bare, findings.found_in(board)) == board


def test_a_figure_is_drawn_again_only_if_it_shows_something_else(store, tmp_path, undrawn, monkeypatch):
    fill(tmp_path, epochs=4)
    write.write_leaderboards(store)
    drawn = count(monkeypatch, gallery, "_plate")
    write.write_leaderboards(store)
    assert {name.rpartition("-")[2] for name, *_ in drawn} == set(gallery.BY_FILES)
    drawn.clear()
    cell = Cell.from_key(make_cell("dann", "A", 1, epochs=4).key())
    labels = np.arange(60) % 4
    store.write(cell, scored_record(cell, labels, labels), make_outputs(labels, labels), replace=True)
    write.write_leaderboards(store)
    assert len([name for name, *_ in drawn if name.endswith("-f1")]) == 1
