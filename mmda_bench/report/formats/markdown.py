"""Boards as Markdown, CSV and JSON. Pure: text in no other place, and the same bytes for the same boards."""

import csv
import io
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tabulate import tabulate

from mmda_bench.report.against_published import against_published
from mmda_bench.report.boards import variants
from mmda_bench.report.formats.captions import beaten, bold_rule, not_comparable
from mmda_bench.report.formats.grid import Table
from mmda_bench.report.formats.tables import references, table_1, tables, wins
from mmda_bench.report.rows import Board, Row, per_class
from mmda_bench.report.suites import Suite, suites
from mmda_bench.store import Damaged
from mmda_bench.units import one_line, shown

HINT = (
    "They are for the folder `results/local` and for what is built in or found: add `--results`, `--data-root`, "
    "`--weights` and `--plugin` as in the run that left the holes."
)
CSV_COLUMNS = (
    *("dataset", "table", "method", "title", "column", "mean", "sd", "low", "high", "bold"),
    *("difference", "difference_low", "difference_high", "p", "p_adjusted"),
    *("seeds_ok", "seeds_expected", "failed", "train_minutes", "memory_mb", "parameters", "signature"),
    *("steady", "rank_first", "rank_last", "corpus", "synthetic"),
)


def markdown(boards: Sequence[Board], damaged: Sequence[Damaged] = ()) -> str:
    """The whole leaderboard as one Markdown document."""
    parts = ["# Leaderboard"] + [markdown_board(*pair) for pair in zip(boards, variants(boards), strict=True)]
    if not boards:
        parts.append("No record yet: `mmda-bench run --methods all --dataset avatars` makes the first.")
    if damaged:
        lines = [f"- {_code(one.path)}: {_inline(one.reason)}" for one in damaged]
        parts.append("## Unreadable records, left out\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def markdown_board(board: Board, variant: str = "") -> str:
    """``variant``: what sets the board apart from others of its corpus."""
    parts = [f"## {_inline(board.title)}{f', {_code(variant)}' if variant else ''}"]
    if warning := not_comparable(board):
        parts.append(_caption(warning))
    parts += [markdown_table(table, board.signature) for table in tables(board)]
    if board.failures:
        lines = [
            f"- {_inline(f.label)}, anchor {f.anchor}, seed {f.seed}: **{f.status}**: {_inline(f.reason)}"
            for f in board.failures
        ]
        parts += ["### Failed cells", "\n".join(lines)]
    if board.holes:
        lines = [f"- {_inline(hole.cells)}: {_code(hole.command)}" for hole in board.holes]
        parts += ["### Holes, and the commands that fill them", "\n".join(lines), HINT]
    if board.extra:
        lines = [f"{_inline(name)} (seeds {', '.join(map(str, seeds))})" for name, seeds in board.extra.items()]
        parts.append(f"Stored, but outside the seeds of these tables: {', '.join(lines)}.")
    return "\n\n".join(parts)


def markdown_main(board: Board) -> str:
    """Table 1 and the bounds: what a terminal shows."""
    both = [table for table in (table_1(board), references(board)) if table.rows]
    return "\n\n".join(markdown_table(table, board.signature) for table in both)


def markdown_table(table: Table, signature: str) -> str:
    lines = [[f"**{_inline(cell.text)}**" if cell.bold else _inline(cell.text) for cell in row] for row in table.rows]
    words, numbers = table.words, len(table.header) - table.words
    grid = tabulate(
        lines,
        [_inline(name) for name in table.header],
        "pipe",
        disable_numparse=True,
        colalign=("left", *["center"] * (words - 1), *["right"] * numbers),
    )
    return f"### {_inline(table.heading)}\n\n{grid}\n\n{_code(signature)}\n\n{_caption(table.caption)}"


def titled(table: Table, board: Board) -> str:
    """One table below the title of its corpus."""
    return f"## {_inline(board.title)}\n\n{markdown_table(table, board.signature)}"


def _inline(text: str) -> str:
    """Foreign text on one line of Markdown, without markup of its own."""
    text = " ".join(text.split()).replace("&", "&amp;")
    for character in "\\`*_|[]$~":
        text = text.replace(character, f"\\{character}")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _code(text: str) -> str:
    """Foreign text on one line as code: between more backticks than follow each other in it."""
    text = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}" if len(fence) == 1 else f"{fence} {text} {fence}"


def _caption(text: str) -> str:
    """Our own words, with code between backticks; a foreign one in them makes all of it plain."""
    parts = text.split("`")
    if not len(parts) % 2:
        return _inline(text)
    words = [
        _code(p) if i % 2 else " " * p[:1].isspace() + _inline(p) + " " * p[-1:].isspace() for i, p in enumerate(parts)
    ]
    return "".join(words).strip()


