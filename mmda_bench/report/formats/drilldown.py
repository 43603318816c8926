"""What the page tells of a single method and of a single cell: seeds, intervals, settings, where they come from."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from mmda_bench.registry import METHODS
from mmda_bench.report.missing import run_command
from mmda_bench.report.rows import Board, Row
from mmda_bench.store import Record, Store, scores_of, weighted_f1

SHORT_COMMIT = 10


@dataclass(frozen=True)
class Detail:
    """A row of the main table, alone. ``rows``: of its table of seeds, the column's name first; ``facts``: names and
    words."""

    id: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    facts: Sequence[tuple[str, str]]
    doi: str | None


@dataclass(frozen=True)
class Run:
    """A cell as a line of the list of cells. ``facts``: what else its record says."""

    label: str
    anchor: str
    seed: int
    status: str
    f1: float | None
    seconds: float | None
    link: str
    facts: Sequence[tuple[str, str]]


def details(board: Board, slug: str) -> dict[str, Detail]:
    """By the name of a row in the main table."""
    rows = [*board.rows, *board.references]
    return {row.marked: _detail(board, row, f"{slug}-row{i}") for i, row in enumerate(rows)}


def _detail(board: Board, row: Row, id_: str) -> Detail:
    header = ["anchor", *(f"seed {seed}" for seed in board.seeds), "mean", "standard deviation", "95 % interval"]
    rows = []
    for column in board.columns:
        score, limits = row.scores[column], row.intervals.get(column)
        seeds = [f"{score.seeds[seed]:.2f}" if seed in score.seeds else "–" for seed in board.seeds]
        ends = [_number(score.mean), _number(score.sd), f"{limits[0]:.1f} to {limits[1]:.1f}" if limits else "–"]
        rows.append([column, *seeds, *ends])
    entry = METHODS.entries().get(row.method)
    facts = [("Paper", str(entry.facts.get("paper") or "")), ("Code", _file(entry.module))] if entry else []
    settings = ", ".join(f"{name}={value}" for name, value in _settings(row).items())
    facts += [("Settings", settings), ("Switched off", ", ".join(row.off))]
    return Detail(id_, row.marked, header, rows, [fact for fact in facts if fact[1]], entry.doi if entry else None)


def _file(module: str) -> str:
    """'methods/dann.py', of a built-in method; a plug-in's module as it is called."""
    path = module.removeprefix("mmda_bench.").replace(".", "/")
    return f"{path}.py" if path.startswith("methods/") else module


def _settings(row: Row) -> Mapping[str, Any]:
    return row.records[0]["key"]["params"] if row.records else {}


def tips(board: Board) -> dict[tuple[str, str], str]:
    """What a pointer on a score is told, by the names of row and column: its seeds and its interval."""
    found = {}
    for row in (*board.rows, *board.references, *board.external):
        for column in board.columns:
            parts = [f"seed {seed}: {value:.2f}" for seed, value in sorted(row.scores[column].seeds.items())]
            if column in row.intervals:
                low, high = row.intervals[column]
                parts.append(f"95 % interval {low:.1f} to {high:.1f}")
            if parts:
                found[row.marked, column] = "; ".join(parts)
    return found


def origin(board: Board) -> list[tuple[str, str]]:
    """Where the numbers of a board come from: dates, commits, devices, and a command that makes them."""
    records = [record for row in (*board.lines, *board.references) for record in row.records]
    days = sorted({str(record["ended_utc"])[:10] for record in records if record.get("ended_utc")})
    commits = dict.fromkeys(str(record["commit"])[:SHORT_COMMIT] for record in records if record.get("commit"))
    facts = [("Run", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}")] if days else []
    facts += [("Commit", ", ".join(sorted(commits)))] if commits else []
    if board.rows and board.rows[0].records:
        key, seeds = board.rows[0].records[0]["key"], board.seeds
        labels = [row.label for row in board.lines]
        facts.append(("Command", run_command(key, labels, board.anchors, seeds, rerun=False, bounds=True)))
    return facts


def runs(board: Board, store: Store) -> list[Run]:
    """Every cell behind the tables, once, with the way to its record."""
    records: dict[str, tuple[str, Record]] = {}
    for row in (*board.lines, *board.references):
        for record in row.records:
            records.setdefault(record["hash"], (row.label, record))
    theirs = [(row.title, record) for row in board.external for record in row.records]
    return [_run(label, record, store.path(record)) for label, record in [*records.values(), *theirs]]


def _run(label: str, record: Record, path: str) -> Run:
    key, seconds = record["key"], (record.get("times") or {"total_s": 0.0}).get("train_s")
    ok = record["status"] == "ok"
    facts = [("Hash", record["hash"]), ("Reason", record["reason"] or "")]
    facts.append(("Ended", re.sub(r"T(\d\d:\d\d).*", r" \1 UTC", str(record.get("ended_utc") or ""))))
    facts.append(("Commit", str(record.get("commit") or "")[:SHORT_COMMIT]))
    facts.append(("Memory", f"{record['memory_mb']:.0f} MB" if record.get("memory_mb") else ""))
    heads = (scores_of(record).get("heads") or {}) if ok else {}
    facts.append(("F1 of each head", ", ".join(f"{m} {_number(f1 and 100 * f1)}" for m, f1 in heads.items())))
    curve = (record.get("curves") or {}).get("target_f1") or ()
    late = [_number(100 * f1) for f1 in curve if f1 is not None]
    facts.append(("F1 after the last epochs", ", ".join(late)))
    return Run(
        label, key["anchor"], key["seed"], record["status"], 100 * weighted_f1(record) if ok else None, seconds,
        quote(path), [fact for fact in facts if fact[1]],
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
