"""A cell from end to end on a small corpus: numbers repeat, failures are recorded, labels stay hidden."""

import re
import types
from collections.abc import Mapping
from dataclasses import replace
from numbers import Integral
from pathlib import Path

import numpy as np
import pytest
import torch

from mmda_bench import registry, training
from mmda_bench.dataset import Utterance
from mmda_bench.features.corpus import read_labels
from mmda_bench.method import Method
from mmda_bench.protocol import SUPERVISED, Cell, Protocol
from mmda_bench.registry import register_method
from mmda_bench.training import run_cell

pytestmark = pytest.mark.slow

PROTOCOL = Protocol(backbone="tiny", epochs=1)
VERSION = registry.DATASETS.get("avatars").card.version
CUBLAS = "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"


def cell(method="dt", **changes):
    parameters = {} if method == SUPERVISED else dict(registry.METHODS.entry(method).parameters)
    options = {"dataset": "avatars", "version": VERSION, "anchor": "A", "seed": 0, "protocol": PROTOCOL} | changes
    return Cell(method=method, params=parameters, **options)


@pytest.fixture
def run(small_corpus):
    return lambda planned: run_cell(planned, root=None, cache=small_corpus.cache)


@pytest.fixture
def planted(monkeypatch):
    """Registers a method for one test."""

    def plant(cls):
        for entry in registry.read_class(cls, "test"):
            monkeypatch.setitem(registry.METHODS.entries(), entry.name, entry)
            monkeypatch.setitem(registry.METHODS._classes, entry.name, cls)
        return cls

    return plant


def same_numbers(a, b):
    return a.record["metrics"] == b.record["metrics"] and a.record["curves"] == b.record["curves"]


def test_a_record_says_everything_that_was_measured(run, small_corpus):
    outcome = run(cell("dann"))
    record = outcome.record
    assert record["status"] == "ok", record["traceback"]
    assert set(record["metrics"]) == {"source_test", "target_test", "category_distance"}
    assert all(value > 0 for value in record["metrics"]["category_distance"].values())
    assert set(record["curves"]["terms"]) == {"ib", "domain_joint"}
    assert record["key"] == cell("dann").key()
    assert record["dataset"]["fingerprint"] == small_corpus.corpus.fingerprint
    assert record["times"]["total_s"] >= record["times"]["train_s"] > 0
    assert record["titles"]["synthetic"] is True, "as the card has it"
    assert record["trainable_parameters"] > 100_000
    assert len(record["curves"]["terms"]["ib"]) == PROTOCOL.epochs
    test = small_corpus.corpus.parts["target", "test"]
    assert outcome.outputs["target_test/ids"].tolist() == [small_corpus.corpus.ids[p] for p in test]
    assert outcome.outputs["target_test/z_A"].shape == (len(test), 256)
    predicted = outcome.outputs["target_test/probabilities"].argmax(1)
    accuracy = np.mean(predicted == outcome.outputs["target_test/labels"])
    assert record["metrics"]["target_test"]["accuracy"] == accuracy, "the scores are those of the stored predictions"


@pytest.mark.parametrize("method", ["dt", "cdan", "a3d2"])
def test_the_same_seed_gives_the_same_numbers_whatever_ran_before(run, method):
    first = run(cell(method))
    run(cell("dann", seed=1))
    torch.rand(7)
    assert same_numbers(run(cell(method)), first)
    assert not same_numbers(run(cell(method, seed=1)), first)


def test_a3d2_without_its_components_is_direct_transfer_bit_for_bit(run):
    bare, dt = run(replace(cell("a3d2"), off=("aa", "add"))), run(cell("dt"))
    assert bare.record["curves"] == dt.record["curves"]
    assert bare.record["metrics"].items() <= dt.record["metrics"].items(), "DT has those of the references as well"


def test_the_reference_run_learns_from_target_labels_and_is_no_method(run):
    record = run(cell(SUPERVISED)).record
    assert record["status"] == "ok"
    assert SUPERVISED not in registry.METHODS.entries()


