"""A prepared corpus, as training sees it: positions, source labels, and features that lie on disk."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mmda_bench.backbone.sequences import Sequences
from mmda_bench.data.legibility import Legibility
from mmda_bench.dataset import MODALITIES, Card
from mmda_bench.features.shards import Ragged

TARGET_LABELS = "target-labels.json"


@dataclass(frozen=True)
class Corpus:
    """A prepared corpus: which utterance lies where, and the features of all of them.

    ``parts``: positions by (domain, split). ``source_labels`` by position: source utterances only. The target labels
    lie in a file of their own, which :func:`read_labels` opens to score a trained cell and for the reference run alone.
    ``skipped``, ``substituted``: [id, reason] of utterances left out, and of those a part of which was not there or is
    not as the files have it. ``lexical``: what shift and backbone make of the texts; None in a cache from before.
    ``card``: where the corpus was opened by its reader. ``target_shards``: names of the shards by modality that hold
    utterances of the target.
    """

    folder: Path
    ids: list[str]
    parts: dict[tuple[str, str], list[int]]
    source_labels: dict[int, int]
    classes: list[str]
    fingerprint: str
    skipped: list[list[str]]
    substituted: list[list[str]]
    features: dict[tuple[str, str], Ragged]
    lexical: Legibility | None = None
    card: Card | None = None
    target_shards: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def batch(
        self, positions: Sequence[int], *, shifted: Sequence[str] = (), pinned: bool = False
    ) -> dict[str, Sequences]:
        """All modalities of these utterances; those named in ``shifted`` corrupted (target utterances only).

        ``pinned``: in page-locked memory, from which a GPU copies by itself.
        """
        variant = {m: "shifted" if m in shifted else "clean" for m in MODALITIES}
        return {m: self.features[m, variant[m]].batch(positions, pinned=pinned) for m in MODALITIES}


def read_corpus(folder: Path) -> Corpus:
    """The prepared corpus in ``folder``; the features are mapped, not read."""
    index = json.loads((folder / "corpus.json").read_text())
    parts = {(domain, part): positions for domain, part, positions in index["parts"]}
    features = {
        (m, variant): Ragged(folder.parent / shard for shard in index["shards"][variant][m])
        for m in MODALITIES
        for variant in ("clean", "shifted")
    }
    return Corpus(
        folder=folder,
        ids=index["ids"],
        parts=parts,
        source_labels=_int_keys(index["source_labels"]),
        classes=index["classes"],
        fingerprint=index["fingerprint"],
        skipped=index["skipped"],
        substituted=index["substituted"],
        features=features,
        lexical=Legibility(**index["lexical"]) if "lexical" in index else None,
        target_shards={m: [Path(path).name for path in index["shards"]["shifted"][m]] for m in MODALITIES},
    )


def read_labels(corpus: Corpus, domain: str, positions: Sequence[int]) -> np.ndarray:
    """Labels of these utterances, (N,) class indices. For scoring, and for the reference run on target labels."""
    target = domain == "target"
    table = _int_keys(json.loads((corpus.folder / TARGET_LABELS).read_text())) if target else corpus.source_labels
    return np.array([table[p] for p in positions])


def _int_keys(table: dict[str, int]) -> dict[int, int]:
    return {int(key): value for key, value in table.items()}
