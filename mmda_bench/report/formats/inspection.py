"""An inspection as text for a terminal, and as JSON values."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mmda_bench.dataset import MODALITIES
from mmda_bench.report.inspected import Answer, Inspected, place_of_failure
from mmda_bench.store import Record
from mmda_bench.units import duration, one_line

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 80


def as_text(shown: Inspected, *, utterances: int = 5) -> str:
    """Everything, in blocks of at most 80 columns; signatures, reasons and lines of code are as long as they are."""
    blocks = [f"{shown.name} on {shown.corpus}\n  {shown.signature}", _cells(shown)]
    blocks += [_failure(record) for record in shown.records if record["status"] != "ok"]
    blocks += [block for block in (_curves(shown), _balance(shown)) if block]
    blocks += [_confusion(shown, anchor) for anchor in MODALITIES if shown.confusion(anchor) is not None]
    seeds = max((len(shown.of(anchor)) for anchor in MODALITIES), default=1)
    mean = f", mean over {seeds} seeds" if seeds > 1 else ""
    if shown.answers:
        lists = {
            "Worst: the true class is least probable": shown.worst(utterances),
            "Most contested: the two most probable classes are closest": shown.contested(utterances),
        }
        blocks += ["\n".join([f"{title}{mean}", *map(_answer, found)]) for title, found in lists.items()]
    if shown.unread:
        blocks.append(f"Without texts and frames: {shown.unread}")
    return "\n\n".join(blocks)


def _cells(shown: Inspected) -> str:
    lines = ["  anchor  seed  hash        status         F1     train  ended"]
    for record in (r for anchor in MODALITIES for r in shown.of(anchor)):
        key, times, score = record["key"], record.get("times"), _score(record)
        spent = times.get("train_s") if times else None
        lines.append(
            f"  {key['anchor']:6}  {key['seed']:4}  {record['hash']:10}  {record['status']:13}"
            f"{'–' if score is None else f'{100 * score:.2f}':>6}  {'–' if spent is None else duration(spent):>7}"
            f"  {record.get('ended_utc') or '–'}"
        )
    return "\n".join(lines)


def _score(record: Record) -> float | None:
    scores = (record["metrics"] or {}).get("target_test")
    return scores.get("weighted_f1") if scores else None


def _failure(record: Record) -> str:
    key, place = record["key"], place_of_failure(record)
    lines = [f"Anchor {key['anchor']}, seed {key['seed']}: {record['status']}: {one_line(record['reason'])}"]
    lines += [f"  at {place}"] if place else []
    return "\n".join([*lines, *(f"  | {line}" for line in record.get("traceback") or ())])


def _curves(shown: Inspected) -> str:
    curves = shown.curves()
    if not curves:
        return ""
    widest = max(map(len, curves))
    lines = [f"Terms of the loss by epoch{', mean over the cells' if len(shown.records) > 1 else ''}"]
    for name, values in curves.items():
        known = [value for value in values if math.isfinite(value)]
        ends = f"{known[0]:.4g} to {known[-1]:.4g}" if known else "never finite"
        lines.append(f"  {name:{widest}}  {bars(values)}  {ends}")
    return "\n".join(lines)


def bars(values: Sequence[float], most: int = 40) -> str:
    """A curve in one line; a space where there is no value.

    >>> bars([0.0, 1.0, float("nan"), 0.5])
    '▁█ ▅'
    """
    values = values[:: max(1, math.ceil(len(values) / most))]
    known = [value for value in values if math.isfinite(value)]
    low, high = min(known, default=0.0), max(known, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[math.floor((v - low) * scale + 0.5)] if math.isfinite(v) else " " for v in values)


def _balance(shown: Inspected) -> str:
    balance = shown.balance()
    if not balance:
        return ""
    widest = max(map(len, balance))
    lines = ["Balance: the norm of each term's gradient at the representations, last epoch"]
    lines.append(f"  {'':{widest}}" + "".join(f"{m:>11}" for m in MODALITIES))
    for name, by_modality in balance.items():
        cells = (f"{by_modality[m]:11.4g}" if m in by_modality else f"{'–':>11}" for m in MODALITIES)
        lines.append(f"  {name:{widest}}" + "".join(cells))
    return "\n".join(lines)


def _confusion(shown: Inspected, anchor: str) -> str:
    counts = shown.confusion(anchor)
    assert counts is not None
    names = [name[:12] for name in shown.classes] or [str(k) for k in range(len(counts))]
    title = f"Confusion, anchor {anchor} (a row a true class, a column an answer)"
    widest = max(map(len, names))
    width = max(5, len(str(counts.max())) + 2)
    if widest + 4 + width * len(names) > WIDTH:
        return "\n".join([title, *_often_confused(names, counts)])
    lines = [title, f"  {'':{widest}}" + "".join(f"{name[: width - 1]:>{width}}" for name in names)]
    lines += [
        f"  {name:{widest}}" + "".join(f"{n:{width}d}" for n in row) for name, row in zip(names, counts, strict=True)
    ]
    return "\n".join(lines)


def _often_confused(names: Sequence[str], counts: Any) -> Iterator[str]:
    """Of many classes the ten pairs that are confused most, in place of a matrix too wide for a terminal."""
    pairs = [(int(counts[i, k]), i, k) for i in range(len(names)) for k in range(len(names)) if i != k]
    for number, i, k in sorted(pairs, reverse=True)[:10]:
        if number:
            yield f"  {names[i]} answered {names[k]}: {number} of {int(counts[i].sum())}"


def _answer(answer: Answer) -> str:
    ranked = sorted(answer.probabilities.items(), key=lambda pair: -pair[1])[:3]
    likely = ", ".join(f"{name} {value:.2f}" for name, value in ranked)
    lines = [f"  {answer.id}  anchor {answer.anchor}  true {answer.label} {answer.truth:.2f}; {likely}"]
    return "\n".join([*lines, *([f'    "{one_line(answer.text)[: WIDTH - 6]}"'] if answer.text else [])])


def as_json(shown: Inspected, *, utterances: int = 5) -> dict[str, Any]:
    """The same for programs."""
    return {
        "name": shown.name,
        "corpus": shown.corpus,
        "signature": shown.signature,
        "cells": [
            {
                **{name: r["key"][name] for name in ("anchor", "seed")},
                **{name: r[name] for name in ("hash", "status", "reason")},
                "place": place_of_failure(r) or None,
                "traceback": r.get("traceback"),
                "weighted_f1": _score(r),
                "times": r.get("times"),
            }
            for r in shown.records
        ],
        "curves": {n: [v if math.isfinite(v) else None for v in values] for n, values in shown.curves().items()},
        "balance": shown.balance(),
        "classes": shown.classes,
        "confusion": {m: counts.tolist() for m in MODALITIES if (counts := shown.confusion(m)) is not None},
        "worst": [asdict(answer) for answer in shown.worst(utterances)],
        "contested": [asdict(answer) for answer in shown.contested(utterances)],
        "unread": shown.unread or None,
    }
