"""Boards as Markdown, LaTeX, CSV and JSON. Pure: text in no other place, and the same bytes for the same boards."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from tabulate import tabulate

from mmda_bench.report.tables import COLUMNS, Board, Row, Score
from mmda_bench.store import Damaged

ABSENT = "–"
SIGNIFICANCE = "No significance test applied yet: nothing is set in bold, and small differences may be noise."


CSV_COLUMNS = (
    *("dataset", "table", "method", "title", "column", "mean", "sd", "seeds_ok", "seeds_expected", "failed"),
    *("train_minutes", "memory_mb", "signature"),
)


def markdown(boards: Sequence[Board], damaged: Sequence[Damaged] = ()) -> str:
    """The whole leaderboard as one Markdown document."""
    parts = ["# Leaderboard"] + [markdown_board(board) for board in boards]
    if not boards:
        parts.append("No record yet: `mmda-bench run --methods all --dataset avatars` makes the first.")
    if damaged:
        lines = [f"- `{one.path}`: {_inline(one.reason)}" for one in damaged]
        parts.append("## Unreadable records, left out\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def markdown_board(board: Board) -> str:
    parts = [f"## {_inline(board.title)}", markdown_main(board)]
    for method in board.ablation:
        parts += [
            f"### Table 2: components of {_inline(_plain(board, method))}",
            _ablation(board, method),
            f"`{board.signature}`",
        ]
    if board.failures:
        lines = [
            f"- {f.label}, anchor {f.anchor}, seed {f.seed}: **{f.status}**: {_inline(f.reason)}"
            for f in board.failures
        ]
        parts += ["### Failed cells", "\n".join(lines)]
    if board.holes:
        lines = [f"- {hole.cells}: `{hole.command}`" for hole in board.holes]
        parts += ["### Holes, and the commands that fill them", "\n".join(lines)]
    if board.extra:
        lines = [f"{name} (seeds {', '.join(map(str, seeds))})" for name, seeds in board.extra.items()]
        parts.append(f"Stored, but outside the seeds of these tables: {', '.join(lines)}.")
    return "\n\n".join(parts)


def markdown_main(board: Board) -> str:
    """Table 1 with its caption, and the references below it."""
    parts = ["### Table 1: weighted F1 on the target test set by anchor modality"]
    if board.rows:
        parts.append(_grid(board.rows, ["method"]))
    parts += [f"`{board.signature}`", caption(board)]
    if len(board.fingerprints) > 1:
        found = ", ".join(f"`{_inline(one[:12])}`" for one in board.fingerprints)
        parts.append(f"Not comparable: the corpus changed between these cells ({found}); `--rerun all` makes them one.")
    if board.references:
        parts += [
            "Reference runs, not methods: DT without the shift, and training on target labels.",
            _grid(board.references, ["reference"]),
        ]
    return "\n\n".join(parts)


def caption(board: Board, *, costs: bool = True) -> str:
    """What the numbers are. ``costs``: the table has the columns of time and memory."""
    n = len(board.seeds)
    over = f"mean ± standard deviation over {n} seeds" if n > 1 else "one seed"
    text = f"Percent, {over}."
    if costs:
        text += " Train min: mean minutes of training per cell; memory MB: the peak of a cell."
    scores = [score for row in (*board.rows, *board.references) for score in row.scores.values()]
    if any(score.mean is not None and not score.complete for score in scores):
        text += f" (k/{n}): only k of the seeds have run."
    if any(score.mean is None for score in scores):
        text += f" {ABSENT}: no average over missing or failed cells."
    return f"{text} {SIGNIFICANCE}"


def _grid(rows: Sequence[Row], header: list[str]) -> str:
    lines = [[_inline(row.title), *_cells(row)] for row in rows]
    return tabulate(
        lines,
        [*header, *COLUMNS, "train min", "memory MB"],
        "pipe",
        disable_numparse=True,
        colalign=("left", *["right"] * 6),
    )


def _ablation(board: Board, method: str) -> str:
    parts = board.components[method]
    lines = [
        [
            _inline(row.title),
            *("✓" if on else "" for on in switched_on(row, method, parts)),
            *_cells(row)[: len(COLUMNS)],
        ]
        for row in board.ablation[method]
    ]
    header = ["method", *(part.upper() for part in parts), *COLUMNS]
    return tabulate(
        lines, header, "pipe", disable_numparse=True, colalign=("left", *["center"] * len(parts), *["right"] * 4)
    )


def _plain(board: Board, method: str) -> str:
    """The title of a method without its settings."""
    return board.ablation[method][-1].title.partition("[")[0]


def switched_on(row: Row, method: str, components: Sequence[str]) -> list[bool]:
    """Which components a row of Table 2 has; the baseline row has none."""
    return [row.method == method and part not in row.off for part in components]


def _cells(row: Row, pm: str = " ± ") -> list[str]:
    scores = [score_text(row.scores[column], pm) for column in COLUMNS]
    scores = [f"**{text}**" if column in row.bold else text for column, text in zip(COLUMNS, scores, strict=True)]
    minutes = ABSENT if row.minutes is None else f"{row.minutes:.2f}"
    return [*scores, minutes, ABSENT if row.memory_mb is None else f"{row.memory_mb:.0f}"]


def score_text(score: Score, pm: str = " ± ") -> str:
    """'61.23 ± 0.41', with '(2/3)' where seeds are missing, '– (diverged)' where one failed, or '–'."""
    if score.failed:
        return f"{ABSENT} ({', '.join(sorted(set(score.failed)))})"
    if score.mean is None:
        return ABSENT
    text = f"{score.mean:.2f}" + (f"{pm}{score.sd:.2f}" if score.sd is not None else "")
    return text if score.complete else f"{text} ({len(score.seeds)}/{score.expected})"


def _inline(text: str) -> str:
    """Foreign text on one line of Markdown, without markup of its own."""
    text = " ".join(text.split())
    for character in "\\`*_|[]":
        text = text.replace(character, f"\\{character}")
    return text.replace("<", "&lt;").replace(">", "&gt;")


def latex(boards: Sequence[Board]) -> str:
    """Tables for a paper: needs the package booktabs, compiles with the article class."""
    head = "% Made by mmda-bench leaderboard. In the preamble: \\usepackage{booktabs}\n"
    return head + "\n".join(table for board in boards for table in _latex_board(board))


def _latex_board(board: Board) -> list[str]:
    title, signature = tex(board.title), f"\\texttt{{{tex(board.signature)}}}"
    body = [[tex(row.title), *_tex_scores(row)] for row in board.rows]
    below = [[f"\\textit{{{tex(row.title)}}}", *_tex_scores(row)] for row in board.references]
    text = f"Weighted F1 on {title} by anchor modality. {tex(caption(board, costs=False))}"
    text += f" In italics: references, not methods. {signature}"
    tables = [_tabular(["method", *COLUMNS], body, below, text)]
    for method, rows in board.ablation.items():
        parts = board.components[method]
        lines = [
            [*(r"$\surd$" if on else "" for on in switched_on(row, method, parts)), *_tex_scores(row)] for row in rows
        ]
        text = f"Components of {tex(_plain(board, method))} on {title}. {tex(SIGNIFICANCE)} {signature}"
        tables.append(_tabular([part.upper() for part in parts] + list(COLUMNS), lines, [], text))
    return tables


def _tex_scores(row: Row) -> list[str]:
    cells = [tex(score_text(row.scores[column])) for column in COLUMNS]
    return [f"\\textbf{{{text}}}" if column in row.bold else text for column, text in zip(COLUMNS, cells, strict=True)]


def _tabular(header: list[str], body: list[list[str]], below: list[list[str]], text: str) -> str:
    rule = ["\\midrule", *(" & ".join(line) + r" \\" for line in below)] if below else []
    columns = "".join("r" if name in COLUMNS else "l" for name in header)
    lines = [
        "\\begin{table}\n\\centering\\small",
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule",
        " & ".join(map(tex, header)) + " \\\\\n\\midrule",
        *(" & ".join(line) + r" \\" for line in body),
        *rule,
        "\\bottomrule\n\\end{tabular}",
        f"\\caption{{{text}}}\n\\end{{table}}\n",
    ]
    return "\n".join(lines)


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "±": r"$\pm$", "–": "--", "|": r"$|$\allowbreak{}",
    "<": "$<$", ">": "$>$",
}  # fmt: skip


def tex(text: str) -> str:
    """``text`` with LaTeX's characters made harmless."""
    return "".join(_TEX.get(character, character) for character in text)


