"""``show``: what a table hides of a cell or a method; and a cell that runs, watched from another terminal."""

import json
import logging
import os
import re
import socket
import threading

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record
from PIL import Image
from typer.testing import CliRunner

import mmda_bench as mb
from mmda_bench.cli import app
from mmda_bench.cli import show as showing
from mmda_bench.errors import UsageError
from mmda_bench.registry import DATASETS
from mmda_bench.report.inspected import place_of_failure
from mmda_bench.report.inspection import inspect
from mmda_bench.store import Store, log, unfinished

LABELS = np.random.default_rng(1).integers(0, 4, 60)
IDS = [f"avatars_{i:04d}" for i in range(60)]
CURVES = {
    "terms": {"ib": [2.0, 1.0, 0.5], "domain": [0.7, None, 0.6]},
    "gradients": {"ib": {"A": [3.0, 1.5], "L": [2.0, 2.5], "V": [1.0, None]}},
}


@pytest.fixture
def store(tmp_path):
    """dt at every anchor, dann twice at V, and a dann that failed; of the corpus as it is here."""
    store, rng = Store(tmp_path / "results"), np.random.default_rng(0)
    version = DATASETS.get("avatars").card.version
    for method, anchor, seed in (("dt", "A", 0), ("dt", "V", 0), ("dann", "V", 0), ("dann", "V", 1)):
        cell = at_version(make_cell(method, anchor, seed), version)
        predicted = erring(rng, LABELS, 0.6)
        outputs = make_outputs(LABELS, predicted)
        outputs |= {f"{domain}_test/ids": np.array(IDS) for domain in ("source", "target")}
        record = scored_record(cell, LABELS, predicted) | {"curves": CURVES}
        record["metrics"]["target_test"]["confusion"] = (
            np.histogram2d(LABELS, predicted, bins=[4, 4])[0].astype(int).tolist()
        )
        record["dataset"]["classes"] = list(DATASETS.get("avatars").card.classes)
        store.write(cell, record, outputs)
    lines = ['  File "/x/site-packages/torch/nn.py", line 9, in f', '  File "/me/mine.py", line 12, in loss']
    lines += ["    boom()", '  File "/x/site-packages/torch/z.py", line 1, in g', "RuntimeError: boom"]
    failed = at_version(make_cell("dann", "V", 2), version)
    store.write(failed, unfinished(failed, status="failed", reason="RuntimeError: boom", traceback=lines), None)
    return store


def at_version(cell, version):
    from dataclasses import replace

    return replace(cell, version=version)


def call(store, *arguments):
    return CliRunner().invoke(app, ["show", *arguments, "--results", str(store.results)])


def test_a_method_is_shown_with_all_that_a_table_hides(store):
    answer = call(store, "DANN", "--utterances", "2")
    assert answer.exit_code == 0, answer.output
    text = answer.output
    assert text.startswith("dann on Avatars, 4 emotions (synthetic)\n  mmda-bench:")
    assert "seed 2: failed: RuntimeError: boom\n  at /me/mine.py line 12, in loss\n" in text
    assert "| RuntimeError: boom" in text
    assert re.search(r"ib +█▃▁  2 to 0.5", text)
    assert re.search(r"domain +█ ▁  0.7 to 0.6", text)
    assert re.search(r"ib +1\.5 +2\.5 +1\n", text), "the last known value of each modality"
    assert "Confusion, anchor V" in text
    assert "anchor A" not in text
    assert "Worst: the true class is least probable, mean over 3 seeds" in text
    assert max(len(line) for line in text.splitlines() if "mmda-bench:" not in line and "/results/" not in line) <= 80


def test_worst_and_contested_are_those_of_the_mean_over_seeds(store):
    shown = inspect(store, "dann")
    arrays = [store.predictions(record) for record in shown.records if record["status"] == "ok"]
    mean = np.mean([one["target_test/probabilities"].astype(float) for one in arrays], axis=0)
    truth = mean[np.arange(60), LABELS]
    assert shown.worst(1)[0].truth == pytest.approx(truth.min())
    assert IDS.index(shown.worst(1)[0].id) in np.flatnonzero(np.isclose(truth, truth.min()))
    ranked = np.sort(mean, axis=1)
    assert shown.contested(1)[0].margin == pytest.approx((ranked[:, -1] - ranked[:, -2]).min())
    assert shown.frame.shape == (60, 11)
    utterance = {u.id: u for u in mb.corpus("avatars")}[shown.worst(1)[0].id]
    assert shown.worst(1)[0].text == utterance.text


def test_confusion_is_the_sum_over_seeds_and_curves_their_mean(store):
    shown = inspect(store, "dann", anchor="V")
    single = [inspect(store, record["hash"]).confusion("V") for record in shown.records if record["status"] == "ok"]
    np.testing.assert_array_equal(shown.confusion("V"), sum(single))
    np.testing.assert_array_equal(shown.confusion("V").sum(1), 2 * np.bincount(LABELS))
    assert shown.curves()["ib"] == [2.0, 1.0, 0.5]
    assert np.isnan(shown.curves()["domain"][1])


def test_a_cell_is_found_by_the_first_digits_of_its_hash_and_told_to_programs(store):
    (record,) = inspect(store, "dt", anchor="A").records
    document = json.loads(call(store, record["hash"][:6], "--json").output)
    assert [cell["hash"] for cell in document["cells"]] == [record["hash"]]
    assert document["cells"][0]["weighted_f1"] == record["metrics"]["target_test"]["weighted_f1"]
    assert list(document["confusion"]) == ["A"]
    assert len(document["worst"]) == 5


