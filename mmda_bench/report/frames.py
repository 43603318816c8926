"""Records, boards and comparisons as pandas frames. Pure; the numbers are those of the written tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmda_bench.registry import Registry
from mmda_bench.registry.spec import label_of
from mmda_bench.report.compare import Comparison
from mmda_bench.report.formats.markdown import rows_of
from mmda_bench.report.rows import Board
from mmda_bench.store import Record

if TYPE_CHECKING:
    import pandas as pd

SCORED_TABLES = ("main", "reference", "external")


def results_frame(records: Iterable[Record]) -> "pd.DataFrame":
    """A row a stored cell: what it was, its scores in [0, 1], its costs, and a column per field of its protocol.

    Scores of a cell that did not end well are missing values.
    """
    import pandas as pd

    rows = [_result(record) for record in records]
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else list(_result(None)))


def _result(record: Record | None) -> dict[str, Any]:
    key: Mapping[str, Any] = record["key"] if record else {}
    metrics: Mapping[str, Any] = (record["metrics"] if record else None) or {}
    target, source = (metrics.get(f"{domain}_test") or {} for domain in ("target", "source"))
    times = record.get("times") if record else None
    row = {
        "hash": record and record["hash"],
        "dataset": key.get("dataset"),
        "version": key.get("version"),
        "method": _label(record) if record else None,
        "anchor": key.get("anchor"),
        "seed": key.get("seed"),
        "status": record and record["status"],
        "reason": record and record["reason"],
        "weighted_f1": target.get("weighted_f1"),
        "accuracy": target.get("accuracy"),
        "source_f1": source.get("weighted_f1"),
        "train_s": times.get("train_s") if times else None,
        "memory_mb": record.get("memory_mb") if record else None,
        "signature": record and record["signature"],
        "synthetic": ((record and record.get("titles")) or {}).get("synthetic"),
    }
    return row | protocol_columns(key.get("protocol") or {})


def _label(record: Record) -> str:
    """The label under which the cell ran, so that a changed default renames no row; older records lack it."""
    return (record.get("titles") or {}).get("label") or label_of(record["key"])


def protocol_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of the protocol by its name, with its default where an older record lacks it."""
    from dataclasses import fields

    from mmda_bench.protocol import Protocol

    return {one.name: values.get(one.name, one.default) for one in fields(Protocol)}


def leaderboard_frame(boards: Sequence[Board]) -> "pd.DataFrame":
    """A row per method and column of Table 1, of the references and of what was submitted, in percent.

    Columns: dataset, table, method, title, column (an anchor or "ave."), mean, sd, low and high (95 % interval), bold,
    p (adjusted, of the difference from the best), seeds, train_minutes, memory_mb, signature, synthetic.
    """
    import pandas as pd

    names = ("dataset", "table", "method", "title", "column", "mean", "sd", "low", "high", "bold", "p", "seeds")
    more = ("train_minutes", "memory_mb", "signature", "synthetic")
    rows = [
        {
            **line,
            "bold": bool(line["bold"]),
            "p": line.get("p_adjusted"),
            "seeds": line["seeds_ok"],
            "synthetic": bool(line["synthetic"]),
        }
        for line in rows_of(boards)
        if line["table"] in SCORED_TABLES
    ]
    return pd.DataFrame([{name: row.get(name) for name in (*names, *more)} for row in rows], columns=[*names, *more])


def comparison_frame(comparisons: Sequence[Comparison]) -> "pd.DataFrame":
    """A row per scenario and average: first minus second in percent, its interval and p; or why there is no answer."""
    import pandas as pd

    names = ("dataset", "signature", "first", "second", "column", "difference", "low", "high", "p", "reason")
    rows = []
    for one in comparisons:
        for column, answer in one.columns.items():
            known = {"reason": answer} if isinstance(answer, str) else {"difference": answer.mean, **vars(answer)}
            names_of = {"first": one.first.label, "second": one.second.label, "column": column}
            rows.append({"dataset": one.board.dataset, "signature": one.board.signature, **names_of, **known})
    return pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=list(names))


def registry_frame(registry: Registry) -> "pd.DataFrame":
    """A row per registered name: title, paper, groups, parameters, where it comes from, and why it cannot be used."""
    import pandas as pd

    from mmda_bench.registry import catalogue

    rows = [
        {
            "name": entry.name,
            "title": entry.title,
            "paper": entry.facts.get("paper"),
            "groups": entry.groups,
            "parameters": dict(entry.parameters),
            "adds": catalogue.objective(entry),
            "origin": entry.origin,
            "unusable": entry.reason,
        }
        for entry in catalogue.entries(registry)
    ]
    return pd.DataFrame(rows).set_index("name")
