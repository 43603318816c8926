"""The committed results: complete, made by committed code, and showing a corpus that is worth adapting on."""

import json
import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest

from mmda_bench.protocol import SUPERVISED, Cell, Protocol
from mmda_bench.registry.spec import label
from mmda_bench.report import write_leaderboards
from mmda_bench.store import Store

pytestmark = pytest.mark.slow

RESULTS = Path(__file__).resolve().parents[2] / "results"
ANCHORS = ("A", "L", "V")


@pytest.fixture(scope="module")
def records():
    paths = sorted(RESULTS.glob("runs/avatars/*/*/*/record.json"))
    return [json.loads(path.read_text("utf-8")) for path in paths]


@pytest.fixture(scope="module")
def sweep(records):
    """The records of Table 1: the published protocol and settings, nothing else changed."""
    cells = [Cell.from_key(record["key"]) for record in records]
    return [
        record
        for cell, record in zip(cells, records, strict=True)
        if (cell.version, cell.protocol) == ("v4", Protocol(backbone="tiny"))
        and label(cell.method, cell.params, (), cell.rates) == cell.method
    ]


@pytest.fixture(scope="module")
def f1(sweep):
    """Mean over seeds of the weighted F1 by (method, anchor), for plain methods: on the target test set."""
    found = defaultdict(list)
    for record in sweep:
        if not record["key"]["off"]:
            found[record["key"]["method"], record["key"]["anchor"]].append(
                record["metrics"]["target_test"]["weighted_f1"]
            )
    return {key: mean(values) for key, values in found.items()}


def test_every_record_is_whole_and_made_by_committed_code(records):
    assert records
    for record in records:
        assert record["status"] == "ok"
        assert Cell.from_key(record["key"]).hash == record["hash"]
        assert re.fullmatch("[0-9a-f]{40}", record["commit"]), "made on a checkout with changes"
    by_version = defaultdict(list)
    for record in records:
        by_version[record["key"]["version"]].append(record)
    for version, mine in by_version.items():
        # v4: Table 1; what was added to it; heads bn once more, when the balance of terms was measured right there
        assert len({record["commit"] for record in mine}) <= 3, version
    assert [len({record["dataset"]["fingerprint"] for record in mine}) for mine in by_version.values()] == [1, 1]


def test_the_sweep_is_complete(sweep):
    seeds = defaultdict(set)
    for record in sweep:
        key = record["key"]
        seeds[key["method"], tuple(key["off"]), key["anchor"]].add(key["seed"])
    methods = {method for method, _, _ in seeds}
    assert {"dt", "dann", "cdan", "a3d2", SUPERVISED} <= methods
    assert all(seeds[method, (), anchor] == set(range(10)) for method in methods for anchor in ANCHORS)


def without_pictures(text):
    """The page but for its drawings, whose last digits depend on the processor and on matplotlib, and whose sizes say
    how many of them it carries."""
    return re.sub(r'<div class="scroll"[^>]*>\s*<img [^>]*>\s*</div>|<p>Not in this page[^<]*</p>', "", text)


@pytest.mark.deep
def test_the_leaderboard_is_a_function_of_the_records(tmp_path, undrawn):
    for path in write_leaderboards(Store(RESULTS), tmp_path):
        made, stored = (file.read_text("utf-8") for file in (path, RESULTS / path.name))
        assert without_pictures(made) == without_pictures(stored), path.name
    assert names(tmp_path / "figures") == names(RESULTS / "figures")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fusion_beats_every_single_modality_in_domain(sweep):
    heads = [r["metrics"]["source_test"]["heads"] for r in sweep if r["key"]["method"] == "dt"]
    fused = mean(h["joint"] for h in heads)
    assert fused >= 0.85
    assert fused - max(mean(h[m] for h in heads) for m in ANCHORS) >= 0.05


@pytest.mark.parametrize("anchor", ANCHORS)
def test_there_is_room_to_adapt_in_every_scenario(f1, anchor):
    """The calibration asked for .10 on another draw; of this one findings.md says how much it is."""
    assert f1[SUPERVISED, anchor] - f1["dt", anchor] >= 0.08


@pytest.mark.parametrize("anchor", ANCHORS)
def test_direct_transfer_does_not_collapse_to_one_class(sweep, anchor):
    """Over the seeds of a scenario; single seeds for anchor L come close, which the README says."""
    shares = []
    for record in sweep:
        if record["key"]["method"] == "dt" and record["key"]["anchor"] == anchor:
            confusion = record["metrics"]["target_test"]["confusion"]
            predicted = [sum(column) for column in zip(*confusion, strict=True)]
            assert min(predicted) > 0
            shares.append(max(predicted) / sum(predicted))
    assert mean(shares) < 0.85


def test_weaker_shifts_cost_less(records):
    """Direct transfer, mean over anchors and the seeds that all severities have, falls as the shift grows."""
    by_severity = defaultdict(list)
    for record in records:
        cell = Cell.from_key(record["key"])
        weaker = replace(Protocol(backbone="tiny"), severity=cell.protocol.severity)
        if (cell.method, cell.version, cell.protocol) == ("dt", "v4", weaker) and cell.seed < 3:
            by_severity[cell.protocol.severity].append(record["metrics"]["target_test"]["weighted_f1"])
    curve = [mean(by_severity[severity]) for severity in sorted(by_severity)]
    assert len(curve) == 5
    assert curve == sorted(curve, reverse=True)


def test_most_adaptation_methods_help_on_average(f1):
    average = {m: mean(f1[m, a] for a in ANCHORS) for m in ("dt", "dann", "cdan", "a3d2")}
    assert sum(average[m] > average["dt"] for m in ("dann", "cdan", "a3d2")) >= 2
