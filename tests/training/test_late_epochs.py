"""The score after each of the last epochs: asked without touching the training, scored when it is over."""

from dataclasses import replace

import pytest
import torch
from hand_made import make_cell
from sklearn.metrics import f1_score

from mmda_bench import registry
from mmda_bench.features.corpus import read_labels
from mmda_bench.protocol import Protocol
from mmda_bench.training import Trainer, run_cell

VERSION = registry.DATASETS.get("avatars").card.version


@pytest.mark.parametrize(
    ("epochs", "late"), [(1, [0]), (2, [0, 1]), (3, [1, 2]), (8, [6, 7]), (9, [6, 7, 8]), (12, [9, 10, 11])]
)
def test_the_late_epochs_are_the_last_quarter_and_of_several_at_least_two(epochs, late):
    assert list(Protocol(backbone="tiny", epochs=epochs).late_epochs) == late


@pytest.mark.slow
def test_the_record_has_the_score_after_each_of_the_last_epochs(small_corpus):
    cell = make_cell("dann", "A", 1, epochs=3)
    cell = replace(cell, version=VERSION, protocol=replace(cell.protocol, batch=16))
    record = run_cell(cell, root=None, cache=small_corpus.cache).record
    assert record["status"] == "ok", record["traceback"]
    corpus = small_corpus.corpus
    test = corpus.parts["target", "test"]
    found, trainer = {}, Trainer(cell, corpus, torch.device("cpu"))

    def ask(epoch):
        labels, predicted = read_labels(corpus, "target", test), trainer.predict("target", test)[2].argmax(1)
        found[epoch] = f1_score(labels, predicted, labels=range(4), average="weighted", zero_division=0)

    trainer.train(after_epoch=ask)
    first, *late = record["curves"]["target_f1"]
    assert first is None
    assert late == pytest.approx([found[1], found[2]])
    assert late[-1] == record["metrics"]["target_test"]["weighted_f1"]


def test_to_ask_between_epochs_does_not_change_what_is_learnt(small_corpus):
    cell = replace(make_cell("cdan", "V", epochs=2), version=VERSION)
    test = small_corpus.corpus.parts["target", "test"]
    curves = []
    for asked in (True, False):
        trainer = Trainer(cell, small_corpus.corpus, torch.device("cpu"))  # which seeds what follows
        trainer.train(after_epoch=lambda epoch, t=trainer, n=asked: n and t.predict("target", test))
        curves.append(trainer.curves)
    assert curves[0] == curves[1]