def csv_text(boards: Sequence[Board]) -> str:
    """All numbers of all boards; see :func:`rows_of`."""
    return csv_lines(rows_of(boards))


def csv_lines(lines: Iterable[Mapping[str, Any]]) -> str:
    """Some of the lines of :func:`rows_of`, below the names of the columns."""
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in line.items()} for line in lines)
    return file.getvalue()


def _harmless(value: Any) -> Any:
    """Foreign text that a spreadsheet would take for a formula or for the end of a line, as text; numbers stay."""
    if not isinstance(value, str):
        return value
    value = shown(one_line(value))
    begins = unicodedata.normalize("NFKC", value).lstrip().startswith(("=", "+", "-", "@"))
    return f"'{value}" if begins else value


def rows_of(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """One flat dictionary per table, row and column: what the CSV holds.

    ``column`` is an anchor or the average; with a measure before it in the tables "trust" (``ece:A``) and "class"
    (``happy:A``); the other row's name in "pairs". In "published", ``mean`` is the paper's number; in "gain",
    ``difference`` is that from the best label-free reference.
    """
    return [
        {"dataset": b.dataset, **line, "signature": b.signature, "corpus": b.title, "synthetic": int(b.synthetic)}
        for b in boards
        for line in _lines(b)
    ]


def _lines(board: Board) -> Iterator[dict[str, Any]]:
    named = [("main", board.rows), *((f"ablation:{m}", rows) for m, rows in board.ablation.items())]
    for table, rows in [*named, ("reference", board.references), ("external", board.external)]:
        for row in rows:
            found = board.ranks.get(row.label, ()) if table == "main" else ()
            places: dict[str, Any] = dict(zip(("rank_first", "rank_last"), found, strict=False))
            places |= {"table": table, **_name(row)}
            yield from ({"column": c, **_score_line(row, c), **places} for c in row.scores)
    for row in (*board.lines, *board.references, *board.external):
        for column, score in row.macro.items():
            shown = {"mean": _rounded(score.mean), "sd": _rounded(score.sd)}
            yield {"table": "macro", **_name(row), "column": column, **shown}
    for row in board.rows:
        for column in (c for c in row.scores if (row.label, c) in board.gains):
            gain = _difference_line(board.gains[row.label, column])
            yield {"table": "gain", **_name(row), "column": column, **gain}
    yield from _suite_lines(board)
    for row in board.lines:
        for column, measures in row.trust.items():
            for name, value in zip(("ece", "auroc"), measures, strict=True):
                yield {"table": "trust", **_name(row), "column": f"{name}:{column}", "mean": _rounded(value)}
        for anchor in row.anchors:
            for name, value in per_class(row, anchor).items():
                yield {"table": "class", **_name(row), "column": f"{name}:{anchor}", "mean": _rounded(value)}
        for column, one in against_published(board).get(row.label, {}).items():
            difference = _rounded(one.difference)
            line = {"table": "published", **_name(row), "column": column, "mean": one.published}
            yield {**line, "difference": difference}
        for (first, second), between in board.pairs.items():
            if first == row.label:
                yield {"table": "pairs", **_name(row), "column": second, **_difference_line(between)}
    yield from _tuning_lines(board)


def _tuning_lines(board: Board) -> Iterator[dict[str, Any]]:
    """What the trials of a tuned board say, a line per number."""
    for one in board.tuning.methods if board.tuning else ():
        name = {"method": one.label, "title": one.title}
        for column, scores in one.scores.items():
            for which, value in vars(scores).items():
                yield {"table": f"tuned:{which}", **name, "column": column, "mean": _rounded(value)}
        for column, regret in one.regret.items():
            yield {"table": "regret", **name, "column": column, **_difference_line(regret)}
        for table, curve in (("expected", one.expected), ("expected:oracle", one.at_best)):
            for k, value in enumerate(curve, 1):
                yield {"table": table, **name, "column": f"k={k}", "mean": _rounded(value)}
        for number, average in enumerate(one.studies):
            yield {"table": "study", **name, "column": f"study {number}", "mean": _rounded(average)}
    for verdict in board.tuning.verdicts if board.tuning else ():
        found = {**verdict.by_anchor, "all": verdict.overall}
        for column, judgement in found.items():
            for which in ("regret", "worst"):
                line = {"table": f"validator:{which}", "method": judgement.validator, "column": column}
                yield {**line, "mean": _rounded(100 * getattr(judgement, which))}
            yield {
                "table": "validator:spearman", "method": judgement.validator, "column": column,
                "mean": _rounded(judgement.spearman),
            }  # fmt: skip


def _suite_lines(board: Board) -> Iterator[dict[str, Any]]:
    for suite in suites(board):
        for line in suite.lines:
            for column, score in line.scores.items():
                name = {"table": suite.name, "method": line.label, "title": line.title, "column": column}
                yield {**name, "mean": _rounded(score.mean), "sd": _rounded(score.sd), "seeds_ok": len(score.seeds)}


def _name(row: Row) -> dict[str, str]:
    return {"method": row.label, "title": row.title}


def _score_line(row: Row, column: str) -> dict[str, Any]:
    score = row.scores[column]
    low, high = row.intervals.get(column, (None, None))
    return {
        "mean": _rounded(score.mean),
        "sd": _rounded(score.sd),
        "low": _rounded(low),
        "high": _rounded(high),
        "bold": int(column in row.bold),
        "steady": int(row.steady),
        **_difference_line(row.from_best.get(column)),
        "seeds_ok": len(score.seeds),
        "seeds_expected": score.expected,
        "failed": " ".join(score.failed),
        "train_minutes": _rounded(row.minutes),
        "memory_mb": _rounded(row.memory_mb),
        "parameters": row.parameters,
    }


def _difference_line(difference: Any) -> dict[str, Any]:
    if difference is None:
        return {}
    names = ("difference", "difference_low", "difference_high", "p", "p_adjusted")
    return dict(zip(names, map(_rounded, asdict(difference).values()), strict=True))


def json_text(boards: Sequence[Board], damaged: Sequence[Damaged] = ()) -> str:
    """Everything that the tables show, for programs."""
    document = {
        "boards": [_board_json(board) for board in boards],
        "unreadable": [vars(one) for one in damaged],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _board_json(board: Board) -> dict[str, Any]:
    published = against_published(board)
    return {
        "dataset": board.dataset,
        "corpus": board.title,
        "synthetic": board.synthetic,
        "signature": board.signature,
        "seeds": list(board.seeds),
        "fingerprints": list(board.fingerprints),
        "significance": bold_rule(board),
        "untested": dict(board.untested),
        "best_reference": board.best_reference.label if board.best_reference else None,
        "against_best_reference": beaten(board),
        "ranks": {label: list(places) for label, places in board.ranks.items()},
        "table1": [_row_json(row) for row in board.rows],
        "table2": {method: [_row_json(row) for row in rows] for method, rows in board.ablation.items()},
        "references": [_row_json(row) for row in board.references],
        "external": [_row_json(row) for row in board.external],
        "pairs": [_pair_json(board, *pair) for pair in board.pairs],
        "gains": [{"method": m, "column": c, **_difference_line(one)} for (m, c), one in board.gains.items()],
        "published": {
            label: {c: {**asdict(one), "difference": _rounded(one.difference)} for c, one in columns.items()}
            for label, columns in published.items()
        },
        "tuning": list(_tuning_lines(board)),
        "failures": [vars(failure) for failure in board.failures],
        "holes": [hole.as_json() for hole in board.holes],
        "suites": [_suite_json(suite) for suite in suites(board)],
        "extra_seeds": {name: list(seeds) for name, seeds in board.extra.items()},
    }


def _suite_json(suite: Suite) -> dict[str, Any]:
    lines = [
        {"method": line.label, "scores": {c: _rounded(score.mean) for c, score in line.scores.items()}}
        for line in suite.lines
    ]
    return {"name": suite.name, "title": suite.title, "columns": list(suite.columns), "rows": lines}


def _pair_json(board: Board, first: str, second: str) -> dict[str, Any]:
    by_label = {row.label: row for row in board.rows}
    won, of = wins(by_label[first], by_label[second])
    difference = _difference_line(board.pairs[first, second])
    return {"method": first, "against": second, "wins": won, "cells": of, **difference}


def _row_json(row: Row) -> dict[str, Any]:
    scores = {
        column: {
            "mean": _rounded(score.mean),
            "sd": _rounded(score.sd),
            "seeds": {str(seed): _rounded(value) for seed, value in score.seeds.items()},
            "failed": list(score.failed),
            "complete": score.complete,
            "interval": [_rounded(limit) for limit in row.intervals[column]] if column in row.intervals else None,
            "bold": column in row.bold,
            "macro": _rounded(row.macro[column].mean) if row.macro else None,
            "from_best": _difference_line(row.from_best.get(column)) or None,
            "trust": dict(zip(("ece", "auroc"), map(_rounded, row.trust[column]), strict=True))
            if column in row.trust
            else None,
        }
        for column, score in row.scores.items()
    }
    costs = {"train_minutes": _rounded(row.minutes), "memory_mb": _rounded(row.memory_mb)}
    classes = {anchor: {c: _rounded(f1) for c, f1 in per_class(row, anchor).items()} for anchor in row.anchors}
    return {
        "method": row.label,
        "title": row.title,
        "off": list(row.off),
        "steady": row.steady,
        "scores": scores,
        **costs,
        "parameters": row.parameters,
        "per_class": classes,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(float(value), 4)
