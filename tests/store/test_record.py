"""An odd record is named and left out, and takes nothing else down: neither the other records nor a verb."""

import json
import re
from dataclasses import fields, replace

import pytest
from hand_made import make_cell, make_record
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.protocol import Protocol
from mmda_bench.registry import DATASETS, METHODS
from mmda_bench.report import load
from mmda_bench.store import Store, Submission, faults, new_record, unfinished
from mmda_bench.store.keys import ProtocolKey
from mmda_bench.store.record import now, titles_of

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def store(tmp_path):
    """Of DT and DANN, everything."""
    store = Store(tmp_path / "results")
    for method in ("dt", "dann"):
        for anchor in "ALV":
            cell = make_cell(method, anchor)
            store.write(cell, full_record(cell), None)
    return store


def full_record(cell):
    """With all that the reports read."""
    scores = {"weighted_f1": 0.5, "per_class_f1": [0.5, 0.5], "confusion": [[8, 2], [3, 7]], "support": [10, 10]}
    return make_record(
        cell,
        metrics={
            "target_test": scores | {"heads": {"A": 0.4, "joint": 0.5}},
            "source_test": scores,
            "category_distance": {"A": 0.1, "L": None},
            "detected_anchor": {"modality": "L", "accuracy": {"A": 0.9, "L": 0.5, "V": 1.0}},
            "references": {"anchor-head": scores},
        },
        curves={"terms": {"ib": [1.0, None]}, "target_f1": [0.4, 0.5]},
        dataset={"classes": ["a", "b"], "fingerprint": "f", "skipped": [["u1", "no sound"]], "substituted": []},
        hardware={"machine": "x86_64", "system": "Linux", "cpus": 2, "gpu": None},
        versions={"mmda-bench": "0.1.0", "torch": "2"},
        device="cpu",
        trainable_parameters=5,
    )


def damage(store, where, text):
    """Write JSON text into a record at a path like ``key.off``; the file and the cell."""
    cell = make_cell("dann", "L")
    path = store.folder(cell) / "record.json"
    record = part = json.loads(path.read_text())
    *names, last = where.split(".")
    for name in names:
        part = part[name]
    part[last] = "HERE"
    path.write_text(json.dumps(record).replace('"HERE"', text))
    return cell


TARGET = "metrics.target_test"
ODD = [
    ("key.params", "null"),
    ("key.params", '{"weight": NaN}'),
    ("key.params", '{"weight": 1e999}'),
    ("key.params", DEEP),
    ("key.off", '["a", 1]'),
    ("key.off", "5"),
    ("key.seed", '"0"'),
    ("key.seed", "-1"),
    ("key.protocol", "[]"),
    ("key.protocol", "{}"),
    ("key.protocol.epochs", "0"),
    ("key.protocol.weights", '""'),
    ("key.dataset", "5"),
    ("key.method", '["dann"]'),
    ("key.extra", "1"),
    ("key", "[]"),
    ("hash", "5"),
    ("hash", '"0123456789"'),
    ("schema", "[1]"),
    ("status", '["ok"]'),
    ("status", '{"ok": 1}'),
    (f"{TARGET}.weighted_f1", "1" + "0" * 400),
    (f"{TARGET}.weighted_f1", "1.01"),
    (f"{TARGET}.weighted_f1", "-0.01"),
    (f"{TARGET}.weighted_f1", "true"),
    (f"{TARGET}.weighted_f1", "NaN"),
    (f"{TARGET}.weighted_f1", '"0.5"'),
    (f"{TARGET}.per_class_f1", '{"a": 0.5}'),
    (f"{TARGET}.per_class_f1", '["high", 0.5]'),
    (f"{TARGET}.per_class_f1", "[null, 0.5]"),
    (f"{TARGET}.per_class_f1", "[0.5]"),
    (f"{TARGET}.confusion", "[[1, 2], [3]]"),
    (f"{TARGET}.confusion", '[["x", 2], [3, 4]]'),
    (f"{TARGET}.confusion", "7"),
    (TARGET, "[]"),
    ("metrics", '"high"'),
    ("metrics.category_distance", "[1]"),
    ("metrics.category_distance", '{"A": "near"}'),
    (f"{TARGET}.heads", "[0.5]"),
    (f"{TARGET}.heads", '{"A": "high"}'),
    ("metrics.detected_anchor", '"L"'),
    ("metrics.detected_anchor.modality", '"smell"'),
    ("metrics.detected_anchor.accuracy", '{"A": 2}'),
    ("metrics.references", "[]"),
    ("metrics.references", '{"anchor-head": 0.5}'),
    ("metrics.references.anchor-head.per_class_f1", "[0.5]"),
    ("curves.target_f1", '["high"]'),
    ("curves", "[]"),
    ("curves.terms", "[]"),
    ("curves.terms", '{"ib": 3}'),
    ("curves.terms", '{"ib": ["low"]}'),
    ("times", '"long"'),
    ("times", "{}"),
    ("times.total_s", '"7 s"'),
    ("times.train_s", "null"),
    ("times.total_s", "1" + "0" * 400),
    ("times.total_s", "-1"),
    ("memory_mb", '"lots"'),
    ("memory_mb", "[512]"),
    ("trainable_parameters", '"many"'),
    ("hardware", '"a laptop"'),
    ("hardware.gpu", '["H100"]'),
    ("device", "{}"),
    ("versions", '"2.1"'),
    ("versions", '{"mmda-bench": 1}'),
    ("dataset", '"avatars"'),
    ("dataset.classes", "5"),
    ("dataset.classes", '[["a"], "b"]'),
    ("dataset.classes", '["a", "b", "c"]'),
    ("dataset.fingerprint", "{}"),
    ("dataset.skipped", "3"),
    ("dataset.skipped", "[[]]"),
    ("dataset.substituted", '[["u1", 5]]'),
    ("reason", "5"),
    ("reason", '"half a pair: \\ud800"'),
    ("traceback", "5"),
    ("signature", "5"),
]  # fmt: skip