def test_a_loss_that_is_nan_is_recorded_as_diverged(run, planted):
    @planted
    @register_method("nan", title="NaN", paper="test")
    class Broken(Method):
        def loss(self, source, target, progress):
            bad = float("nan") if progress > 0 else 0.0
            return {"fine": target.z["A"].sum() * 0, "bad": target.z["A"].sum() * bad}

    record = run(cell("nan", protocol=replace(PROTOCOL, epochs=2))).record
    assert record["status"] == "diverged"
    assert "bad is nan at step 1" in record["reason"]
    assert record["metrics"] is None


def test_a_method_that_raises_is_recorded_with_its_traceback(run, planted):
    @planted
    @register_method("raises", title="Raises", paper="test")
    class Broken(Method):
        def loss(self, source, target, progress):
            return {"x": source.z["smell"].sum()}

    record = run(cell("raises")).record
    assert (record["status"], record["reason"]) == ("failed", "KeyError: 'smell'")
    assert any("smell" in line for line in record["traceback"])


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("tried to allocate 80 GiB"), RuntimeError(CUBLAS)])
def test_running_out_of_memory_is_recorded_with_a_hint(run, planted, error):
    @planted
    @register_method("greedy", title="Greedy", paper="test")
    class Greedy(Method):
        def loss(self, source, target, progress):
            raise error

    record = run(cell("greedy")).record
    assert record["status"] == "out-of-memory"
    assert str(error) in record["reason"]
    assert "--jobs 1" in record["reason"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="here a GPU can be used")
def test_a_gpu_that_cannot_be_used_is_recorded(small_corpus):
    record = run_cell(cell(), root=None, cache=small_corpus.cache, device="cuda").record
    assert record["status"] == "failed"
    assert re.search("CUDA|NVIDIA", record["reason"])
    assert record["hardware"]["gpu"] is None


def test_a_missing_corpus_is_recorded(tmp_path, small_corpus):
    missing = cell(dataset="folder", version="x")
    record = run_cell(missing, root=tmp_path / "nowhere", cache=small_corpus.cache).record
    assert record["status"] == "failed"
    assert "nowhere" in record["reason"]


def test_files_that_became_another_corpus_since_the_plan_fail_the_cell(run):
    record = run(replace(cell(), version="v0")).record
    assert record["status"] == "failed"
    assert f"version {VERSION}, the cell was planned for v0" in record["reason"]


def test_interruption_is_not_swallowed(run, planted):
    @planted
    @register_method("interrupted", title="Interrupted", paper="test")
    class Interrupted(Method):
        def loss(self, source, target, progress):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(cell("interrupted"))


def test_hooks_views_and_progress_reach_the_method(run, planted):
    seen = {"progress": [], "after": 0, "passed": 0}

    @planted
    @register_method("hooks", title="Hooks", paper="test")
    class Hooks(Method):
        target_views = 2

        def on_start(self, target_pass):
            ids = torch.cat([t.ids for t in target_pass()])
            seen["passed"] = ids.tolist() == list(range(self.ctx.target_size))

        def loss(self, source, target, progress):
            seen["progress"].append(progress)
            assert torch.equal(target.view2.ids, target.ids)
            return {"zero": target.view2.z["joint"].sum() * 0}

        def after_step(self):
            seen["after"] += 1

    record = run(cell("hooks")).record
    assert record["status"] == "ok", record["traceback"]
    assert seen["passed"]
    assert seen["progress"][0] == 0
    assert max(seen["progress"]) < 1
    assert seen["after"] == record["steps"] == len(seen["progress"])


ATTRIBUTES = ("__dict__", "__self__", "__closure__", "cell_contents", "base", "func", "args", "keywords", "grad_fn")
FRAMES = ("gi_frame", "f_locals", "next_functions")


def reachable(roots, limit=2_000_000):
    """Everything that attributes, containers and closures lead to, modules and classes of others left out."""
    queue, seen = list(roots), {}
    while queue and len(seen) < limit:
        value = queue.pop()
        if id(value) in seen or isinstance(value, (str, bytes, int, float, type, types.ModuleType)):
            continue
        seen[id(value)] = value
        if isinstance(value, Mapping):
            queue += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set, frozenset)):
            queue += list(value)
        for name in (*getattr(value, "__slots__", ()), *ATTRIBUTES, *FRAMES):
            try:
                queue.append(getattr(value, name))
            except (AttributeError, ValueError, RuntimeError):
                continue
    return list(seen.values())


