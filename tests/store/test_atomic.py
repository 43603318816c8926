"""Files and folders that appear complete or not at all."""

import os
import subprocess
import sys
import threading

import pytest

from mmda_bench.machine import others
from mmda_bench.store import atomic


def test_whether_to_write_is_asked_when_nobody_else_writes_and_nothing_is_touched_if_not(tmp_path):
    (tmp_path / "record").write_text("of another run")
    fills = {tmp_path / name: lambda file: file.write(b"ours") for name in ("arrays", "record")}
    options = {"stale": (tmp_path / "record",), "commit_file": tmp_path / "record"}
    assert not atomic.write_together(fills, unless=lambda: True, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["record"]
    assert (tmp_path / "record").read_text() == "of another run"
    assert atomic.write_together(fills, unless=lambda: False, **options)
    assert (tmp_path / "record").read_text() == "ours"


def test_a_folder_gets_its_name_when_it_is_whole(tmp_path):
    with atomic.new_folder(tmp_path / "shard") as draft:
        (draft / "values").write_bytes(b"1")
        assert not (tmp_path / "shard").exists()
    assert [path.name for path in (tmp_path / "shard").iterdir()] == ["values"]


@pytest.mark.parametrize("failing", ["body", "fsync"])
def test_a_folder_that_is_not_whole_leaves_nothing(tmp_path, monkeypatch, failing):
    def full(handle):
        raise OSError(28, "No space left on device")

    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"), atomic.new_folder(tmp_path / "shard") as draft:  # noqa: PT012
        (draft / "values").write_bytes(b"1")
        if failing == "body":
            full(0)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_ending_is_waited_for(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.5)"])
    own = others.own_name().rpartition("-")[0] + f"-{writer.pid}"
    draft = tmp_path / "cell" / f"{atomic.TEMPORARY}{own}-0123abcd"
    draft.parent.mkdir()
    draft.touch()
    atomic.clear_leftovers(tmp_path)
    assert draft.exists(), "it may still be written"
    threading.Thread(target=writer.wait, daemon=True).start()
    atomic.clear_leftovers(tmp_path, patience_s=20)
    assert not draft.exists()
