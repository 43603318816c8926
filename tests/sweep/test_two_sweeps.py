"""Two sweeps on one folder: whoever writes a cell first has written it, and neither driver misses a record."""

import multiprocessing
from types import SimpleNamespace

import cheap
import numpy as np
import pytest
from hand_made import make_outputs, make_record

from mmda_bench.machine import replaced
from mmda_bench.protocol import Cell
from mmda_bench.store import Store
from mmda_bench.sweep import worker


@pytest.fixture
def cell() -> Cell:
    return cheap.make_cells(1)[0]


def between_two_looks(monkeypatch, then):
    """Let ``then`` happen after the first time that a store is asked for what stands."""
    look, asked = Store.standing, []

    def standing(store, cell):
        found = look(store, cell)
        if not asked:
            asked.append(cell)
            then()
        return found

    monkeypatch.setattr(Store, "standing", standing)


def test_a_record_that_came_while_a_writer_looked_stands(tmp_path, cell, monkeypatch):
    """The later writer must not even take it away for a moment: the driver of the first may look just then."""
    store, outputs = Store(tmp_path), make_outputs(np.arange(2), np.arange(2))
    stamps = []

    def other_sweep():
        store.write(cell, make_record(cell, 0.7), None)
        stamps.append(store.stamp(cell))

    between_two_looks(monkeypatch, other_sweep)
    assert not store.write(cell, make_record(cell, 0.6), outputs)
    assert [store.stamp(cell)] == stamps
    assert [path.name for path in store.folder(cell).iterdir()] == ["record.json"]


@pytest.mark.slow
def test_the_cell_of_the_later_sweep_answers_with_the_record_that_stands(tmp_path, cell, monkeypatch):
    between_two_looks(monkeypatch, lambda: Store(tmp_path).write(cell, make_record(cell, 0.7), None))
    ((_, record),) = cheap.sweep([cell], tmp_path, jobs=0)
    assert record["metrics"]["target_test"]["weighted_f1"] == 0.7


def work(tmp_path, cell):
    return worker.Work(results=tmp_path, root=None, cache=tmp_path, stale={cell.hash: Store(tmp_path).stamp(cell)})


def test_of_two_sweeps_that_replace_a_record_the_first_does_and_the_second_keeps_its_record(tmp_path, cell):
    store = Store(tmp_path)
    store.write(cell, make_record(cell, 0.5), None)
    ours, theirs = work(tmp_path, cell), work(tmp_path, cell)
    for one, f1, written in ((theirs, 0.7, True), (ours, 0.6, False)):
        kept = lambda one=one: worker.standing(cell, one)  # noqa: E731
        assert store.write(cell, make_record(cell, f1), None, kept=kept) == written
    assert worker.standing(cell, ours)["metrics"]["target_test"]["weighted_f1"] == 0.7


def test_a_record_replaced_between_the_looks_at_it_and_at_its_time_is_read_again(tmp_path, cell, monkeypatch):
    store = Store(tmp_path)
    store.write(cell, make_record(cell, 0.5), None)
    this = work(tmp_path, cell)
    between_two_looks(monkeypatch, lambda: store.write(cell, make_record(cell, 0.7), None, replace=True))
    assert worker.standing(cell, this)["metrics"]["target_test"]["weighted_f1"] == 0.7


def test_the_driver_looks_again_for_records_that_it_did_not_see(tmp_path):
    from mmda_bench.sweep.ray_tune import Report

    late, never = cheap.make_cells(2)
    told = []
    report = Report(
        worker.Work(results=tmp_path, root=None, cache=tmp_path), print, lambda cell, record: told.append(cell)
    )
    for cell in (late, never):
        report.on_trial_complete(0, [], SimpleNamespace(config={"cell": cell.key()}))
    assert (report.lost, told) == ([late, never], [])
    Store(tmp_path).write(late, make_record(late), None)
    report.look_again()
    assert (report.lost, told) == ([never], [late])


TIMES, CELLS = 20, 8


def sweep_and_leave(folder, start, replace):
    """In a process of its own. What libraries hold is not looked through: that takes most of the time of such cells."""
    replaced.names, replaced.planted = replaced.Names, lambda *_: []
    start.wait()
    cheap.sweep(cheap.make_cells(CELLS, seconds=0.002), folder, jobs=0, replace=replace)


@pytest.mark.deep
@pytest.mark.parametrize("replace", [False, True])
def test_two_sweeps_on_one_folder_end_well_twenty_times(tmp_path, replace):
    fork = multiprocessing.get_context("fork")
    for number in range(TIMES):
        folder, start = tmp_path / str(number), fork.Event()
        both = [fork.Process(target=sweep_and_leave, args=(folder, start, replace)) for _ in range(2)]
        for one in both:
            one.start()
        start.set()
        for one in both:
            one.join(60)
        assert [one.exitcode for one in both] == [0, 0]
        records, damaged = Store(folder).records()
        assert (len(records), damaged) == (CELLS, [])
        assert list(folder.rglob(".tmp-*")) == []
