"""The protocol ``tuned``: equal budgets, choices that see no target label, winners, and going on after an end."""

import json
import sys
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import tried
from typer.testing import CliRunner

import mmda_bench as mb
from mmda_bench import api, training, tuning
from mmda_bench.cli.main import app
from mmda_bench.features import prepare
from mmda_bench.protocol import TRIAL, Cell
from mmda_bench.registry import METHODS, UsageError, register, register_validator
from mmda_bench.selection import choices, choose, rank_sum
from mmda_bench.selection.choices import make_choice, read_choices
from mmda_bench.store import Store
from mmda_bench.validators import score

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("figureless")]
WHAT = {"methods": "dt,dann", "anchors": "A,V", "seeds": 2, "trials": 4, "bounds": False, "protocol": "tuned"}


@pytest.fixture
def ran(monkeypatch):
    """The cells in the order in which they ran; what ``ran.becomes`` says of one is what becomes of it."""
    log = SimpleNamespace(cells=[], becomes=lambda cell: None)

    def run_cell(cell, **options):
        log.cells.append(cell)
        return log.becomes(cell) or tried.run_cell(cell)

    monkeypatch.setattr(training, "run_cell", run_cell)
    monkeypatch.setattr(
        prepare, "prepare", lambda *args, **options: SimpleNamespace(skipped=[], substituted=[], lexical=None)
    )
    monkeypatch.setattr(prepare, "disk_needed", lambda *args, **options: None)
    return log


def run(tmp_path, **changes):
    settings = {**WHAT, **changes}
    return mb.run(settings.pop("methods"), workspace=mb.Workspace(results=tmp_path), jobs=0, **settings)


def is_trial(cell):
    return cell.protocol.select == TRIAL


def test_every_method_spends_the_same_number_of_trials_one_that_fails_included(tmp_path, ran):
    ran.becomes = lambda cell: tried.failed(cell) if cell.method == "dann" and len(ran.cells) % 3 == 0 else None
    run(tmp_path)
    spent = Counter((cell.method, cell.anchor) for cell in ran.cells if is_trial(cell))
    assert spent == {(method, anchor): 4 for method in ("dt", "dann") for anchor in "AV"}
    stored, damaged = read_choices(Store(tmp_path))
    assert not damaged
    lost = [one for choice in stored for one in choice.trials if one["status"] != "ok"]
    assert lost
    for choice in stored:
        assert len(choice.trials) == 4
        assert choice.trials[choice.chosen]["status"] == "ok"
    winners = Counter((cell.method, cell.anchor) for cell in ran.cells if not is_trial(cell))
    assert winners == {(method, anchor): 2 for method in ("dt", "dann") for anchor in "AV"}


def test_trial_0_is_the_published_setting_and_all_trials_have_a_seed_of_their_own(tmp_path, ran):
    run(tmp_path, methods="dt,dann,a3d2")
    first = [cell for cell in ran.cells if is_trial(cell)][:4]
    assert {(cell.method, cell.rates) for cell in first} == {("dt", (1.0, 1.0)), ("dann", (1.0, 1.0))}
    assert all(cell.params == METHODS.entry(cell.method).parameters for cell in first)
    seeds = {True: set(), False: set()}
    for cell in ran.cells:
        seeds[is_trial(cell)].add(cell.seed)
    assert seeds == {True: {1000}, False: {0, 1}}
    with pytest.raises(UsageError, match="on which settings are chosen"):
        run(tmp_path, seeds=[0, 1000])


