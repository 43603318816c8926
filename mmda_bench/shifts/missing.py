"""Which modalities an utterance of the target lacks: drawn from names, so that every method sees the same target."""

from mmda_bench.dataset import MODALITIES
from mmda_bench.shifts.paper import draw


def lacking(corpus: str, utterance_id: str, *, modalities: str, rate: float) -> frozenset[str]:
    """The modalities among ``modalities`` that this utterance lacks, each with probability ``rate``.

    A higher rate takes away the same ones and more. Where all three would go, the one that would have gone last stays.

    >>> sorted(lacking("avatars", "u1", modalities="AL", rate=1.0))
    ['A', 'L']
    >>> len(lacking("avatars", "u1", modalities="ALV", rate=1.0))
    2
    """
    at = {m: draw(corpus, utterance_id, f"missing {m}").random() for m in modalities}
    gone = {m for m in modalities if at[m] < rate}
    if len(gone) == len(MODALITIES):
        gone.remove(max(gone, key=at.__getitem__))
    return frozenset(gone)
