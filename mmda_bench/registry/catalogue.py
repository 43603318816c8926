"""The registries in words: for a terminal, for the README, for programs."""

import json
from typing import Any

from mmda_bench.registry.declare import Choice, Entry, LogUniform, Uniform
from mmda_bench.registry.registry import Registry
from mmda_bench.registry.spec import table_rank


def entries(registry: Registry) -> list[Entry]:
    """In table order, oracles after the others, the broken last."""
    found = registry.entries().values()
    return sorted(found, key=lambda entry: (entry.reason is not None, entry.oracle, table_rank(entry.name)))


def objective(entry: Entry) -> str:
    """The first paragraph of the docstring on one line: the terms that a method adds."""
    return " ".join(entry.doc.split("\n\n")[0].split())


def parameters(entry: Entry) -> str:
    """'gamma1=10 [1…100, log], hidden=256'."""
    return ", ".join(f"{name}={_value(default)}{_searched(entry, name)}" for name, default in entry.parameters.items())


def sees(entry: Entry) -> str:
    """'target_probs, weights (optional)', of a validator; marked where these include the labels of the target."""
    names = [name if needed else f"{name} (optional)" for name, needed in entry.sees.items()]
    return ", ".join(names) + (": an ORACLE, it reads the labels of the target" if entry.oracle else "")


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _searched(entry: Entry, name: str) -> str:
    space = entry.search_space.get(name)
    if isinstance(space, Choice):
        return f" [{' '.join(_value(value) for value in space.values)}]"
    if isinstance(space, (Uniform, LogUniform)):
        return f" [{space.low:g}…{space.high:g}{', log' if isinstance(space, LogUniform) else ''}]"
    return ""


def as_text(registry: Registry) -> str:
    """A paragraph per entry."""
    blocks = []
    for entry in entries(registry):
        if entry.reason is not None:
            blocks.append(f"{entry.name}  UNUSABLE ({entry.origin})\n    {entry.reason}")
            continue
        origin = "" if entry.origin == "built-in" else f"  ({entry.origin})"
        lines = [f"{entry.name}  {entry.title}{origin}"]
        facts = {
            "paper": entry.facts.get("paper"),
            "adds": objective(entry) if registry.kind == "methods" else None,
            "score": objective(entry) if registry.kind == "validators" else None,
            "sees": sees(entry),
            "parameters": parameters(entry),
            "components": ", ".join(entry.components),
            "ours": entry.facts.get("ours"),
        }
        lines += [f"    {name}: {value}" for name, value in facts.items() if value]
        if registry.kind not in ("methods", "validators") and entry.doc:
            lines.append(f"    {objective(entry)}")
        blocks.append("\n".join(lines))
    return "\n".join(blocks)


def as_markdown(registry: Registry) -> str:
    """A table for the README."""
    rows: list[list[Any]]
    usable = [entry for entry in entries(registry) if entry.reason is None]
    if registry.kind == "methods":
        header = ["name", "paper", "adds to L_IB", "parameters [range of a search]", "components", "what is ours"]
        rows = [
            [
                f"`{e.name}`",
                e.facts.get("paper"),
                objective(e),
                parameters(e),
                ", ".join(e.components),
                e.facts.get("ours"),
            ]
            for e in usable
        ]
    elif registry.kind == "validators":
        header = ["name", "paper", "score (higher is better)", "sees", "what is ours"]
        rows = [[f"`{e.name}`", e.facts.get("paper"), objective(e), sees(e), e.facts.get("ours")] for e in usable]
    else:
        header = ["name", "title", "what it is"]
        rows = [[f"`{e.name}`", e.title, objective(e)] for e in usable]
    lines: list[list[Any]] = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return str(value or "").replace("|", "\\|")


def as_json(registry: Registry) -> str:
    listed = [
        {
            "name": entry.name,
            "title": entry.title,
            "origin": entry.origin,
            "paper": entry.facts.get("paper"),
            "doi": entry.doi,
            "groups": list(entry.groups),
            "parameters": dict(entry.parameters),
            "search_space": {name: {type(r).__name__: vars(r)} for name, r in entry.search_space.items()},
            "components": list(entry.components),
            **({"sees": dict(entry.sees), "oracle": entry.oracle} if registry.kind == "validators" else {}),
            "ours": entry.facts.get("ours"),
            "unusable": entry.reason,
        }
        for entry in entries(registry)
    ]
    return json.dumps(listed, indent=1, default=str)