def test_the_choice_is_that_of_the_validator_on_the_stored_arrays_and_the_winner_has_its_settings(tmp_path, ran):
    run(tmp_path)
    store = Store(tmp_path)
    for choice in read_choices(store)[0]:
        tried_cells = [c for c in ran.cells if is_trial(c) and (c.method, c.anchor) == where(choice)]
        expected, source = [], []
        for cell in tried_cells:
            parts = {part: tried.answers(part, cell) for part in tried.SIZES}
            target = np.concatenate([parts["target_train"], parts["target_validation"]]).astype(np.float64)
            expected.append(score("bnm", {"target_probs": target / target.sum(1, keepdims=True)}))
            source.append(tried.trial(cell)[0]["metrics"]["source_validation"]["weighted_f1"])
        assert choice.table()["bnm"] == pytest.approx(expected)
        assert choice.chosen == choose(expected, source)
        winners = [c for c in ran.cells if not is_trial(c) and (c.method, c.anchor) == where(choice)]
        taken = tried_cells[choice.chosen]
        assert [(c.seed, c.params, c.rates) for c in winners] == [(seed, taken.params, taken.rates) for seed in (0, 1)]
        assert winners[0].signature.count("|select:bnm|trials:4|") == 1


def where(choice):
    return choice.scenario.method, choice.scenario.anchor


def test_nothing_of_the_target_test_set_is_within_reach_of_a_choice(tmp_path, ran, monkeypatch):
    chosen_after = []
    real = tuning.make_choice

    def noted(scenario, store):
        chosen_after.append(sum(not is_trial(cell) for cell in ran.cells))
        return real(scenario, store)

    monkeypatch.setattr(tuning, "make_choice", noted)
    run(tmp_path)
    assert chosen_after == [0] * 4, "the winners, whose cells read the labels of the target, run after every choice"
    store = Store(tmp_path)
    scenario = read_choices(store)[0][0].scenario
    for cell in scenario.trial_cells():
        record, outputs = tried.trial(cell)
        assert not any(name.startswith("target_test") for name in store.evidence(record)[0])
        outputs["target_test/probabilities"] = np.roll(outputs["target_test/probabilities"], 1, axis=1)
        store.write(cell, record, outputs, replace=True)
    again, before = make_choice(scenario, store), read_choices(store)[0][0]
    assert (again.chosen, again.table()) == (before.chosen, before.table())


def test_a_validator_that_reads_target_labels_scores_no_trial_and_cannot_be_selected(tmp_path, ran):
    @register_validator("peek", title="Peek", paper="none")
    def peek(*, target_probs, target_labels):
        return float((target_probs.argmax(1) == target_labels).mean())

    register(peek)
    run(tmp_path)
    assert all("peek" not in choice.table() for choice in read_choices(Store(tmp_path))[0])
    with pytest.raises(UsageError, match="reads the labels of the target"):
        run(tmp_path, select="peek")


def test_a_method_is_not_chosen_by_its_own_loss(tmp_path, ran):
    run(tmp_path, methods="bnm,dt", anchors="V")
    by = {choice.scenario.method: choice.validator for choice in read_choices(Store(tmp_path))[0]}
    assert by == {"dt": "bnm", "bnm": "im"}
    run(tmp_path, methods="dt", anchors="V", select="bnm+ensv")
    sums = [c for c in read_choices(Store(tmp_path))[0] if c.validator == "bnm+ensv"]
    table = sums[0].table()
    assert sums[0].chosen == choose(rank_sum(table["bnm"], table["ensv"]), sums[0].source_f1())


@pytest.mark.parametrize("end", [10, 16, 20])
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path, ran, end):
    """16 trials and 8 cells of winners: it ends among the trials, between them and the winners, and among those."""

    def dies(cell):
        if len(ran.cells) > end:
            raise KeyboardInterrupt

    ran.becomes = dies
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    ran.becomes = lambda cell: None
    assert len(api.plan(config(), mb.Workspace(results=tmp_path)).todo) == 24 - end
    del ran.cells[end:]  # the one that was killed
    run(tmp_path)
    assert len(ran.cells) == len({cell.hash for cell in ran.cells}) == 24
    run(tmp_path)
    assert len(ran.cells) == 24, "nothing is left to run"


def config(**changes):
    return mb.RunConfig(**{**WHAT, **changes})


