"""Markdown, LaTeX, CSV and JSON of one board: the same numbers, in text that their readers accept."""

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, make_record, scored_record

from mmda_bench.protocol import SUPERVISED
from mmda_bench.report import load
from mmda_bench.report.boards import make_boards
from mmda_bench.report.formats import grid, latex, markdown, tables
from mmda_bench.report.rows import AVERAGE, COLUMNS
from mmda_bench.store import Store

NASTY = r"50% of a_b & <c> | $x^2$ #1 {~\n} [2] `q` “é” λ"


@pytest.fixture(scope="module")
def boards(tmp_path_factory):
    """Everything that a board can have: ablation, bounds, failures, holes, predictions."""
    store = Store(tmp_path_factory.mktemp("store"))
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, 150)
    variants = [("dt", (), 0.5), ("dann", (), 0.7), ("a3d2", (), 0.75), ("a3d2", ("add",), 0.6), (SUPERVISED, (), 0.9)]
    for method, off, accuracy in variants:
        for anchor in "ALV":
            for seed in range(5):
                cell = make_cell(method, anchor, seed, off=off)
                predicted = erring(rng, labels, accuracy)
                store.write(cell, scored_record(cell, labels, predicted), make_outputs(labels, predicted))
    broken = make_cell("cdan", "A", 0)
    store.write(broken, make_record(broken, status="failed", reason=NASTY, metrics=None, times=None), None)
    return load.load_boards(store)[0]


def grammar(text):
    """What is wrong with LaTeX of the kind that we write; a list of complaints."""
    wrong, text = [], re.sub(r"^%.*\n", "", text, flags=re.M)
    if unknown := {c for c in text if not c.isascii() and c not in "äöüßéèê"}:
        wrong.append(f"characters that the standard fonts lack: {unknown}")
    depth, stack = 0, []
    for token in re.findall(r"\\begin\{\w+\*?\}|\\end\{\w+\*?\}|\\.|[{}]", re.sub(r"(?<!\\)%.*", "", text)):
        if token.startswith("\\begin"):
            stack.append(token[7:-1])
        elif token.startswith("\\end"):
            if not stack or stack.pop() != token[5:-1]:
                wrong.append(f"{token} closes nothing")
        elif token in "{}":
            depth += 1 if token == "{" else -1
            if depth < 0:
                wrong.append("a brace closes nothing")
    if depth or stack:
        wrong.append(f"not closed: {stack or 'a brace'}")
    text = re.sub(r"@\{(?:[^{}]|\{\})*\}", "", text)  # between columns
    for columns, body in re.findall(r"\\begin\{tabular\}\{(\w+)\}(.*?)\\end\{tabular\}", text, re.S):
        body = re.sub(r"\\(top|mid|bottom)rule", "", body)
        rows = [row for row in body.split("\\\\\n") if row.strip()]
        wider = [sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)) for row in rows]
        found = {len(re.findall(r"(?<!\\)&", row)) + 1 + more for row, more in zip(rows, wider, strict=True)}
        if found != {len(columns)}:
            wrong.append(f"{len(columns)} columns declared, {found} found")
    plain = re.sub(r"\\label\{[^}]*\}|\\[a-zA-Z]+|\\.", "", text)
    if stray := re.findall(r"[#^~_]", re.sub(r"%.*", "", plain)):
        wrong.append(f"not escaped: {stray}")
    if text.count("$") % 2:
        wrong.append("a dollar sign without its other")
    return wrong


TOO_MANY = "\\begin{tabular}{lr}\na & b & c\\\\\n\\end{tabular}"


@pytest.mark.parametrize("text", ["{", "}", "\\begin{table}", "\\end{table}", "a_b", "λ", "$x", TOO_MANY])
def test_the_grammar_finds_what_is_wrong(text):
    assert grammar(text)


def test_the_latex_is_grammatical(boards):
    text = latex.latex(boards)
    assert grammar(text) == []
    assert text.count("\\label{tab:") == len(tables.tables(boards[0])) >= 9
    assert text.count("weighted-f1") == text.count("\\begin{table"), "a signature under each part"


def test_every_table_is_a_file_with_a_label_of_its_own_and_a_caption_of_a_few_words(boards):
    files = latex.files([*boards, *boards])
    assert list(files)[:3] == ["avatars-main", "avatars-reference", "avatars-ablation-a3d2"]
    for name, text in files.items():
        assert grammar(text) == []
        assert text.count("\\label{tab:") == 1
        assert f"\\label{{tab:{name}}}" in text
        assert len(re.search(r"\\caption\{(.*)\}\n", text)[1].split()) < 60
    main = files["avatars-main"]
    assert "% How to read it: " in main
    caption = re.search(r"\\caption\{(.*)\}\n", main)[1]
    assert caption.startswith("Weighted F1 on the target test set by anchor modality, Avatars")
    assert "Percent, mean $\\pm$ standard deviation over 5 seeds." in caption


def test_decimal_points_stand_below_each_other():
    kinds = {
        ("66.85 ± 2.28", "44.73 ± 15.75", "–"): "r@{.}l@{${}\\pm{}$}r@{.}l", ("0.19", "12.50"): "r", ("906", "–"): "r",
        ("1.5", "0.25"): "r@{.}l",
    }  # fmt: skip
    for texts, kind in kinds.items():
        assert latex._kind([tables.TextCell(text) for text in texts]) == kind
    spread = next(iter(kinds.values()))
    assert latex._cell(tables.TextCell("44.73 ± 15.75 (2/3)"), spread) == "44 & 73 & 15 & 75 (2/3)"
    assert latex._cell(tables.TextCell("44.73 ± 15.75", bold=True), spread).count("\\textbf") == 4
    assert latex._cell(tables.TextCell("– (failed)"), spread) == "\\multicolumn{4}{c}{-- (failed)}"


