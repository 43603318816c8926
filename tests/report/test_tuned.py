"""What a tuned board shows of its trials, against a computation of its own from the stand-in's answers."""

import csv
import io
import json
import shutil
from dataclasses import replace
from functools import cache
from itertools import combinations
from statistics import mean
from types import SimpleNamespace

import numpy as np
import pytest
import tried
from scipy.stats import spearmanr
from slow_f1 import weighted_f1

import mmda_bench as mb
from mmda_bench import training
from mmda_bench.errors import UsageError
from mmda_bench.features import prepare
from mmda_bench.protocol import TRIAL, Cell
from mmda_bench.report import choice, load_boards, tuned
from mmda_bench.report.figures import gallery
from mmda_bench.report.formats import markdown
from mmda_bench.report.formats.tables import tables
from mmda_bench.report.formats.tuned_tables import tuned_tables
from mmda_bench.selection import Setting
from mmda_bench.selection.choices import read_choices
from mmda_bench.store import Store

pytestmark = pytest.mark.slow

METHODS = ("dt", "dann", "bnm")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A search of three methods and two studies; one trial of DANN diverges."""
    folder = tmp_path_factory.mktemp("tuned")

    def run_cell(cell, **options):
        lost = cell.protocol.select == TRIAL and cell.method == "dann" and cell.anchor == "A" and cell.rates[0] < 1
        return tried.failed(cell) if lost else tried.run_cell(cell)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "run_cell", run_cell)
        ready = SimpleNamespace(skipped=[], substituted=[], lexical=None)
        patched.setattr(prepare, "prepare", lambda *args, **options: ready)
        mb.run(
            list(METHODS), protocol="tuned", trials=5, studies=2, seeds=2, bounds=False, jobs=0,
            workspace=mb.Workspace(results=folder),
        )  # fmt: skip
    return Store(folder)


@pytest.fixture(scope="module")
def boards(stored):
    return load_boards(stored)[0]


@pytest.fixture(scope="module")
def board(boards):
    return boards[0]


@cache
def choice_of(stored, method, anchor, study):
    """The stored choice of a scenario; tests with other folders have another store."""
    return next(
        c
        for c in read_choices(stored)[0]
        if (c.scenario.method, c.scenario.anchor, c.scenario.protocol.study) == (method, anchor, study)
    )


@cache
def hand(stored, method, anchor, study=0):
    """By hand: F1 of the trials in percent (None of failed ones), source F1, scores by validator, and the choice."""
    choice = choice_of(stored, method, anchor, study)
    labels, values = tried.truth("target_test"), []
    for cell, one in zip(choice.scenario.trial_cells(), choice.trials, strict=True):
        predicted = tried.answers("target_test", cell).argmax(1)
        values.append(100 * weighted_f1(labels, predicted, classes=tried.CLASSES) if one["status"] == "ok" else None)
    return SimpleNamespace(values=values, source=choice.source_f1(), scores=choice.table(), chosen=choice.chosen)


def taken(one, name, among=None):
    """What a validator takes of some trials, by the guard and the first of equals."""
    known = [i for i in among or range(len(one.values)) if one.values[i] is not None]
    inside = [i for i in known if one.source[i] >= one.source[0] - 0.05] or known
    return max(inside, key=lambda i: (one.scores[name][i], -i), default=None)


def test_a_tuned_board_has_a_row_a_method_whose_settings_differ_by_anchor(stored, board):
    assert [row.label for row in board.rows] == ["dt", "dann", "bnm"]
    for row in board.rows:
        params = {r["key"]["anchor"]: r["key"].get("rates") for r in row.records}
        for anchor, rates in params.items():
            one = choice_of(stored, row.label, anchor, 0)
            assert rates in ((None,) if one.chosen == 0 else (one.trials[one.chosen]["rates"],))
    assert "|select:bnm|trials:5|" in board.signature
    assert {row.label for row in board.references} >= {"dt"}


def test_published_tuned_and_oracle_stand_side_by_side_with_regret_and_range(stored, board):
    for one in board.tuning.methods:
        assert one.validator == ("im" if one.label == "bnm" else "bnm")
        parts = []
        for anchor in "ALV":
            by_hand = hand(stored, one.label, anchor)
            known = [value for value in by_hand.values if value is not None]
            chosen = taken(by_hand, one.validator)
            assert chosen == by_hand.chosen
            expected = (by_hand.values[0], by_hand.values[chosen], max(known), min(known))
            assert tuple(vars(one.scores[anchor]).values()) == pytest.approx(expected)
            assert one.regret[anchor].mean == pytest.approx(max(known) - by_hand.values[chosen])
            parts.append(expected)
        assert tuple(vars(one.scores["ave."]).values()) == pytest.approx(np.mean(parts, 0).tolist())
        assert one.regret["ave."].mean == pytest.approx(np.mean([p[2] - p[1] for p in parts]))
        assert one.regret["ave."].low <= one.regret["ave."].mean <= one.regret["ave."].high
        assert one.trials == 15
        lost = sum(hand(stored, one.label, anchor).values.count(None) for anchor in "ALV")
        assert one.failed == lost
    assert sum(one.failed for one in board.tuning.methods) > 0


def test_a_choice_belongs_to_the_board_of_its_version_whatever_the_signature_leaves_out(stored, board):
    """A synthetic pair's signature has the word apart from the version."""
    first = next(one for one in read_choices(stored)[0] if one.scenario.protocol == board.protocol)
    synthetic = f"{first.scenario.version}+synthetic"

    def renamed(row):
        return replace(row, records=[{**r, "key": {**r["key"], "version": synthetic}} for r in row.records])

    pair = replace(board, rows=[renamed(row) for row in board.rows])
    renewed = replace(first, scenario=replace(first.scenario, version=synthetic))
    assert [tuned._belongs(one, where) for one in (renewed, first) for where in (pair, board)] == [
        True,
        False,
        False,
        True,
    ]


