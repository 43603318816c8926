"""The search runs DT and the reference on a development draw, keeps every cell, and says what is met and what not."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmda_bench.datasets.avatars import corpus, development
from mmda_bench.protocol import SUPERVISED
from tests.benchmarks import calibrate_avatars

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ran(monkeypatch):
    """Replaces preparation and training by a stand-in; what was run, and after how many cells it is interrupted."""
    state = SimpleNamespace(cells=[], stop=99, prepared=[])

    def run_cell(cell, *, root, cache):
        if len(state.cells) == state.stop:
            raise KeyboardInterrupt
        state.cells.append(cell)
        heads = {"A": 0.5, "L": 0.5, "V": 0.5, "joint": 0.8} | {cell.anchor: 0.72}
        f1 = 0.84 if cell.method == SUPERVISED else 0.7 + 0.01 * cell.seed
        target = {"weighted_f1": f1, "heads": heads, "confusion": [[3, 1], [2, 4]]}
        source = {"weighted_f1": 0.9, "heads": {"A": 0.74, "L": 0.73, "V": 0.75, "joint": 0.9}}
        metrics = {"target_test": target, "source_test": source}
        return SimpleNamespace(record={"status": "ok", "key": cell.key(), "metrics": metrics, "steps": 200})

    monkeypatch.setattr(calibrate_avatars, "run_cell", run_cell)
    monkeypatch.setattr(calibrate_avatars, "prepare", lambda dataset, **_: state.prepared.append(dataset))
    return state


@pytest.fixture
def calibrate(tmp_path, ran):
    def call(*arguments):
        places = ["--rows", str(tmp_path / "rows.jsonl"), "--work", str(tmp_path / "work")]
        calibrate_avatars.main([*arguments, *places, "--out", str(tmp_path / "table.md")])
        return (tmp_path / "table.md").read_text()

    return call


def test_it_runs_dt_and_the_reference_at_every_anchor_and_nothing_else(calibrate, ran):
    table = calibrate("--seeds", "2")
    assert {cell.method for cell in ran.cells} == {"dt", SUPERVISED}
    assert len({(cell.method, cell.anchor, cell.seed) for cell in ran.cells}) == len(ran.cells) == 12
    assert {cell.dataset for cell in ran.cells} == {"avatars-dev"} == set(ran.prepared)
    assert "## avatars, frozen: 10 of 10 criteria met with 2 seeds" in table
    assert "| A | 70.5 | 0.7 | 72.0 | 84.0 | L 50.0, V 50.0 | 0.50 | 0 |" in table
    assert "| target-supervised above DT | 0.135 | ≥ 0.1 | A | met |" in table
    assert f"noise {corpus.SETTINGS['avatars'].shift.noise:g}, " in table


def test_a_search_that_is_stopped_goes_on_from_there(calibrate, ran):
    ran.stop = 4
    with pytest.raises(KeyboardInterrupt):
        calibrate("--seeds", "1")
    ran.stop = 99
    calibrate("--seeds", "1")
    assert len(ran.cells) == 6
    calibrate("--seeds", "2")
    assert len(ran.cells) == 12, "more seeds add to those that are there"
    assert len(ran.prepared) == 3


def test_another_setting_is_a_file_and_has_cells_of_its_own(calibrate, ran, tmp_path):
    other = development.to_json(corpus.SETTINGS["avatars"])
    other["shift"]["masked"] = 0.9
    (tmp_path / "harsh.json").write_text(json.dumps(other))
    table = calibrate("frozen", str(tmp_path / "harsh.json"), "--seeds", "1")
    assert len(ran.cells) == len({cell.hash for cell in ran.cells}) == 12
    assert "## avatars, harsh: 10 of 10" in table
    assert "masked 0.9" in table


def test_the_intents_are_tried_on_their_own_draw(calibrate, ran):
    table = calibrate("--recipe", "avatars-intent", "--seeds", "1")
    assert {cell.dataset for cell in ran.cells} == {"avatars-intent-dev"}
    assert "| DT's most frequent class, share | 0.5 | ≤ 0.2 | A | **missed** |" in table


def test_the_published_table_is_made_of_the_published_cells_of_the_frozen_settings(ran, tmp_path):
    """Who changes a setting calibrates anew: its cells would be missing here, and would be run."""
    ran.stop = 0
    published = [ROOT / calibrate_avatars.ROWS, ROOT / calibrate_avatars.TABLE]
    assert all(path.is_file() for path in published)
    places = ["--rows", str(published[0]), "--work", str(tmp_path / "work"), "--out", str(tmp_path / "table.md")]
    calibrate_avatars.main(["--recipe", "avatars", "avatars-intent", *places])
    assert (tmp_path / "table.md").read_text() == published[1].read_text()