@pytest.mark.parametrize(("where", "text"), ODD, ids=[f"{where}={text[:20]}" for where, text in ODD])
def test_every_edit_that_no_report_could_read_is_damage_with_a_reason(store, where, text):
    cell = damage(store, where, text)
    records, damaged = store.records()
    assert len(records) == 5
    assert [one.path for one in damaged] == [store.relative(store.folder(cell) / "record.json")]
    assert damaged[0].reason
    assert store.missing([cell]) == [cell]


@pytest.mark.parametrize(
    ("where", "text", "reason"),
    [
        (f"{TARGET}.weighted_f1", "1.01", "metrics.target_test.weighted_f1: expected a number from 0 to 1, found 1.01"),
        ("memory_mb", '"lots"', "memory_mb: expected a number from 0 to 1e+100, found 'lots'"),
        ("key.off", '["a", 1]', "its key does not describe a cell (off[1]: expected text, found 1)"),
        (
            f"{TARGET}.per_class_f1",
            "[0.5]",
            "metrics.target_test: the scores by class and the classes are of different",
        ),
        ("status", '"fine"', "status 'fine' is none of ok, failed"),
    ],
)
def test_the_reason_names_the_field_the_value_and_what_was_expected(store, where, text, reason):
    damage(store, where, text)
    assert store.records()[1][0].reason.startswith(reason)


@pytest.mark.parametrize("name", ["reason", "metrics", "dataset", "signature", "key"])
def test_a_field_that_is_missing_is_named(store, name):
    path = store.folder(make_cell("dann", "L")) / "record.json"
    record = json.loads(path.read_text())
    del record[name]
    path.write_text(json.dumps(record))
    assert store.records()[1][0].reason == f"lacks {name}"


@pytest.mark.parametrize(
    ("old", "new"),
    [("|epochs:8|", "|epochs:9|"), ("mmda-bench:0.1", "mmda-bench:0.2"), ("mmda-bench:0.1|", ""), ("avatars", "other")],
)
def test_a_signature_that_is_not_that_of_the_key_is_noticed(store, old, new):
    signature = make_cell().signature
    damage(store, "signature", json.dumps(signature.replace(old, new)))
    assert "its signature is not that of its key" in store.records()[1][0].reason


def test_a_record_keeps_the_signature_of_the_version_that_wrote_it(store):
    path = store.folder(make_cell("dann", "L")) / "record.json"
    path.write_text(path.read_text().replace('"mmda-bench": "0.1.0"', '"mmda-bench": "0.7.3"')
                    .replace("mmda-bench:0.1|", "mmda-bench:0.7|"))  # fmt: skip
    assert store.records()[1] == []


def test_the_record_of_a_cell_that_never_finished_has_nulls_and_is_sound(store):
    cell = make_cell("cdan", "A")
    store.write(cell, unfinished(cell, status="timeout", reason="after 3 minutes"), None)
    assert store.read(cell)["reason"] == "after 3 minutes"
    diverged = make_cell("cdan", "L")
    store.write(diverged, full_record(diverged) | {"status": "diverged", "metrics": {"source_test": None}}, None)
    assert store.read(diverged)["status"] == "diverged"


