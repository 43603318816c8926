"""How methods, datasets, backbones and validators declare themselves."""

import inspect
import json
import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, TypeVar

from mmda_bench.errors import UsageError
from mmda_bench.protocol import REFERENCES, SUPERVISED
from mmda_bench.published import DOIS
from mmda_bench.validator import ARRAYS, ORACLE

Declared = TypeVar("Declared", bound=Callable[..., Any])


NAME = re.compile(r"[a-z][a-z0-9]*([-+_][a-z0-9]+)*")


NAME_RULE = "lower-case letters and digits, with single - + or _ in between, beginning with a letter"


FAMILIES = ("multimodal", "adversarial", "moment", "transport", "self-training", "baselines")  # groups of methods
RATES = ("rate", "pretrained_rate")  # settings of every method: factors on the two learning rates of the backbone
RESERVED = (
    "all",
    "ablation",
    "everything",
    *FAMILIES,
    SUPERVISED,
    *REFERENCES,
)  # other words of --methods and of the tables


@dataclass(frozen=True)
class Uniform:
    """A hyper-parameter searched uniformly in [low, high].

    >>> from mmda_bench.selection import at
    >>> at(Uniform(1.0, 3.0), 0.5, 1.0)  # the value half-way
    2.0
    """

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """A hyper-parameter searched uniformly in its logarithm in [low, high], low > 0.

    >>> from mmda_bench.selection import at
    >>> at(LogUniform(1.0, 100.0), 0.5, 1.0)  # the value half-way
    10.0
    """

    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """A hyper-parameter searched over a finite set of values.

    >>> from mmda_bench.selection import at
    >>> at(Choice(("joint", "all")), 0.5, "joint")
    'all'
    """

    values: tuple[Any, ...]


@dataclass(frozen=True)
class Entry:
    """What is known of a name without importing what it names. ``facts`` are the decorator's keyword arguments;
    ``parameters`` the hyper-parameters with their defaults; ``sees`` the arrays that a validator is handed, each with
    whether it needs it; ``reason`` why the entry cannot be used, if so."""

    name: str
    kind: str
    origin: str
    module: str
    attribute: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    search_space: Mapping[str, Any] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    sees: Mapping[str, bool] = field(default_factory=dict)
    doc: str = ""
    reason: str | None = None

    @property
    def title(self) -> str:
        return str(self.facts.get("title", self.name))

    @property
    def doi(self) -> str | None:
        """Of the paper, if it has one: as declared, or as kept beside the numbers of the A3D2 paper."""
        declared = self.facts.get("doi")
        return declared or (DOIS.get(self.name) if self.kind == "methods" and self.origin == "built-in" else None)

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(self.facts.get("groups", ()))

    def settings(self, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The hyper-parameters of a cell: the defaults, and ``given`` in the place of some of them.

        One that was ``added`` to the method later is left out while it has its default: the cell then has the key, and
        the record the hash, that it had before.
        """
        changed = self.facts.get("overrides") or {}
        old = [name for name in self.facts.get("added") or () if name not in changed]
        found = {**self.parameters, **(given or {})}
        return {name: value for name, value in found.items() if name not in old or value != self.parameters[name]}

    @property
    def oracle(self) -> bool:
        """Whether it is a validator that reads the labels of the target."""
        return ORACLE in self.sees


def _register(kind: str, name: str, facts: dict[str, Any]) -> Callable[[Declared], Declared]:
    """Raises :class:`UsageError` for a name that cannot be a folder, a word of ``--methods`` and a row of a table."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a {kind.removesuffix('s')}; use {NAME_RULE}")
    if name in RESERVED:
        raise UsageError(f"{name!r} cannot name a {kind.removesuffix('s')}: it is reserved; choose another name")

    def mark(declared: Declared) -> Declared:
        if not isinstance(declared, FunctionType if kind == "validators" else type):
            raise UsageError(f"{kind.removesuffix('s')} {name}: {form_of(kind)}")
        if kind == "validators":
            arrays_seen(*signature_of(declared))
        registered = dict(declared.__dict__.get("__mmda_registered__", {}))
        registered[name] = (kind, facts)
        declared.__mmda_registered__ = registered  # type: ignore[union-attr]
        return declared

    return mark


def form_of(kind: str) -> str:
    """What the decorator of ``kind`` is for."""
    return f"@register_{kind.removesuffix('s')} decorates a {'function' if kind == 'validators' else 'class'}"


