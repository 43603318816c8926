"""From what was measured: the hours of Table 1 on one such card and on four. Worked out, not run."""

from typing import Any

from mmda_bench.protocol import SUPERVISED
from mmda_bench.registry import METHODS
from tests.benchmarks.bench_full_size import ANCHORS, BATCH, CORPORA, EPOCHS, SEEDS, TRAINED_BATCHES
from tests.benchmarks.gpu import packed
from tests.benchmarks.gpu.sections import Result

WORKED_OUT = (
    "worked out from the step, the prefix and the packing of this run: every utterance as long as the longest, steps "
    "of two batches (DT one, PCL three) as A3D2's, scores at the forward share of a step; decoding is not counted"
)
FORWARD = 1 / 3  # of the arithmetic of a step: a backward pass costs about two forward ones


def hours(*, step_ms: float, speedup: float, prefix_per_second: float) -> dict[str, dict[str, float]]:
    """Hours on one card by corpus: ``training``, ``scores``, ``prefix`` and ``total``.

    ``step_ms``: of a step of A3D2, alone on the card. ``speedup``: of the best packing over one cell at a time.
    """
    names = [*METHODS.names("all"), SUPERVISED]
    a_batch = step_ms / 2 / speedup / 3.6e6
    found = {}
    for corpus, (utterances, *_) in CORPORA.items():
        runs, steps = ANCHORS * SEEDS, packed.steps_of_a_cell(corpus)
        batches = runs * steps * sum(TRAINED_BATCHES.get(name, 2) for name in names)
        scored = runs * len(names) * 2 * int(0.2 * utterances / 2) / BATCH
        parts = {
            "training": batches * a_batch,
            "scores": scored * a_batch * FORWARD,
            "prefix": 1.5 * utterances / prefix_per_second / 3600,  # all clean, half of them shifted too
        }
        found[corpus] = {**parts, "total": sum(parts.values())}
    return found


def fill(result: Result, found: dict[str, Any]) -> None:
    """The section, from the others. Raises KeyError when what it needs was not measured."""
    fast, full = found["fast"], found["packed"]["full_size"]
    alone, most = full["1"]["cells_an_hour"], packed.best(full)
    assert most is not None
    result["is"] = WORKED_OUT
    result["epochs"] = EPOCHS
    result["cells_at_once"], result["speedup_by_packing"] = most[0], most[1] / alone
    for blocks in (3, 1):
        one = hours(
            step_ms=fast[f"blocks_{blocks}"]["step_ms"],
            speedup=most[1] / alone,
            prefix_per_second=fast["prefix_per_second"],
        )
        result[f"blocks_{blocks}"] = {
            "hours_on_one_card": one,
            "hours_on_four_cards": {name: part["total"] / 4 for name, part in one.items()},
        }
