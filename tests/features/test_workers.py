"""The processes that encode: killed, short of memory, or stopped, they lose only what they were at."""

import os
import select
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import noise
import pytest
import torch

import mmda_bench
from mmda_bench.errors import ResourceError
from mmda_bench.features import encode, workers
from mmda_bench.features.prepare import prepare
from mmda_bench.protocol import Protocol
from mmda_bench.registry import load_plugin

pytestmark = pytest.mark.usefixtures("unwatched")
PROTOCOL = Protocol(backbone="tiny")


def noisy(root, cache, **options):
    load_plugin(noise.__file__)
    return prepare("noise", root=root, protocol=PROTOCOL, cache=cache, plugins=[noise.__file__], **options)


def ended(process_id, *, seconds=30):
    """Whether the process ends in time."""
    try:
        descriptor = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    return bool(select.select([descriptor], [], [], seconds)[0])


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.deep), 2])
def test_after_kill_9_the_same_command_computes_only_the_rest_and_no_process_is_left(tmp_path, jobs):
    root, cache = noise.lay_out(tmp_path / "root", 140), tmp_path / "cache"
    command = [sys.executable, noise.__file__, str(root), str(cache), str(jobs), "132"]
    environment = os.environ | {"PYTHONPATH": str(Path(mmda_bench.__file__).parents[1])}
    killed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=120, cwd=tmp_path)
    assert killed.returncode == -9
    children = [int(text) for text in killed.stdout.split()]
    assert len(children) == (jobs if jobs > 1 else 0)
    assert all(map(ended, children))
    # the kill may come between the digest of a shard and its name: such a one is not finished, and goes
    kept = {path: path.stat().st_mtime_ns for path in cache.glob("prefix/*/[!.]*/digest")}
    assert {path.parent.name for path in kept} >= {"A-000000", "A-000128"}
    told = []
    resumed = noisy(root, cache, progress=lambda *call: told.append(call))
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "noise: acoustic features" not in {stage for stage, *_ in told}
    assert not list(cache.glob("prefix/*/.tmp-*"))
    undisturbed = noisy(root, tmp_path / "undisturbed")
    assert (resumed.folder / "digest").read_text() == (undisturbed.folder / "digest").read_text()


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_preparation_with_advice(tmp_path):
    root = noise.lay_out(tmp_path / "root", 140, killer=130)
    with pytest.raises(ResourceError, match=r"was killed: for want of memory.*kept.*fewer --jobs"):
        noisy(root, tmp_path, jobs=2)
    assert noisy(noise.lay_out(root, 140), tmp_path).parts


@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, RuntimeError])
def test_no_memory_left_on_a_gpu_is_said_with_advice(tmp_path, monkeypatch, kind):
    def full(*_):
        raise kind("CUDA out of memory")

    monkeypatch.setattr(encode, "_encode", full)
    with pytest.raises(ResourceError, match=r"no memory left to encode \(CUDA out of memory\).*fewer --jobs"):
        noisy(noise.lay_out(tmp_path / "root", 40), tmp_path)


def test_a_gpu_is_shared_by_a_few_workers_only(monkeypatch):
    started = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(workers, "process_pool", lambda jobs, *_: started.append(jobs) or nullcontext())
    with workers.encoding(64, ()):
        pass
    assert started == [2 * workers.WORKERS_PER_GPU]


def test_the_encoder_of_this_process_is_let_go_at_the_end(tmp_path):
    noisy(noise.lay_out(tmp_path / "root", 40), tmp_path)
    assert encode.load_encoder.cache_info().currsize == 0
