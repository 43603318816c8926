"""A prepared corpus of which the target lacks modalities: the same positions, with stand-ins for what is not there."""

from dataclasses import replace

from mmda_bench.features.cache import Place
from mmda_bench.features.corpus import Corpus
from mmda_bench.features.shards import Ragged
from mmda_bench.protocol import SPLITS, Protocol
from mmda_bench.shifts import lacking


def without_missing(corpus: Corpus, protocol: Protocol, place: Place, *, dataset: str) -> Corpus:
    """``corpus`` as ``protocol.missing`` leaves it, for every scenario: an anchor may be missing like a drift.

    Raises :class:`FileNotFoundError` where the stand-ins have not been made.
    """
    splits = SPLITS if protocol.missing_in == "target" else SPLITS[-1:]
    lacks = {
        p: lacking(dataset, corpus.ids[p], modalities=protocol.missing, rate=protocol.missing_rate)
        for split in splits
        for p in corpus.parts["target", split]
    }
    features = dict(corpus.features)
    for m in protocol.missing:
        absent = Ragged(place.absent / name for name in corpus.target_shards[m])
        gone = {p: absent[p] for p in lacks if m in lacks[p]}
        for variant in ("clean", "shifted"):
            features[m, variant] = Ragged.of({**features[m, variant].rows, **gone})
    return replace(corpus, features=features)
