"""Two corpora as source and target: prepared as they are, trained without an anchor, shown with what differs."""

import json

import numpy as np
import pytest
import worlds
from typer.testing import CliRunner

from mmda_bench import api
from mmda_bench.cli import app
from mmda_bench.features.prepare import prepare
from mmda_bench.protocol import Protocol
from mmda_bench.registry import load_plugin
from mmda_bench.report.formats import markdown
from mmda_bench.report.formats.tables import tables
from mmda_bench.report.load import load_boards
from mmda_bench.report.missing import run_command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("unwatched")]

PAIR = "worlds[left]--worlds[right]"


@pytest.fixture(autouse=True)
def loaded():
    load_plugin(worlds.__file__)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    load_plugin(worlds.__file__)
    folder = tmp_path_factory.mktemp("natural")
    workspace = api.Workspace(results=folder / "results", cache=folder / "cache", plugins=[worlds.__file__])
    found = api.run(
        "dt,a3d2", dataset="worlds[left]", target="worlds[right]", seeds=2, epochs=1, workspace=workspace, jobs=0
    )
    return found, workspace


def test_the_target_is_encoded_once_as_it_is(swept):
    _, workspace = swept
    protocol = Protocol(backbone="tiny", shift="none")
    corpus = prepare(PAIR, root=None, protocol=protocol, cache=workspace.cache)
    assert {corpus.ids[p][:6] for p in corpus.parts["target", "train"]} == {"target"}
    assert {corpus.ids[p][:6] for p in corpus.parts["source", "test"]} == {"source"}
    for m in "ALV":
        for p in corpus.parts["target", "test"]:
            np.testing.assert_array_equal(corpus.features[m, "shifted"][p], corpus.features[m, "clean"][p])
    assert not [path for path in workspace.cache.glob("prefix/*/?-*") if "clean" not in path.parent.name]
    without = prepare(
        PAIR, root=None, protocol=Protocol(backbone="tiny", shift="none", missing="A"), cache=workspace.cache
    )
    p = without.parts["target", "test"][0]
    assert not np.array_equal(without.features["A", "shifted"][p], corpus.features["A", "shifted"][p])


def test_cells_run_and_say_what_they_took_for_the_anchor(swept):
    found, _ = swept
    assert list(found.frame["status"]) == ["ok"] * 6, list(found.frame["reason"])
    assert set(found.frame["anchor"]) == {"none"}
    for record in found.records:
        assert record["metrics"]["assumed_anchor"]["modality"] in "ALV"
        references = record["metrics"].get("references") or {}
        assert "anchor-head" not in references
        assert "detected-anchor" in references or record["key"]["method"] != "dt"


def test_a_board_of_a_pair_has_one_scenario_with_priors_and_distances(swept, undrawn, tmp_path):
    found, _ = swept
    boards, damaged = load_boards(found.store)
    assert not damaged
    (board,) = boards
    assert board.columns == ("none",)
    assert board.rows[0].scores["none"].mean == board.rows[0].scores["ave."].mean
    shown = {table.name: table for table in tables(board)}
    assert [cell.text for cell in shown["prior"].rows[0]] == ["calm", "33.3", "33.3", "+0.0"]
    assert [row[0].text for row in shown["domains"].rows] == ["A (acoustic)", "L (lexical)", "V (visual)"]
    text = {row[0].text[0]: float(row[1].text) for row in shown["domains"].rows}
    assert text["V"] > 90 > text["L"], "the sections differ in their pictures and not in their words"
    assert "took" not in shown["domains"].caption
    assert "a method that needs one takes what looks least shifted before training: " in shown["domains"].caption
    assert "of 6 cells" in shown["domains"].caption, "of dt, a3d2 and the reference, two seeds each"
    assert "macro" in shown
    assert "worlds[left]--worlds[right]" in markdown.markdown(boards)
    written = api.leaderboard(found.store.results).write(tmp_path)
    assert all(path.exists() for path in written)


def test_a_hole_of_a_pair_is_filled_by_a_command_that_makes_the_same_cell(swept):
    found, workspace = swept
    record = next(iter(found.records))
    command = run_command(record["key"], ["dt"], ["none"], [0], rerun=False, bounds=False)
    assert "--dataset 'worlds[left]' --target 'worlds[right]'" in command
    assert "--anchors" not in command
    assert "--shift" not in command
    options = ["--plugin", worlds.__file__, "--results", str(workspace.results), "--dry-run", "--json"]
    options = ["--epochs", "1", "--seeds", "2", "--methods", "dt,a3d2", *options]
    answer = CliRunner().invoke(app, ["run", "--dataset", "worlds[left]", "--target", "worlds[right]", *options])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["missing"] == []
