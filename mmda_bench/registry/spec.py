"""A method with its settings, as it is typed: ``name``, ``name[param=value,-component]``, ``all``, ``ablation``.

The name of a group (``all``, ``multimodal``, …) and ``everything`` select its methods. A list is separated by commas,
and ``-name`` takes a method or a group out of it again: ``all,-daln`` or ``dt,a3d2[gamma1=5],a3d2[-add]``.
"""

import ast
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import PUBLISHED_RATES, SUPERVISED
from mmda_bench.published import ABLATION, FAMILIES, PAPER_ORDER
from mmda_bench.registry.declare import RATES, is_json
from mmda_bench.registry.registry import METHODS

TUNED = "tuned"  # in the brackets of a method: with the settings that its trials have chosen


@dataclass(frozen=True)
class Spec:
    """A method with its settings. ``params``: as :meth:`Entry.settings` has them; ``off``: components switched off;
    ``rates``: factors on the two learning rates, typed as :data:`~mmda_bench.registry.declare.RATES` with every method;
    ``tuned``: ``params`` and ``rates`` are those of the stored choice among trials, which differ by anchor."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)
    off: tuple[str, ...] = ()
    rates: tuple[float, float] = PUBLISHED_RATES
    tuned: bool = False


def table_rank(method: str) -> tuple[int, str]:
    """Sort key: the paper's order, then the others by name."""
    return (PAPER_ORDER.index(method) if method in PAPER_ORDER else len(PAPER_ORDER), method)


def parse_methods(text: str) -> list[Spec]:
    """The specs that ``text`` selects, each once, methods in table order. Raises :class:`UsageError`."""
    chosen: list[Spec] = []
    for item in map(lower_name, split_outside_brackets(text)):
        if item.startswith("-"):
            out = members(item[1:]) or [METHODS.entry(item[1:]).name]
            with_settings = [parse_spec(name) for name in out if "[" in name]
            kept = [spec for spec in chosen if spec.method not in out and spec not in with_settings]
            if len(kept) == len(chosen):
                raise UsageError(
                    f"--methods {text}: {item} removes nothing; write it after what it is removed from, as in all,-daln"
                )
            chosen = kept
        elif item == SUPERVISED:
            chosen.append(Spec(SUPERVISED))
        elif item == "ablation":
            chosen += [parse_spec(spec) for spec in split_outside_brackets(ABLATION)]
        else:
            chosen += [parse_spec(name) for name in members(item) or [item]]
    once = [spec for position, spec in enumerate(chosen) if spec not in chosen[:position]]
    if not once:
        raise UsageError(f"--methods {text!r} selects no method; try --methods all")
    return sorted(once, key=lambda spec: table_rank(spec.method))


def lower_name(spec: str) -> str:
    """``spec`` with the name in small letters, as names are registered; its settings as they are.

    >>> lower_name("A3D2[gamma1=5]"), lower_name("All")
    ('a3d2[gamma1=5]', 'all')
    """
    name, bracket, settings = spec.partition("[")
    return name.strip().lower() + bracket + settings


def members(group: str) -> list[str]:
    """The usable methods of a group, as specs, all of them for ``everything``; none where a method or nothing has this
    name."""
    if group in METHODS.entries():
        return []
    usable = METHODS.names(None if group == "everything" else group)
    published = [spec for spec in FAMILIES.get(group, ()) if spec.partition("[")[0] in METHODS.names()]
    return [spec for spec in published if spec not in usable] + usable


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
    """``name[param=value,-component]`` with every parameter resolved from the registry (:meth:`Entry.settings`)."""
    name, bracket, settings = lower_name(text).partition("[")
    if bracket and not settings.endswith("]"):
        raise UsageError(f"{text!r}: nothing may follow the bracket")
    words = [*METHODS.names(), *METHODS.groups(), *FAMILIES, "everything", "ablation"]
    if name not in METHODS.entries() and (hint := suggest(name, words)):
        raise UsageError(f"unknown method {name!r}{hint}")
    entry = METHODS.entry(name)
    params: dict[str, Any] = {**entry.parameters, **dict(zip(RATES, PUBLISHED_RATES, strict=True))}
    off, tuned = set[str](), False
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
        elif key == TUNED:
            tuned = True
        else:
            raise UsageError(f"{text!r}: expected param=value or -component, or {TUNED}, found {key!r}")
    rates = params.pop(RATES[0]), params.pop(RATES[1])
    if min(rates) <= 0:
        raise UsageError(f"{text!r}: expected factors above 0 on the learning rates")
    if tuned and (params != entry.parameters or rates != PUBLISHED_RATES):
        raise UsageError(f"{text!r}: {TUNED} stands for the settings that trials have chosen; leave out the others")
    return Spec(name, entry.settings(params), tuple(sorted(off)), rates, tuned)


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


def label(
    method: str, params: Mapping[str, Any], off: Iterable[str] = (), rates: Iterable[float] = PUBLISHED_RATES
) -> str:
    """The spec of a method as it would be typed: only what differs from the defaults."""
    entry = METHODS.find(method)
    defaults: Mapping[str, Any] = entry.parameters if entry else {}
    settings = [
        f"{key}={_short(value)}" for key, value in params.items() if key not in defaults or defaults[key] != value
    ]
    settings += [f"{name}={_short(rate)}" for name, rate in zip(RATES, rates, strict=True) if rate != 1]
    settings += [f"-{component}" for component in sorted(off)]
    return f"{method}[{','.join(settings)}]" if settings else method


def label_of(key: Mapping[str, Any]) -> str:
    """The label of the cell with this key."""
    return label(key["method"], key["params"], key["off"], key.get("rates", PUBLISHED_RATES))


def tuned_label(plain: str) -> str:
    """How the tuned variant of a label would be typed.

    >>> tuned_label("a3d2"), tuned_label("a3d2[-add]")
    ('a3d2[tuned]', 'a3d2[tuned,-add]')
    """
    name, bracket, rest = plain.partition("[")
    return f"{name}[{TUNED},{rest}" if bracket else f"{name}[{TUNED}]"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
