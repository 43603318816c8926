"""Boards as LaTeX tables for a paper: they need the package booktabs and compile with the plain article class.

Every table has a label, a caption of a few words, and its signature below. How to read it, which takes a paragraph,
stands behind it as a comment: it is for the text of the paper. Numbers stand with their decimal points below each
other, by columns of their own for what is before and behind the point.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from mmda_bench.report.boards import variants
from mmda_bench.report.formats.captions import not_comparable, synthetic
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.formats.tables import tables
from mmda_bench.report.paired_tests import ALPHA
from mmda_bench.report.rows import Board
from mmda_bench.report.steadiness import MARK

COLUMN = 40  # characters of small type in a column of a page of two
LINE = 64  # on a line of an article
WIDE, WIDEST = 120, 160  # of two still smaller types on a whole page
LINES = 36  # rows on a page
COLUMN_GAP = 2  # characters between columns
WAITING = 16  # tables that LaTeX is given before it must put them on pages: it refuses to hold many
PREAMBLE = "% Made by mmda-bench leaderboard. In the preamble: \\usepackage{booktabs}\n"
WITH_SPREAD = re.compile(r"(\d+)\.(\d+) ± (\d+)\.(\d+)(| \(\d+/\d+\))")
DECIMAL = re.compile(r"([−+-]?[\d,]+)\.(\d+)")


def latex(boards: Sequence[Board]) -> str:
    """All tables of all boards, to be read in with ``\\input``."""
    pages = list(files(boards).values())
    groups = ["\n".join(page.removeprefix(PREAMBLE) for page in pages[i : i + WAITING]) for i in _starts(pages)]
    return PREAMBLE + "\\clearpage\n".join(groups)


def _starts(pages: Sequence[str]) -> range:
    return range(0, len(pages), WAITING)


def files(boards: Sequence[Board]) -> dict[str, str]:
    """Every table by a name for its file, without an ending, which is that of its label too: ``avatars-main``."""
    found: dict[str, str] = {}
    for board, variant in zip(boards, variants(boards), strict=True):
        for table in tables(board):
            name = file_name(f"{board.dataset} {variant} {table.name}", found)
            found[name] = PREAMBLE + one(table, board, label=name)
    return found


def file_name(words: str, taken: Mapping[str, str]) -> str:
    """Small letters and digits with single - in between; with a number where another table has this name.

    >>> file_name("avatars main", {}), file_name("avatars ablation:a3d2", {"avatars-ablation-a3d2": ""})
    ('avatars-main', 'avatars-ablation-a3d2-2')
    """
    name = re.sub(r"[^a-z0-9.]+", "-", words.lower()).replace(".", "").strip("-")
    return next(n for n in (name, *(f"{name}-{i}" for i in range(2, len(taken) + 3))) if n not in taken)


def one(table: Table, board: Board, *, label: str) -> str:
    """One table, in parts that fit on a page. ``label``: what ``\\ref{tab:...}`` finds the first by."""
    parts = [_table(part, board, label if not i else "") for i, part in enumerate(_parts(table))]
    return "\n".join([*parts, _notes(table)])


def _parts(table: Table) -> Iterator[Table]:
    """The table, or of a long or wide one parts that fit on a page."""
    title = table.title
    for columns in _columns(table):
        for first in range(0, len(table.rows), LINES):
            rows = [[row[i] for i in columns] for row in table.rows[first : first + LINES]]
            yield replace(table, title=title, header=[table.header[i] for i in columns], rows=rows)
            title = f"{table.title} (continued)"


def _columns(table: Table) -> list[list[int]]:
    """Which columns stand in each part: as many as are not too wide, after those that name the rows."""
    lengths = [COLUMN_GAP + max(map(len, texts)) for texts in _texts(table)]
    names = list(range(table.words))
    groups = [names]
    for i in range(table.words, len(lengths)):
        if groups[-1] != names and sum(lengths[j] for j in (*groups[-1], i)) > WIDEST:
            groups.append(names)
        groups[-1] = [*groups[-1], i]
    return groups


def document(body: str) -> str:
    """The smallest document that shows them."""
    return f"\\documentclass{{article}}\n\\usepackage{{booktabs}}\n\\begin{{document}}\n{body}\\end{{document}}\n"


def _table(table: Table, board: Board, label: str) -> str:
    columns = list(zip(*table.rows, strict=True))
    kinds = [_kind(column) if i >= table.words else ("c" if i else "l") for i, column in enumerate(columns)]
    lengths = [max(map(len, texts)) for texts in _texts(table)]
    width = sum(lengths) + COLUMN_GAP * len(kinds)
    floating = "table*" if width > COLUMN else "table"  # across both columns of a page of two
    lines = [f"\\begin{{{floating}}}\n\\centering", f"\\caption{{{tex(brief(board, table))}}}"]
    lines += [f"\\label{{tab:{label}}}"] if label else []
    tabular = [
        f"\\begin{{tabular}}{{{''.join(kinds)}}}\n\\toprule",
        " & ".join(_head(name, kind) for name, kind in zip(table.header, kinds, strict=True)) + " \\\\\n\\midrule",
        *(" & ".join(_cell(cell, kind) for cell, kind in zip(row, kinds, strict=True)) + r" \\" for row in table.rows),
        "\\bottomrule\n\\end{tabular}",
    ]
    if width > LINE:  # small type, and centred on the page where it is still wider than the text
        size = "\\scriptsize" if width <= WIDE else "\\tiny"
        tabular = [f"{size}\\setlength{{\\tabcolsep}}{{3pt}}\n\\makebox[\\textwidth]{{%", *tabular, "}"]
    else:
        tabular.insert(0, "\\small")
    lines += tabular
    lines.append(f"\\par\\smallskip{{\\scriptsize\\texttt{{{tex(board.signature)}}}}}\n\\end{{{floating}}}\n")
    return "\n".join(lines)


def brief(board: Board, table: Table) -> str:
    """A caption of a few words: what the table shows, of which corpus, and its :func:`legend`."""
    return f"{_title(table)}, {board.title}. {legend(board, table)}".strip()


def legend(board: Board, table: Table) -> str:
    """In what units the cells are, and what bold and † mean, as far as there are any."""
    full, warning = table.caption, not_comparable(board)
    for part in (warning, synthetic(board)):
        full = full.removeprefix(part).strip()
    units = full.partition(". ")[0].rstrip(".") + "." if full and table.name != "reference" else ""
    cells = [cell for row in table.rows for cell in row]
    bold = marked = ""
    if any(cell.bold for cell in cells):
        what = "significant" if table.name == "pairs" else "the best of a column, and what the test cannot tell from it"
        bold = f"Bold: {what} ({ALPHA:.0%})."
    if any(cell.text.endswith(MARK) for cell in cells):
        marked = f"{MARK}: not steady."
    return " ".join(part for part in (warning, units, bold, marked) if part)


def _notes(table: Table) -> str:
    """How to read the table, as a comment."""
    words = " ".join(f"How to read it: {table.caption}".split()) if table.caption else ""
    return "".join(f"% {line}\n" for line in textwrap.wrap(words, 110))


def _title(table: Table) -> str:
    """Without its number: the paper that it is put into has its own."""
    return table.title[0].upper() + table.title[1:]


def _texts(table: Table) -> list[list[str]]:
    """The texts of each column, its head included."""
    rows = [list(table.header), *([cell.text for cell in row] for row in table.rows)]
    return [list(column) for column in zip(*rows, strict=True)]


def _kind(column: Sequence[TextCell]) -> str:
    """How a column of numbers is declared: four columns for scores with a spread, two for decimals where the right
    margin alone would not put the points below each other, one for others."""
    if any(WITH_SPREAD.fullmatch(cell.text) for cell in column):
        return "r@{.}l@{${}\\pm{}$}r@{.}l"
    decimals = {(len(found[2]), cell.bold) for cell in column if (found := DECIMAL.fullmatch(cell.text))}
    return "r@{.}l" if len(decimals) > 1 else "r"


def span(kind: str) -> int:
    """How many columns of LaTeX a column of the table takes.

    >>> span("r"), span("r@{.}l")
    (1, 2)
    """
    return len(re.sub(r"@\{(?:[^{}]|\{\})*\}", "", kind))


def _head(name: str, kind: str) -> str:
    return tex(name) if span(kind) == 1 else f"\\multicolumn{{{span(kind)}}}{{c}}{{{tex(name)}}}"


def _cell(cell: TextCell, kind: str) -> str:
    """A cell, in as many columns as its kind has; one that is no such number stands across them."""
    found = {4: WITH_SPREAD, 2: DECIMAL}[span(kind)].fullmatch(cell.text) if span(kind) > 1 else None
    if found:
        *parts, last = found.groups() if span(kind) == 2 else (*found.groups()[:3], found[4] + found[5])
        return " & ".join(_face(part, bold=cell.bold) for part in (*parts, last))
    text = _face(cell.text, bold=cell.bold)
    return text if span(kind) == 1 else f"\\multicolumn{{{span(kind)}}}{{c}}{{{text}}}"


def _face(text: str, *, bold: bool) -> str:
    return f"\\textbf{{{tex(text)}}}" if bold else tex(text)


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
    return "".join(_TEX.get(c, c if (c.isascii() and c.isprintable()) or c in _LATIN else "?") for c in text)


_LATIN = set("äöüßéèêëáàâåæçñíìîïóòôøõúùûýÿÄÖÜÉÈÁÀÅÆÇÑØ")
