"""Parts of Ray that die under a sweep, and signals at any moment: one message, nothing lost, nothing left."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import cheap
import pytest

from mmda_bench.errors import RayDiedError, Remark, ResourceError
from mmda_bench.machine import others
from mmda_bench.machine.process import signals_wait
from mmda_bench.store import Store
from mmda_bench.sweep import cluster as cluster_
from mmda_bench.sweep import placement, ray_folder, scheduler
from mmda_bench.sweep.worker import Work

LIBRARIES = ("random.py", "numpy.py", "torch.py", "json.py", "datasets.py", "ray.py")


def dead_process():
    """A process that has ended and that nobody has collected yet."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    while others._state(process.pid)[0] != "Z":
        time.sleep(0.01)
    return process


def test_a_zombie_is_no_process():
    process = dead_process()
    assert not others.exists(process.pid)
    process.wait()
    assert not others.exists(process.pid)
    assert others.exists(os.getpid())


def test_the_folder_of_ray_goes_with_its_dangling_link(tmp_path):
    folder = tmp_path / "ray"
    (folder / "session").mkdir(parents=True)
    (folder / "session_latest").symlink_to(folder / "session")
    (folder / "host").touch()
    ray_folder.remove(folder, marker="host")
    assert not folder.exists()


def test_what_has_the_folder_of_a_dead_sweep_among_its_arguments_or_as_its_owner_is_ended(tmp_path):
    """Agents and workers of Ray write a title over their arguments."""
    sleep, folder = [sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "ray-1"
    named, owned, other, unrelated = (
        subprocess.Popen([*sleep, f"--temp={path}"], env=os.environ | variables)
        for path, variables in (
            (folder, {}), ("", {ray_folder.OWNER: str(folder)}), (tmp_path / "other", {ray_folder.OWNER: f"{folder}0"}),
            ("", {"PWD": str(folder)}),
        )
    )  # fmt: skip
    ray_folder.kill_all(folder)
    assert [one.wait(10) for one in (named, owned)] == [-signal.SIGKILL] * 2
    assert [one.poll() for one in (other, unrelated)] == [None, None]
    for one in (other, unrelated):
        one.kill()
        one.wait()


@pytest.fixture
def told():
    """What a handler of SIGTERM has heard."""
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("now"))
    yield heard
    signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_for_the_end_and_a_second_one_does_not(told):
    with signals_wait():
        signal.raise_signal(signal.SIGTERM)
        assert told == []
    assert told == ["now"]
    with signals_wait():
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert told == ["now", "now"]
    assert told == ["now", "now"]


@pytest.mark.parametrize("error", [Exception("raylet died"), OSError(24, "Too many open files"), RuntimeError("")])
def test_whatever_ray_raises_when_it_starts_is_a_message(monkeypatch, tmp_path, error, told):
    def init(**options):
        signal.raise_signal(signal.SIGTERM)
        assert told == [], "Ray starts to its end first"
        raise error

    monkeypatch.setattr(cluster_.ray, "init", init)
    with pytest.raises(RayDiedError, match=r"Ray does not start: .*; see that there is room .*\(ulimit -n .*--jobs 0"):
        cluster_.start_ray("local", tmp_path, _temp_dir=str(tmp_path))
    assert told == ["now"]


def test_a_head_that_asks_for_a_token_is_told_how(monkeypatch, tmp_path):
    def init(**options):
        raise RuntimeError("UNAUTHENTICATED")

    monkeypatch.setattr(cluster_.ray, "init", init)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with pytest.raises(ResourceError, match=r"cannot be joined at 127.0.0.1:1.*export RAY_AUTH_MODE=token"):
        cluster_.start_ray("127.0.0.1:1", tmp_path)


