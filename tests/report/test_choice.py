"""One table with the rows and columns that were asked for."""

import contextlib
import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, make_record, scored_record
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.errors import UsageError
from mmda_bench.report import choice
from mmda_bench.report.formats import latex
from mmda_bench.store import Store

LABELS = np.random.default_rng(1).integers(0, 4, 80)
ACCURACY = {"dt": 0.4, "dann": 0.7, "luhp": 0.95}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store, rng = Store(tmp_path_factory.mktemp("store")), np.random.default_rng(2)
    for method, accuracy in ACCURACY.items():
        for cell in (make_cell(method, anchor, seed) for anchor in "ALV" for seed in range(5)):
            predicted = erring(rng, LABELS, accuracy)
            store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    other = make_cell("dt", "A", 0, epochs=2)
    store.write(other, scored_record(other, LABELS, LABELS), make_outputs(LABELS, LABELS))
    return store


def texts(found):
    return [[cell.text for cell in row] for row in found.table.rows]


def test_rows_and_columns_stand_in_the_order_in_which_they_were_asked_for(store):
    (found,) = choice.choose(store, "main", methods="LUHP,dt", columns="visual,ave,A")
    assert found.table.header == ["method", "V", "ave.", "A"]
    assert [row[0] for row in texts(found)] == ["LUHP", "DT"]


def test_a_board_without_the_columns_that_were_asked_for_is_left_out(tmp_path):
    store = Store(tmp_path)
    pair = replace(make_cell("dt", "none"), dataset="avatars-scenes[studio]--avatars-scenes[street]")
    for cell in (*(make_cell("dt", anchor) for anchor in "ALV"), pair):
        store.write(cell, make_record(cell), None)
    assert len(choice.choose(store, "main")) == 2
    (found,) = choice.choose(store, "main", columns="V")
    assert found.board.dataset == "avatars"


def test_the_columns_that_are_known_beforehand_are_those_of_the_tables(store):
    for name, known in choice.COLUMNS.items():
        with contextlib.suppress(UsageError):
            heads = {column for found in choice.choose(store, name) for column in found.columns}
            assert heads <= set(known), name


def test_what_is_left_out_is_no_competitor_for_the_bold_face(store):
    def bold(methods):
        (found,) = choice.choose(store, "main", methods=methods)
        return {row[0].text for row in found.table.rows if any(cell.bold for cell in row)}

    assert bold("dt,dann,luhp") == {"LUHP"}
    assert bold("dt,dann") == {"DANN"}


def test_without_a_choice_every_signature_has_its_table(store):
    assert len(choice.choose(store, "main")) == 2
    one = choice.choose(store, "main")[1]
    assert len(choice.choose(store, "main", signature=one.board.records_signature)) == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"name": "mian"}, "no such table: did you mean main?"),
        ({"name": "main", "columns": "Q"}, "--columns 'Q': the table main has A, L, V, ave."),
        ({"name": "main", "methods": "danns"}, "no row 'danns' in the store: did you mean dann?"),
        ({"name": "external"}, "no stored result fills it"),
        ({"name": "main", "dataset": "mintrec"}, "no stored result of mintrec fills it"),
    ],
)
def test_what_is_not_there_is_said(store, asked, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?").replace(".", r"\.")):
        choice.choose(store, **asked)


@pytest.mark.slow
def test_the_formats_hold_the_same_numbers(store):
    def ask(*words):
        answer = CliRunner().invoke(
            app, ["leaderboard", "--results", str(store.results), "--methods", "dt,dann", *words]
        )
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    shown = texts(choice.choose(store, "main", methods="dt,dann", columns="A")[0])
    lines = list(csv.DictReader(io.StringIO(ask("--columns", "A", "--format", "csv"))))
    assert [f"{float(line['mean']):.2f} ± {float(line['sd']):.2f}" for line in lines] == [row[1] for row in shown]
    assert [line["mean"] for line in json.loads(ask("--columns", "A", "--json"))] == [float(i["mean"]) for i in lines]
    assert shown[1][1] in ask("--format", "md")
    tex = ask("--table", "main", "--format", "tex")
    assert "\\label{tab:avatars-main}" in tex
    assert latex._cell(choice.choose(store, "main", methods="dt")[0].table.rows[0][0], "l") in tex
    assert not list(store.results.glob("leaderboard.*")), "nothing is written"


def test_numbers_of_intervals_and_costs_are_those_of_the_main_lines(store):
    (found,) = choice.choose(store, "interval", methods="dann")
    assert [line["table"] for line in choice.lines([found])] == ["main"] * 4
    assert {line["method"] for line in choice.lines([found])} == {"dann"}


def test_a_table_over_several_boards_has_the_rows_that_were_asked_for(tmp_path):
    store, rng = Store(tmp_path), np.random.default_rng(3)
    for method in ("dt", "dann", "luhp"):
        for lacking in ("", "L"):
            plain = make_cell(method, "V", 0)
            cell = replace(plain, protocol=replace(plain.protocol, missing=lacking))
            predicted = erring(rng, LABELS, 0.7)
            store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    (found,) = choice.choose(store, "missing", methods="luhp,dt")
    assert [row[0].text for row in found.table.rows if "reference" not in row[0].text] == ["LUHP", "DT"]
    assert {line["method"] for line in choice.lines([found])} == {"luhp", "dt"}
