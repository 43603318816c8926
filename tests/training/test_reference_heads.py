"""The references that the heads of DT give: the probe that finds the anchor, and what the heads answer."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from scipy.special import softmax
from sklearn.metrics import f1_score

from mmda_bench import registry, training
from mmda_bench.metrics import reference_heads as heads
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.store import Store
from mmda_bench.training import assumed_anchor, run_cell

MODALITIES = ("A", "L", "V")
VERSION = registry.DATASETS.get("avatars").card.version


def cell(method, anchor="L", seed=0):
    protocol = Protocol(backbone="tiny", epochs=1)
    params = dict(registry.METHODS.entry(method).parameters)
    return Cell(method=method, params=params, dataset="avatars", version=VERSION, anchor=anchor, seed=seed,
                protocol=protocol)  # fmt: skip


@pytest.fixture(scope="module")
def outcome(small_corpus):
    return run_cell(cell("dt"), root=None, cache=small_corpus.cache)


def representations(seed, shifts, count=120):
    """Source and target of every modality: normal, the target moved by ``shifts[m]``, on the unit sphere."""
    rng = np.random.default_rng(seed)
    z = [{m: rng.normal(size=(count, 16)) + side * shifts[m] for m in MODALITIES} for side in (0, 1)]
    return [{m: rows / np.linalg.norm(rows, axis=1, keepdims=True) for m, rows in half.items()} for half in z]


@pytest.mark.parametrize("anchor", MODALITIES)
def test_the_modality_that_did_not_shift_is_found_without_a_label(anchor):
    source, target = representations(1, {m: 0.0 if m == anchor else 2.0 for m in MODALITIES})
    found = heads.detect_anchor(source, target)
    assert found["modality"] == anchor
    assert found["accuracy"][anchor] == pytest.approx(0.5, abs=0.15)
    assert all(found["accuracy"][m] > 0.9 for m in MODALITIES if m != anchor)
    assert heads.detect_anchor(source, target) == found, "nothing in it is random"


def test_the_accuracy_of_the_probe_is_that_of_gradient_descent_on_the_same_halves():
    source, target = (half["A"] for half in representations(2, dict.fromkeys(MODALITIES, 0.4)))
    right = []
    for fitted in (0, 1):
        x, held_out = (np.concatenate([z[start::2] for z in (source, target)]) for start in (fitted, 1 - fitted))
        y = np.repeat([-1.0, 1.0], len(x) // 2)
        w, b = np.zeros(16), 0.0
        for _ in range(20_000):  # of Σ log(1 + exp(−y(wx + b))) + |w|²/2, which is what scikit-learn minimises
            push = y / (1 + np.exp(y * (x @ w + b)))
            w, b = w + 0.01 * (push @ x - w), b + 0.01 * push.sum()
        right.append(np.mean(((held_out @ w + b) > 0) == (y > 0)))
    assert heads.domain_accuracy(source, target) == pytest.approx(np.mean(right), abs=0.01)


@settings(max_examples=5, deadline=None)
@given(some.integers(0, 1000), some.integers(3, 40), some.integers(3, 40))
def test_domains_of_unequal_size_are_cut_to_the_smaller(seed, first, second):
    rng = np.random.default_rng(seed)
    source, target, rows = rng.normal(size=(first, 4)), rng.normal(size=(second, 4)), min(first, second)
    assert heads.domain_accuracy(source, target) == heads.domain_accuracy(source[:rows], target[:rows])


def test_each_reference_is_made_of_the_heads_that_its_name_says():
    logits = {m: np.random.default_rng(i).normal(size=(7, 3)) for i, m in enumerate(heads.HEADS)}
    stacked = heads.head_probabilities(logits)
    assert (stacked.shape, stacked.dtype) == ((7, 4, 3), np.float16)
    slow = {m: softmax(logits[m], 1) for m in heads.HEADS}
    answered = {name: heads.probabilities(name, stacked, anchor="V", detected="A") for name in heads.REFERENCES}
    np.testing.assert_allclose(answered["anchor-head"], slow["V"], atol=1e-3)
    np.testing.assert_allclose(answered["detected-anchor"], slow["A"], atol=1e-3)
    np.testing.assert_allclose(answered["mean-of-heads"], (slow["A"] + slow["L"] + slow["V"]) / 3, atol=1e-3)
    assert heads.probabilities("detected-anchor", stacked, anchor="V", detected=None) is None


def test_a_cell_of_dt_stores_the_heads_and_the_scores_of_the_references(outcome, small_corpus, tmp_path):
    record, arrays = outcome.record, outcome.outputs
    assert record["status"] == "ok", record["traceback"]
    labels, stacked = arrays["target_test/labels"], arrays["target_test/head_probabilities"]
    assert stacked.shape == (len(labels), 4, 4)
    np.testing.assert_array_equal(stacked[:, 3], arrays["target_test/probabilities"], "DT answers by its joint head")
    found = record["metrics"]["detected_anchor"]
    assert found["modality"] == min(found["accuracy"], key=found["accuracy"].get)
    answers = {
        "anchor-head": stacked[:, 1],
        "detected-anchor": stacked[:, "ALV".index(found["modality"])],
        "mean-of-heads": stacked[:, :3].astype(float).mean(1),
    }
    assert set(record["metrics"]["references"]) == set(answers)
    for name, p in answers.items():
        f1 = f1_score(labels, p.argmax(1), average=None, labels=range(4), zero_division=0)
        weighted = np.average(f1, weights=np.bincount(labels, minlength=4))
        assert record["metrics"]["references"][name]["weighted_f1"] == pytest.approx(weighted)
        assert record["metrics"]["references"][name]["per_class_f1"] == pytest.approx(f1)
    assert (
        record["metrics"]["target_test"]["heads"]["L"] == record["metrics"]["references"]["anchor-head"]["weighted_f1"]
    )

    store = Store(tmp_path)
    store.write(cell("dt"), record, arrays)
    np.testing.assert_array_equal(store.predictions(record)["target_test/head_probabilities"], stacked)
    assert store.read(cell("dt"))["metrics"] == json.loads(json.dumps(record["metrics"]))


def test_the_probe_sees_the_training_sets_and_no_label(outcome, small_corpus, monkeypatch):
    corpus, seen = small_corpus.corpus, {}
    predict = training.Trainer.predict

    def watched(self, half, positions):
        seen.setdefault(half, []).append(set(positions))
        return predict(self, half, positions)

    monkeypatch.setattr(training.Trainer, "predict", watched)
    monkeypatch.setattr(
        assumed_anchor, "detect_anchor", lambda *z: seen.update(z=z) or {"modality": "V", "accuracy": {}}
    )
    record = run_cell(cell("dt"), root=None, cache=small_corpus.cache).record
    assert record["metrics"]["detected_anchor"]["modality"] == "V"
    for half, z in zip(("source", "target"), seen["z"], strict=True):
        assert seen[half][0] == set(corpus.parts[half, "test"])
        assert seen[half][1] <= set(corpus.parts[half, "train"])
        assert len(z["A"]) == len(seen[half][1]) == min(heads.MOST_PROBED, len(corpus.parts[half, "train"]))


def test_other_methods_store_their_heads_and_no_references(small_corpus):
    run = run_cell(cell("dann"), root=None, cache=small_corpus.cache)
    assert run.outputs["target_test/head_probabilities"].dtype == np.float16
    assert not {"references", "detected_anchor"} & set(run.record["metrics"])
