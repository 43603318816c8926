"""What can be read from a declaration, without importing it, so that listing is instant, or from what was imported."""

import ast
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from mmda_bench.errors import UsageError
from mmda_bench.registry.declare import (
    Choice,
    Entry,
    LogUniform,
    Uniform,
    arrays_seen,
    form_of,
    hyper_parameters,
    signature_of,
)

_RANGES: dict[str, Callable[..., Any]] = {"Uniform": Uniform, "LogUniform": LogUniform, "Choice": Choice}


def _literal(node: ast.expr) -> Any:
    """Value of a literal, of a range class called with literals, or of a tuple or dictionary of such; nothing runs."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _RANGES:
        named = {part.arg: _literal(part.value) for part in node.keywords if part.arg}
        return _RANGES[node.func.id](*map(_literal, node.args), **named)
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    return ast.literal_eval(node)


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
        raise UsageError(form_of(kind))
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
            parameters = hyper_parameters(*signature_of(cls), facts) if method else {}
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
                sees=arrays_seen(*signature_of(cls)) if kind == "validators" else {},
                doc=inspect.cleandoc(cls.__doc__ or getattr(sys.modules.get(cls.__module__), "__doc__", "") or ""),
            )
        )
    return entries
