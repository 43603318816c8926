"""The store: complete records or none, one per cell, never lost to a damaged neighbour."""

import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hand_made import make_cell, make_outputs, make_record

from mmda_bench.errors import StoreError
from mmda_bench.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


def test_a_record_lies_under_the_names_of_its_cell_and_comes_back_equal(store):
    cell = make_cell("dann", "L", 2)
    record = make_record(cell, 1.0, source=1.0)
    representations = {f"{half}_test/z_{m}": np.ones((3, 2)) for half in ("source", "target") for m in "ALV"}
    assert store.write(cell, record, make_outputs(np.arange(3), np.arange(3)) | representations)
    folder = store.results / "runs" / "avatars" / "L" / "dann" / f"seed2-{cell.hash}"
    assert sorted(os.listdir(folder)) == ["outputs.npz", "predictions.npz", "record.json"]
    stored = json.loads((folder / "record.json").read_text())
    assert store.read(cell) == stored == record | {"predictions_sha256": stored["predictions_sha256"]}
    assert store.predictions(record)["target_test/labels"].tolist() == [0, 1, 2]
    assert store.representations(record)["target_test/z_A"].shape == (3, 2)


def test_arrays_that_are_not_all_there_are_none(store):
    cell = make_cell()
    record = make_record(cell)
    store.write(cell, record, {"target_test/ids": np.arange(3), "target_test/z_A": np.ones((3, 2))})
    assert store.predictions(record) is None
    assert store.representations(record) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", None])
def test_arrays_that_are_damaged_or_missing_are_none(store, content):
    cell = make_cell()
    record = make_record(cell, 1.0, source=1.0)
    store.write(cell, record, make_outputs(np.arange(3), np.arange(3)))
    assert store.predictions(record) is not None
    path = store.folder(cell) / "predictions.npz"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert store.predictions(record) is None
    assert store.representations(record) is None


def test_a_record_that_stands_is_kept_unless_told(store):
    cell = make_cell()
    store.write(cell, make_record(cell, 0.5), None)
    assert not store.write(cell, make_record(cell, 0.6), None)
    assert store.read(cell)["metrics"]["target_test"]["weighted_f1"] == 0.5
    assert store.write(cell, make_record(cell, 0.6), None, replace=True)
    assert store.read(cell)["metrics"]["target_test"]["weighted_f1"] == 0.6


def test_numbers_that_json_lacks_become_null(store):
    cell = make_cell()
    store.write(
        cell, make_record(cell, status="diverged", curves={"terms": {"x": [np.float32(1), float("nan")]}}), None
    )
    assert store.read(cell)["curves"] == {"terms": {"x": [1.0, None]}}


def test_a_file_name_that_is_not_utf_8_stays_readable_in_a_reason(store):
    cell = make_cell()
    store.write(cell, make_record(cell, status="failed", reason="cannot open \udcff.wav", metrics=None), None)
    assert store.read(cell)["reason"] == "cannot open \\udcff.wav"


def test_what_is_missing_depends_on_the_status(store):
    cells = [make_cell(seed=seed) for seed in range(4)]
    for cell, status in zip(cells, ("ok", "failed", "interrupted"), strict=False):
        store.write(cell, make_record(cell, status=status), None)
    assert store.missing(cells) == cells[2:]
    assert store.missing(cells, rerun="failed") == cells[1:]
    assert store.missing(cells, rerun="all") == cells
    assert store.write(cells[2], make_record(cells[2]), None), "an interrupted record gives way"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not readable as JSON"),
        ("[]", "not a JSON object"),
        ("{}", "lacks schema"),
        ('{"schema": 99, "status": "ok", "key": {}, "hash": "", "signature": ""}', "schema 99 is unknown"),
        ('{"schema": 1, "status": "ok", "key": {}, "hash": "", "signature": ""}', "lacks reason, metrics, dataset"),
    ],
)
def test_a_damaged_record_is_reported_with_its_reason_and_runs_again(store, text, reason):
    good, bad = make_cell(seed=0), make_cell(seed=1)
    for cell in (good, bad):
        store.write(cell, make_record(cell), None)
    (store.folder(bad) / "record.json").write_text(text)
    records, damaged = store.records()
    assert [record["hash"] for record in records] == [good.hash]
    assert len(damaged) == 1
    assert reason in damaged[0].reason
    assert bad.hash in damaged[0].path
    assert store.missing([good, bad]) == [bad]
    assert store.write(bad, make_record(bad), None)


def test_a_record_in_the_folder_of_another_cell_is_not_believed(store):
    cell, other = make_cell(seed=0), make_cell(seed=1)
    store.write(cell, make_record(cell), None)
    os.rename(store.folder(cell), store.folder(other))
    assert store.read(other) is None
    assert "edited or moved" in store.records()[1][0].reason


def test_an_unusable_results_folder_is_said_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    for results in (tmp_path / "file", tmp_path / "file" / "results"):
        with pytest.raises(StoreError, match=r"cannot write results to .*--results DIR"):
            Store(results).probe()


def test_probing_leaves_nothing_and_clears_what_killed_writers_left(store):
    store.probe()
    old, new = store.runs / ".tmp-1-old", store.runs / ".tmp-2-new"
    for path in (old, new):
        path.write_text("half")
    os.utime(old, (0, 0))
    store.probe()
    assert list(store.runs.iterdir()) == [new], "another run may be writing the new one"


