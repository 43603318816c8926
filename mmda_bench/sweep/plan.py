"""From what the user typed to cells: which methods, anchors and seeds, and what the ones not yet stored will cost.

Methods are written ``name``, ``name[param=value,-component]``, ``all`` or ``ablation``; a list is separated by commas
and ``-name`` takes a method out of it again: ``all,-daln`` or ``dt,a3d2[gamma1=5],a3d2[-add]``.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmda_bench.dataset import MODALITIES, NAMES, Card, modality
from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import CORRUPT, HEADS, NATURAL, SHIFTS, SUPERVISED, TUNING_SEED, UNSHIFTED, Cell, Protocol
from mmda_bench.registry import BACKBONES, VALIDATORS
from mmda_bench.registry.spec import Spec, parse_methods
from mmda_bench.sweep import conditions
from mmda_bench.sweep.forecast import Forecast

MOST = 10_000  # seeds or splits of one run


def parse_seeds(text: str) -> list[int]:
    """``3`` is three seeds (0, 1, 2); ``0-2`` a range; ``0,5`` a list."""
    return _numbers(text, "--seeds", "seed")


def parse_splits(text: str) -> list[int]:
    """Split seeds, written as seeds are; ``0``, which would be none, is split 0 alone.

    >>> parse_splits("0"), parse_splits("3"), parse_splits("1-2"), parse_splits("0,2")
    ([0], [0, 1, 2], [1, 2], [0, 2])
    """
    return [0] if text.strip() == "0" else _numbers(text, "--splits", "split")


def _numbers(text: str, option: str, noun: str) -> list[int]:
    expected = f"{option} {text!r}: expected a count (3), a range (0-2) or a list (0,5)"
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(expected)
        if max(len(first), len(last)) > 18 or (dash and int(last) - int(first) > MOST):
            raise UsageError(f"{expected}, of at most {MOST} {noun}s")
        seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    if "," not in text and "-" not in text:
        if seeds[0] > MOST:
            raise UsageError(f"{expected}, of at most {MOST} {noun}s")
        seeds = list(range(seeds[0]))
    if not seeds:
        raise UsageError(f"{expected}, of at least one {noun}")
    return sorted(set(seeds))


def parse_anchors(text: str, modalities: Sequence[str] = MODALITIES) -> list[str]:
    """``A,L,V``, or the names such as ``acoustic``, in the order of the tables."""
    chosen = {modality(part) for part in text.split(",") if part.strip()}
    if not chosen or (wrong := chosen - set(modalities)):
        found = ", ".join(sorted(wrong)).lower() if chosen else "nothing"
        known = ", ".join(f"{one} ({NAMES[one]})" for one in modalities)
        raise UsageError(f"--anchors {text!r}: expected some of {known}, found {found}")
    return [one for one in modalities if one in chosen]


def anchors_on(card: Card, text: str) -> list[str]:
    """As :func:`parse_anchors`, of a corpus: a natural pair has no anchor. Raises :class:`UsageError`."""
    if not card.natural:
        return parse_anchors(text, card.modalities)
    if text.strip().lower() not in (NATURAL, ",".join(MODALITIES).lower()):
        raise UsageError(f"--anchors {text!r}: a natural pair has no anchor, as everything drifts; leave it out")
    return [NATURAL]


def shift_on(card: Card, shift: str) -> str:
    """The shift of a run on a corpus: a natural pair has none of ours, unless it is corrupted as well."""
    if not card.natural and shift == UNSHIFTED:
        raise UsageError(f"--shift {shift} is that of a natural pair (--target); for no shift: --severity 0")
    if not card.natural or shift.startswith(CORRUPT):
        return shift
    if shift not in (Protocol.shift, UNSHIFTED):
        raise UsageError(f"--shift {shift}: the target of a natural pair is another corpus; leave it out or corrupt it")
    return UNSHIFTED


def protocol_for(
    card: Card, *, backbone: str | None = None, shift: str = "paper", severity: float = 1.0, epochs: int | None = None,
    batch: int = Protocol.batch, beta: float = Protocol.beta, split: int = Protocol.split,
    missing: str = Protocol.missing, missing_in: str = Protocol.missing_in, missing_rate: float = Protocol.missing_rate,
    told_anchor: str = Protocol.told_anchor, heads: str = Protocol.heads, weights: Mapping[str, str] | None = None,
) -> Protocol:  # fmt: skip
    """The protocol of a run on the corpus of ``card``; raises :class:`UsageError` for values that make no sense.

    ``weights``: locations of pretrained weights by modality; they are read, since their digest is part of the protocol.
    """
    entry = BACKBONES.entry(backbone or card.backbone)
    check_values(shift=shift, severity=severity, epochs=epochs, batch=batch, beta=beta, split=split, heads=heads)
    lacking = conditions.missing_modalities(missing, where=missing_in, rate=missing_rate)
    told = conditions.told_anchor(told_anchor)
    known = entry.facts.get("embedded") and not weights
    digest = "" if known else BACKBONES.get(entry.name)(weights).weights_digest()
    return Protocol(
        backbone=entry.name,
        shift=shift_on(card, _settled(shift)),
        severity=float(severity),
        batch=batch,
        beta=beta,
        split=split,
        heads=heads,
        weights=digest,
        epochs=Protocol.epochs if epochs is None else epochs,
        missing=lacking,
        missing_in=missing_in,
        missing_rate=float(missing_rate),
        told_anchor=told,
    )


def check_values(
    *, shift: str, severity: float, epochs: int | None, batch: int, beta: float, split: int, heads: str
) -> None:
    """Raise :class:`UsageError` for a shift or heads that do not exist and for numbers that make no sense."""
    shift = _settled(shift)
    if shift.startswith(CORRUPT):
        if severity != 1:
            raise UsageError(f"--severity {severity:g}: the severity of a corruption stands in its name, {shift}")
    elif shift not in (*SHIFTS, UNSHIFTED):
        hint = suggest(shift, list(SHIFTS)) or f"; known: {', '.join(SHIFTS)}, {CORRUPT}NAME@SEVERITY, a file .yaml"
        raise UsageError(f"unknown shift {shift!r}{hint}")
    if heads not in HEADS:
        raise UsageError(f"unknown heads {heads!r}{suggest(heads, list(HEADS))}; known: {', '.join(HEADS)}")
    if not (math.isfinite(severity) and severity >= 0):
        raise UsageError(f"--severity {severity}: expected a number from 0 (no shift) upwards; 1 is the corpus's own")
    if epochs is not None and epochs < 1:
        raise UsageError(f"--epochs {epochs}: expected at least 1; the paper's is {Protocol.epochs}")
    if batch < 1 or split < 0 or not math.isfinite(beta):
        raise UsageError(f"batch {batch}, beta {beta:g}, split {split}: expected at least 1, a number, and at least 0")


def _corrupted(shift: str) -> frozenset[str]:
    """The modalities that ``corrupt:NAME@S`` changes. Raises :class:`UsageError` where there is no such corruption."""
    from mmda_bench.shifts.corruptions import parse_corruptions  # numpy, which a list of methods does without

    return frozenset(step.corruption.modality for step in parse_corruptions(shift))


def _settled(shift: str) -> str:
    """As a protocol has it. Raises :class:`UsageError` for a shift that does not exist."""
    if shift in (*SHIFTS, UNSHIFTED):
        return shift
    from mmda_bench.shifts.corruptions import settled

    return settled(shift)


def check_select(name: str) -> None:
    """Raises :class:`UsageError` for what is no validator, nor a rank sum of some, and for one that sees target labels.

    >>> check_select("bnm+ensv")
    >>> check_select("no-such-validator")
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: ...
    """
    for part in name.split("+") if name not in VALIDATORS.entries() else [name]:
        if VALIDATORS.entry(part).oracle:
            raise UsageError(
                f"--select {name}: {part} reads the labels of the target, which nobody has who adapts to a new domain; "
                "what an oracle would have chosen stands in the tables beside every choice"
            )


def check_seeds(seeds: Sequence[int], studies: int) -> None:
    """Raises :class:`UsageError` for report seeds on which settings are chosen."""
    if used := sorted(set(seeds) & set(range(TUNING_SEED, TUNING_SEED + studies))):
        raise UsageError(f"--seeds has {used[0]}, on which settings are chosen; report on seeds below {TUNING_SEED}")


def parse_weights(given: Sequence[str]) -> dict[str, str]:
    """``acoustic=DIR`` and the like, as a mapping; folders and files become absolute. Raises :class:`UsageError`."""
    weights: dict[str, str] = {}
    for text in given:
        word, equals, place = text.partition("=")
        name = NAMES.get(modality(word))
        if not equals or not place or name is None:
            raise UsageError(f"--weights {text!r}: expected acoustic=, lexical= or visual= and a name, folder or file")
        path = Path(place).expanduser()
        weights[name] = str(path.absolute()) if path.exists() else place
    return weights


def expand(
    *, methods: str, dataset: str, version: str, protocol: Protocol, anchors: Sequence[str], seeds: Sequence[int],
    splits: Sequence[int] | None = None, bounds: bool = True, chosen: Callable[[Cell], Cell] | None = None,
) -> list[Cell]:  # fmt: skip
    """All cells of a sweep: every method at one seed before the next seed, so that an unfinished sweep compares.

    ``splits``: split seeds, each of which draws halves and training sets anew; all cells of one come before the next.
    None takes that of ``protocol``. ``chosen``: gives a cell of ``name[tuned]`` its settings.

    Raises :class:`UsageError` for an anchor that the protocol's corruption would not leave alone, for one that the
    methods would be told rightly, and for ``name[tuned]`` where nothing is chosen.
    """
    changed = _corrupted(protocol.shift)
    if len(changed) == 1 and changed <= set(anchors):
        (one,), others = changed, ",".join(m for m in MODALITIES if m not in changed)
        raise UsageError(
            f"--shift {protocol.shift} changes {one}, which cannot be the anchor as well; try --anchors {others}"
        )
    conditions.check_told(protocol.told_anchor, anchors)
    specs = parse_methods(methods)
    if chosen is None and (tuned := [spec.method for spec in specs if spec.tuned]):
        raise UsageError(f"{tuned[0]}[tuned]: there is no choice here that would give its settings")
    specs += [Spec(SUPERVISED)] if bounds and Spec(SUPERVISED) not in specs else []

    def cell(spec: Spec, anchor: str, seed: int, split: int) -> Cell:
        plain = Cell(
            method=spec.method, params=spec.params, off=spec.off, dataset=dataset, version=version, anchor=anchor,
            seed=seed, protocol=replace(protocol, split=split), rates=spec.rates,
        )  # fmt: skip
        return chosen(plain) if spec.tuned and chosen else plain

    return [
        cell(spec, anchor, seed, split)
        for split in splits or [protocol.split]
        for seed in seeds
        for spec in specs
        for anchor in anchors
    ]


def splits_of(cells: Iterable[Cell]) -> list[int]:
    """The split seeds of these cells, in order."""
    return sorted({cell.protocol.split for cell in cells})


def estimate_minutes(cells: Sequence[Cell], records: Iterable[Mapping[str, Any]], *, jobs: int = 1) -> float | None:
    """Minutes that ``cells`` will take, ``jobs`` at once, from stored cells of the same corpus and backbone.

    None when nothing is stored; see :class:`~mmda_bench.sweep.forecast.Forecast`.
    """
    seconds = Forecast(cells, records, at_once=max(1, jobs)).left(0.0)
    return None if seconds is None else seconds / 60
