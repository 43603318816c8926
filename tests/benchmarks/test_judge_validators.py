"""The experiment that chooses the default validator: regret and choice as counted by hand, and going on."""

from types import SimpleNamespace

import pytest
import tried
from slow_f1 import weighted_f1

from mmda_bench import training
from mmda_bench.config import RunConfig, Workspace
from mmda_bench.features import prepare
from tests.benchmarks import judge_validators


@pytest.fixture
def ran(monkeypatch):
    cells = []

    def run_cell(cell, **options):
        cells.append(cell)
        return tried.failed(cell) if cell.method == "dann" and cell.rates != (1.0, 1.0) else tried.run_cell(cell)

    ids = [f"u{i:04d}" for i in range(tried.SIZES["target_test"])]
    corpus = SimpleNamespace(parts={("target", "test"): range(len(ids))}, ids=ids)
    monkeypatch.setattr(training, "run_cell", run_cell)
    monkeypatch.setattr(
        prepare, "prepare", lambda *args, **options: SimpleNamespace(skipped=[], substituted=[], lexical=None)
    )
    monkeypatch.setattr(judge_validators, "open_corpus", lambda *args, **options: corpus)
    monkeypatch.setattr(judge_validators, "read_labels", lambda *args: tried.truth("target_test"))
    return cells


CONFIG = RunConfig(
    methods="dt,dann,bnm", dataset="avatars-dev", anchors="A,V", seeds=1, bounds=False, protocol="tuned", trials=5,
    studies=2, jobs=0,
)  # fmt: skip


@pytest.mark.slow
def test_the_page_has_the_regret_that_one_counts_by_hand_and_names_the_best_candidate(tmp_path, ran):
    planned, tuning = judge_validators.run_trials(CONFIG, Workspace(results=tmp_path))
    assert len(ran) == 3 * 2 * 2 * 5
    assert {cell.protocol.select for cell in ran} == {"trial"}
    seen = judge_validators.judged(planned, tuning)
    page = judge_validators.text(seen, planned)
    table = page.split("## How much")[0].splitlines()
    lines = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table if line.startswith("|")}
    regrets = {"source": [], "bnm": []}
    for choice in tuning.choose(planned.store):
        cells = choice.scenario.trial_cells()
        values = {
            i: weighted_f1(
                tried.truth("target_test"), tried.answers("target_test", cell).argmax(1), classes=tried.CLASSES
            )
            for i, cell in enumerate(cells)
            if choice.trials[i]["status"] == "ok"
        }
        for name, found in regrets.items():
            if name == choice.scenario.method:
                continue
            source = choice.source_f1()
            allowed = [i for i in values if source[i] >= source[0] - 0.05]
            taken = max(allowed, key=lambda i: (choice.table()[name][i], -i))
            found.append(100 * (max(values.values()) - values[taken]))
    for name, found in regrets.items():
        assert float(lines[name][1]) == pytest.approx(sum(found) / len(found), abs=0.051)
        assert float(lines[name][2]) == pytest.approx(max(found), abs=0.051)
        assert int(lines[name][-1]) == len(found) == (12 if name == "source" else 8)
    candidates = {name: float(lines[name][2]) for name in ("bnm", "im", "ensv", "bnm+ensv")}
    default = page.split("default is **`")[1].split("`")[0]
    assert candidates[default] == min(candidates.values())


def test_it_goes_on_where_it_was_and_writes_the_page(tmp_path, ran, capsys):
    arguments = ["--methods", "dt", "--anchors", "V", "--trials", "3", "--studies", "1", "--jobs", "0"]
    place = ["--results", str(tmp_path), "--out", str(tmp_path / "validators.md")]
    judge_validators.main([*arguments, *place])
    assert len(ran) == 3
    judge_validators.main([*arguments, *place])
    assert len(ran) == 3
    page = (tmp_path / "validators.md").read_text()
    assert page in capsys.readouterr().out
    assert "ensv, all methods" in page
