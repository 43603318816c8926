"""How methods, datasets and backbones declare themselves."""

import inspect
import json
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED

NAME = re.compile(r"[a-z][a-z0-9]*([-+_][a-z0-9]+)*")


NAME_RULE = "lower-case letters and digits, with single - + or _ in between, beginning with a letter"


FAMILIES = ("multimodal", "adversarial", "moment", "transport", "self-training", "baselines")  # groups of methods
RESERVED = ("all", "ablation", "everything", *FAMILIES, SUPERVISED)  # other words of --methods and of the tables


@dataclass(frozen=True)
class Uniform:
    """A hyper-parameter searched uniformly in [low, high]."""

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """A hyper-parameter searched uniformly in its logarithm in [low, high], low > 0."""

    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter searched over a finite set of values."""

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Entry:
    """What is known of a name without importing its class. ``facts`` are the decorator's keyword arguments;
    ``parameters`` the hyper-parameters with their defaults; ``reason`` why the entry cannot be used, if so."""

    name: str
    kind: str
    origin: str
    module: str
    attribute: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    search_space: Mapping[str, Any] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    doc: str = ""
    reason: str | None = None

    @property
    def title(self) -> str:
        return str(self.facts.get("title", self.name))

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.facts.get("groups", ()))


def _register(kind: str, name: str, facts: dict[str, Any]) -> Callable[[type], type]:
    """Raises :class:`UsageError` for a name that cannot be a folder, a word of ``--methods`` and a row of a table."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a {kind.removesuffix('s')}; use {NAME_RULE}")
    if name in RESERVED:
        raise UsageError(f"{name!r} cannot name a {kind.removesuffix('s')}: it is reserved; choose another name")

    def mark(cls: type) -> type:
        registered = dict(cls.__dict__.get("__mmda_registered__", {}))
        registered[name] = (kind, facts)
        cls.__mmda_registered__ = registered  # type: ignore[attr-defined]
        return cls

    return mark


def register_method(
    name: str,
    *,
    title: str,
    paper: str,
    doi: str | None = None,
    groups: tuple[str, ...] = (),
    overrides: Mapping[str, Any] | None = None,
    ours: str = "",
) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.method.Method` under ``name``.

    ``groups``: the words of ``--methods`` that select it: "all" for the paper's ten, or a family. ``overrides``: other
    defaults, for a variant registered by a second decorator on the same class. ``ours``: what this project decided
    where the sources leave it open. All arguments must be literals: they are listed without importing the file.
    """
    facts = {"title": title, "paper": paper, "doi": doi, "groups": groups, "overrides": overrides or {}, "ours": ours}
    return _register("methods", name, facts)


def register_dataset(name: str, *, title: str, layout: bool = False) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.dataset.Dataset` under ``name``.

    ``layout``: the class defines ``export`` and so offers ``data export --layout`` under its name.
    """
    return _register("datasets", name, {"title": title, "layout": layout})


def register_backbone(name: str, *, title: str) -> Callable[[type], type]:
    """Register a :class:`~mmda_bench.backbone.spec.Backbone` under ``name``."""
    return _register("backbones", name, {"title": title})


def hyper_parameters(positional: Sequence[str], named: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters of a method with their defaults: keyword-only, JSON values; ``overrides`` applied.

    ``positional``: names of ``__init__`` from ``self`` on; ``named``: those after ``*``. Raises :class:`UsageError`.
    """
    rule = "write hyper-parameters as in __init__(self, ctx, *, weight: float = 1.0)"
    if len(positional) > 2:
        raise UsageError(f"{positional[2]!r} of __init__ is positional, so that no run could set it; {rule}")
    defaults = {**named, **(facts.get("overrides") or {})}
    for name, default in defaults.items():
        if default is inspect.Parameter.empty:
            raise UsageError(f"{name!r} of __init__ has no default; {rule}")
        if not is_json(default):
            expected = "expected a finite number, a text, true or false, None, or a list or dict of such"
            raise UsageError(f"the default of {name!r} is {reprlib.repr(default)}; {expected}")
    return defaults


def is_json(value: Any) -> bool:
    """Whether a record can hold the value and give it back as it was."""
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return False
    return type(back) is type(value) and back == value
