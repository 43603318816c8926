"""The front door for Python: the same cells, numbers and rows as the command line, and no trace in the process."""

import json
import subprocess
import sys
from pathlib import Path

import published as committed
import pytest
from hand_made import make_cell, make_record

import mmda_bench as mb
from mmda_bench import api
from mmda_bench.config import RunConfig, Workspace
from mmda_bench.data.corpora import reader_of
from mmda_bench.data.validation import read_card
from mmda_bench.dataset import Card, Shift
from mmda_bench.errors import UsageError
from mmda_bench.protocol import LAST, TRIAL
from mmda_bench.store import Store
from mmda_bench.store.record import is_trial

RESULTS = Path(__file__).resolve().parents[1] / "results"
FACTS = dict.fromkeys(("title", "licence", "citation", "obtain"), "")
CARD = Card(
    name="avatars", version="v1", classes=("a", "b"), backbone="tiny",
    shift=Shift(noise=0, brightness=0, visual_noise=0, masked=0), **FACTS,
)  # fmt: skip

NO_TRACE = """
import json, logging, os, random, signal, sys, warnings
import numpy, torch

def state():
    return {
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "threads": torch.get_num_threads(),
        "torch": torch.get_rng_state().sum().item(),
        "numpy": str(numpy.random.get_state()[1][:5]),
        "python": hash(random.getstate()),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "warnings": list(map(str, warnings.filters)),
        "logging": [logging.getLogger().level, list(map(str, logging.getLogger().handlers))],
        "folder": os.getcwd(),
    }

torch.manual_seed(5); torch.set_num_threads(2)
before = state()
import mmda_bench as mb
code = '''
from mmda_bench import Method, register_method
@register_method("in-a-cell", title="In a cell", paper="nobody, 2026")
class InACell(Method):
    def __init__(self, ctx, *, weight: float = 0.1):
        super().__init__(ctx); self.weight = weight
    def loss(self, source, target, progress):
        return {"mine": self.weight * target.z["joint"].square().mean()}
'''
space = {}
exec(code, space)
mb.register(space["InACell"])
from itertools import islice
from mmda_bench.registry import DATASETS
reader = DATASETS.get("avatars"); whole = reader.utterances
reader.utterances = lambda self, root: islice(whole(self, root), 240)
ws = mb.Workspace(results=sys.argv[1], cache=sys.argv[1] + "/cache")
jobs = int(sys.argv[2])
found = mb.run("dt,in-a-cell", anchors="V", seeds=1, epochs=1, bounds=False, workspace=ws, jobs=jobs)
stored, board = mb.results(ws.results), mb.leaderboard(ws.results)
difference = mb.compare("in-a-cell", "dt", ws.results).frame["difference"].tolist()
after = state()
print(json.dumps({
    "changed": [name for name in before if before[name] != after[name]],
    "rows": found.frame[["method", "status", "weighted_f1"]].values.tolist(),
    "missing": len(found.missing), "failed": found.failed["reason"].tolist(), "stored": len(stored.frame),
    "table": board.frame.query("table == 'main'")["method"].unique().tolist(), "compared": len(difference),
}))
"""
NOTHING_IMPORTED = """
import json, logging, os, signal, sys, warnings

def state():
    return {
        "signals": [str(signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)],
        "environment": dict(os.environ), "path": list(sys.path), "warnings": list(map(str, warnings.filters)),
        "logging": [logging.getLogger().level, list(map(str, logging.getLogger().handlers))],
    }

before = state()
import mmda_bench as mb
mb.run("dt,dann", seeds=1, bounds=False, workspace=mb.Workspace(results=sys.argv[1]))
mb.results(sys.argv[1])
mb.leaderboard(sys.argv[1])
mb.compare("dann", "dt", sys.argv[1])
mb.show("dann", sys.argv[1], anchor="V")
after = state()
print(json.dumps([name for name in before if before[name] != after[name]]))
"""