def rows_of(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """One flat dictionary per table, row and column: what the CSV holds."""
    flat = []
    for board in boards:
        tables = [("main", board.rows), *((f"ablation:{m}", rows) for m, rows in board.ablation.items())]
        for table, rows in [*tables, ("reference", board.references)]:
            for row in rows:
                for column in COLUMNS:
                    score = row.scores[column]
                    flat.append(
                        {
                            "dataset": board.dataset,
                            "table": table,
                            "method": row.label,
                            "title": row.title,
                            "column": column,
                            "mean": _rounded(score.mean),
                            "sd": _rounded(score.sd),
                            "seeds_ok": len(score.seeds),
                            "seeds_expected": score.expected,
                            "failed": " ".join(score.failed),
                            "train_minutes": _rounded(row.minutes),
                            "memory_mb": _rounded(row.memory_mb),
                            "signature": board.signature,
                        }
                    )
    return flat


def csv_text(boards: Sequence[Board]) -> str:
    file = io.StringIO()
    writer = csv.DictWriter(file, CSV_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows_of(boards))
    return file.getvalue()


def json_text(boards: Sequence[Board], damaged: Sequence[Damaged] = ()) -> str:
    """Everything that the tables show, for programs."""
    document = {
        "significance": None,
        "boards": [
            {
                "dataset": board.dataset,
                "signature": board.signature,
                "seeds": list(board.seeds),
                "fingerprints": list(board.fingerprints),
                "table1": [_row_json(row) for row in board.rows],
                "table2": {method: [_row_json(row) for row in rows] for method, rows in board.ablation.items()},
                "references": [_row_json(row) for row in board.references],
                "failures": [vars(failure) for failure in board.failures],
                "holes": [vars(hole) for hole in board.holes],
                "extra_seeds": {name: list(seeds) for name, seeds in board.extra.items()},
            }
            for board in boards
        ],
        "unreadable": [vars(one) for one in damaged],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _row_json(row: Row) -> dict[str, Any]:
    scores = {
        column: {
            "mean": _rounded(score.mean),
            "sd": _rounded(score.sd),
            "seeds": {str(seed): _rounded(value) for seed, value in score.seeds.items()},
            "failed": list(score.failed),
            "complete": score.complete,
        }
        for column, score in row.scores.items()
    }
    costs = {"train_minutes": _rounded(row.minutes), "memory_mb": _rounded(row.memory_mb)}
    return {"method": row.label, "title": row.title, "off": list(row.off), "scores": scores, **costs}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