def test_the_tables_of_a_natural_pair_have_its_one_scenario(board):
    def alone(values):
        return {"none": values["A"]}

    rows = [replace(row, scores=alone(row.scores) | {"ave.": row.scores["A"]}) for row in board.rows]
    methods = [replace(one, scores=alone(one.scores), regret=alone(one.regret)) for one in board.tuning.methods]
    made = {t.name: t for t in tuned_tables(replace(board, rows=rows, tuning=replace(board.tuning, methods=methods)))}
    assert made["tuned"].header == ["method", "chosen by", "none"]
    assert [made[name].header[1] for name in ("regret", "range")] == ["none", "none"]
    assert all(row[2].text != "–" for row in made["tuned"].rows)


def test_the_interval_of_the_regret_is_that_of_resampled_utterances(stored, board):
    one = max(board.tuning.methods, key=lambda one: one.regret["V"].mean)
    by_hand = hand(stored, one.label, "V")
    cells, labels = choice_of(stored, one.label, "V", 0).scenario.trial_cells(), tried.truth("target_test")
    best = int(np.argmax([-1 if value is None else value for value in by_hand.values]))
    first, second = (tried.answers("target_test", cells[i]).argmax(1) for i in (best, by_hand.chosen))
    rng, drawn = np.random.default_rng(1), []
    for _ in range(300):
        rows = rng.integers(0, len(labels), len(labels))
        of_best, of_chosen = (weighted_f1(labels[rows], x[rows], classes=tried.CLASSES) for x in (first, second))
        drawn.append(of_best - of_chosen)
    half = (one.regret["V"].high - one.regret["V"].low) / 2
    assert half == pytest.approx(100 * 2.02 * np.std(drawn), rel=0.2)


def test_expected_best_of_k_is_that_of_all_subsets(stored, board):
    for one in board.tuning.methods:
        for k in (1, 2, 3, 5):
            by_validator, at_best = [], []
            for anchor in "ALV":
                by_hand = hand(stored, one.label, anchor)
                subsets = list(combinations(range(5), k))
                picks = [taken_of_subset(by_hand, one.validator, subset) for subset in subsets]
                by_validator.append(mean(by_hand.values[i] if i is not None else 0 for i in picks))
                at_best.append(mean(max((by_hand.values[i] or 0) for i in subset) for subset in subsets))
            assert one.expected[k - 1] == pytest.approx(mean(by_validator))
            assert one.at_best[k - 1] == pytest.approx(mean(at_best))


def taken_of_subset(one, name, subset):
    """The guard is that of the whole search: the published setting is its standard in every subset."""
    return taken(one, name, subset)


def test_the_table_of_validators_is_remade_from_the_records(stored, board):
    verdicts = {verdict.overall.validator: verdict for verdict in board.tuning.verdicts}
    for name in ("source", "bnm", "im", "ensv", "dev", "class-ami"):
        methods = [m for m in METHODS if m != name]
        regrets = {anchor: [] for anchor in "ALV"}
        correlations = []
        for method in methods:
            for anchor in "ALV":
                one = hand(stored, method, anchor)
                known = [i for i, value in enumerate(one.values) if value is not None]
                regrets[anchor].append(max(one.values[i] for i in known) - one.values[taken(one, name)])
                scores, values = [one.scores[name][i] for i in known], [one.values[i] for i in known]
                if len(known) > 2 and len(set(values)) > 1:
                    flat = len(set(scores)) == 1
                    correlations.append(0.0 if flat else spearmanr(scores, values).statistic)
        for anchor, found in regrets.items():
            judgement = verdicts[name].by_anchor[anchor]
            assert 100 * judgement.regret == pytest.approx(mean(found))
            assert 100 * judgement.worst == pytest.approx(max(found))
        assert verdicts[name].overall.spearman == pytest.approx(mean(correlations))
    assert [verdict.overall.worst for verdict in board.tuning.verdicts] == sorted(
        verdict.overall.worst for verdict in board.tuning.verdicts
    )
    assert {name for name, verdict in verdicts.items() if verdict.in_use} == {"bnm", "im"}
    assert "ensv, all methods" in verdicts