@pytest.fixture(scope="module")
def published():
    return mb.results(RESULTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    "jobs",
    [
        pytest.param(0, id="in this process", marks=pytest.mark.deep),
        pytest.param(1, id="on Ray", marks=pytest.mark.system),
    ],
)
def test_a_run_leaves_no_trace_and_takes_a_class_from_a_notebook_cell(tmp_path, jobs):
    command = [sys.executable, "-c", NO_TRACE, str(tmp_path / "results"), str(jobs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["changed"] == []
    assert [row[:2] for row in found["rows"]] == [["dt", "ok"], ["in-a-cell", "ok"]]
    assert (found["missing"], found["failed"], found["stored"]) == (0, [], 2)
    assert sorted(found["table"]) == ["dt", "in-a-cell"]
    assert found["compared"] > 0


def test_what_a_call_imports_first_leaves_no_trace_either(tmp_path):
    committed.link(tmp_path, "dt,dann", seeds=1)
    command = [sys.executable, "-c", NOTHING_IMPORTED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_a_file_flags_and_python_give_the_same_cells(tmp_path):
    yaml = tmp_path / "sweep.yaml"
    yaml.write_text("methods: [dt, 'a3d2[gamma1=5]']\nanchors: [V, A]\nseeds: 2\nepochs: 4\nresults: elsewhere\n")
    toml = tmp_path / "sweep.toml"
    toml.write_text('methods = "dt,a3d2[gamma1=5]"\nanchors = "A,V"\nseeds = [0, 1]\nepochs = 4\n')
    python = RunConfig(methods=["dt", "a3d2[gamma1=5]"], anchors="A,V", seeds=2, epochs=4)
    cells = python.cells(CARD)
    assert len(cells) == 12
    assert [RunConfig.from_file(path).cells(CARD) for path in (yaml, toml)] == [cells, cells]
    assert Workspace.from_file(yaml).results == Path("elsewhere")
    assert RunConfig.from_file(yaml, epochs=8).epochs == 8


@pytest.mark.parametrize(
    ("settings", "splits"),
    [
        ({}, {0}),
        ({"split": 3}, {3}),
        ({"splits": 2}, {0, 1}),
        ({"splits": [4]}, {4}),
        ({"split": 3, "splits": "0,2"}, {0, 2}),
    ],
)
def test_splits_stand_in_place_of_the_one_split(settings, splits):
    cells = RunConfig(methods="dt", anchors="V", seeds=1, bounds=False, **settings).cells(CARD)
    assert ({cell.protocol.split for cell in cells}, len(cells)) == (splits, len(splits))


def test_the_command_line_takes_a_file_and_what_is_typed_wins(tmp_path, capsys):
    from mmda_bench.cli.main import app

    file = tmp_path / "sweep.yaml"
    file.write_text(f"methods: dt\nanchors: V\nseeds: 2\nbounds: false\nresults: {tmp_path / 'results'}\n")
    for typed, expected in (((), 2), (("--seeds", "3"), 3), (("--anchors", "A,L", "--bounds"), 8)):
        app(["run", "--config", str(file), "--dry-run", "--json", *typed], standalone_mode=False)
        assert json.loads(capsys.readouterr().out)["cells"] == expected


def test_every_stored_record_can_be_turned_back_into_a_configuration(published):
    assert published.records
    for record in published.records:
        if is_trial(record):
            continue
        if record["key"]["protocol"].get("select", LAST) != LAST:  # a winner, which runs after its trials
            assert RunConfig.from_record(record).protocol == "tuned"
            continue
        card = CARD if record["key"]["version"] == CARD.version else _versioned(record["key"]["version"])
        config = RunConfig.from_record(record)
        if config.target:
            card = read_card(reader_of(config.corpus), config.corpus, None)
        assert [cell.hash for cell in config.cells(card)].count(record["hash"]) == 1


def test_a_trial_becomes_the_smallest_search_that_runs_it(published, tmp_path):
    found = {record["key"]["method"]: record for record in published.records if is_trial(record)}
    assert len(found) >= 10
    for record in found.values():
        config = RunConfig.from_record(record)
        trials = [
            cell.hash for cell in api.plan(config, Workspace(results=tmp_path)).todo if cell.protocol.select == TRIAL
        ]
        assert (trials.index(record["hash"]), len(trials)) == (config.trials - 1, config.trials)


def test_a_submission_ran_nowhere():
    with pytest.raises(UsageError, match="abc is a submission: its predictions were made elsewhere"):
        RunConfig.from_record({"hash": "abc", "external": {"file": "theirs.csv"}, "key": {"method": "theirs"}})


def _versioned(version: str) -> Card:
    from dataclasses import replace

    return replace(CARD, version=version)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"method": "dt"}, "did you mean methods"),
        ({"epochs": "4"}, "epochs is '4': expected a whole number"),
        ({"seeds": 1.5}, "seeds is 1.5"),
        ({"jobs": -1}, "jobs is -1"),
        ({"rerun": "some"}, "failed, all"),
        ({"bounds": "no"}, "true or false"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, words):
    with pytest.raises(UsageError, match=words):
        RunConfig.of(settings, where="sweep.yaml")


@pytest.mark.parametrize(
    "given", [{"weights": "0a1b2c3d"}, {"select": "dev", "trials": 8}, {"trials": 8}, {"study": 1}]
)
def test_a_protocol_with_a_field_that_a_run_does_not_take_is_refused(given, tmp_path):
    with pytest.raises(UsageError, match=f"takes no {', '.join(given)}: use Workspace"):
        mb.run("dt", protocol=mb.Protocol(**given), workspace=mb.Workspace(results=tmp_path), jobs=0)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: ["), ("a.toml", "= 3"), ("a.json", "{}"), ("b.yaml", "- a")])
def test_a_file_that_is_none_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=f"--config .*{name}"):
        RunConfig.from_file(tmp_path / name)
    with pytest.raises(UsageError, match="cannot be read"):
        RunConfig.from_file(tmp_path / "absent.yaml")


@pytest.mark.slow
def test_frames_have_the_numbers_of_the_written_tables(tmp_path, published):
    reported = published.frame.query("not signature.str.contains('select:trial')")
    signature = str(reported["signature"].mode()[0])
    board = mb.leaderboard(RESULTS, signature=signature.replace("|metric:", "|seeds:0-1|metric:"))
    board.store.results = tmp_path  # nothing is drawn beside the records
    frame = board.frame
    written = json.loads((RESULTS / "leaderboard.json").read_text())["boards"]
    table = next(one for one in written if one["signature"].split("|seeds")[0] == signature.split("|metric")[0])
    for row in table["table1"]:
        mine = frame[(frame["method"] == row["method"]) & (frame["table"] == "main")].set_index("column")
        assert mine["mean"].to_dict() == {column: score["mean"] for column, score in row["scores"].items()}
        assert mine["bold"].to_dict() == {column: score["bold"] for column, score in row["scores"].items()}
        assert mine["sd"].to_dict() == {column: score["sd"] for column, score in row["scores"].items()}
    of_cells = reported[(reported["signature"] == signature) & (reported["method"] == "luhp")]
    in_percent = 100 * of_cells.groupby("anchor")["weighted_f1"].mean()
    luhp = next(row for row in table["table1"] if row["method"] == "luhp")
    assert in_percent.to_dict() == pytest.approx({m: luhp["scores"][m]["mean"] for m in "ALV"}, abs=1e-3)
    assert "<table" in board._repr_html_()


@pytest.mark.parametrize(("name", "reason"), [("dataset", "no record of dataset 'x'"), ("signature", "signature 'x'")])
def test_a_leaderboard_of_a_name_that_nothing_has_is_refused(tmp_path, name, reason):
    Store(tmp_path).write(make_cell(), make_record(make_cell()), None)
    with pytest.raises(UsageError, match=reason):
        mb.leaderboard(tmp_path, **{name: "x"})


def test_results_are_a_row_a_cell_with_the_protocol_beside_the_scores(published):
    found, frame = published, published.frame
    columns = {"hash", "dataset", "version", "method", "anchor", "seed", "status", "weighted_f1", "accuracy"}
    assert columns | {"source_f1", "train_s", "memory_mb", "signature", "backbone", "epochs"} <= set(frame.columns)
    assert len(frame) == len(found) == len(found.records)
    assert frame.pivot_table(index="method", columns="anchor", values="weighted_f1").shape[1] == len("ALV") + 1, (
        "and the pair's"
    )
    first = found.predictions(frame["hash"][0])
    assert first["target_test/probabilities"].shape[0] == len(first["target_test/ids"])
    with pytest.raises(UsageError, match="no predictions of a cell 'none'"):
        found.predictions("none")


def test_an_empty_folder_gives_an_empty_frame_with_its_columns_and_none_an_error(tmp_path):
    assert "weighted_f1" in mb.results(tmp_path).frame.columns
    assert mb.leaderboard(tmp_path).frame.empty
    for door in (mb.leaderboard, mb.results):
        with pytest.raises(UsageError, match="there is no folder"):
            door(tmp_path / "absent")


@pytest.mark.slow
def test_a_comparison_is_a_frame_with_a_row_a_scenario_and_the_numbers_of_the_written_table(tmp_path):
    committed.link(tmp_path, "luhp,daln", seeds=10)
    frame = mb.compare("luhp", "daln", tmp_path).frame
    one = frame[frame["signature"] == frame["signature"].iloc[0]].set_index("column")
    assert list(one.index) == ["A", "L", "V", "ave."]
    (table,) = (
        board for board in json.loads((RESULTS / "leaderboard.json").read_text())["boards"]
        if board["signature"] == one["signature"].iloc[0]
    )  # fmt: skip
    (written,) = (pair for pair in table["pairs"] if {pair["method"], pair["against"]} == {"luhp", "daln"})
    sign = 1 if written["method"] == "luhp" else -1
    numbers = {name: sign * written[f"difference{name}"] for name in ("", "_low", "_high")}
    low, high = sorted((numbers["_low"], numbers["_high"]))
    found = one.loc["ave.", ["difference", "low", "high", "p"]].astype(float).tolist()
    assert found == pytest.approx([numbers[""], low, high, written["p"]], abs=1e-4)


def test_one_list_of_names_is_the_whole_front_door():
    assert set(dir(mb)) == {*mb.__all__, "__version__"}
    assert all(hasattr(mb, name) for name in dir(mb))
    assert {"dann", "a3d2"} <= set(mb.methods().index)
    assert mb.datasets().loc["avatars", "unusable"] is None
    assert mb.methods.__name__ == "mmda_bench.methods"  # the package keeps its name, and can be called
    assert mb.corpus("avatars")[0].waveform().ndim == 1


def test_a_class_that_is_not_decorated_is_refused_and_one_is_replaced_by_a_later_one_of_its_name():
    from mmda_bench.registry import METHODS, register_method

    with pytest.raises(UsageError, match="is not decorated"):
        mb.register(int)
    classes = [
        mb.register(register_method("twice-here", title=title, paper="nobody")(type("Twice", (mb.Method,), {})))
        for title in ("first", "second")
    ]
    assert METHODS.entry("twice-here").title == "second"
    assert METHODS.get("twice-here") is classes[1]
    with pytest.raises(UsageError, match="built in"):
        mb.register(register_method("dt", title="mine", paper="nobody")(type("Mine", (mb.Method,), {})))


@pytest.mark.slow
def test_an_edited_plug_in_file_is_loaded_anew(tmp_path):
    from mmda_bench.registry import METHODS, load_plugin

    file = tmp_path / "edited.py"
    text = (
        "from mmda_bench import Method, register_method\n"
        "@register_method('edited', title='{}', paper='nobody')\nclass Edited(Method):\n    pass\n"
    )
    titles = []
    for title in ("before", "after"):
        file.write_text(text.format(title))
        load_plugin(file)
        titles.append((METHODS.entry("edited").title, METHODS.get("edited")))
    assert [title for title, _ in titles] == ["before", "after"]
    assert titles[0][1] is not titles[1][1]