def test_a_choice_is_made_anew_when_a_trial_was(tmp_path, ran):
    ran.becomes = lambda cell: tried.failed(cell) if is_trial(cell) and cell.rates != (1.0, 1.0) else None
    run(tmp_path, methods="dt", anchors="V")
    assert [choice.chosen for choice in read_choices(Store(tmp_path))[0]] == [0]
    ran.becomes, before = lambda cell: None, len(ran.cells)
    found = run(tmp_path, methods="dt", anchors="V", rerun="failed")
    assert sum(is_trial(cell) for cell in ran.cells[before:]) == 3
    taken = read_choices(Store(tmp_path))[0][0]
    assert taken.chosen == choose(taken.table()["bnm"], taken.source_f1()) != 0
    assert {record["key"]["rates"] == taken.trials[taken.chosen]["rates"] for record in found.records[4:]} == {True}


def test_where_no_trial_can_be_taken_the_winners_are_failures(tmp_path, ran):
    ran.becomes = lambda cell: tried.failed(cell) if is_trial(cell) and cell.method == "dann" else None
    found = run(tmp_path, anchors="V")
    lost = found.frame[found.frame["reason"].fillna("").str.startswith("no winner")]
    assert sorted(lost["seed"]) == [0, 1]
    assert set(lost["method"]) == {"dann"}
    assert len(found.failed) == 4 + 2
    before = len(ran.cells)
    run(tmp_path, anchors="V")
    assert len(ran.cells) == before


def test_studies_have_their_own_seeds_settings_and_winners(tmp_path, ran):
    run(tmp_path, methods="dt", anchors="V", studies=2)
    trials = [cell for cell in ran.cells if is_trial(cell)]
    by_seed = {seed: [cell.rates for cell in trials if cell.seed == seed] for seed in (1000, 1001)}
    assert by_seed[1000][0] == by_seed[1001][0] == (1.0, 1.0)
    assert not set(by_seed[1000][1:]) & set(by_seed[1001][1:])
    assert Counter(cell.protocol.study for cell in ran.cells if not is_trial(cell)) == {0: 2, 1: 2}


def test_trials_serve_every_validator_and_a_larger_budget(tmp_path, ran):
    run(tmp_path, methods="dt", anchors="V")
    before = len(ran.cells)
    run(tmp_path, methods="dt", anchors="V", select="im", trials=6)
    assert sum(is_trial(cell) for cell in ran.cells[before:]) == 2


def test_the_tuned_method_can_be_asked_for_by_name(tmp_path, ran):
    with pytest.raises(UsageError, match=r"dann\[tuned\]: this results folder holds no settings"):
        run(tmp_path, methods="dann[tuned]", protocol="paper", trials=16)
    run(tmp_path)
    more = run(tmp_path, methods="dann[tuned]", protocol="paper", trials=16, seeds=3)
    assert sorted({cell.seed for cell in ran.cells if not is_trial(cell)}) == [0, 1, 2]
    assert len(ran.cells) == 24 + 2, "of three seeds and two anchors two seeds were stored"
    half = run(tmp_path, methods="dt,dann[tuned]", protocol="paper", trials=16, severity=0.5, anchors="A", seeds=1)
    dt, dann = (Cell.from_key(record["key"]) for record in half.records)
    assert (dt.protocol.select, dann.protocol.select) == ("last", "bnm")
    assert (dann.params, dann.rates) == (Cell.from_key(more.records[0]["key"]).params, cell_of(more, "A").rates)


def cell_of(found, anchor):
    return next(Cell.from_key(r["key"]) for r in found.records if r["key"]["anchor"] == anchor)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "dann[weight=2]"}, "its settings are searched"),
        ({"methods": "dann[tuned]"}, "no choice here"),
        ({"select": "bmn"}, "did you mean bnm"),
        ({"trials": 0}, "at least 1"),
        ({"protocol": "tunes"}, "expected one of paper, tuned"),
        ({"protocol": "paper"}, "trials and studies belong to"),
    ],
)
def test_what_makes_no_sense_is_answered(tmp_path, ran, changes, message):
    with pytest.raises(UsageError, match=message):
        run(tmp_path, **changes)


