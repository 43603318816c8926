"""How much of a corpus's texts the lexical shift reaches, and how much of them a backbone can read.

A sweep runs, and gives numbers, where neither is the case: they would say nothing about words. So both are counted,
said before a sweep and stored in every record, and a corpus of which a backbone knows no word at all is refused.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mmda_bench.errors import DataError
from mmda_bench.shifts import masked_count
from mmda_bench.shifts.scripts import all_units

if TYPE_CHECKING:
    from mmda_bench.backbone.base import Encoder

LOOKED_AT = 5_000  # different words, the most frequent first, by which it is judged whether a corpus can be read
ALIKE = 0.98  # share of their occurrences, unknown and all one token to the backbone, from which it cannot
WAY_OUT = "--backbone paper --weights lexical=google-bert/bert-base-multilingual-cased"


@dataclass(frozen=True, kw_only=True)
class Legibility:
    """Counts over the texts of a corpus. ``texts``: how many. ``unchanged``: those that the lexical shift leaves as
    they are, for want of a second word; None where the protocol shifts no words. ``words``: words, or characters where
    a script has no spaces. ``unknown``: those that the backbone does not know; None where it cannot tell."""

    texts: int
    unchanged: int | None
    words: int
    unknown: int | None

    def as_json(self) -> dict[str, int | None]:
        """Plain values: the field ``dataset.lexical`` of a record."""
        return asdict(self)

    def remarks(self, backbone: str) -> list[str]:
        """One sentence for each count that a reader of the results must know; none where all is well.

        >>> Legibility(texts=240, unchanged=12, words=1_900, unknown=0).remarks("tiny")
        ['the lexical shift leaves 12 of 240 texts as they are: they have too few words']
        """
        said = [] if self.words else [f"none of the {self.texts:,} texts has a word"]
        if self.unchanged and self.words:
            said.append(
                f"the lexical shift leaves {self.unchanged:,} of {self.texts:,} texts as they are: they have too few "
                "words"
            )
        if self.unknown:
            share = self.unknown / self.words
            said.append(
                f"the backbone {backbone} does not know {share:.1%} of the words ({self.unknown:,} of {self.words:,})"
            )
        return said


def legibility(texts: Sequence[str], *, share: float, encoder: "Encoder | None" = None) -> Legibility:
    """Count ``texts``, of whose words the shift masks ``share``, as the lexical ``encoder`` reads them.

    >>> legibility(["yes", "she said no"], share=0.4)
    Legibility(texts=2, unchanged=1, words=4, unknown=None)
    """
    parts = [all_units(text) for text in texts]
    counts = Counter(unit for text in parts for unit in text)
    known = None if encoder is None else encoder.knows(list(counts))
    return Legibility(
        texts=len(texts),
        unchanged=sum(masked_count(len(text), share) == 0 for text in parts) if share else None,
        words=counts.total(),
        unknown=None if known is None else sum(n for n, mine in zip(counts.values(), known, strict=True) if not mine),
    )


def check_legible(texts: Sequence[str], encoder: "Encoder", *, dataset: str, backbone: str) -> None:
    """Refuse a corpus of which the backbone knows next to no word, and in which all words are one to it.

    Raises :class:`DataError` with what to do.
    """
    counts = Counter(word for text in texts for word in text.split())
    words = [word for word, _ in counts.most_common(LOOKED_AT)]
    known = encoder.knows(words)
    if known is None or len(words) < 2:
        return
    alike: Counter[frozenset[Any]] = Counter()
    for word, mine in zip(words, known, strict=True):
        if not mine:
            alike[_seen(encoder, word)] += counts[word]
    if max(alike.values(), default=0) >= ALIKE * sum(counts[word] for word in words):
        shown = ", ".join(f"{word[:20]!r}" for word in words[:2])
        raise DataError(
            f"the backbone {backbone} cannot read {dataset}: all its words are one and the same unknown word to it "
            f"({shown}, ...); choose one that knows the language, for example: {WAY_OUT}"
        )


def _seen(encoder: "Encoder", word: str) -> frozenset[Any]:
    """The tokens of a word; how often each comes tells no more than its length."""
    return frozenset(encoder.tokens([word]).tolist())
