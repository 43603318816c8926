"""How methods, datasets, backbones and validators declare themselves, and what can be read from a declaration.

A declaration is read from its source without importing it, so that listing is instant, or from what was imported.
"""

import ast
import inspect
import json
import re
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar

from mmda_bench.protocol import SUPERVISED
from mmda_bench.validator import ARRAYS, ORACLE

Declared = TypeVar("Declared", bound=Callable[..., Any])

NAME = re.compile(r"[a-z][a-z0-9]*([-+_][a-z0-9]+)*")
NAME_RULE = "lower-case letters and digits, with single - + or _ in between, beginning with a letter"
RESERVED = ("all", "ablation", SUPERVISED)  # these mean something else in --methods and in the tables


class UsageError(Exception):
    """The user asked for something that does not exist; the message says what does."""


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
    def groups(self) -> tuple[str, ...]:
        return tuple(self.facts.get("groups", ()))

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
            raise UsageError(f"{kind.removesuffix('s')} {name}: {_form(kind)}")
        if kind == "validators":
            arrays_seen(*_signature(declared))
        registered = dict(declared.__dict__.get("__mmda_registered__", {}))
        registered[name] = (kind, facts)
        declared.__mmda_registered__ = registered  # type: ignore[union-attr]
        return declared

    return mark


def _form(kind: str) -> str:
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
    own_validators: tuple[str, ...] = (),
    ours: str = "",
) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.method.Method` under ``name``.

    ``groups``: "all" puts it into ``--methods all``. ``overrides``: other defaults, for a variant registered by a
    second decorator on the same class. ``own_validators``: those that compute a loss of this method, and therefore
    never choose its settings. ``ours``: what this project decided where the sources leave it open. All arguments must
    be literals: they are listed without importing the file.
    """
    facts = {"title": title, "paper": paper, "doi": doi, "groups": groups, "overrides": overrides or {}, "ours": ours}
    return _register("methods", name, {**facts, "own_validators": own_validators})


def register_dataset(name: str, *, title: str) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.dataset.Dataset` under ``name``."""
    return _register("datasets", name, {"title": title})


def register_backbone(name: str, *, title: str) -> Callable[[Declared], Declared]:
    """Register a :class:`~mmda_bench.backbone.spec.Backbone` under ``name``."""
    return _register("backbones", name, {"title": title})


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


_RANGES = {"Uniform": Uniform, "LogUniform": LogUniform, "Choice": Choice}


def _literal(node: ast.expr) -> Any:
    """Value of a literal expression, in which the range classes may be called."""
    return eval(compile(ast.Expression(node), "<registry>", "eval"), {"__builtins__": {}, **_RANGES, "range": range})


def _class_attribute(node: ast.ClassDef, name: str, default: Any) -> Any:
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return _literal(statement.value)  # type: ignore[attr-defined]
    return default


def _init_parameters(node: ast.ClassDef) -> tuple[list[str], dict[str, Any]]:
    """Of ``__init__``: the names that are positional, and those that are keyword-only with their defaults."""
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            given = statement.args
            return [arg.arg for arg in (*given.posonlyargs, *given.args)], _keyword_only(given)
    return [], {}


def _function_parameters(node: ast.FunctionDef) -> tuple[list[str], dict[str, Any]]:
    """Of a function: the names that are not keyword-only, and those that are with their defaults."""
    given = node.args
    catching = [arg for arg in (given.vararg, given.kwarg) if arg is not None]
    return [arg.arg for arg in (*given.posonlyargs, *given.args, *catching)], _keyword_only(given)


def _keyword_only(given: ast.arguments) -> dict[str, Any]:
    pairs = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    return {arg.arg: _literal(value) if value else inspect.Parameter.empty for arg, value in pairs}


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


def read_source(path: Path, module: str, origin: str) -> list[Entry]:
    """Entries of a source file, read without running it. Raises :class:`UsageError` for what is not a literal there."""
    text = path.read_text("utf-8")
    tree = ast.parse(text, str(path))
    entries = []
    for node in (node for node in tree.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))):
        for call in _registrations(node):
            try:
                entries.append(_entry_of_source(node, call, module, origin, ast.get_docstring(tree)))
            except UsageError as error:
                raise UsageError(f"{path}: {node.name}: {error}") from error
            except Exception as error:  # of evaluating what is no literal
                rule = "arguments of its decorator, defaults, search_space and components must be literals"
                raise UsageError(f"{path}: {node.name}: {type(error).__name__}: {error}; {rule}") from error
    return entries


def _registrations(node: ast.ClassDef | ast.FunctionDef) -> list[ast.Call]:
    """The decorators that register a class or a function."""
    calls = [call for call in node.decorator_list if isinstance(call, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id.startswith("register_")]


def _entry_of_source(
    node: ast.ClassDef | ast.FunctionDef, call: ast.Call, module: str, origin: str, doc: str | None
) -> Entry:
    """``doc``: of the module, for a class or function that has none."""
    kind = call.func.id.removeprefix("register_") + "s"  # type: ignore[attr-defined]
    facts = {keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg}
    if isinstance(node, ast.FunctionDef) != (kind == "validators"):
        raise UsageError(_form(kind))
    method = node if kind == "methods" and isinstance(node, ast.ClassDef) else None
    return Entry(
        name=_literal(call.args[0]),
        kind=kind,
        origin=origin,
        module=module,
        attribute=node.name,
        facts=facts,
        parameters=hyper_parameters(*_init_parameters(method), facts) if method else {},
        search_space=_class_attribute(method, "search_space", {}) if method else {},
        components=_class_attribute(method, "components", ()) if method else (),
        sees=arrays_seen(*_function_parameters(node)) if isinstance(node, ast.FunctionDef) else {},
        doc=ast.get_docstring(node) or doc or "",
    )


def read_class(cls: type | FunctionType, origin: str) -> list[Entry]:
    """Entries of an imported class or function. Raises :class:`UsageError` for a method whose hyper-parameters cannot
    be used."""
    entries = []
    for name, (kind, facts) in getattr(cls, "__dict__", {}).get("__mmda_registered__", {}).items():
        method = kind == "methods"
        try:
            parameters = hyper_parameters(*_signature(cls), facts) if method else {}
        except UsageError as error:
            raise UsageError(f"method {name}: {error}") from error
        entries.append(
            Entry(
                name=name,
                kind=kind,
                origin=origin,
                module=cls.__module__,
                attribute=cls.__qualname__,
                facts=facts,
                parameters=parameters,
                search_space=dict(getattr(cls, "search_space", {})) if method else {},
                components=tuple(getattr(cls, "components", ())) if method else (),
                sees=arrays_seen(*_signature(cls)) if kind == "validators" else {},
                doc=inspect.cleandoc(cls.__doc__ or sys.modules[cls.__module__].__doc__ or ""),
            )
        )
    return entries


def _signature(declared: Callable[..., Any]) -> tuple[list[str], dict[str, Any]]:
    """As :func:`_init_parameters`, of an imported class, or :func:`_function_parameters`, of a function."""
    of_class = isinstance(declared, type)
    parameters = inspect.signature(declared.__init__ if of_class else declared).parameters.values()
    catching = () if of_class else (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    wanted = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, *catching)
    positional = [p.name for p in parameters if p.kind in wanted]
    return positional, {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