@pytest.mark.slow
@pytest.mark.parametrize(("where", "text"), [(TARGET, "7"), ("reason", "5"), ("hardware", '"x"'), ("key.off", "[1]")])
def test_every_verb_goes_on_and_names_the_file(store, where, text):
    path = store.relative(store.folder(damage(store, where, text)) / "record.json")
    results = ["--results", str(store.results)]
    status = CliRunner().invoke(app, ["status", *results])
    assert status.exit_code == 0
    assert path in status.output.replace("\n", "")
    planned = CliRunner().invoke(app, ["run", "--methods", "dt,dann", "--seeds", "0-0", "--dry-run", *results])
    assert planned.exit_code == 0
    compared = CliRunner().invoke(app, ["compare", "dt", "dann", *results])
    assert compared.exit_code == 3, "there are no predictions, and this says so"
    boards, damaged = load.load_boards(store)
    assert [one.path for one in damaged] == [path]
    assert len(boards[0].rows) == 2


def submission(**changes):
    names = {"method": "mine", "dataset": "avatars", "version": "v1", "anchor": "A", "seed": 0}
    return Submission(**{**names, "signature": make_cell().signature, **changes})


def older_submission(of):
    """As submissions were stored before they had what the records of cells have."""
    record = new_record(of, status="ok", metrics={"target_test": {"weighted_f1": 0.5}}, external={"file": "x"})
    return {k: record[k] for k in ("schema", "status", "key", "hash", "signature", "metrics", "external")}


@pytest.mark.parametrize(
    ("where", "value", "reason"),
    [
        ("metrics", {"target_test": {"weighted_f1": 0.5}}, ""),
        ("metrics", {"target_test": {"weighted_f1": 0.5, "per_class_f1": ["junk"]}},
         "metrics.target_test.per_class_f1[0]: expected a number from 0 to 1, found 'junk'"),
        ("metrics", {}, "status ok without the scores of target_test"),
        ("status", "failed", "status 'failed' is none of ok"),
        ("hash", "0123456789", "its hash is not that of its key"),
        ("signature", "other", "its signature is not that of its key"),
        ("external", {"submitted_utc": "yesterday"}, "external.submitted_utc: expected a time in UTC such as"),
        ("key", {"method": "mine"}, "its key does not describe a submission (lacks dataset, version, anchor, seed"),
        ("key", make_cell().key(), "its key does not describe a submission (lacks signature)"),
    ],
)  # fmt: skip
def test_a_submission_is_held_to_the_same(store, where, value, reason):
    of = submission()
    path = store.folder(of) / "record.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(older_submission(of) | {where: value}))
    boards, damaged = load.load_boards(store, tests=False)
    assert [row.title for row in boards[0].external] == ([] if reason else ["mine (external)"])
    assert [(one.path, one.reason[: len(reason)]) for one in damaged] == (
        [(store.relative(path), reason)] if reason else []
    )


def test_every_part_of_a_protocol_can_stand_in_a_key():
    """A field of the protocol that the shape of a key lacks would make every record that has it damaged."""
    assert set(ProtocolKey.__annotations__) == {one.name for one in fields(Protocol)}


def test_one_constructor_makes_all_records_and_all_are_sound(store):
    cell, of = make_cell("cdan", "A"), submission(anchor="V")
    for record in (
        new_record(cell, status="failed", reason="x"),
        unfinished(cell, status="timeout", reason="after 3 minutes"),
        new_record(of, status="ok", metrics={"target_test": {"weighted_f1": 1.0}}, external={"submitted_utc": now()}),
    ):
        assert faults.fault(json.loads(json.dumps(record))) == ""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["external"]["submitted_utc"])


def test_old_times_are_read_and_other_texts_are_no_times(store):
    path = store.folder(make_cell("dann", "L")) / "record.json"
    damage(store, "ended_utc", '"2026-11-25T20:48:38+00:00"')
    assert store.records()[1] == []
    path.write_text(path.read_text().replace("2026-11-25T20:48:38+00:00", "25 November"))
    assert store.records()[1][0].reason.startswith("ended_utc: expected a time in UTC such as 2026-01-31T12:00:00Z")


def test_a_record_holds_the_names_under_which_it_ran():
    record = new_record(make_cell("a3d2", gamma1=5.0, off=("add",)), status="failed")
    assert record["titles"] == {
        "dataset": "Avatars, 4 emotions (synthetic)", "method": METHODS.entry("a3d2").title,
        "label": "a3d2[gamma1=5,-add]", "synthetic": None,
    }  # fmt: skip
    card = DATASETS.get("avatars")().describe(None)
    assert titles_of(make_cell(), replace(card, title="Mine"))["dataset"] == "Mine"
    assert titles_of(make_cell(), card)["synthetic"] is True


def test_a_record_from_before_batches_were_in_the_signature_is_read(tmp_path):
    cell = make_cell()
    cell = replace(cell, protocol=replace(cell.protocol, batch=32))
    record = make_record(cell)
    assert "|batch:32|" in record["signature"]
    assert faults.fault(record) == faults.fault({**record, "signature": make_cell().signature}) == ""
    assert "its signature is not that of its key" in faults.fault({**record, "signature": cell.signature + "x"})