class Secret:
    """The labels of some utterances, and every form in which a thing that is found may give them away."""

    def __init__(self, corpus, positions):
        self.positions, self.folder = positions, corpus.folder
        self.labels = read_labels(corpus, "target", positions).tolist()
        self.names = [corpus.classes[label] for label in self.labels]
        self.keys = [positions, [str(p) for p in positions], [corpus.ids[p] for p in positions], range(len(positions))]

    def told_by(self, value):
        if isinstance(value, Utterance):
            return True
        if isinstance(value, Path):
            return self.folder in (value, *value.parents) or value == self.folder.parent
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray):
            value = value.tolist() if value.ndim == 1 else None
        if isinstance(value, tuple):
            value = list(value)
        if not isinstance(value, (dict, list)) or len(value) < len(self.labels):
            return False
        return any(self._read(value, keys) in (self.labels, self.names) for keys in self.keys)

    @staticmethod
    def _read(value, keys):
        try:
            found = [value[key] for key in keys]
        except (KeyError, IndexError, TypeError):
            return None
        return found if all(isinstance(one, (Integral, str)) for one in found) else None


@pytest.fixture
def secret(small_corpus):
    return Secret(small_corpus.corpus, small_corpus.corpus.parts["target", "train"])


def test_no_attribute_leads_a_method_to_the_target_labels(run, planted, small_corpus, secret):
    found = []

    @planted
    @register_method("spy", title="Spy", paper="test")
    class Spy(Method):
        def on_start(self, target_pass):
            self.look([self, target_pass, target_pass(), *target_pass()])

        def loss(self, source, target, progress):
            assert not hasattr(target, "labels")
            self.look([self, source, target])
            seen = [secret.positions[i] for i in target.ids.tolist()]
            of_batch = Secret(small_corpus.corpus, seen)
            found.extend(value for value in reachable([source, target]) if of_batch.told_by(value))
            return {}

        def predict(self, logits):
            self.look([self, logits])
            return super().predict(logits)

        def look(self, roots):
            found.extend(value for value in reachable(roots) if secret.told_by(value))

    record = run(cell("spy")).record
    assert record["status"] == "ok", record["traceback"]
    assert not found


@pytest.mark.parametrize(
    "form", ["in order", "by position", "by name", "all", "tensor", "by id", "utterances", "folder", "trainer"]
)
def test_the_search_finds_the_labels_in_whatever_form_they_lie_about(form, small_corpus, secret):
    corpus = small_corpus.corpus
    by_position = dict(zip(secret.positions, secret.labels, strict=True))
    everything = [by_position.get(p, 0) for p in range(len(corpus.ids))]
    planted = {
        "in order": lambda: [np.array(secret.labels)],
        "by position": lambda: by_position,
        "by name": lambda: [[corpus.classes[label] for label in secret.labels]],
        "all": lambda: np.array(everything),
        "tensor": lambda: [{"x": torch.tensor(secret.labels)}],
        "by id": lambda: {corpus.ids[p]: label for p, label in by_position.items()},
        "utterances": lambda: list(small_corpus.reader.utterances(None)),
        "folder": lambda: types.SimpleNamespace(folder=corpus.folder),
        "trainer": lambda: training.Trainer(cell("dann"), corpus, torch.device("cpu")).train,
    }
    holder = types.SimpleNamespace(deep=[lambda: None, planted[form]()])
    assert any(secret.told_by(value) for value in reachable([holder]))


def test_the_labels_of_the_target_are_read_when_the_method_is_done(run, planted, monkeypatch):
    events = []

    @planted
    @register_method("late", title="Late", paper="test")
    class Late(Method):
        def loss(self, source, target, progress):
            return {}

        def predict(self, logits):
            events.append("predict")
            return super().predict(logits)

    def read(corpus, half, positions):
        events.append(half)
        return read_labels(corpus, half, positions)

    for module in ("cell", "trainer"):
        monkeypatch.setattr(f"mmda_bench.training.{module}.read_labels", read)
    record = run(cell("late")).record
    assert record["status"] == "ok", record["traceback"]
    assert events.count("target") == 1
    assert "predict" not in events[events.index("target") :]
