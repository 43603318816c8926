"""From what the user typed to cells: which methods, anchors and seeds, and what the ones not yet stored will cost.

Methods are written ``name``, ``name[param=value,-component]``, the name of a group (``all``, ``multimodal``, …),
``everything`` or ``ablation``; a list is separated by commas, and ``-name`` takes a method or a group out of it again:
``all,-daln`` or ``dt,a3d2[gamma1=5],a3d2[-add]``.
"""

import ast
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmda_bench.dataset import MODALITIES, NAMES, Card
from mmda_bench.declarations import is_json
from mmda_bench.protocol import SHIFTS, SUPERVISED, Cell, Protocol
from mmda_bench.registry import BACKBONES, METHODS, UsageError, suggest

PAPER_ORDER = ("dt", "dann", "cdan", "mada", "daln", "pcl", "fdd", "luhp", "dada", "a3d2")  # rows of Table 1
ABLATION = "dt,a3d2[-add],a3d2[-aa],a3d2"  # rows of Table 2


@dataclass(frozen=True)
class Spec:
    """A method with its settings. ``params``: all of them, resolved; ``off``: components switched off."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    off: tuple[str, ...] = ()


def table_rank(method: str) -> tuple[int, str]:
    """Sort key: the paper's order, then the others by name."""
    return (PAPER_ORDER.index(method) if method in PAPER_ORDER else len(PAPER_ORDER), method)


def parse_methods(text: str) -> list[Spec]:
    """The specs that ``text`` selects, each once, methods in table order. Raises :class:`UsageError`."""
    chosen: list[Spec] = []
    for item in split_outside_brackets(text):
        if item.startswith("-"):
            out = members(item[1:]) or [METHODS.entry(item[1:]).name]
            kept = [spec for spec in chosen if spec.method not in out]
            if len(kept) == len(chosen):
                raise UsageError(f"--methods {text}: {item} takes out nothing; write it after what it is taken from")
            chosen = kept
        elif item == "ablation":
            chosen += [parse_spec(spec) for spec in split_outside_brackets(ABLATION)]
        else:
            chosen += [parse_spec(name) for name in members(item) or [item]]
    once = [spec for position, spec in enumerate(chosen) if spec not in chosen[:position]]
    if not once:
        raise UsageError(f"--methods {text!r} selects no method; try --methods all")
    return sorted(once, key=lambda spec: table_rank(spec.method))


def members(group: str) -> list[str]:
    """The usable methods of a group, all of them for ``everything``; none where a method or nothing has this name."""
    if group in METHODS.entries():
        return []
    return METHODS.names(None if group == "everything" else group)


def split_outside_brackets(text: str) -> list[str]:
    """Split at the commas that are not inside brackets; empty items are dropped."""
    items, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if depth not in (0, 1):
            raise UsageError(f"{text!r}: brackets do not match; write for example a3d2[gamma1=5,-add]")
        if character == "," and depth == 0:
            items.append("")
        else:
            items[-1] += character
    if depth:
        raise UsageError(f"{text!r}: a bracket is not closed; write for example a3d2[gamma1=5,-add]")
    return [item.strip() for item in items if item.strip()]


def parse_spec(text: str) -> Spec:
    """``name[param=value,-component]`` with every parameter resolved from the registry."""
    name, bracket, settings = text.partition("[")
    if bracket and not settings.endswith("]"):
        raise UsageError(f"{text!r}: nothing may follow the bracket")
    words = [*METHODS.names(), *METHODS.groups(), "everything", "ablation"]
    if name not in METHODS.entries() and (hint := suggest(name, words)):
        raise UsageError(f"unknown method {name!r}{hint}")
    entry = METHODS.entry(name)
    params, off = dict(entry.parameters), set[str]()
    for setting in settings.removesuffix("]").split(",") if bracket else ():
        key, equals, value = (part.strip() for part in setting.partition("="))
        if equals:
            if key not in params:
                raise _unknown("parameter", key, name, list(params))
            params[key] = typed(value, params[key], where=f"{name}[{key}]")
        elif key.startswith("-"):
            if key[1:] not in entry.components:
                raise _unknown("component", key[1:], name, list(entry.components))
            off.add(key[1:])
        else:
            raise UsageError(f"{text!r}: expected param=value or -component, found {key!r}")
    return Spec(name, params, tuple(sorted(off)))


def _unknown(kind: str, value: str, method: str, known: list[str]) -> UsageError:
    hint = suggest(value, known) or (f"; it has {', '.join(known)}" if known else "; it has none")
    return UsageError(f"method {method} has no {kind} {value!r}{hint}")


def typed(text: str, default: Any, *, where: str) -> Any:
    """``text`` as a value of the type of ``default``; with a default of None, as the literal it looks like."""
    if isinstance(default, str):
        return text
    words = {"true": True, "false": False, "yes": True, "no": False, "on": True, "off": False, "none": None}
    try:
        value = words[text.lower()] if text.lower() in words else ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        value = text
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if default is not None and type(value) is not type(default):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}.get(type(default), "a literal")
        raise UsageError(f"{where}: expected {kind} (default {default!r}), found {text!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{where}: expected a finite number, found {text!r}")
    if not is_json(value):
        raise UsageError(f"{where}: expected a number, a text, true, false, none or a list, found {text!r}")
    return value


