"""The long runs of this folder, as short as they still say something."""

import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from mmda_bench import registry
from mmda_bench.cli.main import app
from mmda_bench.data.validation import read_card, read_utterances
from mmda_bench.dataset import tally
from mmda_bench.errors import MessageError
from mmda_bench.registry import DATASETS
from mmda_bench.store import Store
from mmda_bench.store.arrays import disagreement
from tests.system import fuzz, inputs, kills, scale, standin, trees, victims

pytestmark = pytest.mark.slow

REFUSED_WHOLE = {"old.pth", "a.yaml"}  # these bring code


@pytest.mark.system
@pytest.mark.parametrize("make", inputs.KINDS, ids=lambda make: make.name)
def test_what_is_whole_is_taken(make, tmp_path, capsys):
    """Otherwise damage would be refused for another reason."""
    kind = make(tmp_path / "kind")
    for path in kind.targets(sorted(path for path in kind.whole.rglob("*") if path.is_file())):
        shutil.rmtree(kind.damaged, ignore_errors=True)
        shutil.copytree(kind.whole, kind.damaged)
        kind.file = kind.damaged / path.relative_to(kind.whole)
        with registry.isolated():
            if path.name in REFUSED_WHOLE:
                with pytest.raises(MessageError):
                    kind.look()
            else:
                assert kind.look() == ""
    assert not kind.canary.exists()


@pytest.mark.system
def test_damaged_inputs_of_every_kind_hold(tmp_path):
    tallies = fuzz.run(150, seed=7, folder=tmp_path)
    assert [fault for tally in tallies.values() for fault in tally.faults] == []
    assert sum(tally.tried for tally in tallies.values()) >= 140


def test_the_same_seed_damages_in_the_same_way(tmp_path):
    found = []
    for name in ("a", "b"):
        kind = inputs.Submissions(tmp_path / name)
        fuzz.attempt(kind, fuzz.random.Random("x"), fuzz.Tally(), "x")
        found.append([np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(kind.damaged.glob("mine.csv"))])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


class Careless(inputs.Sweeps):
    """A product that trusts."""

    def look(self):
        raise KeyError("x")


def test_an_error_that_is_no_message_is_a_fault(tmp_path):
    tally = fuzz.Tally()
    fuzz.attempt(Careless(tmp_path / "x"), fuzz.random.Random(0), tally, "x")
    assert [kind for _, kind, _ in tally.faults] == ["internal error"]
    assert "| 1 | 0 |" in fuzz.table({"x": tally})


def in_process(arguments, folder):
    """As scale.measured, without a process and without its figures."""
    started = time.process_time()
    done = CliRunner().invoke(app, list(arguments))
    return scale.Cost(time.process_time() - started, 0.0, 0.0, done.exit_code, done.output)


POOL = """
import sys; sys.path[:0] = [{root!r}, {root!r} + "/tests/support"]
import resource
from pathlib import Path
from tests.system import scale
Path("mmda_bench.py").write_text({program!r})
scale.stores.ROOT = Path.cwd()
print(scale.measured([], Path.cwd()).processor_s)
"""
PROGRAM = """
import subprocess, sys
burn = "import time\\nwhile time.process_time() < 1: pass"
subprocess.Popen([sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"])
"""


def test_processes_that_a_command_does_not_wait_for_are_counted(tmp_path):
    program = POOL.format(root=str(scale.stores.ROOT), program=PROGRAM)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert float(done.stdout) > 1, done.stderr


@pytest.mark.deep
@pytest.mark.system
def test_a_look_at_a_store_costs_what_has_changed(tmp_path, monkeypatch, figureless):
    monkeypatch.setattr(scale, "measured", in_process)
    costs = scale.of_store(200, tmp_path)
    assert {name: cost.output[-500:] for name, cost in costs.items() if cost.code} == {}
    assert "Nothing to run: 165 cells" in costs["run, nothing to do"].output
    assert "35 ok" in costs["status"].output
    assert costs["leaderboard, nothing changed"].processor_s < costs["leaderboard, first"].processor_s
    assert scale.table(costs, scale.GOALS_S).count("\n") == 7


