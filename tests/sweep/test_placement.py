"""Where sweeps run: the addresses of clusters, the start of Ray, its temporary folders, and how many cells at once."""

import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cheap
import pytest

from mmda_bench.errors import ResourceError, UsageError
from mmda_bench.machine import devices
from mmda_bench.sweep import placement, ray_folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unwatched")]


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "host:port", "127.0.0.1:99999", "ray://127.0.0.1:10001"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="HOST:PORT"):
        placement.check_address(address)


def test_an_address_where_nothing_listens_is_said_at_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.monotonic()
    with pytest.raises(ResourceError, match="no Ray cluster answers"):
        cheap.sweep(cheap.make_cells(1), tmp_path, jobs=1, address=f"127.0.0.1:{port}")
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", None], ids=["closes", "web", "silent"])
def test_an_address_where_something_else_listens_is_said_soon(answer, monkeypatch):
    monkeypatch.setattr(placement, "REACH_S", 1)

    def serve():
        peer, _ = listening.accept()
        with peer:
            if answer is None:
                peer.settimeout(5)
                while peer.recv(1024):  # until the other side has had enough
                    pass
            peer.sendall(answer or b"")

    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as pool:
        pool.submit(serve)
        with pytest.raises(ResourceError, match="no Ray cluster"):
            placement.check_address(f"127.0.0.1:{listening.getsockname()[1]}")


def test_a_temporary_folder_that_is_full_is_a_message(tmp_path, monkeypatch):
    def full(**options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(ResourceError, match=r"No space left on device; set TMPDIR to .*, or run without Ray: --jobs 0"):
        cheap.sweep(cheap.make_cells(1), tmp_path, jobs=1)


def test_ray_starts_here_whatever_the_environment_says_and_tells_when_it_cannot(tmp_path, monkeypatch):
    from mmda_bench.sweep import ray_tune

    asked = []

    def init(**options):
        asked.append(options["address"])
        raise RuntimeError("Timed out waiting for file gcs_server_port")

    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    monkeypatch.setattr(ray_tune.ray, "init", init)
    with pytest.raises(ResourceError, match=r"does not start: Timed out.*--jobs 0"):
        cheap.sweep(cheap.make_cells(1), tmp_path, jobs=1)
    assert asked == ["local"]


@pytest.fixture
def temporary(monkeypatch):
    """A short TMPDIR with what a dead process and this one have left there: (folder, the dead one's, ours)."""

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        monkeypatch.setattr(tempfile, "tempdir", base)
        left, mine = (Path(base, f"{ray_folder.TEMPORARY}{pid}-of-a-test") for pid in (dead.pid, os.getpid()))
        for folder in (left, mine):
            (folder / "ray").mkdir(parents=True)
            (folder / socket.gethostname()).touch()
        yield Path(base), left, mine


def test_only_what_dead_processes_left_is_removed(temporary):
    base, left, mine = temporary
    with ray_folder.temporary_folder() as folder:
        assert folder.parent == base
        assert (folder / socket.gethostname()).exists()
    assert not folder.exists()
    assert mine.exists()
    assert not left.exists()


def test_a_sweep_without_cells_clears_away_what_a_killed_one_left(temporary, tmp_path):
    _, left, mine = temporary
    sleeping = [sys.executable, "-c", "import time; print(flush=True); time.sleep(60)", str(left)]
    with subprocess.Popen(sleeping, stdout=subprocess.PIPE) as agent:
        agent.stdout.readline()
        cheap.sweep([], tmp_path, jobs=1)
        assert agent.wait(10) == -signal.SIGKILL
    assert mine.exists()
    assert not left.exists()


def test_a_folder_whose_name_is_too_long_for_the_sockets_of_ray_is_not_used(tmp_path, monkeypatch):

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 5)))
    with ray_folder.temporary_folder() as folder:
        assert folder.parent == Path("/tmp")
        assert len(str(folder)) < len(ray_folder.SOCKET)


def test_a_folder_that_another_user_left_is_let_alone(temporary, monkeypatch):
    _, left, _ = temporary
    remove, tried = ray_folder.remove, []

    def theirs(folder, *, marker):
        tried.append(folder)
        if folder == left:
            raise PermissionError(errno.EACCES, "Permission denied")
        remove(folder, marker=marker)

    monkeypatch.setattr(ray_folder, "remove", theirs)
    with ray_folder.temporary_folder() as folder:
        assert folder.exists()
    assert tried == [folder, left]


def test_cells_at_once_follow_from_the_devices(monkeypatch):
    assert placement.default_jobs([0], 0.0, cpus=6) == 6
    assert placement.default_jobs([4], 0.25, cpus=6) == 16
    assert placement.default_jobs([1], 0.3, cpus=6) == 3
    assert placement.default_jobs([4], 0.3, cpus=6) == 12  # Ray splits no part over two GPUs
    assert placement.default_jobs([4], 1.0, cpus=128) == 4
    assert placement.default_jobs([3, 3], 2.0, cpus=128) == 2  # nor a cell over two nodes
    assert placement.default_jobs([1], 2.0, cpus=4) == 1
    assert placement.cells_at_once(3, None) == 3
    monkeypatch.setattr(placement, "gpu_count", lambda: 2)
    assert placement.cells_at_once(None, None) == 2
    assert placement.cells_at_once(None, 0.5) == 4
    assert placement.cells_at_once(None, 0) == devices.cpu_count()
    for wrong in (-1.0, 1.5, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="--gpus-per-cell"):
            placement.check(wrong, None)
