"""``compare A B``: the paired difference, what is missing in it, and names that are not there."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, make_record, scored_record
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED
from mmda_bench.report import load, write
from mmda_bench.report import paired_tests as st
from mmda_bench.report.boards import AVERAGE
from mmda_bench.report.compare import compare
from mmda_bench.store import Store

LABELS = np.random.default_rng(1).integers(0, 4, 90)


def add(store, method, anchor, seed, accuracy, **options):
    cell = make_cell(method, anchor, seed, **options)
    predicted = erring(np.random.default_rng([len(method), ord(anchor), seed]), LABELS, accuracy)
    store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    return predicted


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    for anchor in "ALV":
        for seed in range(2):
            add(store, "dt", anchor, seed, 0.4)
            add(store, "dann", anchor, seed, 0.8)
            add(store, "a3d2", anchor, seed, 0.7, off=("add",))
            add(store, SUPERVISED, anchor, seed, 0.95)
    return store


def duels(store, first, second, **options):
    return compare(load.load_boards(store, tests=False)[0], load.read_predictions(store), first, second, **options)


def call(store, *arguments):
    return CliRunner().invoke(app, ["compare", *arguments, "--results", str(store.results)])


def test_the_difference_is_paired_and_its_p_is_that_of_one_comparison(store):
    duel = duels(store, "dann", "dt")[0]
    runs = {m: [erring(np.random.default_rng([len(m), ord("A"), s]), LABELS, a) for s in range(2)]
            for m, a in (("dann", 0.8), ("dt", 0.4))}  # fmt: skip
    parts = {}
    for method, predicted in runs.items():
        stacked = np.stack(predicted)
        scores = 100 * st.resampled_f1(LABELS, stacked, classes=4, names=["avatars:v1", "split:0"])
        values = 100 * st.weighted_f1(LABELS, stacked, np.ones((1, 90)), classes=4)[0]
        parts[method] = st.Sample(values, scores.mean(1), len(LABELS))
    expected = st.differences([parts["dann"] - parts["dt"]])[0]
    answer = duel.columns["A"]
    for name in ("mean", "low", "high"):
        assert getattr(answer, name) == pytest.approx(getattr(expected, name))
    assert answer.p == answer.adjusted == pytest.approx(expected.p)
    assert set(duel.columns) == {"A", "L", "V", AVERAGE}
    other = duels(store, "dt", "dann")[0].columns["A"]
    assert (other.mean, other.low, other.high, other.p) == (-answer.mean, -answer.high, -answer.low, answer.p)


def test_ablations_and_references_can_be_compared_as_they_are_typed(store):
    assert duels(store, "a3d2[ -add ]", "dt")[0].first.label == "a3d2[-add]"
    assert duels(store, SUPERVISED, "dann")[0].columns["L"].mean > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dan", "dt"], "no row 'dan' in the store: did you mean dann?"),
        (["dann", "a3d2[gama1=5]"], "did you mean gamma1?"),
        (["dann", "luhp"], "no row 'luhp' in the store"),
        (["dann", "dann"], "are the same method"),
        (["dann", "dt", "--dataset", "avatar"], "did you mean avatars?"),
    ],
)
def test_names_that_are_not_there_are_exit_2(store, arguments, message):
    answer = call(store, *arguments)
    assert answer.exit_code == 2
    assert message in answer.output


def test_holes_are_named_with_the_command_that_fills_them_and_exit_3(store):
    for anchor, seed in (("A", 0), ("A", 1), ("L", 0)):
        add(store, "cdan", anchor, seed, 0.6)
    broken = make_cell("cdan", "V", 0)
    store.write(broken, make_record(broken, status="diverged", reason="NaN", metrics=None), None)
    duel = duels(store, "cdan", "dt")[0]
    assert not isinstance(duel.columns["A"], str)
    assert duel.columns["L"] == "cdan: 1 of 2 seeds"
    assert duel.columns["V"] == "cdan: a cell failed (diverged)"
    assert duel.columns[AVERAGE] == "cdan: not every scenario has all its seeds"
    assert {hole.labels for hole in duel.holes} == {("cdan",)}
    answer = call(store, "cdan", "dt")
    assert answer.exit_code == 3
    (line,) = (line for line in answer.output.splitlines() if "--methods cdan --anchors V" in line)
    assert line.startswith("    mmda-bench run --dataset avatars ")
    assert line.endswith(f" --results {store.results}"), "the command fills the folder that was looked at"
    assert call(store, "dann", "dt").exit_code == 0


def test_rows_are_found_in_any_case_and_unknown_ones_are_told_before_a_record_is_read(store, monkeypatch):
    assert call(store, "DANN", "Dt").output == call(store, "dann", "dt").output
    monkeypatch.setattr(Store, "records", lambda self: pytest.fail("read"))
    answer = call(store, "danns", "dt")
    assert (answer.exit_code, answer.output.strip()) == (
        2,
        "mmda-bench: no row 'danns' in the store: did you mean dann?",
    )


def test_methods_of_different_signatures_are_never_compared(store):
    add(store, "cdan", "A", 0, 0.6, epochs=2)
    with pytest.raises(UsageError, match="run under different signatures"):
        duels(store, "cdan", "dt")


def test_every_corpus_answers_for_itself(store):
    for record in store.records()[0]:
        cell = replace(make_cell(record["key"]["method"], record["key"]["anchor"], record["key"]["seed"],
                                 off=tuple(record["key"]["off"])), dataset="other")  # fmt: skip
        store.write(cell, make_record(cell), None)
    found = duels(store, "dann", "dt")
    assert [duel.board.dataset for duel in found] == ["avatars", "other"]
    assert isinstance(found[1].columns["A"], str)
    assert [duel.board.dataset for duel in duels(store, "dann", "dt", dataset="other")] == ["other"]


def test_a_method_with_one_run_is_said_to_have_no_known_spread(store):
    assert "not in the intervals" not in call(store, "dann", "dt").output
    for anchor in "ALV":
        add(store, "cdan", anchor, 0, 0.6, epochs=2)
        add(store, "dt", anchor, 0, 0.4, epochs=2)
    assert (
        "CDAN: 1 run; how the method varies from run to run is not in the intervals" in call(store, "cdan", "dt").output
    )


def test_programs_get_numbers(store):
    document = json.loads(call(store, "dann", "dt", "--json").output)
    assert document[0]["first"] == "dann"
    assert document[0]["cells"] == 6
    assert set(document[0]["columns"]["A"]) == {"difference", "low", "high", "p"}
    assert document[0]["columns"]["A"]["difference"] > 0


def test_ranks_are_over_scenarios_of_complete_methods_and_say_their_weakness(store):
    add(store, "cdan", "A", 0, 0.6)
    assert "need three complete methods" in write.critical_difference(store)
    for anchor in "ALV":
        for seed in range(2):
            add(store, "luhp", anchor, seed, 0.6)
    text = write.critical_difference(store)
    assert "over 3 blocks; critical difference 1.91" in text
    assert "almost no power" in text
    lines = [line.split() for line in text.splitlines() if line.startswith("  ") and "blocks" not in line]
    assert [line[:2] for line in lines] == [["dann", "1.00"], ["luhp", "2.00"], ["dt", "3.00"]]
    assert [line[2:] for line in lines] == [["|"], ["|", "|"], ["|"]], "neighbours are joined"
