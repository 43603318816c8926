"""``--missing`` and ``--told-anchor``: what they mean, what of them is in a key, and what makes no sense."""

import json
from dataclasses import replace

import pytest
from hand_made import make_cell
from typer.testing import CliRunner

from mmda_bench.cli import app
from mmda_bench.config import RunConfig
from mmda_bench.errors import UsageError
from mmda_bench.protocol import Cell, Protocol
from mmda_bench.registry import DATASETS
from mmda_bench.report.missing import run_command
from mmda_bench.store.faults import unlike
from mmda_bench.store.keys import Key

CARD = DATASETS.get("avatars").card


def protocol(**settings) -> Protocol:
    return RunConfig(**settings).protocol_on(CARD)


def test_a_condition_is_in_the_signature_and_in_the_key_only_where_there_is_one():
    plain = make_cell().protocol
    assert not {"missing", "missing_in", "missing_rate", "told_anchor"} & set(make_cell().key()["protocol"])
    found = replace(plain, missing="AL", missing_in="target", missing_rate=0.5, told_anchor="L")
    cell = replace(make_cell(), protocol=found)
    assert "|shift:paper|missing:AL@target*0.5|told:L|backbone:tiny|" in cell.signature
    assert "|missing:A@test|backbone:" in replace(plain, missing="A").signature("avatars", "v1")
    assert unlike(Key, cell.key(), extra="forbid") == ""
    assert Cell.from_key(cell.key()) == cell


def test_settings_are_brought_into_one_form():
    assert protocol(missing="la", missing_in="target").missing == "AL"
    assert protocol(missing="a,l,v", missing_rate=0.5).missing == "ALV"
    assert protocol(told_anchor="NONE").told_anchor == "none"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"missing": "X"}, "--missing 'X': expected some of ALV"),
        ({"missing": "ALV"}, "nothing would be left"),
        ({"missing": "ALV", "missing_rate": 0.8}, "at most 0.7"),
        ({"missing": "A", "missing_rate": 0.0}, "--missing-rate 0: expected a number above 0"),
        ({"missing": "A", "missing_in": "source"}, "--missing-in 'source': expected one of test, target"),
        ({"missing_rate": 0.5}, "name the modalities"),
        ({"told_anchor": "Q"}, "--told-anchor 'Q': expected one of A, L, V, or none"),
    ],
)
def test_what_makes_no_sense_is_answered(settings, message):
    with pytest.raises(UsageError, match=message):
        protocol(**settings)


def test_an_anchor_that_is_told_rightly_is_no_condition():
    with pytest.raises(UsageError, match="that is the truth; try --anchors A,V"):
        RunConfig(told_anchor="L").cells(CARD)
    cells = RunConfig(methods="dt", told_anchor="L", anchors="A,V", seeds=1, bounds=False).cells(CARD)
    assert [(cell.anchor, cell.assumed_anchor) for cell in cells] == [("A", "L"), ("V", "L")]
    assert [cell.drifts for cell in cells] == [("L", "V"), ("A", "L")], "the shift is that of the true anchor"
    assert [cell.assumed_anchor for cell in RunConfig(methods="dt", told_anchor="none").cells(CARD)[:2]] == [None] * 2
    assert make_cell(anchor="V").assumed_anchor == "V"


def test_the_command_that_fills_a_hole_names_the_condition():
    cell = replace(make_cell(), protocol=protocol(missing="LV", missing_in="target", told_anchor="L"))
    command = run_command(cell.key(), ["dt"], ["A"], [0], rerun=False, bounds=True)
    assert "--missing LV --missing-in target --told-anchor L" in command
    assert "--missing-rate" not in command


def test_flags_a_file_and_python_name_the_same_cells(tmp_path):
    flags = ["--methods", "dt,a3d2", "--anchors", "A,V", "--seeds", "2", "--missing", "al", "--missing-in", "target"]
    flags += ["--missing-rate", "0.5", "--told-anchor", "L", "--epochs", "3", "--results", str(tmp_path)]
    answer = CliRunner().invoke(app, ["run", *flags, "--dry-run", "--json"])
    assert answer.exit_code == 0, answer.output
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "methods: dt,a3d2\nanchors: A,V\nseeds: 2\nmissing: AL\nmissing-in: target\nmissing-rate: 0.5\n"
        "told-anchor: L\nepochs: 3\n"
    )
    settings = {"missing": "AL", "missing_in": "target", "missing_rate": 0.5, "told_anchor": "L", "epochs": 3}
    python = RunConfig(methods="dt,a3d2", anchors="A,V", seeds=2, **settings).cells(CARD)
    assert RunConfig.from_file(file).cells(CARD) == python
    (target,) = RunConfig.from_record({"key": python[0].key(), "hash": python[0].hash}).cells(CARD)
    assert target == python[0]
    assert json.loads(answer.stdout)["cells"] == len(python)