def test_studies_are_boards_of_their_own_and_their_median_is_shown(boards, board):
    assert [b.protocol.study for b in boards] == [0, 1]
    table = next(table for table in tables(board) if table.name == "study")
    for row, method in zip(table.rows, METHODS, strict=True):
        averages = [next(r for r in b.rows if r.label == method).scores["ave."].mean for b in boards]
        assert [cell.text for cell in row[1:3]] == [f"{value:.2f}" for value in averages]
        assert row[3].text == f"{mean(averages):.2f}"


def test_every_format_has_the_tables_and_nothing_of_the_oracle_is_bold(board):
    names = {"tuned", "regret", "range", "validator", "budget", "study"}
    shown = {table.name: table for table in tables(board)}
    assert names <= set(shown)
    assert not any(cell.bold for name in names for row in shown[name].rows for cell in row)
    text = markdown.markdown([board])
    assert "which nobody has, and is never bold" in text
    assert "A method is not chosen by its own loss: BNM by im." in text
    lines = list(csv.DictReader(io.StringIO(markdown.csv_text([board]))))
    one = board.tuning.methods[1]
    found = {(line["table"], line["column"]): line["mean"] for line in lines if line["method"] == one.label}
    assert float(found["tuned:oracle", "ave."]) == pytest.approx(one.scores["ave."].oracle, abs=1e-4)
    assert float(found["expected", "k=3"]) == pytest.approx(one.expected[2], abs=1e-4)
    document = json.loads(markdown.json_text([board]))["boards"][0]
    assert len(document["tuning"]) > 100


def test_the_figure_shows_both_curves_and_other_boards_have_none(stored, board):
    drawn = gallery.figure([board], stored, "budget")
    panels = {ax.get_title(loc="left"): ax for ax in drawn.axes if ax.get_visible()}
    assert list(panels) == ["DT", "DANN", "BNM"]
    for one in board.tuning.methods:
        solid, dashed = panels[one.title].lines
        assert list(solid.get_ydata()) == pytest.approx(one.expected)
        assert list(dashed.get_ydata()) == pytest.approx(one.at_best)
    with pytest.raises(UsageError, match="no settings were searched"):
        gallery.figure([replace(board, tuning=None)], stored, "budget")


def test_a_changed_choice_makes_the_leaderboards_anew(stored, tmp_path):
    copy = Store(shutil.copytree(stored.results, tmp_path / "copy"))
    before = copy.digests()
    path = next(iter(copy.choices.glob("*/*/*/*.json")))
    path.write_text(path.read_text() + " ")
    changed = {name for name, digest in copy.digests().items() if before[name] != digest}
    assert changed == {copy.relative(path)}


def test_the_command_for_a_hole_names_the_stored_choice(stored, tmp_path):
    shutil.copytree(stored.results, tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    board = load_boards(copy, tests=False)[0][0]
    shutil.rmtree(copy.folder(Cell.from_key(board.rows[1].records[0]["key"])))
    holes = next(b for b in load_boards(copy, tests=False)[0] if b.protocol.study == 0).holes
    assert len(holes) == 1
    assert "--methods 'dann[tuned]' --anchors A --seeds 0-0" in holes[0].command
    assert "--select bnm" in holes[0].command


def test_settings_that_were_replaced_by_another_choice_leave_the_table(stored, tmp_path):
    shutil.copytree(stored.results, tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    before = load_boards(copy, tests=False)[0][0]
    choice = next(c for c in read_choices(copy)[0] if c.scenario.method == "dt" and c.scenario.protocol.study == 0)
    other = next(i for i in range(5) if i != choice.chosen)
    setting = tried_setting(choice, other)
    for seed in (0, 1):
        cell = choice.scenario.cell(setting, seed)
        done = tried.run_cell(cell)
        copy.write(cell, done.record, done.outputs)
    after = load_boards(copy, tests=False)[0][0]
    assert [row.scores for row in after.rows] == [row.scores for row in before.rows]


def tried_setting(choice, place):
    one = choice.trials[place]
    return Setting(params=one["params"], rate=one["rates"][0], pretrained_rate=one["rates"][1])


def test_a_table_of_a_search_can_be_asked_for_alone(stored):
    (first, _) = choice.choose(stored, "tuned", methods="dann,dt", columns="A")
    assert [row[0].text for row in first.table.rows] == ["DANN", "DT"]
    lines = choice.lines([first])
    assert {line["table"] for line in lines} == {"tuned:published", "tuned:chosen", "tuned:oracle", "tuned:worst"}
    assert {line["method"] for line in lines} == {"dann", "dt"}
    both = choice.choose(stored, "study", methods="dt")
    numbers = {row[1].text for one in both for row in one.table.rows}
    assert numbers == {f"{line['mean']:.2f}" for line in choice.lines(both) if line["column"] == "study 0"}