def test_foreign_text_stays_text_in_latex():
    assert grammar(latex.tex(NASTY)) == []
    assert latex.tex("é ± – λ") == r"é $\pm$ -- ?"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_the_latex_compiles_with_the_article_class_and_fits_the_page(boards, tmp_path):
    compile_tables(latex.latex(boards) + latex.tex(NASTY) + "\n", tmp_path)


def compile_tables(text, folder):
    (folder / "tables.tex").write_text(latex.document(text))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout[-2000:]
    assert "Overfull" not in answer.stdout
    assert "Float too large" not in answer.stdout
    assert (folder / "tables.pdf").stat().st_size > 10_000


@pytest.fixture(scope="module")
def crowd():
    """A hundred methods under each of twelve signatures: more rows and more tables than LaTeX takes at once."""
    cells = [make_cell(f"m{i:03d}", anchor, epochs=e) for e in range(1, 13) for i in range(100) for anchor in "ALV"]
    return make_boards([make_record(cell) for cell in cells])


def test_a_long_table_is_continued_on_the_next_page(crowd):
    text = latex.latex(crowd[:1])
    assert grammar(text) == []
    bodies = re.findall(r"\\midrule\n(.*?)\\bottomrule", text, re.S)
    assert max(body.count("\\\\\n") for body in bodies) <= latex.LINES
    assert [len(re.findall(f"^m{i:03d} ", text, re.M)) for i in (0, 50, 99)] == [2, 2, 2], "scores and cost"
    assert text.count("(continued)") == 4


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_many_methods_and_many_signatures_still_compile(crowd, tmp_path):
    compile_tables(latex.latex(crowd), tmp_path)


def test_markdown_tables_have_as_many_cells_in_every_line(boards):
    text = markdown.markdown(boards)
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1
    assert text.count("`mmda-bench:0.1|") == len(tables.tables(boards[0]))
    for title in ("Table 1", "Bounds", "Table 2", "95 % intervals", "Difference from the best", "Method against method",
                  "F1 by class", "Trust", "Cost of a cell", "Failed cells", "Holes"):  # fmt: skip
        assert f"### {title}" in text


def test_code_in_a_caption_keeps_the_spaces_around_it():
    table = grid.Table("x", "X", ["a"], [[grid.TextCell("1")]], "Before `one two`, `three` after.")
    assert markdown.markdown_table(table, "s").endswith("\n\nBefore `one two`, `three` after.")


def test_a_caption_in_latex_has_the_title_without_its_number_and_cuts_no_title(boards):
    table = grid.Table("x", "Table salt: what it costs", ["a"], [[grid.TextCell("1")]])
    assert latex.brief(table=table, board=boards[0]).startswith("Table salt: what it costs, ")
    numbered = replace(table, title="what it costs", number="Table 3")
    assert latex.brief(table=numbered, board=boards[0]).startswith("What it costs, ")
    assert "### Table 3: what it costs" in markdown.markdown_table(numbered, "s")


def test_csv_and_json_hold_what_the_tables_show(boards):
    lines = list(csv.DictReader(io.StringIO(markdown.csv_text(boards))))
    board = boards[0]
    main = {(line["method"], line["column"]): line for line in lines if line["table"] == "main"}
    assert set(main) == {(row.label, column) for row in board.rows for column in COLUMNS}
    document = json.loads(markdown.json_text(boards))["boards"][0]
    for row, written in zip(board.rows, document["table1"], strict=True):
        for column in COLUMNS:
            line, score = main[row.label, column], written["scores"][column]
            assert (line["mean"] or None) == (None if score["mean"] is None else str(score["mean"]))
            assert bool(int(line["bold"])) == score["bold"] == (column in row.bold)
            if column in row.intervals:
                assert [float(line["low"]), float(line["high"])] == score["interval"]
            if score["from_best"]:
                assert float(line["p_adjusted"]) == score["from_best"]["p_adjusted"]
    assert {line["table"] for line in lines} >= {"trust", "class", "pairs", "reference", "ablation:a3d2"}
    assert {(pair["method"], pair["against"]) for pair in document["pairs"]} == set(board.pairs)
    trust = next(row for row in document["table1"] if row["method"] == "dann")["scores"][AVERAGE]["trust"]
    assert 0 <= trust["ece"] <= 100
    assert document["table1"][0]["per_class"]["A"].keys() == {f"class {i}" for i in range(4)}


def test_wins_and_differences_of_a_pair_are_seen_from_both_sides(boards):
    table = next(table for table in tables.tables(boards[0]) if table.name == "pairs")
    names = [row[0].text for row in table.rows]
    first, second = names.index("DT"), names.index("DANN")
    one, other = table.rows[first][second + 1], table.rows[second][first + 1]
    assert one.bold == other.bold
    assert one.text.replace("−", "+").partition(" ")[0] == other.text.partition(" ")[0]
    won = [int(text.partition("(")[2].partition("/")[0]) for text in (one.text, other.text)]
    assert sum(won) <= 15
    assert table.rows[first][first + 1].text == ""


def test_tables_that_nothing_fills_are_not_there():
    cells = [make_cell("dt", anchor, 0) for anchor in "ALV"]
    names = [table.name for table in tables.tables(make_boards([make_record(cell) for cell in cells])[0])]
    assert names == ["main", "reference", "cost"]
