"""Two cores suffice: threads and Ray are held small before anything is imported."""

import multiprocessing
import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
multiprocessing.get_context("forkserver").set_forkserver_preload(["mmda_bench.testing.process_contract"])
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
settings.register_profile("few", max_examples=30)  # every run of CI draws others
settings.load_profile("few")


@pytest.fixture(autouse=True, scope="module")
def registries_as_before_the_file():
    """Plug-ins that a fixture of a whole file loads are unknown to the next file of this process."""
    from mmda_bench import registry

    with registry.isolated():
        yield


@pytest.fixture(autouse=True)
def registries_as_before(registries_as_before_the_file):
    """Plug-ins of one test are unknown to the next, whatever the order."""
    from mmda_bench import registry

    with registry.isolated():
        yield


@pytest.fixture(scope="module")
def unwatched():
    """Nobody takes down what the names of libraries stand for, which costs every cell, file and shard of a plug-in a
    third of a second in this process; settings are looked at as ever."""
    from mmda_bench.machine import replaced

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replaced, "names", lambda: None)
        yield


@pytest.fixture
def undrawn(monkeypatch):
    """Figures are laid out and described, and not rendered, which takes most of the time of a leaderboard."""
    from mmda_bench.report.figures import style

    monkeypatch.setattr(style, "settle", lambda figure: None)
    monkeypatch.setattr(style, "svg", lambda figure: b'<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    monkeypatch.setattr(style, "png", lambda figure: b"nothing")


@pytest.fixture
def figureless(monkeypatch):
    """Leaderboards have tables and a page, and no figures at all."""
    from mmda_bench.report.figures import gallery

    monkeypatch.setattr(gallery, "draw", lambda boards, *_: {slug: [] for slug in gallery.slugs(boards)})


@dataclass(frozen=True)
class SmallCorpus:
    """The first utterances of ``avatars``, prepared once for all tests."""

    reader: Any
    cache: Path
    size: int
    corpus: Any

    def prepare(self, *, cache: Path | None = None, jobs: int = 1) -> Any:
        from mmda_bench.features.prepare import prepare
        from mmda_bench.protocol import Protocol

        protocol = Protocol(backbone="tiny")
        return prepare("avatars", root=None, protocol=protocol, cache=cache or self.cache, jobs=jobs)


@pytest.fixture(scope="session")
def small_avatars():
    """``avatars`` cut to 240 utterances, in this process and in those it forks from its environment."""
    from mmda_bench import registry

    reader = registry.DATASETS.get("avatars")
    whole, reader.utterances = reader.utterances, lambda self, root: islice(whole(self, root), 240)
    reader.utterances.whole = whole
    yield reader
    reader.utterances = whole


@pytest.fixture
def whole_avatars(monkeypatch):
    """``avatars`` uncut for one test, whatever an earlier test of this process has asked for."""
    from mmda_bench import registry

    reader = registry.DATASETS.get("avatars")
    monkeypatch.setattr(reader, "utterances", getattr(reader.utterances, "whole", reader.utterances))


@pytest.fixture(scope="session")
def small_corpus(small_avatars, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    first = SmallCorpus(small_avatars(), cache, 240, None)
    return SmallCorpus(small_avatars(), cache, 240, first.prepare())


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory):
    """A cache folder that processes started by tests share: ``avatars`` is prepared once in it."""
    return tmp_path_factory.mktemp("shared-cache")
