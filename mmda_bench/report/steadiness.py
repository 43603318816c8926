"""Whether the score of a row can be relied on, or happened to be what it is at this seed and this epoch. Pure."""

from collections.abc import Iterable
from statistics import fmean

from mmda_bench.protocol import Protocol
from mmda_bench.store import Record

MOST = 8.0  # points, of both measures below [ours]
MARK = "†"


def oscillation(record: Record) -> float | None:
    """How far apart the scores after the last quarter of the epochs lie: highest minus lowest, in points.

    None for a record that has no score after each of them, as older and submitted ones.

    >>> key = {"protocol": {"backbone": "tiny", "epochs": 8}}
    >>> round(oscillation({"key": key, "curves": {"target_f1": [None] * 6 + [0.42, 0.37]}}), 6)
    5.0
    """
    curve = (record.get("curves") or {}).get("target_f1")
    protocol = record["key"].get("protocol")
    if not curve or not protocol:
        return None
    late = Protocol(**protocol).late_epochs
    scores = [score for epoch in late if epoch < len(curve) and (score := curve[epoch]) is not None]
    return 100 * (max(scores) - min(scores)) if len(scores) == len(late) > 1 else None


def oscillates(records: Iterable[Record]) -> bool:
    """Whether in some scenario the mean :func:`oscillation` of the cells is above :data:`MOST`."""
    found: dict[str, list[float]] = {}
    for record in records:
        if record["status"] == "ok" and (points := oscillation(record)) is not None:
            found.setdefault(record["key"]["anchor"], []).append(points)
    return any(fmean(points) > MOST for points in found.values())


def spreads(deviations: Iterable[float | None]) -> bool:
    """Whether some standard deviation over seeds, in points, is above :data:`MOST`.

    >>> spreads([2.0, None, 8.5]), spreads([2.0, None])
    (True, False)
    """
    return any(deviation is not None and deviation > MOST for deviation in deviations)
