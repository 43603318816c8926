"""Sweeps: in this process and on Ray, with workers that die, drivers that are killed, and two runs at once."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cheap
import pytest

from mmda_bench.errors import ResourceError, StoreError, UsageError
from mmda_bench.store import Store, unfinished
from mmda_bench.sweep import scheduler
from mmda_bench.sweep import worker as worker_

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unwatched")]


def start(results, *, jobs, count, seconds, address=None, ignored=()):
    """A sweep in a process of its own, which starts with these signals ignored and hears the others."""

    def settle():  # whatever started the tests may ignore some itself
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    command = [sys.executable, cheap.__file__, str(results), str(jobs), str(count), str(seconds)]
    environment = os.environ | {"PYTHONPATH": str(Path(scheduler.__file__).parents[2])}
    return subprocess.Popen(
        [*command, *filter(None, [address])], cwd=results.parent, env=environment, stdout=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=settle,
    )  # fmt: skip


def scores(results):
    records, damaged = Store(results).records()
    assert damaged == []
    return {record["hash"]: record["metrics"] for record in records}


def unfinished_files(results):
    return [path for path in results.rglob(".tmp-*") if path.is_file()]


def test_in_process_cells_are_stored_and_never_run_twice(tmp_path):
    cells = cheap.make_cells(2)
    started = []
    first = cheap.sweep(cells, tmp_path, jobs=0, on_start=started.append)
    assert started == cells == [cell for cell, _ in first]
    assert Store(tmp_path).missing(cells) == []
    assert first[0][1]["worker"] == {
        "pid": os.getpid(),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "device": "cpu",
        "threads": "1",
        "datasets": None,
        "plugins": ["mmda_bench_plugin_cheap"],
    }
    again = cheap.sweep(cells, tmp_path, jobs=0)
    assert [record["ended_utc"] for _, record in again] == [record["ended_utc"] for _, record in first]
    assert scores(tmp_path).keys() == {cell.hash for cell in cells}


def test_a_cell_whose_time_is_up_leaves_a_record_that_says_so(tmp_path):
    endless, short = cheap.make_cells(1, seconds=60.0)[0], cheap.make_cells(2)[1]
    (_, late), (_, fine) = cheap.sweep([endless, short], tmp_path, jobs=0, timeout_minutes=0.02)
    assert (late["status"], fine["status"]) == ("timeout", "ok")
    assert "--timeout" in late["reason"]
    assert Store(tmp_path).missing([endless, short]) == []


def test_a_time_limit_that_somebody_catches_falls_again():
    def stubborn():
        with contextlib.suppress(BaseException):
            time.sleep(5)
        time.sleep(5)

    with pytest.raises(worker_.TimeUp), worker_.time_limit(0.05):
        stubborn()


@pytest.mark.parametrize("minutes", [float("inf"), float("nan"), 0.0])
def test_a_time_limit_that_is_none_is_refused(tmp_path, minutes):
    with pytest.raises(UsageError, match="--timeout"):
        cheap.sweep(cheap.make_cells(1), tmp_path, jobs=0, timeout_minutes=minutes)


def test_a_method_that_ends_the_program_fails_alone(tmp_path):
    leaving, fine = cheap.make_cells(1, do="exit")[0], cheap.make_cells(2)[1]
    (_, left), (_, stayed) = cheap.sweep([leaving, fine], tmp_path, jobs=0)
    assert (left["status"], stayed["status"]) == ("failed", "ok")
    assert "SystemExit" in left["reason"]


@pytest.mark.system
def test_who_is_told_of_the_cells_and_fails_costs_no_record(tmp_path, cluster):
    """As a display whose terminal is gone: Tune must not take that for a failure of the cell."""
    cells = cheap.make_cells(3)
    cheap.sweep(cells, tmp_path, jobs=0)
    before = {cell.hash: Store(tmp_path).stamp(cell) for cell in cells}

    def deaf(cell):
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        cheap.sweep(cells, tmp_path, jobs=1, address=cluster, replace=True, on_start=deaf)
    assert {Store(tmp_path).read(cell)["status"] for cell in cells} == {"ok"}
    assert all(Store(tmp_path).stamp(cell) != before[cell.hash] for cell in cells), "all were run again"


def test_a_record_that_was_to_be_replaced_and_was_not_is_a_lost_one(tmp_path):
    """As on a cluster whose nodes do not share the folder: the old record is no news."""
    from mmda_bench.sweep.ray_tune import Report

    (cell,) = cheap.make_cells(1)
    cheap.sweep([cell], tmp_path, jobs=0)
    told = []
    work = worker_.Work(results=tmp_path, root=None, cache=tmp_path, stale={cell.hash: Store(tmp_path).stamp(cell)})
    report = Report(work, print, lambda *what: told.append(what))
    report.on_trial_complete(0, [], SimpleNamespace(config={"cell": cell.key()}))
    assert (report.lost, told) == ([cell], [])


@pytest.mark.system
def test_a_record_that_this_sweep_wrote_is_not_replaced_by_it(tmp_path, cluster):
    cell = cheap.make_cells(1, do="lose-cuda")[0]
    Store(tmp_path).write(cell, unfinished(cell, status="failed", reason="an earlier one"), None)
    first = Store(tmp_path).stamp(cell)
    ((_, record),) = cheap.sweep([cell], tmp_path, jobs=1, address=cluster, replace=True)
    assert record["reason"] == "told to", "and not that its worker died, which it did afterwards"
    assert Store(tmp_path).stamp(cell) != first


def test_a_results_folder_that_fails_on_the_way_ends_the_sweep_with_a_message(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot write results"):
        cheap.sweep(cheap.make_cells(1), tmp_path, jobs=0)


@pytest.mark.system
def test_a_sweep_joins_a_running_cluster_whose_nodes_have_one_gpu_each(tmp_path, cluster):
    cells = cheap.make_cells(2)
    seen = cheap.sweep(cells, tmp_path, jobs=None, address=cluster)
    assert {cell.hash for cell, record in seen if record["status"] == "ok"} == {cell.hash for cell in cells}
    with pytest.raises(ResourceError, match="2: 1 GPUs found on the largest of 2 nodes"):
        cheap.sweep(cheap.make_cells(3), tmp_path, jobs=None, address=cluster, gpus_per_cell=2)


@pytest.mark.system
def test_ray_reuses_workers_and_survives_those_that_die(tmp_path, cluster):
    """One sweep: six good cells, one whose worker is killed once, one whose worker is killed every time."""
    unlucky, doomed = cheap.make_cells(1, do="die-once") + cheap.make_cells(1, do="die")
    cells = [*cheap.make_cells(2), unlucky, doomed, *cheap.make_cells(6)[2:]]
    seen = cheap.sweep(cells, tmp_path, jobs=2, address=cluster)
    by_hash = {cell.hash: record for cell, record in seen}
    assert len(seen) == len(by_hash) == len(cells)
    assert by_hash[doomed.hash]["status"] == "failed"
    assert "died twice" in by_hash[doomed.hash]["reason"]
    assert by_hash[unlucky.hash]["status"] == "ok", "one retry"
    good = [by_hash[cell.hash] for cell in cells if cell != doomed]
    assert {record["status"] for record in good} == {"ok"}
    workers = [record["worker"] for record in good]
    assert len({worker["pid"] for worker in workers}) <= 2 + 3, "three workers were killed; the others were reused"
    assert os.getpid() not in {worker["pid"] for worker in workers}
    assert {(worker["threads"], worker["datasets"]) for worker in workers} == {("1", None)}
    assert Store(tmp_path).missing(cells) == []
    assert unfinished_files(tmp_path) == []


@pytest.mark.system
def test_a_worker_that_has_lost_cuda_is_replaced_and_its_cell_keeps_its_record(tmp_path, cluster):
    losing = cheap.make_cells(1, do="lose-cuda")[0]
    cells = [losing, *cheap.make_cells(4)[1:]]
    records = {cell.hash: record for cell, record in cheap.sweep(cells, tmp_path, jobs=1, address=cluster)}
    lost = records.pop(losing.hash)
    assert (lost["status"], lost["reason"]) == ("failed", "told to")
    assert {record["status"] for record in records.values()} == {"ok"}
    assert lost["worker"]["pid"] not in {record["worker"]["pid"] for record in records.values()}


@pytest.mark.system
def test_after_kill_9_of_the_driver_only_the_missing_cells_run_and_the_records_agree(tmp_path):
    driver = start(tmp_path / "killed", jobs=2, count=6, seconds=0.3)
    finished = {driver.stdout.readline().strip() for _ in range(2)}
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    cells = cheap.make_cells(6, seconds=0.3)
    store = Store(tmp_path / "killed")
    missing = store.missing(cells)
    assert finished.isdisjoint({cell.hash for cell in missing})
    assert missing, "it was killed before the end"
    resumed = cheap.sweep(missing, tmp_path / "killed", jobs=0)
    assert [cell for cell, _ in resumed] == missing
    cheap.sweep(cells, tmp_path / "undisturbed", jobs=0)
    assert scores(tmp_path / "killed") == scores(tmp_path / "undisturbed")


def terminate(driver):
    driver.send_signal(signal.SIGTERM)


def hang_up(driver):
    """What a terminal does whose connection is lost."""
    driver.send_signal(signal.SIGHUP)


def control_c(driver):
    """A terminal sends it to every process of the group, Ray's included."""
    os.killpg(driver.pid, signal.SIGINT)


