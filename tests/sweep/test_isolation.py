"""A cell gives the same numbers whatever plug-in is loaded and whatever ran before in its process."""

import random
import threading
from dataclasses import replace

import cheap
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import load_plugin
from mmda_bench.store import Store
from mmda_bench.sweep import scheduler, worker

pytestmark = pytest.mark.slow

HEAD = """
import random
import numpy as np
import torch
import torch.nn.functional as F
from mmda_bench import Method, register_method
"""
PLUGINS = {
    "doubles": """
@register_method("doubles", title="Doubles", paper="none")
class Doubles(Method):
    def __init__(self, ctx):
        super().__init__(ctx)
        torch.set_default_dtype(torch.float64)
        np.seterr(all="ignore")
        random.seed(5)

    def loss(self, source, target, progress):
        return {"gap": (source.z["joint"].double().mean(0) - target.z["joint"].double().mean(0)).square().sum()}
""",
    "smooth": """
plain = F.cross_entropy
F.cross_entropy = lambda *a, **k: plain(*a, **{"label_smoothing": 0.1, **k})

@register_method("smooth", title="Smooth", paper="none")
class Smooth(Method):
    def loss(self, source, target, progress):
        return {"gap": (source.z["joint"].mean(0) - target.z["joint"].mean(0)).square().sum()}
""",
    "sticky": """
@register_method("sticky", title="Sticky", paper="none")
class Sticky(Method):
    centres = {}

    def loss(self, source, target, progress):
        centre = self.centres.setdefault("joint", source.z["joint"].detach().mean(0))
        noise = random.random() + np.random.random() + torch.rand(()).item()
        return {"pull": (target.z["joint"] - centre).square().mean() * noise}
""",
}


@pytest.fixture
def files(tmp_path):
    paths = {name: tmp_path / f"{name}.py" for name in PLUGINS}
    for name, path in paths.items():
        path.write_text(HEAD + PLUGINS[name])
    return paths


def cell(method, *, seed=0):
    return Cell(
        method=method, params={}, dataset="avatars", version="v3", anchor="A", seed=seed,
        protocol=Protocol(backbone="tiny", epochs=1),
    )  # fmt: skip


@pytest.fixture
def sweep(small_corpus, tmp_path):
    """Records and target probabilities of cells run in this process, one after the other."""

    def run(*cells, plugins=(), folder="results"):
        store = Store(tmp_path / folder)
        version = small_corpus.corpus.card.version
        cells = [replace(one, version=version) for one in cells]
        scheduler.run(cells, store=store, root=None, cache=small_corpus.cache, jobs=0, gpus_per_cell=0, plugins=plugins)
        records = [store.read(one) for one in cells]
        assert [record["reason"] for record in records] == [None] * len(cells)
        return records, [store.predictions(record)["target_test/probabilities"] for record in records]

    return run


@pytest.mark.filterwarnings("ignore::mmda_bench.machine.as_before.PutBackWarning")
def test_the_same_cell_gives_the_same_bits_whatever_is_loaded_and_whatever_ran_before(sweep, files):
    plugins = list(files.values())
    alone = [sweep(cell("dt"), folder="dt"), sweep(cell("sticky", seed=1), plugins=plugins[2:], folder="sticky")]
    np.random.seed(1)
    random.seed(1)
    records, found = sweep(
        cell("smooth"), cell("doubles"), cell("sticky"), cell("dt"), cell("sticky", seed=1), plugins=plugins
    )
    assert np.array_equal(found[3], alone[0][1][0])
    assert np.array_equal(found[4], alone[1][1][0])
    assert records[4]["curves"] == alone[1][0][0]["curves"]
    assert torch.get_default_dtype() == torch.float32
    assert F.cross_entropy.__module__ == "torch.nn.functional"

    first, doubles, _, dt, _ = records
    assert first["put_back"] == ["torch.nn.functional.cross_entropy"]
    assert set(doubles["put_back"]) >= {"the default dtype of torch"}
    assert "put_back" not in dt
    assert "plugins" not in alone[0][0][0]
    why = {plugin["name"]: plugin["why"] for plugin in first["plugins"]}
    assert why == {
        "smooth.py": "method smooth",
        "doubles.py": "other cells of the run",
        "sticky.py": "other cells of the run",
    }
    assert first["plugins"][0]["digest"] == first["method_source"]


