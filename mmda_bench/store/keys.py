"""The shapes of the keys of records: what tells one cell, or one submission, from another."""

from typing import Annotated, Any, NotRequired

from typing_extensions import TypedDict  # pydantic reads this one; that of typing only since Python 3.12

from mmda_bench.store.values import Anchor, Count, Expected, Factor, Measure, Number, Positive, Share, Text


class Scenario(TypedDict):
    """What the keys of cells and of submissions have in common. ``method``: of a submission, its name."""

    method: Text
    dataset: Text
    version: Text
    anchor: Anchor
    seed: Count


class ProtocolKey(TypedDict):
    """The fields of :class:`~mmda_bench.protocol.Protocol`."""

    backbone: Text
    shift: NotRequired[Text]
    severity: NotRequired[Measure]
    epochs: NotRequired[Positive]
    batch: NotRequired[Count]
    beta: NotRequired[Number]
    split: NotRequired[Count]
    weights: NotRequired[Text]
    heads: NotRequired[Text]
    select: NotRequired[Text]
    trials: NotRequired[Count]
    study: NotRequired[Count]
    missing: NotRequired[Text]
    missing_in: NotRequired[Text]
    missing_rate: NotRequired[Share]
    told_anchor: NotRequired[Text]


class Key(Scenario):
    """What :meth:`Cell.key <mmda_bench.protocol.Cell.key>` gives."""

    params: dict[Text, Any]
    off: list[Text]
    protocol: ProtocolKey
    rates: NotRequired[Annotated[list[Factor], Expected("two factors", min_length=2, max_length=2)]]


class SubmittedKey(Scenario):
    """What :meth:`Submission.key` gives."""

    signature: Text
