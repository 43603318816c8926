"""Tables for papers: what is wider than a column of two stands across both, and what is wider than a page in parts."""

import re

from pages import boards_of, sweep

from mmda_bench.report.formats import latex
from mmda_bench.report.formats.grid import Table, TextCell

BOARD = boards_of(sweep(("dt",), seeds=1))[0]


def written(columns, *, width=5, rows=3):
    cells = [[TextCell(f"row {i}"), *(TextCell(f"{10 * i + k}.5") for k in range(columns))] for i in range(rows)]
    table = Table("class", "F1 by class", ["method", *(f"{k}".rjust(width, "c") for k in range(columns))], cells)
    return latex.one(table, BOARD, label="it")


def test_a_table_wider_than_a_column_of_two_stands_across_both():
    assert written(4).count("\\begin{table}") == written(4).count("\\end{table}") == 1
    assert written(10).count("\\begin{table*}") == written(10).count("\\end{table*}") == 1


def test_a_very_wide_table_is_split_by_columns_and_every_part_names_its_rows():
    text = written(60)
    parts = text.split("\\end{table*}")[:-1]
    assert len(parts) == 3
    assert text.count("\\label{tab:it}") == 1
    assert [part.count("(continued)") for part in parts] == [0, 1, 1]
    for part in parts:
        assert re.findall(r"^row \d", part, re.MULTILINE) == ["row 0", "row 1", "row 2"]
        lines = [line for line in part.splitlines() if line.startswith("row ")]
        assert max(map(len, lines)) < latex.WIDEST + 3 * 20
    heads = re.findall(r"\bc+\d+\b", text)
    assert heads == [f"{k}".rjust(5, "c") for k in range(60)]