def test_auto_is_what_ray_start_has_started_here_and_no_sweep_of_somebody(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(ResourceError, match="--address auto: no cluster was started on this machine with `ray start`"):
        placement.check_address("auto")
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("10.0.0.1:6379")
    assert placement.resolved("auto") == "10.0.0.1:6379"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.2:6379")
    assert placement.resolved("auto") == "10.0.0.2:6379"
    assert placement.resolved("10.0.0.3:6379") == "10.0.0.3:6379"


def test_gpus_that_processors_limit_are_said(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(cluster_, "start_ray", lambda address, folder, **_: asked.append(address))
    node = {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 8.0}}
    monkeypatch.setattr(cluster_.watchdog, "nodes", lambda: [node])
    with pytest.warns(Remark, match=r"the GPUs hold 8 cells, .* the cluster has 2: 2 cells at once"):
        cluster_.connect(tmp_path, address="10.0.0.1:6379", jobs=None, gpus_per_cell=None)
    assert asked == ["10.0.0.1:6379"]


def test_gpus_that_are_declared_and_not_there_are_refused(monkeypatch):
    from mmda_bench.sweep import ray_tune

    monkeypatch.setattr(ray_tune, "gpu_count", lambda: 0)
    monkeypatch.setattr(ray_tune.ray, "get_gpu_ids", lambda: [0])
    with pytest.raises(ResourceError, match=r"declares GPUs .* but torch finds none there"):
        ray_tune.CellTrainable.setup(SimpleNamespace(), {"work": SimpleNamespace(device=None, started_in=".")})
    ray_tune.CellTrainable.setup(SimpleNamespace(), {"work": SimpleNamespace(device="cpu", started_in=".")})


def test_a_cell_whose_node_is_gone_runs_again_and_fails_only_where_that_happens_thrice(tmp_path, monkeypatch):
    from ray import cloudpickle
    from ray.exceptions import ActorUnavailableError

    from mmda_bench.sweep import ray_tune

    error, rounds, told = tmp_path / "error", [], []
    error.write_bytes(cloudpickle.dumps(ActorUnavailableError("RPC error", None)))
    whole, cut = cheap.make_cells(2)
    store = Store(tmp_path / "results")

    def tuner(cells, work, report, folder, **_):
        rounds.append(list(cells))
        trial = SimpleNamespace(config={"cell": cut.key()}, pickled_error_file=str(error))
        return SimpleNamespace(fit=lambda: report.on_trial_error(0, [], trial))

    monkeypatch.setattr(ray_tune, "tuner", tuner)
    monkeypatch.setattr(ray_tune, "connect", lambda folder, **_: (0.0, 1))
    monkeypatch.setattr(ray_tune, "parts", dict)
    work = Work(results=store.results, root=None, cache=tmp_path)
    ray_tune.run(
        [whole, cut], work, jobs=1, gpus_per_cell=0, address=None, on_start=print,
        on_result=lambda cell, record: told.append((cell, record["status"])),
    )  # fmt: skip
    assert rounds == [[whole, cut], [cut], [cut]]
    assert told == [(cut, "failed")]
    assert not ray_tune.out_of_reach(None)


def wait(stuck):
    """Until it is set, and never long: where coverage traces, Python 3.11 stands still as long as one thread is to be
    interrupted that runs nothing of Python."""
    while not stuck.wait(0.1):
        pass


@pytest.fixture
def watchdog(monkeypatch):
    from mmda_bench.sweep import watchdog

    monkeypatch.setattr(watchdog, "EVERY_S", 0.05)
    monkeypatch.setattr(watchdog, "GRACE_S", 2.0)
    return watchdog


def test_a_part_that_ceases_to_answer_ends_the_wait(watchdog):
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Timer(0.3, listening.close).start()
    stuck = threading.Event()
    with pytest.raises(RayDiedError, match=r"the head \(gcs\) of Ray has died or cannot be reached"):
        watchdog.supervised(lambda: wait(stuck), {"the head (gcs)": listening.getsockname()})
    stuck.set()


@pytest.mark.parametrize("seconds", ["0", "0.3"], ids=["before the first look", "after it"])
def test_a_start_that_waits_for_what_has_died_is_given_up(watchdog, tmp_path, monkeypatch, seconds):
    raylet, over, stuck = tmp_path / "raylet", threading.Event(), threading.Event()
    raylet.symlink_to("/bin/sleep")
    monkeypatch.setattr(watchdog, "GRACE_S", 0.1)
    monkeypatch.setattr(watchdog, "EVERY_S", 0.15)

    def start():
        process = subprocess.Popen([raylet, seconds])
        wait(stuck)
        process.wait()

    with pytest.raises(RayDiedError, match=r"the node of this process \(raylet\) of Ray has died"):
        watchdog.started(start, over)
    stuck.set()
    over.set()


def test_what_is_started_lives_as_long_as_it_is_wanted(watchdog):
    """The kernel ends the processes of Ray with the thread that has started them."""
    over, before = threading.Event(), threading.enumerate()
    watchdog.started(lambda: None, over)
    (thread,) = (one for one in threading.enumerate() if one not in before)
    over.set()
    thread.join(10)
    assert not thread.is_alive()


def test_work_that_ends_or_fails_does_so_at_once(watchdog):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        places = {"the head": listening.getsockname()}
        assert watchdog.supervised(lambda: 7, places) == 7
        with pytest.raises(ZeroDivisionError):
            watchdog.supervised(lambda: 1 // 0, places)
    with pytest.raises(RayDiedError):
        watchdog.supervised(lambda: 1 // 0, places)


def test_an_interruption_reaches_the_work(watchdog):
    seen = []

    def work():
        try:
            while True:
                time.sleep(0.01)
        except KeyboardInterrupt:
            seen.append("interrupted")
            raise

    threading.Timer(0.3, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)).start()
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            watchdog.supervised(work, {})
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["interrupted"]


def start(results, *, seconds):
    """A sweep with a Ray of its own, in a folder whose files have the names of libraries."""
    for name in LIBRARIES:
        (results.parent / name).write_text("raise SystemExit('the wrong library')")
    command = [sys.executable, cheap.__file__, str(results), "1", "40", str(seconds)]
    paths = [str(Path(scheduler.__file__).parents[2]), str(Path(cheap.__file__).parent)]
    return subprocess.Popen(
        command, cwd=results.parent, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def part_of_ray(driver, name):
    """The process of this name that a driver has started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        if f"({name})" in text and int(text.rpartition(")")[2].split()[1]) == driver.pid:
            return int(stat.parent.name)
    return None


def leaves_nothing(driver):
    left = list(Path(tempfile.gettempdir()).glob(f"{ray_folder.TEMPORARY}{driver.pid}-*"))
    running = [
        path for path in Path("/proc").glob("[0-9]*/cmdline")
        if f"{ray_folder.TEMPORARY}{driver.pid}-".encode() in path.read_bytes()
    ]  # fmt: skip
    return left == [] and running == []


@pytest.mark.system
@pytest.mark.deep
@pytest.mark.parametrize("part", ["gcs_server", "raylet"])
def test_a_part_of_ray_that_is_killed_ends_the_sweep_with_a_message_and_nothing_left(tmp_path, part):
    results = tmp_path / "results"
    names = {"gcs_server": "the head (gcs)", "raylet": "the node of this process (raylet)"}
    driver = start(results, seconds=0.5)
    driver.stdout.readline()
    os.kill(part_of_ray(driver, part), signal.SIGKILL)
    shown, said = driver.communicate(timeout=90)
    assert driver.returncode == RayDiedError.exit_code
    assert said.strip().splitlines() == [f"{names[part]} of Ray has died or cannot be reached"]
    records, damaged = Store(results).records()
    assert {*shown.split()} <= {record["hash"] for record in records}, "Ray itself says nothing"
    assert 1 <= len(records) < 40
    assert damaged == []
    assert {record["status"] for record in records} == {"ok"}
    assert {record["worker"]["nice"] for record in records} == {os.getpriority(os.PRIO_PROCESS, 0)}
    assert leaves_nothing(driver)


@pytest.mark.system
def test_a_signal_while_ray_starts_ends_the_sweep_and_leaves_nothing(tmp_path):
    driver = start(tmp_path / "results", seconds=0.5)
    while part_of_ray(driver, "gcs_server") is None:
        assert driver.poll() is None
        time.sleep(0.02)
    driver.terminate()
    said = "".join(driver.communicate(timeout=120))
    assert driver.returncode == 130
    assert said == ""
    assert leaves_nothing(driver)