def test_what_a_writer_left_that_was_killed_on_this_machine_goes_at_the_next_write(store):
    cell = make_cell()
    store.folder(cell).mkdir(parents=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = (f"{socket.gethostname()}-{os.getpid()}", f"{socket.gethostname()}-{ended.pid}", f"elsewhere-{ended.pid}")
    alive, dead, elsewhere = (store.folder(cell) / f".tmp-{name}-0a1b2c3d" for name in names)
    for path in (alive, dead, elsewhere):
        path.write_text("half")
    store.write(cell, make_record(cell, 0.5), None)
    assert sorted(store.folder(cell).glob(".tmp-*")) == sorted([alive, elsewhere])
    dead.write_text("half")
    store.probe()
    assert sorted(store.folder(cell).glob(".tmp-*")) == sorted([alive, elsewhere])


def test_probing_lets_alone_what_another_user_left(store, monkeypatch):
    store.probe()
    left = store.runs / ".tmp-1-old"
    left.touch()
    os.utime(left, (0, 0))
    unlink = Path.unlink

    def refuse(path, **options):
        if path == left:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    store.probe()
    assert left.exists()


def test_probing_passes_over_a_file_that_another_run_just_renamed(store):
    store.probe()
    (store.runs / ".tmp-1-renamed").symlink_to("nowhere")  # listed, and not there when it is looked at
    store.probe()


def test_a_write_that_fails_leaves_no_record(store, monkeypatch):
    cell = make_cell()

    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="No space left"):
        store.write(cell, make_record(cell), {"ids": np.arange(3)})
    assert list(store.folder(cell).iterdir()) == []


class FullDisk:
    """``os.fsync`` and ``os.replace`` until a number of calls is spent; then the disk is full."""

    def __init__(self, monkeypatch, calls):
        self.calls = calls
        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, call):
        def guarded(*args):
            self.calls -= 1
            if self.calls < 0:
                raise OSError(28, "No space left on device")
            return call(*args)

        return guarded


@pytest.mark.parametrize("outputs", [make_outputs(np.arange(3), np.zeros(3, int)), None])
def test_wherever_replacing_fails_no_record_stands_beside_predictions_of_another(store, monkeypatch, outputs):
    cell = make_cell()
    old, new = (make_record(cell, f1, source=f1) for f1 in (1.0, 1 / 6))
    first = {"f1": 1.0, "predicted": [0, 1, 2]}
    second = {"f1": 1 / 6, "predicted": [0, 0, 0] if outputs else None}
    seen = []
    for calls in range(9):
        store.write(cell, old, make_outputs(np.arange(3), np.arange(3)), replace=True)
        with monkeypatch.context() as patch:
            FullDisk(patch, calls)
            with contextlib.suppress(StoreError):
                store.write(cell, new, outputs, replace=True)
        record = store.read(cell)
        if record is not None:
            arrays = store.predictions(record)
            predicted = None if arrays is None else arrays["target_test/probabilities"].argmax(1).tolist()
            seen.append({"f1": record["metrics"]["target_test"]["weighted_f1"], "predicted": predicted})
        assert set(os.listdir(store.folder(cell))) <= {"predictions.npz", "record.json"}
    assert [one for one in seen if one not in (first, second)] == []
    assert seen[0] == first, "a disk that is full from the start changes nothing"
    assert seen[-1] == second


def test_outputs_of_an_earlier_run_do_not_stay_beside_a_record_that_has_none(store):
    cell = make_cell()
    store.write(cell, make_record(cell), make_outputs(np.arange(3), np.arange(3)))
    (store.folder(cell) / "record.json").write_text("damaged by hand")
    store.write(cell, make_record(cell, status="failed", reason="x", metrics=None), None)
    assert os.listdir(store.folder(cell)) == ["record.json"]


def test_many_writers_of_one_cell_leave_one_whole_record_with_its_own_predictions(store, monkeypatch):
    def slow(*arguments):
        time.sleep(0.002 * random.random())
        replace(*arguments)

    replace = os.replace
    monkeypatch.setattr(os, "replace", slow)
    cell = make_cell()
    for _ in range(10):
        writers = [
            threading.Thread(
                target=store.write, args=(cell, make_record(cell, i / 10), {"ids": np.array([i])}),
                kwargs={"replace": True},
            )
            for i in range(8)
        ]  # fmt: skip
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert sorted(os.listdir(store.folder(cell))) == ["predictions.npz", "record.json"]
        (last,) = np.load(store.folder(cell) / "predictions.npz")["ids"]
        assert store.read(cell)["metrics"]["target_test"]["weighted_f1"] == last / 10


@pytest.mark.parametrize(
    "metrics", [None, {}, {"target_test": {}}, {"target_test": {"weighted_f1": 0.5}}, {"target_test": None}]
)
def test_a_record_that_says_ok_without_its_scores_is_damaged(store, metrics):
    cell = make_cell()
    store.write(cell, make_record(cell, metrics=metrics), None)
    assert "without the scores" in store.records()[1][0].reason
    assert store.missing([cell]) == [cell]