def register_method(
    name: str,
    *,
    title: str,
    paper: str,
    doi: str | None = None,
    groups: tuple[str, ...] = (),
    overrides: Mapping[str, Any] | None = None,
    added: tuple[str, ...] = (),
    own_validators: tuple[str, ...] = (),
    ours: str = "",
) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.method.Method` under ``name``.

    ``groups``: the words of ``--methods`` that select it: "all" for the paper's ten, or a family. ``overrides``: other
    defaults, for a variant registered by a second decorator on the same class. ``added``: hyper-parameters that came
    after the method had results; a key holds them only where they differ from their default. ``own_validators``: those
    that compute a loss of this method, and therefore never choose its settings. ``ours``: what this project decided
    where the sources leave it open. All arguments must be literals: they are listed without importing the file.

    Raises :class:`UsageError` for a name that cannot be one, and for what is no class.

    >>> from mmda_bench import Method
    >>> @register_method("mine", title="Mine", paper="Me, 2026", groups=("moment",))
    ... class Mine(Method):
    ...     def loss(self, source, target, progress):
    ...         return {}
    """
    facts = {"title": title, "paper": paper, "doi": doi, "groups": groups, "overrides": overrides or {}, "ours": ours}
    return _register("methods", name, {**facts, "added": added, "own_validators": own_validators})


def register_dataset(name: str, *, title: str, layout: bool = False) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.dataset.Dataset` under ``name``.

    ``layout``: the class defines ``export`` and so offers ``data export --layout`` under its name.

    Raises :class:`UsageError` for a name that cannot be one, and for what is no class.

    >>> from mmda_bench import Dataset
    >>> @register_dataset("My corpus", title="Mine")
    ... class Mine(Dataset):
    ...     pass
    Traceback (most recent call last):
    mmda_bench.errors.UsageError: 'My corpus' cannot name a dataset; ...
    """
    return _register("datasets", name, {"title": title, "layout": layout})


def register_backbone(name: str, *, title: str, embedded: bool = False) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.backbone.base.Backbone` under ``name``. ``embedded``: it has no
    ``default_weights``, so that protocols are known without importing it.

    Raises :class:`UsageError` for a name that cannot be one, and for what is no class.

    >>> from mmda_bench.backbone.base import Backbone
    >>> @register_backbone("mine", title="Mine", embedded=True)
    ... class Mine(Backbone):
    ...     frames, frame_size, channels = 4, 24, 16
    """
    return _register("backbones", name, {"title": title, "embedded": embedded})


def register_validator(
    name: str, *, title: str, paper: str, doi: str | None = None, ours: str = ""
) -> Callable[[Declared], Declared]:
    """Register a function of arrays as a validator under ``name``; see :mod:`mmda_bench.validator`.

    Raises :class:`UsageError` for a name that cannot be one, and for a function that asks for what no validator may
    see. All arguments must be literals: they are listed without importing the file.

    >>> @register_validator("confidence", title="Confidence", paper="none")
    ... def confidence(*, target_probs):
    ...     return float(target_probs.max(axis=1).mean())
    """
    facts = {"title": title, "paper": paper, "doi": doi, "ours": ours}
    return _register("validators", name, facts)


def hyper_parameters(positional: Sequence[str], named: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The hyper-parameters of a method with their defaults: keyword-only, JSON values; ``overrides`` applied.

    ``positional``: names of ``__init__`` from ``self`` on; ``named``: those after ``*``. Raises :class:`UsageError`.
    """
    rule = "write hyper-parameters as in __init__(self, ctx, *, weight: float = 1.0)"
    if len(positional) > 2:
        raise UsageError(f"{positional[2]!r} of __init__ is positional, so that no run could set it; {rule}")
    defaults = {**named, **(facts.get("overrides") or {})}
    if unknown := [name for name in facts.get("added") or () if name not in defaults]:
        raise UsageError(f"{unknown[0]!r} is said to be added, but __init__ does not take it; {rule}")
    for name, default in defaults.items():
        if name in RATES:
            raise UsageError(f"{name!r} is a setting of every method, a factor on a learning rate; choose another name")
        if default is inspect.Parameter.empty:
            raise UsageError(f"{name!r} of __init__ has no default; {rule}")
        if not is_json(default):
            expected = "expected a finite number, a text, true or false, None, or a list or dict of such"
            raise UsageError(f"the default of {name!r} is {reprlib.repr(default)}; {expected}")
    return defaults


def arrays_seen(positional: Sequence[str], named: Mapping[str, Any]) -> dict[str, bool]:
    """The arrays that a validator is handed, by name, each with whether it needs it.

    ``positional``: what of its parameters is not keyword-only; ``named``: those that are, with their defaults. Raises
    :class:`UsageError` for whatever is not in :data:`~mmda_bench.validator.ARRAYS`.
    """
    if positional:
        rule = "write a validator as in def name(*, target_probs, source_probs)"
        raise UsageError(f"{positional[0]!r} is not keyword-only, so that it would not name what is seen; {rule}")
    if not named:
        raise UsageError(f"a validator that sees nothing scores nothing; it may see: {', '.join(ARRAYS)}")
    for name, default in named.items():
        if name not in ARRAYS:
            raise UsageError(f"a validator may not see {name!r}; it may see: {', '.join(ARRAYS)}")
        if default is not inspect.Parameter.empty and default is not None:
            raise UsageError(f"the default of {name!r} is {reprlib.repr(default)}; expected none, or None")
    return {name: default is inspect.Parameter.empty for name, default in named.items()}


def is_json(value: Any) -> bool:
    """Whether a record can hold the value and give it back as it was."""
    try:
        back = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return False
    return type(back) is type(value) and back == value


def signature_of(declared: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """As :func:`_init_parameters`, of an imported class, or :func:`_function_parameters`, of a function."""
    of_class = isinstance(declared, type)
    parameters = inspect.signature(declared.__init__ if of_class else declared).parameters.values()
    catching = () if of_class else (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, *catching)
    positional = [p.name for p in parameters if p.kind in wanted]
    return positional, {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