def call(*arguments):
    sys_argv, sys.argv = sys.argv, ["mmda-bench", *arguments]
    try:
        return CliRunner().invoke(app, [*arguments], catch_exceptions=False)
    finally:
        sys.argv = sys_argv


FLAGS = (
    "--methods",
    "dt,dann",
    "--anchors",
    "A,V",
    "--seeds",
    "2",
    "--no-bounds",
    "--protocol",
    "tuned",
    "--trials",
    "4",
)


def test_flags_a_file_and_python_name_the_same_cells(tmp_path, ran):
    place = ("--results", str(tmp_path / "r"))
    (tmp_path / "sweep.yaml").write_text(
        "methods: dt,dann\nanchors: [A, V]\nseeds: 2\nbounds: false\nprotocol: tuned\ntrials: 4\n"
    )
    flags = json.loads(call("run", *FLAGS, *place, "--dry-run", "--json").stdout)
    file = json.loads(call("run", "--config", str(tmp_path / "sweep.yaml"), *place, "--dry-run", "--json").stdout)
    assert flags == file
    planned = api.plan(config(), mb.Workspace(results=tmp_path / "r"))
    assert [cell["hash"] for cell in flags["missing"]] == [cell.hash for cell in planned.todo]
    assert (flags["cells"], flags["trials"]) == (24, 16)


def test_a_dry_run_counts_and_prices_trials_and_winners(tmp_path, ran):
    place = ("--results", str(tmp_path))
    text = call("run", *FLAGS, *place, "--dry-run").stdout
    assert "  dann anchor=V: 4 trials (4 to run), winner by bnm on 2 seeds (2 to run)\n" in text
    assert "24 cells, 0 done, 24 to run; time: unknown" in text
    run(tmp_path, seeds=1)
    text = call("run", *FLAGS, *place, "--dry-run").stdout
    assert "  dann anchor=V: 4 trials (0 to run), winner by bnm on 2 seeds (1 to run)\n" in text
    assert "24 cells, 20 done, 4 to run" in text
    document = json.loads(call("run", *FLAGS, *place, "--trials", "5", "--jobs", "1", "--dry-run", "--json").stdout)
    assert len(document["missing"]) == 4 + 8, "a fifth trial in four scenarios, and winners of another choice"
    assert document["minutes"] == pytest.approx(12 * mean_minutes(Store(tmp_path)), rel=0.05)


def mean_minutes(store):
    spent = [r["times"]["total_s"] / 60 for r in store.records()[0]]
    return sum(spent) / len(spent)


def test_the_run_says_what_was_chosen_and_answers_programs(tmp_path, ran):
    answer = call("run", *FLAGS, "--results", str(tmp_path), "--jobs", "0", "--json")
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["cells"] == 24
    assert answer.stderr.count("bnm takes trial") == 4
    assert "source validation F1" in answer.stderr


def test_a_damaged_choice_is_named_and_made_anew(tmp_path, ran):
    run(tmp_path, methods="dt", anchors="V")
    store = Store(tmp_path)
    path = choices.path_of(read_choices(store)[0][0].scenario, store)
    whole = path.read_text()
    path.write_text(whole.replace('"chosen": ', '"chosen": "no", "was": '))
    assert [one.path for one in read_choices(store)[1]] == [store.relative(path)]
    run(tmp_path, methods="dt", anchors="V")
    assert path.read_text() == whole


def test_the_record_of_a_winner_gives_the_run_that_made_it(tmp_path, ran):
    found = run(tmp_path, methods="dann", anchors="V", seeds=1)
    trial, winner = found.records[0], found.records[-1]
    again = mb.RunConfig.from_record(winner)
    planned = api.plan(again, mb.Workspace(results=tmp_path))
    assert (planned.cells[-1].hash, planned.todo) == (winner["hash"], [])
    search = mb.RunConfig.from_record(trial)
    assert trial["hash"] in [cell.hash for cell in api.plan(search, mb.Workspace(results=tmp_path)).cells]
