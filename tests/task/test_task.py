"""A task pack: an outsider learns from the files alone, hands in a csv, and is scored; no file gives a label away."""

import csv
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import mmda_bench as mb
from mmda_bench.cli import app
from mmda_bench.data.splits import split_halves
from mmda_bench.features.encode import raw_input
from mmda_bench.registry import BACKBONES, DATASETS
from mmda_bench.store import Store
from mmda_bench.task import baseline
from mmda_bench.task.key import read_key

pytestmark = pytest.mark.slow

ALONE = "import runpy, sys; sys.modules['mmda_bench'] = None; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"  # noqa: E501


def call(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def task(small_avatars, tmp_path_factory):
    """Of 240 utterances, anchor L."""
    out = tmp_path_factory.mktemp("tasks") / "avatars-L"
    answer = call("data", "export", "avatars", "--task", out, "--anchor", "lexical", "--jobs", "1")
    assert answer.exit_code == 0, answer.output
    assert "avatars-L-key.json; keep it" in answer.output
    return out


@pytest.fixture(scope="module")
def originals(small_avatars):
    """(utterances by id, parts) as the protocol has them."""
    utterances = list(small_avatars().utterances(None))
    ids, labels = [u.id for u in utterances], [u.label for u in utterances]
    parts = split_halves(ids, labels, dataset="avatars", split=0, fractions=small_avatars.card.fractions)
    return {u.id: u for u in utterances}, {key: [ids[p] for p in positions] for key, positions in parts.items()}


@pytest.fixture(scope="module")
def predictions(task, tmp_path_factory):
    """What the pack's own baseline predicts, in a process that cannot import this project."""
    folder = tmp_path_factory.mktemp("outsider")
    subprocess.run([sys.executable, "-c", ALONE, task / "baseline.py", "theirs.csv"], cwd=folder, check=True)
    return folder / "theirs.csv"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_an_outsider_without_our_program_is_scored_where_nothing_has_run(task, predictions, tmp_path, undrawn):
    results = tmp_path / "results"
    answer = call("submit", predictions, "--task", task, "--name", "words alone", "--results", results)
    assert answer.exit_code == 0, answer.output
    key = json.loads(task.with_name("avatars-L-key.json").read_text())
    label = {name: number for name, _, number in key["test"]}
    theirs = {row["id"]: [float(row[name]) for name in key["task"]["classes"]] for row in rows(predictions)}
    expected = f1_score(
        [label[name] for name in theirs], [int(np.argmax(row)) for row in theirs.values()], average="weighted"
    )
    assert expected > 0.35, "above chance, which is a quarter"
    assert f"weighted F1 {100 * expected:.2f} on Avatars, 4 emotions (synthetic)" in answer.output
    shown = call("leaderboard", "--results", results)
    assert shown.exit_code == 0, shown.output
    text = (results / "leaderboard.md").read_text()
    assert f"words alone (external) | – | {100 * expected:.2f}" in " ".join(text.replace("|", " | ").split())
    assert "Unreadable" not in text
    assert mb.leaderboard(results).frame["title"].unique().tolist() == ["words alone (external)"]


def test_a_submission_for_a_task_stands_beside_the_cells_of_its_signature(task, predictions, small_cache, tmp_path):
    ws = mb.Workspace(results=tmp_path / "results", cache=small_cache)
    mb.run("dt", anchors="L", seeds=1, epochs=8, bounds=False, workspace=ws, jobs=0)
    mb.submit(predictions, task=task, folder=ws.results, name="theirs")
    (difference,) = mb.compare("external:theirs", "dt", ws.results).frame.query("column == 'L'").itertuples()
    assert np.isfinite(difference.low), "paired, utterance by utterance"


def test_the_target_is_shifted_but_for_the_anchor_and_the_source_is_clean(task, originals):
    by_id, parts = originals
    key = read_key(task)
    backbone = BACKBONES.get("tiny")()
    name, own = key.handed_out[0], str(key.ids[0])
    assert own in parts["target", "test"]
    clip = np.load(task / "clips" / f"{name}.npz")
    clean = raw_input(by_id[own], "A", backbone)
    noise = clip["waveform"] / 32767 - clean
    assert 0.7 < np.var(noise) / DATASETS.get("avatars").card.shift.noise < 1.1, "clipped to [−1, 1]"
    assert clip["frames"].shape == (4, 48, 48, 3)
    text = {row["id"]: row["text"] for row in rows(task / "target.csv")}
    assert text[name] == by_id[own].text
    assert "[MASK]" not in (task / "source.csv").read_text()
    source = rows(task / "source.csv")
    assert len(source) == len(by_id) - len(text)
    spoken = {u.text: u for u in by_id.values()}
    row = next(row for row in source if row["text"] in spoken)
    waveform = np.load(task / "clips" / f"{row['id']}.npz")["waveform"] / 32767
    assert any(
        len(w := raw_input(u, "A", backbone)) == len(waveform) and np.abs(waveform - w).max() < 1e-4
        for u in by_id.values()
        if u.text == row["text"]
    )


def test_labels_and_splits_of_the_source_are_those_of_the_protocol(task, originals):
    by_id, parts = originals
    for domain in ("source", "target"):
        table = rows(task / f"{domain}.csv")
        for split in ("train", "validation", "test"):
            mine = [row for row in table if row["split"] == split]
            assert len(mine) == len(parts[domain, split])
            if domain == "source":
                expected = sorted(small_label(by_id[name]) for name in parts[domain, split])
                assert sorted(row["label"] for row in mine) == expected


def small_label(utterance):
    return DATASETS.get("avatars").card.classes[utterance.label]


def test_nothing_in_the_folder_leads_to_a_label(task, originals):
    by_id, _ = originals
    key = read_key(task)
    table = rows(task / "target.csv")
    assert list(table[0]) == ["id", "split", "text"]
    files = [task, *task.rglob("*")]
    assert {path.stat().st_mtime for path in files} == {946_684_800.0}, "one time for all"
    names = [path.stem for path in sorted((task / "clips").iterdir())]
    assert names == sorted(names)
    assert {len(name) for name in names} == {17}
    for path in files:
        if path.is_file():
            content = path.read_bytes()
            assert not any(own.encode() in content for own in by_id), path.name
            assert b"avatar0" not in content, "no speaker"
        if path.suffix == ".npz":
            with zipfile.ZipFile(path) as archive:
                assert [(one.filename, one.date_time[0]) for one in archive.infolist()] == [
                    ("waveform.npy", 1980), ("frames.npy", 1980),
                ]  # fmt: skip
    order = np.argsort(key.handed_out)
    one_hot = np.eye(len(key.classes))[key.labels[order]]
    place = np.linspace(-1, 1, len(order))
    correlation = np.corrcoef(one_hot.T, place)[-1, :-1]
    assert np.abs(correlation).max() < 0.5, "the order of names says nothing"


@pytest.mark.parametrize("anchor", ["A", pytest.param("V", marks=pytest.mark.deep)])
def test_the_baseline_learns_from_sound_and_pictures_and_two_tasks_have_no_name_in_common(
    anchor, task, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    call("data", "export", "avatars", "--task", other, "--anchor", anchor, "--jobs", "1")
    first, second = (set(os.listdir(folder / "clips")) for folder in (task, other))
    assert len(first) == len(second) > 0
    assert not first & second
    monkeypatch.setattr(baseline, "HERE", other)
    baseline.main(str(tmp_path / "theirs.csv"))
    key = json.loads((tmp_path / "other-key.json").read_text())
    label = {name: number for name, _, number in key["test"]}
    right = [
        int(np.argmax([float(row[name]) for name in key["task"]["classes"]])) == label[row["id"]]
        for row in rows(tmp_path / "theirs.csv")
    ]
    assert len(right) == len(label)
    assert np.mean(right) > 0.28, "above chance, which is a quarter; of so few utterances pictures alone teach little"


def test_the_readme_names_every_file_the_signature_and_that_the_corpus_is_synthetic(task):
    text = (task / "README.md").read_text()
    for name in sorted(os.listdir(task)):
        assert name in text or name == "README.md", name
    facts = json.loads((task / "task.json").read_text())
    assert facts["signature"] in text
    assert facts["drifts"] == ["A", "V"]
    assert "The corpus is synthetic" in text
    example = rows(task / "example.csv")
    assert [row["id"] for row in example] == (task / "test-ids.txt").read_text().split()


def test_the_example_is_a_file_of_the_right_form(task, tmp_path):
    mb.submit(task / "example.csv", task=task, folder=tmp_path, name="even")
    (record,) = Store(tmp_path).submitted()[0]
    assert record["titles"]["synthetic"] is True


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["data", "export", "avatars"], 2, "where to? --out DIR for the corpus, or --task DIR"),
        (["data", "export", "avatars", "--task", "t"], 2, "a task needs --anchor"),
        (["data", "export", "avatars", "--task", "t", "--anchor", "V", "--limit", "9"], 2, "without --limit"),
        (["data", "export", "avatars", "--task", "t", "--anchor", "X"], 2, "X"),
        (["data", "export", "avatars", "--task", "full", "--anchor", "V"], 2, "not empty"),
        (["data", "export", "avatars", "--task", "old", "--anchor", "V"], 2, "the key of another task"),
        (["submit", "a.csv"], 2, "for which scenario"),
        (["submit", "a.csv", "--task", "t", "--anchor", "V"], 2, "leave out --dataset, --anchor"),
        (["submit", "a.csv", "--task", "none"], 4, "none-key.json: No such file"),
        (["submit", "a.csv", "--task", "bad"], 4, "is no key of a task"),
    ],
)
def test_mistakes_are_told(arguments, code, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "old-key.json").touch()
    (tmp_path / "bad-key.json").write_text("{}")
    (tmp_path / "a.csv").touch()
    answer = call(*arguments)
    assert answer.exit_code == code, answer.output
    assert message in " ".join(answer.output.split())
    assert not (tmp_path / "t").exists()
