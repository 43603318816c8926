"""Small shards: a corpus of two in each modality is then encoded in a moment."""

import pytest

from mmda_bench.features import cache, prepare


@pytest.fixture(scope="module")
def small_shards(small_corpus, unwatched):
    """Shards of 32 utterances, in what this process prepares; those of ``small_corpus`` have been written before."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (cache, prepare):
            patch.setattr(module, "SHARD", 32)
        yield
