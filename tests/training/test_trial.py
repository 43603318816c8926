"""What a trial leaves: enough to choose by, its answers on the target test set, and no label of the target."""

from dataclasses import replace

import numpy as np
import pytest

from mmda_bench import training
from mmda_bench.features import corpus as features
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import METHODS
from mmda_bench.registry.spec import label, parse_spec
from mmda_bench.store import Store
from mmda_bench.store.faults import fault
from mmda_bench.training import cell as cells
from mmda_bench.training import trainer as trainers
from mmda_bench.training import trial as trials

TRIED = Cell(
    method="dt", params=METHODS.entry("dt").parameters, dataset="avatars", version="v3", anchor="V", seed=1000,
    protocol=Protocol(backbone="tiny", epochs=1, select="trial"), rates=(0.5, 2.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def outcome(small_corpus):
    cell = replace(TRIED, version=small_corpus.reader.card.version)
    read = []

    def noted(corpus, domain, positions):
        read.append((domain, tuple(positions)))
        return features.read_labels(corpus, domain, positions)

    with pytest.MonkeyPatch.context() as patched:
        for module in (cells, trainers, trials):
            patched.setattr(module, "read_labels", noted)
        patched.setattr(cells, "_evaluated", lambda *_: pytest.fail("evaluated as a cell that is no trial"))
        return training.run_cell(cell, root=None, cache=small_corpus.cache), read, cell


def test_a_trial_reads_no_label_of_the_target(outcome):
    assert {domain for domain, _ in outcome[1]} == {"source"}


def test_a_trial_stores_what_every_validator_may_see_and_a_score_of_source_validation_alone(outcome, tmp_path):
    done, _, cell = outcome
    assert done.record["status"] == "ok", done.record["reason"]
    assert set(done.record["metrics"]) == {"source_validation"}
    store = Store(tmp_path)
    assert store.write(cell, done.record, done.outputs)
    record = store.read(cell)
    assert fault(record) == ""
    seen, lacking = store.evidence(record)
    assert not lacking
    assert not any(name.startswith("target_test") for name in seen)
    for part in ("source_validation", "target_train", "target_validation"):
        rows = len(seen[f"{part}/ids"])
        shapes = {seen[f"{part}/{name}"].shape for name in ("probabilities", "logits_A", "logits_joint")}
        assert shapes == {(rows, 4)}
        assert seen[f"{part}/z_joint"].shape == (rows, 768)
        assert seen[f"{part}/z_joint"].dtype == np.float16
    assert [name for name in seen if name.endswith("/labels")] == ["source_validation/labels"]
    beside, _ = store.load_predictions(record)
    assert {"target_test/ids", "target_test/probabilities"} <= set(beside)
    assert "target_test/labels" not in beside


def test_rates_are_factors_on_both_learning_rates_and_stand_in_the_key_only_where_they_are_set(small_corpus):
    from mmda_bench.features.prepare import open_corpus
    from mmda_bench.registry import BACKBONES

    plain = replace(TRIED, rates=(1.0, 1.0), protocol=Protocol(backbone="tiny"))
    assert "rates" not in plain.key()
    assert Cell.from_key(TRIED.key()) == TRIED
    corpus = open_corpus("avatars", root=None, protocol=plain.protocol, cache=small_corpus.cache)
    backbone = BACKBONES.get("tiny")
    device = trainers.torch.device("cpu")
    found = training.Trainer(replace(plain, rates=(0.5, 2.0)), corpus, device).rates
    assert found == (2.0 * backbone.pretrained_rate, 0.5 * backbone.learning_rate)
    assert training.Trainer(plain, corpus, device).rates == (backbone.pretrained_rate, backbone.learning_rate)


def test_rates_are_typed_like_parameters():
    spec = parse_spec("dann[rate=0.5,weight=2]")
    assert (spec.rates, spec.params["weight"]) == ((0.5, 1.0), 2.0)
    assert label(spec.method, spec.params, spec.off, spec.rates) == "dann[weight=2,rate=0.5]"
    with pytest.raises(Exception, match="above 0"):
        parse_spec("dann[rate=0]")
    with pytest.raises(Exception, match="leave out the others"):
        parse_spec("dann[tuned,weight=2]")
