"""What the user types becomes cells, or a message that says what to type."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hand_made import make_cell, make_record

from mmda_bench.config import RunConfig
from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED, Protocol
from mmda_bench.registry import BACKBONES, DATASETS, METHODS
from mmda_bench.registry import spec as spec_
from mmda_bench.sweep import plan


def labels(text):
    return [spec_.label(spec.method, spec.params, spec.off) for spec in spec_.parse_methods(text)]


def test_all_is_the_group_in_the_order_of_table_1():
    names = labels("all")
    assert set(names) == set(METHODS.names("all"))
    assert names[:3] == ["dt", "dann", "cdan"]
    assert names == sorted(names, key=spec_.table_rank)


def test_ablation_is_the_four_rows_of_table_2():
    assert labels("ablation") == ["dt", "a3d2[-add]", "a3d2[-aa]", "a3d2"]


def test_lists_exclusions_settings_and_repetitions():
    assert "dann" not in labels("all,-dann")
    assert labels("cdan,dt,cdan") == ["dt", "cdan"]
    assert labels("a3d2[gamma1=5,-add],dt") == ["dt", "a3d2[gamma1=5,-add]"]
    assert labels("a3d2[gamma1=10]") == ["a3d2"], "a default written out is the default"
    assert labels("dt,a3d2[-add,-aa]") == ["dt", "a3d2[-aa,-add]"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("danns", "unknown method 'danns': did you mean dann"),
        ("ablatoin", "did you mean ablation"),
        ("a3d2[gama1=5]", "no parameter 'gama1': did you mean gamma1"),
        ("a3d2[-ad]", "no component 'ad': did you mean add"),
        ("dt[-aa]", "no component 'aa'; it has none"),
        ("a3d2[gamma1=x]", r"a3d2\[gamma1\]: expected a number \(default 10.0\), found 'x'"),
        ("a3d2[gamma1=nan]", "expected a"),
        ("a3d2[hidden=2.5]", "expected a whole number"),
        ("a3d2[gamma1]", "expected param=value or -component"),
        ("a3d2[gamma1=5", "not closed"),
        ("a3d2]", "brackets do not match"),
        ("a3d2[-aa]x", "nothing may follow"),
        ("dt,-dann", "removes nothing"),
        ("dt,-dt", "selects no method"),
        ("", "selects no method"),
    ],
)
def test_what_makes_no_sense_is_answered(text, message):
    with pytest.raises(UsageError, match=message):
        spec_.parse_methods(text)


def test_values_take_the_type_of_the_default():
    assert spec_.typed("5", 1.0, where="") == 5.0
    assert isinstance(spec_.typed("5", 1.0, where=""), float)
    assert spec_.typed("5", "joint", where="") == "5"
    assert spec_.typed("yes", False, where="") is True
    assert spec_.typed("3", None, where="") == 3
    assert spec_.typed("drifts", None, where="") == "drifts"
    assert spec_.typed("none", None, where="") is None
    with pytest.raises(UsageError, match="true or false"):
        spec_.typed("1", False, where="")


@pytest.mark.parametrize("text", ["1j", "b'x'", "{1}", "(1, 2)", "[1e999]"])
def test_a_value_that_a_record_cannot_hold_is_refused(text):
    with pytest.raises(UsageError, match="x: expected"):
        spec_.typed(text, None, where="x")
    assert spec_.typed("(" * 5000, None, where="x") == "(" * 5000, "a text, if anything"


@pytest.mark.parametrize(
    ("text", "seeds"), [("3", [0, 1, 2]), ("0-2", [0, 1, 2]), ("0,5", [0, 5]), ("7-7", [7]), ("5,1-2", [1, 2, 5])]
)
def test_seeds_are_a_count_a_range_or_a_list(text, seeds):
    assert plan.parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "-1", "1-", "2-1", "0", "1.5", "0,,1"])
def test_other_seeds_are_refused(text):
    with pytest.raises(UsageError, match="--seeds"):
        plan.parse_seeds(text)


def test_anchors_come_in_the_order_of_the_tables():
    assert plan.parse_anchors("v, A") == ["A", "V"]
    with pytest.raises(UsageError, match=", found t"):
        plan.parse_anchors("A,T")


def expand(**changes):
    wanted = {"methods": "dt,a3d2", "dataset": "avatars", "version": "v1", "protocol": Protocol(backbone="tiny")}
    return plan.expand(**{**wanted, "anchors": ["A", "V"], "seeds": [0, 1], **changes})


def test_cells_hold_resolved_parameters_and_the_bound_is_one_more_row():
    cells = expand()
    assert len(cells) == len({cell.hash for cell in cells}) == 12
    assert [cell.seed for cell in cells] == [0] * 6 + [1] * 6, "every method at one seed before the next"
    assert {cell.method for cell in cells} == {"dt", "a3d2", SUPERVISED}
    assert next(cell for cell in cells if cell.method == "a3d2").params == METHODS.entry("a3d2").settings()
    assert {cell.method for cell in expand(bounds=False)} == {"dt", "a3d2"}


@pytest.mark.parametrize("text", ["10001", "0-10001", "9" * 30, "0-" + "9" * 30, "5," + "9" * 30])
def test_more_seeds_than_anybody_runs_are_refused_before_they_fill_the_memory(text):
    with pytest.raises(UsageError, match="at most 10000 seeds"):
        plan.parse_seeds(text)


def test_every_split_has_all_cells_and_they_are_other_cells():
    cells = expand(splits=[0, 2])
    assert [cell.protocol.split for cell in cells] == [0] * 12 + [2] * 12
    assert cells[:12] == expand(), "split 0 is what a sweep without the option has"
    assert len({cell.hash for cell in cells}) == 24
    assert {cell.protocol.split for cell in expand(protocol=Protocol(backbone="tiny", split=5))} == {5}
    assert plan.splits_of(reversed(cells)) == [0, 2]


@pytest.mark.parametrize(
    ("text", "splits"), [("0", [0]), ("1", [0]), ("3", [0, 1, 2]), ("0-2", [0, 1, 2]), ("0,2", [0, 2])]
)
def test_splits_are_written_as_seeds_and_0_is_the_first_alone(text, splits):
    assert plan.parse_splits(text) == splits


def test_other_splits_are_refused():
    with pytest.raises(UsageError, match="--splits '-1': expected a count"):
        plan.parse_splits("-1")


def test_another_method_in_the_sweep_changes_no_cell():
    alone = {cell.hash for cell in expand(methods="dt")}
    assert alone < {cell.hash for cell in expand(methods="all")}


def test_a_protocol_that_makes_no_sense_is_refused():
    card = DATASETS.get("avatars").card
    assert plan.protocol_for(card) == Protocol(backbone=card.backbone)
    for wrong in ({"shift": "papper"}, {"severity": -1.0}, {"epochs": 0}, {"backbone": "tinny"}):
        with pytest.raises(UsageError):
            plan.protocol_for(card, **wrong)


def test_minutes_are_estimated_from_stored_cells_of_the_same_kind():
    dt, dann = make_cell("dt"), make_cell("dann")
    records = [make_record(dt, times={"total_s": 60.0}), make_record(dann, times={"total_s": 180.0})]
    assert plan.estimate_minutes([replace(dt, seed=1), replace(dann, seed=1)], records) == pytest.approx(4.0)
    assert plan.estimate_minutes([replace(dt, seed=1), replace(dann, seed=1)], records, jobs=2) == pytest.approx(3.0)
    assert plan.estimate_minutes([make_cell("cdan")], records) == pytest.approx(2.0), "the mean of the others"
    assert plan.estimate_minutes([make_cell("dt", epochs=4)], records) == pytest.approx(0.5)
    assert plan.estimate_minutes([dt], []) is None
    assert plan.estimate_minutes([], []) == 0
    assert plan.estimate_minutes([dt], records, jobs=100) == plan.estimate_minutes([dt], records), "one at a time"


def test_weights_are_given_by_modality_and_local_ones_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "bert").mkdir()
    monkeypatch.chdir(tmp_path)
    given = ["lexical=bert", "visual=timm/vit_small_patch16_224"]
    assert plan.parse_weights(given) == {"lexical": str(tmp_path / "bert"), "visual": "timm/vit_small_patch16_224"}


@pytest.mark.parametrize("text", ["bert", "lexical=", "words=bert"])
def test_weights_that_name_no_modality_or_no_place_are_refused(text):
    with pytest.raises(UsageError, match="expected acoustic=, lexical= or visual="):
        plan.parse_weights([text])


def test_names_may_be_written_in_any_case_and_anchors_in_words():
    named = RunConfig(methods="DANN,A3D2[gamma1=5],All,-Pcl", dataset="Avatars", anchors="Acoustic, v", backbone="TINY")
    named.check()
    assert (named.dataset, named.backbone, plan.parse_anchors(named.anchors)) == ("avatars", "tiny", ["A", "V"])
    assert labels(named.methods) == labels("dann,a3d2[gamma1=5],all,-pcl")
    assert plan.parse_weights(["V=/nowhere", "Lexical=some/name"]) == {"visual": "/nowhere", "lexical": "some/name"}


def test_nobody_imports_an_embedded_backbone_to_know_a_protocol(monkeypatch):
    """torch takes longer to import than everything else that a look with nothing to do does."""
    embedded = [name for name, entry in BACKBONES.entries().items() if entry.facts.get("embedded")]
    assert embedded == ["tiny"]
    assert all(BACKBONES.get(name)().weights_digest() == "" for name in embedded)
    card = DATASETS.get("avatars").card
    monkeypatch.setattr(BACKBONES, "get", lambda name: pytest.fail("imported"))
    assert plan.protocol_for(card) == Protocol(backbone=card.backbone)
    code = "import sys, mmda_bench.cli.run, mmda_bench.store.provenance; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
