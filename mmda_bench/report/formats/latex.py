"""Boards as LaTeX tables for a paper: they need the package booktabs and compile with the plain article class."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mmda_bench.report.formats.tables import Table, TextCell, tables
from mmda_bench.report.rows import Board

LINE = 64  # characters of small type on a line of an article
LINES = 36  # rows on a page, above a long caption
WAITING = 16  # tables that LaTeX is given before it must put them on pages: it refuses to hold many


def latex(boards: Sequence[Board]) -> str:
    """All tables of all boards, to be read in with ``\\input``."""
    head = "% Made by mmda-bench leaderboard. In the preamble: \\usepackage{booktabs}\n"
    pages = [_table(part, board) for board in boards for table in tables(board) for part in _parts(table)]
    groups = ["\n".join(pages[i : i + WAITING]) for i in range(0, len(pages), WAITING)]
    return head + "\\clearpage\n".join(groups)


def _parts(table: Table) -> Iterator[Table]:
    """The table, or of a long one parts that fit on a page."""
    for first in range(0, len(table.rows), LINES):
        title = f"{table.title}{' (continued)' if first else ''}"
        yield replace(table, title=title, rows=table.rows[first : first + LINES])


def document(body: str) -> str:
    """The smallest document that shows them."""
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\\end{{document}}\n"


def _table(table: Table, board: Board) -> str:
    columns = len(table.header)
    lengths = [max(len(cell) for cell in column) for column in _columns(table)]
    wide = sum(lengths) + 2 * columns > LINE
    text = f"{tex(_title(table))}. {tex(board.title)}. {tex(table.caption)} \\texttt{{{tex(board.signature)}}}"
    tabular = [
        f"\\begin{{tabular}}{{l{'c' * (table.words - 1)}{'r' * (columns - table.words)}}}\n\\toprule",
        " & ".join(map(tex, table.header)) + " \\\\\n\\midrule",
        *(" & ".join(map(_cell, row)) + r" \\" for row in table.rows),
        "\\bottomrule\n\\end{tabular}",
    ]
    if wide:  # small type, and centred on the page where it is still wider than the text
        tabular = ["\\scriptsize\\setlength{\\tabcolsep}{3pt}\n\\makebox[\\textwidth]{%", *tabular, "}"]
    lines = ["\\begin{table}\n\\centering\\small", *tabular, f"\\caption{{{text}}}\n\\end{{table}}\n"]
    return "\n".join(lines)


def _title(table: Table) -> str:
    """Without its number: the paper that it is put into has its own."""
    title = table.title.partition(": ")[2] if table.title.startswith("Table ") else table.title
    return title[0].upper() + title[1:]


def _columns(table: Table) -> list[list[str]]:
    """The texts of each column, its head included."""
    rows = [list(table.header), *([cell.text for cell in row] for row in table.rows)]
    return [list(column) for column in zip(*rows, strict=True)]


def _cell(cell: TextCell) -> str:
    return f"\\textbf{{{tex(cell.text)}}}" if cell.bold else tex(cell.text)


_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%", "#": r"\#", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "±": r"$\pm$", "–": "--", "−": "$-$",
    "|": r"$|$\allowbreak{}", "<": "$<$", ">": "$>$", "✓": r"$\surd$", "✗": r"$\times$", "[": "{[}", "]": "{]}",
    "`": "'", "†": r"$\dagger$",
}  # fmt: skip


def tex(text: str) -> str:
    """``text`` on one line with LaTeX's characters made harmless, and what the standard fonts lack as a question mark.

    Brackets are put in groups: after a line's end LaTeX would read them as a length.
    """
    text = " ".join(text.split())
    return "".join(_TEX.get(c, c if c.isascii() or c in _LATIN else "?") for c in text)


_LATIN = set("äöüßéèêëáàâåæçñíìîïóòôøõúùûýÿÄÖÜÉÈÁÀÅÆÇÑØ")
