"""Peak memory of preparing and of training does not depend on the size of the corpus."""

import pytest
from benchmarks.bench_memory import measure


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    few, many = measure(450, tmp_path), measure(1350, tmp_path)
    cache = many["cache"] - few["cache"]
    assert cache > 150, "MB"
    assert many["prepare"] - few["prepare"] < 0.1 * cache
    # training's peak varies by a tenth of the cache from run to run: it depends on when the allocator gives back
    assert many["train"] - few["train"] < 0.5 * cache
