"""Batches: the same whether a thread loads them ahead or not, and nothing of the target for who may not see it."""

from itertools import islice

import pytest
import torch
from hand_made import make_cell

from mmda_bench.training.batches import Loader


@pytest.fixture
def loader(small_corpus):
    def make(**options):
        return Loader(make_cell("dann", "L"), small_corpus.corpus, torch.device("cpu"), size=8, **options)

    return make


def test_loading_ahead_gives_the_same_batches(loader):
    count = 2 * len(loader(with_target=True).corpus.parts["source", "train"]) // 8
    at_once, ahead = (islice(loader(with_target=True).batches(ahead=ahead), count) for ahead in (False, True))
    for a, b in zip(at_once, ahead, strict=True):
        assert (a.source_rows == b.source_rows).all()
        assert (a.target_rows == b.target_rows).all()
        for m in "ALV":
            assert a.source[m].values.equal(b.source[m].values)
            assert a.target[m].values.equal(b.target[m].values)


def test_an_epoch_shows_every_utterance_at_most_once(loader):
    made = loader(with_target=False)
    steps = len(made.corpus.parts["source", "train"]) // 8
    rows = [row for batch in islice(made.batches(ahead=False), steps) for row in batch.source_rows.tolist()]
    assert len(rows) == len(set(rows)) == 8 * steps


def test_without_target_there_are_no_target_features(loader):
    assert next(loader(with_target=False).batches(ahead=False)).target is None


def test_only_the_drifts_of_the_target_are_shifted(loader):
    made = loader(with_target=True)
    position = made.corpus.parts["target", "train"][0]
    for modality, variant in (("A", "shifted"), ("L", "clean"), ("V", "shifted")):
        seen = made.features("target", [position])[modality].values[0].numpy()
        assert (seen == made.corpus.features[modality, variant][position]).all()
