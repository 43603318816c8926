"""File systems without file locks: what writes goes on, says so once, and ``doctor`` names it."""

import errno
import fcntl
import os
import threading

import pytest

from mmda_bench.cli import doctor
from mmda_bench.cli.options import remarks_told
from mmda_bench.features import cache
from mmda_bench.machine import locks
from mmda_bench.store import atomic


@pytest.fixture
def no_flock(monkeypatch):
    """As on a Lustre mount without ``-o flock``."""

    def flock(*arguments):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(locks, "_said", set())


def test_everything_that_locks_goes_on_without_and_says_so_once(no_flock, tmp_path, capsys):
    with remarks_told():
        for number in range(2):
            atomic.write_bytes(tmp_path / f"{number}", b"whole")
            with cache.locked(tmp_path / "corpus.lock"):
                pass
    assert [path.read_bytes() for path in sorted(tmp_path.glob("[01]"))] == [b"whole"] * 2
    told = capsys.readouterr().err
    assert told.count("no file locks (Function not implemented); going on without them") == 1
    assert told.startswith(f"mmda-bench: {tmp_path}: ")


def test_doctor_names_the_folders_that_have_none(no_flock, tmp_path):
    check = doctor._locks(tmp_path, tmp_path / "nowhere")
    assert not check.passed
    assert not check.needed
    assert check.detail == f"none in {tmp_path} (Function not implemented)"


def test_doctor_finds_locks_where_there_are_some(tmp_path):
    assert doctor._locks(tmp_path).passed


def test_who_has_to_wait_is_told_so_and_waits(tmp_path):
    entered = []
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert locks.hold(first.fileno(), tmp_path)
        waiting = threading.Event()
        other = threading.Thread(
            target=lambda: entered.append(locks.hold(second.fileno(), tmp_path, waiting=waiting.set))
        )
        other.start()
        assert waiting.wait(10)
        assert entered == []
        fcntl.flock(first, fcntl.LOCK_UN)
        other.join(10)
    assert entered == [True]