def parse_seeds(text: str) -> list[int]:
    """``3`` is three seeds (0, 1, 2); ``0-2`` a range; ``0,5`` a list."""
    expected = f"--seeds {text!r}: expected a count (3), a range (0-2) or a list (0,5)"
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(expected)
        seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    if "," not in text and "-" not in text:
        seeds = list(range(seeds[0]))
    if not seeds:
        raise UsageError(f"{expected}, of at least one seed")
    return sorted(set(seeds))


def parse_anchors(text: str, modalities: Sequence[str] = MODALITIES) -> list[str]:
    """``A,L,V`` in the order of the tables."""
    chosen = {part.strip().upper() for part in text.split(",") if part.strip()}
    if not chosen or (wrong := chosen - set(modalities)):
        found = ", ".join(sorted(wrong)) if chosen else "nothing"
        raise UsageError(f"--anchors {text!r}: expected some of {','.join(modalities)}, found {found}")
    return [modality for modality in modalities if modality in chosen]


def protocol_for(
    card: Card, *, backbone: str | None = None, shift: str = "paper", severity: float = 1.0, epochs: int | None = None,
    weights: Mapping[str, str] | None = None,
) -> Protocol:  # fmt: skip
    """The protocol of a run on the corpus of ``card``; raises :class:`UsageError` for values that make no sense.

    ``weights``: locations of pretrained weights by modality; they are read, since their digest is part of the protocol.
    """
    name = BACKBONES.entry(backbone or card.backbone).name
    if shift not in SHIFTS:
        raise UsageError(f"unknown shift {shift!r}{suggest(shift, list(SHIFTS)) or '; known: ' + ', '.join(SHIFTS)}")
    if not (math.isfinite(severity) and severity >= 0):
        raise UsageError(f"--severity {severity}: expected a number from 0 (no shift) upwards; 1 is the paper's")
    if epochs is not None and epochs < 1:
        raise UsageError(f"--epochs {epochs}: expected at least 1; the paper's is {Protocol.epochs}")
    digest = BACKBONES.get(name)(weights).weights_digest()
    chosen = {} if epochs is None else {"epochs": epochs}
    return Protocol(backbone=name, shift=shift, severity=severity, weights=digest, **chosen)


def parse_weights(given: Sequence[str]) -> dict[str, str]:
    """``acoustic=DIR`` and the like, as a mapping; folders and files become absolute. Raises :class:`UsageError`."""
    weights: dict[str, str] = {}
    for text in given:
        name, equals, place = text.partition("=")
        if not equals or not place or name not in NAMES.values():
            raise UsageError(f"--weights {text!r}: expected acoustic=, lexical= or visual= and a name, folder or file")
        path = Path(place).expanduser()
        weights[name] = str(path.absolute()) if path.exists() else place
    return weights


def expand(
    *, methods: str, dataset: str, version: str, protocol: Protocol, anchors: Sequence[str], seeds: Sequence[int],
    bounds: bool = True,
) -> list[Cell]:  # fmt: skip
    """All cells of a sweep: every method at one seed before the next seed, so that an unfinished sweep compares."""
    specs = parse_methods(methods) + ([Spec(SUPERVISED)] if bounds else [])
    return [
        Cell(
            method=spec.method, params=spec.params, off=spec.off, dataset=dataset, version=version, anchor=anchor,
            seed=seed, protocol=protocol,
        )
        for seed in seeds
        for spec in specs
        for anchor in anchors
    ]  # fmt: skip


def label(method: str, params: Mapping[str, Any], off: Iterable[str] = ()) -> str:
    """The spec of a method as it would be typed: only what differs from the defaults."""
    entry = METHODS.entries().get(method)
    defaults: Mapping[str, Any] = entry.parameters if entry else {}
    settings = [
        f"{key}={_short(value)}" for key, value in params.items() if key not in defaults or defaults[key] != value
    ]
    settings += [f"-{component}" for component in sorted(off)]
    return f"{method}[{','.join(settings)}]" if settings else method


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def estimate_minutes(cells: Sequence[Cell], records: Iterable[Mapping[str, Any]], *, jobs: int = 1) -> float | None:
    """Minutes that ``cells`` will take, ``jobs`` at once, from stored cells of the same corpus and backbone.

    The mean of the same method where there is one, else of all methods; scaled by epochs. None when nothing is stored.
    """
    spent: dict[tuple[str, str, str], list[float]] = {}
    for record in records:
        if record["status"] == "ok" and record.get("times"):
            key = record["key"]
            per_epoch = record["times"]["total_s"] / key["protocol"]["epochs"]
            for method in (key["method"], ""):
                spent.setdefault((method, key["dataset"], key["protocol"]["backbone"]), []).append(per_epoch)
    total = 0.0
    for cell in cells:
        where = (cell.dataset, cell.protocol.backbone)
        known = spent.get((cell.method, *where)) or spent.get(("", *where))
        if not known:
            return None
        total += sum(known) / len(known) * cell.protocol.epochs
    return total / 60 / max(1, min(jobs, len(cells)))