@pytest.mark.system
@pytest.mark.parametrize(("name", "size"), [("mintrec", 2224), ("iemocap", 5531)])
def test_a_corpus_of_true_size_is_found_with_all_counts_right(name, size, tmp_path):
    root = tmp_path / name
    assert getattr(trees, name)(root) == size
    reader = DATASETS.get(name)()
    card = read_card(reader, name, root)
    assert card.version == "v1"
    utterances = read_utterances(reader, card, root)
    assert tally(card, utterances) == dict(card.expected)
    assert list(reader.unusable(root)) == []
    assert len(utterances[-1].waveform()) == pytest.approx(16_000, rel=0.01)
    assert len(utterances[-1].frames()) == 10


def test_parts_of_a_sweep_are_told_by_what_they_run(monkeypatch):
    running = {
        1: "python standin.py",
        2: "/x/ray/core/src/ray/raylet/raylet --a",
        3: "/x/gcs_server --b",
        4: "ray::ResourceTrainable.train",
        5: "ray::IDLE",
        6: "python -c from multiprocessing.forkserver import main; main()",
        7: "python -c from multiprocessing.forkserver import main; main()",
    }
    monkeypatch.setattr(kills, "processes", lambda tag: running)
    monkeypatch.setattr(kills.victims, "children", lambda of: {7} if of == 6 else set())
    found = {"driver": [1], "raylet": [2], "gcs": [3], "worker": [4], "server": [6], "forked": [7]}
    assert kills.parts_of("x", 1) == found


def test_the_worker_that_writes_is_told_by_its_draft(tmp_path):
    sweep = kills.Sweep(["none"], tmp_path, {})
    folder = sweep.store.runs / "none" / "A" / "standin" / "seed0-0a1b2c3d4e"
    folder.mkdir(parents=True)
    look = kills.moment_of("worker", "writing", sweep, "x", 1)
    assert look() == []
    (folder / ".tmp-a-host-77-0a1b2c3d").touch()
    assert look() == [77]


def test_the_essence_of_a_cell_is_that_of_any_run_of_it_and_of_no_other(tmp_path):
    (cell, another), store = standin.cells(2, 0.0), Store(tmp_path)
    found = []
    for _ in range(2):
        for one in (cell, another):
            outcome = standin.run_cell(one, root=None, cache=tmp_path)
            outcome.record["times"] = {"train_s": float(len(found)), "total_s": 1.0}
            store.write(one, outcome.record, outcome.outputs, replace=True)
            assert disagreement(store.read(one), store.predictions(store.read(one))) == ""
            found.append(victims.essence(store, store.read(one)))
    assert found[:2] == found[2:]
    assert len(set(found)) == 2
    np.savez(
        store.folder(cell) / "outputs.npz",
        **{name: array + 1 for name, array in outcome.outputs.items() if "z_" in name},
    )
    assert victims.essence(store, store.read(cell)) != found[0]


def test_a_command_that_fails_must_say_what_is_stored_and_how_to_go_on(tmp_path):
    sweep = kills.Sweep(["x"], tmp_path, {"a": "", "b": ""})
    said = "mmda-bench: Ray died; {} of 2 cells stored. The same command runs the others:\n  mmda-bench run\n"
    for text, fine in ((said.format(0), True), (said.format(1), False), ("RaySystemError", False), (said * 2, False)):
        (tmp_path / "output").write_text(text)
        faults: dict[str, str] = {}
        kills._await(subprocess.Popen(["false"]), sweep, faults, killed=False, moment="cells")
        assert ("wordless" not in faults) == fine


def test_what_did_not_hold_is_counted_and_told():
    tally = kills.Tally()
    tally.add("0/1", {"lost": "a record", "hung": "for long"})
    tally.add("0/2", {}, real=True)
    assert "| raylet in cells | 2 | 1 | 1 | 1 | 0 | 1 | 0 | 0 |" in kills.table({"raylet:cells": tally})
    assert tally.remarks == ["0/1: lost: a record", "0/1: hung: for long"]


@pytest.mark.deep
@pytest.mark.system
@pytest.mark.parametrize("kind", ["driver:writing", "raylet:start"])
def test_a_sweep_whose_part_is_killed_loses_nothing(kind, tmp_path):
    tallies = kills.run(1, seed=3, folder=tmp_path, kinds=(kind,))
    assert tallies[kind].remarks == []
    assert tallies[kind].counts["tried"] == 1