def test_the_contact_sheet_is_a_picture_with_a_strip_for_each(store, tmp_path):
    answer = call(store, "dt", "--anchor", "V", "--utterances", "1", "--sheet", str(tmp_path / "out" / "worst.png"))
    assert answer.exit_code == 0, answer.output
    sheet = np.asarray(Image.open(tmp_path / "out" / "worst.png"))
    shown = inspect(store, "dt", anchor="V")
    frames = next(u for u in mb.corpus("avatars") if u.id == shown.worst(1)[0].id).frames()
    first = np.asarray(Image.fromarray(frames[0]).resize((96, 96)))
    np.testing.assert_array_equal(sheet[40:136, 4:100], first)
    assert sheet.shape[0] == 2 * (96 + 2 * 18 + 8)


def test_a_corpus_of_another_version_gives_no_texts_and_says_so(store):
    cell = make_cell("cdan", "L")  # of v1
    store.write(cell, scored_record(cell, LABELS, LABELS), make_outputs(LABELS, LABELS))
    shown = inspect(store, "cdan")
    assert shown.worst(1)[0].text == ""
    assert "the cell read v1" in str(shown)
    with pytest.raises(mb.DataError, match="no frames: avatars is at version"):
        shown.contact_sheet(store.results / "no.png")


def test_from_python_it_is_the_same(store):
    with pytest.raises(UsageError, match="--anchor 'Q': expected one of A, L, V"):
        mb.show("dann", store.results, anchor="Q")
    shown = mb.show("dann", store.results, anchor="visual", seed=0)
    assert [record["key"]["seed"] for record in shown.records] == [0]
    assert "Confusion" in shown._repr_html_()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dan"], "did you mean dann?"),
        (["dann", "--anchor", "A"], "stored are (anchor, seed): V 0, V 1, V 2"),
        (["dann", "--signature", "x"], "the store has mmda-bench:"),
        (["luhp", "--watch"], "no cell 'luhp' has a log"),
    ],
)
def test_what_is_not_there_is_exit_2_with_what_is(store, arguments, message):
    answer = call(store, *arguments)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_the_place_of_a_failure_is_the_last_line_that_is_ours():
    assert place_of_failure({"traceback": None}) == ""
    only = ['  File "/x/site-packages/torch/nn.py", line 9, in f']
    assert place_of_failure({"traceback": only}) == "/x/site-packages/torch/nn.py line 9, in f"


def test_a_run_leaves_a_log_a_cell_with_a_line_an_epoch_and_its_end(small_avatars, small_cache, tmp_path):
    ws = mb.Workspace(results=tmp_path / "results", cache=small_cache)
    logger = logging.getLogger(log.NAME)
    before = logger.level, logger.propagate, list(logger.handlers)
    mb.run("dann", anchors="V", seeds=1, epochs=2, bounds=False, workspace=ws, jobs=0)
    assert (logger.level, logger.propagate, logger.handlers) == before
    (one,) = log.find(Store(ws.results), "dann")
    assert (len(one.moments), one.epochs, one.pid, one.host) == (2, 2, os.getpid(), socket.gethostname())
    assert re.fullmatch(r"ib -?[\d.e-]+  domain_joint -?[\d.e-]+", one.terms)
    record = mb.results(ws.results).records[0]
    assert one.ended == f"ok: target F1 {100 * record['metrics']['target_test']['weighted_f1']:.2f}"
    assert one.terms.split("  ")[0] == f"ib {record['curves']['terms']['ib'][-1]:.4g}"
    assert str(one.path) in call(Store(ws.results), "dann").output


def begin(store, cell):
    """A log as a worker begins it, and how to say more."""
    context = log.written(store, cell)
    context.__enter__()
    return context


def test_a_running_cell_is_watched_until_it_ends(store, capsys):
    cell = make_cell("luhp", "V")
    context, logger = begin(store, cell), logging.getLogger(log.NAME)
    steps = [
        lambda: logger.info("epoch 1/3  ib 2  triplet 0.5"),
        lambda: logger.info("epoch 2/3  ib 1  triplet 0.25"),
        lambda: log.ended(unfinished(cell, status="failed", reason="no luck")),
    ]
    showing.follow(store, "luhp", anchor="V", seed=None, sleep=lambda seconds: steps.pop(0)())
    context.__exit__(None, None, None)
    lines = capsys.readouterr().out.splitlines()
    name = "luhp anchor=V seed=0"
    assert lines[0].startswith(f"{name}: no epoch is over yet")
    assert lines[1] == f"{name}: epoch 1/3, ib 2, triplet 0.5; time left unknown"
    assert re.fullmatch(rf"{name}: epoch 2/3, ib 1, triplet 0.25; about \d+ s left", lines[2])
    assert lines[3] == f"{name}: failed: no luck"
    assert len(lines) == 4


def test_a_cell_whose_process_has_gone_is_watched_no_longer(store, capsys, monkeypatch):
    context = begin(store, make_cell("luhp", "V"))
    context.__exit__(None, None, None)
    monkeypatch.setattr(showing.others, "exists", lambda pid: False)
    showing.follow(store, "luhp", anchor=None, seed=None, sleep=lambda seconds: pytest.fail("nothing to wait for"))
    assert "its process has gone" in capsys.readouterr().out


def test_time_left_is_the_pace_of_the_epochs_so_far(tmp_path):
    one = log.Log(tmp_path, "h", 1, "here", "x", begun=0.0, moments=(100.0, 110.0, 120.0), epochs=8)
    assert one.left_s(now=125.0) == pytest.approx(45)
    assert one.left_s(now=1000.0) == 0


def test_a_folder_that_cannot_be_written_stops_no_cell(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "logs").touch()
    done = threading.Event()
    with log.written(Store(tmp_path / "results"), make_cell()):
        logging.getLogger(log.NAME).info("epoch 1/2  ib 1")
        done.set()
    assert done.is_set()