def test_a_cell_that_spoils_the_process_is_stored_and_ends_a_sweep_in_it(tmp_path):
    spoiling, after = cheap.make_cells(1, do="spoil")[0], cheap.make_cells(2)[1]
    try:
        with pytest.raises(
            worker.SpoiltError, match=r"method cheap changes the inference mode of torch, .* same command"
        ):
            cheap.sweep([spoiling, after], tmp_path, jobs=0)
    finally:
        threading.current_thread().spoilt.__exit__(None, None, None)
    store = Store(tmp_path)
    assert store.read(spoiling)["put_back"][-1] == "the inference mode of torch"
    assert store.missing([spoiling, after]) == [after]


def other_plugin(tmp_path):
    path = tmp_path / "other.py"
    path.write_text(HEAD + PLUGINS["sticky"])
    return path


def test_workers_of_cells_with_plug_ins_are_others_and_each_seed_changes_between_them_once(tmp_path):
    from mmda_bench.sweep import ray_tune

    plugin = load_plugin(other_plugin(tmp_path))
    work = worker.Work(results=tmp_path, root=None, cache=tmp_path, plugins=(plugin,))
    cells = [cell(method, seed=seed) for seed in (1, 0) for method in ("sticky", "dt", "sticky", "dann")]
    takes = [ray_tune.resources(0.0, {"cell": one.key(), "work": work}) for one in cells]
    assert (takes[0] == takes[2], takes[1] == takes[3], takes[0] == takes[1]) == (True, True, False)
    ordered = ray_tune.together(cells, work)
    assert [(one.seed, one.method) for one in ordered[:4]] == [(1, "dt"), (1, "dann"), (1, "sticky"), (1, "sticky")]
    assert sorted(one.hash for one in ordered) == sorted(one.hash for one in cells)


@pytest.mark.system
def test_on_ray_a_plug_in_is_loaded_only_where_its_cells_run_and_a_spoilt_worker_is_replaced(tmp_path, cluster):
    """The cells of DT run in workers that have never seen a plug-in; nobody runs where the process was spoilt."""
    cheap_cells = [*cheap.make_cells(2), *cheap.make_cells(1, do="spoil")]
    bare = [replace(one, method="dt") for one in cheap.make_cells(2)]
    cells = [cheap_cells[2], bare[0], cheap_cells[0], bare[1], cheap_cells[1]]
    found = {}
    scheduler.run(
        cells, store=Store(tmp_path), root=None, cache=tmp_path / "cache", jobs=1, gpus_per_cell=0, address=cluster,
        plugins=[cheap.__file__, other_plugin(tmp_path)], runner="cheap:run_cell",
        on_result=lambda one, record: found.setdefault(one.hash, record),
    )  # fmt: skip
    assert {record["reason"] for record in found.values()} == {None}, [record["traceback"] for record in found.values()]
    workers = {one.hash: found[one.hash]["worker"] for one in cells}
    assert [workers[one.hash]["plugins"] for one in bare] == [[], []]
    assert [workers[one.hash]["plugins"] for one in cheap_cells] == [["mmda_bench_plugin_cheap"]] * 3
    assert "plugins" not in found[bare[0].hash]
    assert found[cheap_cells[0].hash]["plugins"][0]["why"] == "method cheap"
    spoilt = workers[cheap_cells[2].hash]["pid"]
    assert spoilt not in {worker["pid"] for name, worker in workers.items() if name != cheap_cells[2].hash}
