"""When a corpus is too damaged to be scored: one rule for ``data verify`` and for every run."""

from collections.abc import Mapping, Sequence

from mmda_bench.dataset import Card, DataError, Utterance

UNREADABLE_SHARE = 0.2  # a corpus of which more than this cannot be read is not scored


def check_readable(
    card: Card,
    utterances: Sequence[Utterance],
    parts: Mapping[tuple[str, str], Sequence[int]],
    unreadable: Mapping[int, str],
    *,
    tried: int | None = None,
) -> None:
    """Refuse a corpus that lost too much, or a class of a training or test set, to clips that cannot be read.

    ``parts``: positions by (half, split). ``unreadable``: position to reason. ``tried``: how many utterances were
    looked at, if not all. Raises :class:`DataError`.
    """
    tried = len(utterances) if tried is None else tried
    if not utterances:
        raise DataError(f"{card.name} has no utterances")
    if len(unreadable) > UNREADABLE_SHARE * tried:
        reasons = "; ".join(list(unreadable.values())[:3])
        raise DataError(f"{len(unreadable)} of {tried} utterances of {card.name} cannot be read: {reasons} ...")
    for (half, part), positions in parts.items():
        present = {utterances[p].label for p in positions if p not in unreadable}
        missing = [name for i, name in enumerate(card.classes) if i not in present]
        if missing and part != "validation":
            raise DataError(
                f"class {missing[0]!r} of {card.name} has no readable utterance in {half} {part}; "
                "every class needs at least two utterances in the training and test set of each half"
            )
