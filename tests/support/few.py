"""Small parts of a corpus that still have every class."""

from collections import Counter
from collections.abc import Iterable, Iterator

from mmda_bench.dataset import Utterance


def first_of_each_class(utterances: Iterable[Utterance], each: int) -> Iterator[Utterance]:
    """Of every class the first ``each`` utterances."""
    seen: Counter[int] = Counter()
    for utterance in utterances:
        seen[utterance.label] += 1
        if seen[utterance.label] <= each:
            yield utterance