def ends_at_once(driver, stop, results):
    driver.stdout.readline()
    stop(driver)
    assert driver.wait(timeout=60) == 130
    assert 1 <= len(scores(results)) < 60
    assert unfinished_files(results) == []


@pytest.mark.parametrize("stop", [pytest.param(hang_up, marks=pytest.mark.deep), control_c])
def test_a_signal_ends_a_sweep_at_once_and_leaves_whole_records(tmp_path, stop):
    results = tmp_path / "results"
    ends_at_once(start(results, jobs=0, count=60, seconds=0.5), stop, results)


def test_a_sweep_that_was_started_in_the_background_of_a_script_ends_on_sigterm(tmp_path):
    """A shell without job control starts it with SIGINT ignored, nohup with SIGHUP ignored."""
    results = tmp_path / "results"
    driver = start(results, jobs=0, count=60, seconds=0.5, ignored=[signal.SIGINT, signal.SIGHUP])

    def all_three(driver):
        control_c(driver)
        hang_up(driver)
        assert driver.poll() is None
        terminate(driver)

    ends_at_once(driver, all_three, results)


@pytest.mark.system
def test_a_signal_ends_a_sweep_on_a_cluster_at_once(tmp_path, cluster):
    results = tmp_path / "results"
    ends_at_once(start(results, jobs=2, count=60, seconds=0.5, address=cluster), terminate, results)


@pytest.mark.deep
def test_control_c_ends_a_sweep_at_once_although_it_reaches_ray_too(tmp_path):
    results = tmp_path / "results"
    ends_at_once(start(results, jobs=2, count=60, seconds=0.5), control_c, results)


@pytest.mark.deep
def test_two_runs_at_once_on_one_folder_corrupt_nothing(tmp_path):
    runs = [start(tmp_path / "shared", jobs=0, count=6, seconds=0.02) for _ in range(2)]
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    cheap.sweep(cheap.make_cells(6, seconds=0.02), tmp_path / "alone", jobs=0)
    assert scores(tmp_path / "shared") == scores(tmp_path / "alone")
    assert unfinished_files(tmp_path / "shared") == []
