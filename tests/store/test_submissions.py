"""``submit FILE``: other people's predictions are scored with our code, or refused with the reason."""

import csv
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record
from sklearn.metrics import f1_score
from typer.testing import CliRunner

import mmda_bench as mb
from mmda_bench.cli.main import app
from mmda_bench.errors import UsageError
from mmda_bench.protocol import TRIAL
from mmda_bench.report import load, write
from mmda_bench.report.compare import compare
from mmda_bench.report.formats import markdown
from mmda_bench.store import Store

LABELS = np.random.default_rng(1).integers(0, 4, 50)
IDS = [f"u{i:04d}" for i in range(50)]
CLASSES = [f"class {i}" for i in range(4)]


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results")
    rng = np.random.default_rng(0)
    for method, accuracy in (("dt", 0.4), ("dann", 0.7)):
        for anchor in "ALV":
            for seed in range(2):
                cell = make_cell(method, anchor, seed)
                predicted = erring(rng, LABELS, accuracy)
                store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    return store


@pytest.fixture
def probabilities():
    return np.random.default_rng(3).dirichlet(np.ones(4), 50)


def write_csv(path, ids, probabilities, header=("id", *CLASSES), lines=()):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows([name, *row] for name, row in zip(ids, probabilities, strict=True))
        writer.writerows(lines)
    return path


def call(store, file, *arguments, anchor="A"):
    base = ["submit", str(file), "--dataset", "avatars", "--anchor", anchor, "--results", str(store.results)]
    return CliRunner().invoke(app, [*base, *arguments])


def test_a_csv_is_scored_whatever_the_order_of_its_rows_and_columns(store, probabilities, tmp_path):
    order = np.random.default_rng(5).permutation(50)
    columns = [2, 0, 3, 1]
    header = ["id", *(CLASSES[c] for c in columns)]
    file = write_csv(tmp_path / "mine.csv", [IDS[i] for i in order], probabilities[order][:, columns], header)
    answer = call(store, file, "--json")
    assert answer.exit_code == 0, answer.output
    record = json.loads(answer.output)
    expected = f1_score(LABELS, probabilities.argmax(1), average="weighted", labels=range(4), zero_division=0)
    assert record["metrics"]["target_test"]["weighted_f1"] == pytest.approx(expected)
    assert record["key"]["method"] == "mine"
    stored, damaged = store.submitted()
    assert damaged == []
    assert stored == [record]
    arrays = store.predictions(record)
    assert arrays["target_test/ids"].tolist() == IDS
    np.testing.assert_allclose(arrays["target_test/probabilities"], probabilities, atol=1e-3)


def test_an_npz_gives_the_same_score_as_the_csv(store, probabilities, tmp_path):
    np.savez(tmp_path / "b.npz", ids=np.array(IDS), probabilities=probabilities.astype(np.float32))
    write_csv(tmp_path / "a.csv", IDS, probabilities)
    answers = [json.loads(call(store, tmp_path / name, "--json").output) for name in ("a.csv", "b.npz")]
    assert answers[0]["metrics"] == answers[1]["metrics"]


def spoiled(kind, ids, p):
    """(ids, probabilities, header, further lines) of a csv with one fault."""
    ids, p, header, lines = list(ids), p.copy(), ["id", *CLASSES], []
    if kind == "missing":
        ids, p = ids[:-2], p[:-2]
    elif kind == "twice":
        ids[1] = ids[0]
    elif kind == "unknown":
        ids[1] = "somebody"
    elif kind == "nan":
        p[3, 1] = np.nan
    elif kind == "negative":
        p[3, 0], p[3, 1] = -0.1, 1.1
    elif kind == "sum":
        p[3] /= 2
    elif kind == "class":
        header[2] = "class x"
    elif kind == "column":
        header, p = header[:-1], p[:, :-1]
    elif kind == "short":
        lines = [["u9999", 0.5]]
    elif kind == "text":
        lines = [["u9999", "many", 0, 0, 0]]
    return ids, p, header, lines


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("missing", "each of the 50 target test utterances once; 2 (u0048, u0049) missing"),
        ("twice", "u0000 given more than once, u0001 missing"),
        ("unknown", "somebody not in the target test set, u0001 missing"),
        ("nan", "values that are not finite of u0003"),
        ("negative", "negative probabilities of u0003"),
        ("sum", "probabilities that do not sum to 1 (4 classes) of u0003"),
        ("class", "expected the columns id, class 0, class 1, class 2, class 3; found id, class 0, class x"),
        ("column", "expected the columns id, class 0"),
        ("short", "line 52 has 2 fields instead of 5"),
        ("text", "line 52: could not convert string to float: 'many'"),
    ],
)
def test_a_faulty_csv_is_refused_with_the_reason_and_leaves_nothing(store, probabilities, tmp_path, kind, reason):
    ids, p, header, lines = spoiled(kind, IDS, probabilities)
    answer = call(store, write_csv(tmp_path / "bad.csv", ids, p, header, lines))
    assert answer.exit_code == 4
    assert reason in answer.output
    assert "Traceback" not in answer.output
    assert not (store.results / "external").exists()


def test_other_faulty_files_are_refused_too(store, probabilities, tmp_path):
    cases = {
        "wide.npz": ({"ids": np.array(IDS), "probabilities": probabilities[:, :3]}, "one column per class"),
        "lacking.npz": ({"ids": np.array(IDS)}, "probabilities not among ids"),
        "pickled.npz": ({"ids": np.array(IDS, dtype=object), "probabilities": probabilities}, "plain arrays"),
    }
    for name, (arrays, reason) in cases.items():
        np.savez(tmp_path / name, **arrays)
        answer = call(store, tmp_path / name)
        assert (answer.exit_code, reason in answer.output) == (4, True), answer.output
    np.savez_compressed(tmp_path / "flipped.npz", ids=np.array(IDS), probabilities=probabilities)
    flipped = bytearray((tmp_path / "flipped.npz").read_bytes())
    flipped[200:260] = bytes(60)
    np.save(tmp_path / "array.npy", probabilities)
    for name, content, reason in (
        ("flipped.npz", bytes(flipped), "not an npz file"),
        ("array.npz", (tmp_path / "array.npy").read_bytes(), "not an npz file"),
        ("half.npz", b"PK\x03\x04half", "not an npz file"),
        ("latin.csv", b"id,caf\xe9\n", "not a csv file in UTF-8"),
        ("empty.csv", b"", "found none"),
        ("table.xlsx", b"", "expected a .csv or .npz file"),
    ):
        (tmp_path / name).write_bytes(content)
        answer = call(store, tmp_path / name)
        assert (answer.exit_code, reason in answer.output) == (4, True), answer.output
    assert "there is no such file" in call(store, tmp_path / "nowhere.csv").output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "avatar"], "did you mean avatars?"),
        (["--anchor", "B"], "expected one of A (acoustic), L (lexical), V (visual)"),
        (["--name", "../../up"], "expected letters"),
        (["--seed", "-1"], "expected 0 or more"),
        (["--signature", "another"], "the store has mmda-bench:0.1|avatars"),
    ],
)
def test_a_scenario_or_name_that_cannot_be_is_exit_2(store, probabilities, tmp_path, arguments, message):
    answer = call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities), *arguments)
    assert answer.exit_code == 2
    assert message in answer.output


@pytest.mark.parametrize("given", [{"seed": True}, {"seed": 1.5}, {"seed": "1"}, {"name": 5}])
def test_a_name_or_seed_of_another_kind_is_refused_before_anything_is_written(store, probabilities, tmp_path, given):
    file = write_csv(tmp_path / "mine.csv", IDS, probabilities)
    with pytest.raises(UsageError, match="expected a text and a whole number"):
        mb.submit(file, dataset="avatars", anchor="A", folder=store.results, **given)
    assert not store.external.exists()


def test_ids_may_be_bytes_and_a_signature_may_have_its_seeds(store, probabilities, tmp_path):
    np.savez(tmp_path / "mine.npz", ids=np.array(IDS, "S"), probabilities=probabilities)
    signature = make_cell().protocol.signature("avatars", "v1", [0, 1])
    assert call(store, tmp_path / "mine.npz", "--signature", signature).exit_code == 0


def test_trials_have_no_test_set_to_submit_for(store, probabilities, tmp_path):
    for seed in range(9):
        cell = make_cell("dt", "A", seed)
        cell = replace(cell, protocol=replace(cell.protocol, select=TRIAL))
        store.write(cell, scored_record(cell, LABELS, LABELS), None)
    assert call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities)).exit_code == 0


def test_a_scenario_without_stored_predictions_says_how_to_get_them(store, probabilities, tmp_path):
    for path in store.runs.rglob("predictions.npz"):
        path.unlink()
    answer = call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities))
    assert answer.exit_code == 4
    assert "mmda-bench run --dataset avatars --methods dt --anchors A" in answer.output


def test_what_is_submitted_stays_until_it_is_replaced(store, probabilities, tmp_path):
    file = write_csv(tmp_path / "mine.csv", IDS, probabilities)
    assert call(store, file).exit_code == 0
    again = call(store, file)
    assert again.exit_code == 2
    assert "already submitted" in again.output
    assert call(store, file, "--replace").exit_code == 0
    assert call(store, file, "--seed", "1").exit_code == 0
    assert len(store.submitted()[0]) == 2


def test_a_replacement_that_fails_leaves_no_score_beside_other_predictions(store, probabilities, tmp_path, monkeypatch):
    call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities))
    replace = os.replace

    def full(source, target):
        if str(target).endswith("record.json"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    again = call(store, write_csv(tmp_path / "mine.csv", IDS, np.eye(4)[LABELS]), "--replace")
    assert again.exit_code == 5
    assert "No space left" in again.output
    assert store.submitted() == ([], [])


def test_it_is_shown_as_external_with_an_interval_and_never_in_bold(store, figureless, tmp_path):
    perfect = np.eye(4)[LABELS]
    for anchor in "ALV":
        name = ["--name", "dann"]  # the name of a method, which it must not be taken for
        assert call(store, write_csv(tmp_path / "x.csv", IDS, perfect), *name, anchor=anchor).exit_code == 0
    boards, _ = load.load_boards(store)
    row = boards[0].external[0]
    assert (row.title, row.label) == ("dann (external)", "external:dann")
    assert row.scores["ave."].mean == pytest.approx(100)
    assert row.intervals["A"] == (100, 100)
    assert not row.bold
    assert "A" in next(r for r in boards[0].rows if r.label == "dann").best, "the best of those that we ran"
    text = markdown.markdown(boards)
    assert "### External: predictions that were submitted" in text
    for title in ("External: predictions that were submitted", "95 % intervals"):
        assert "| dann (external)" in text.split(f"### {title}")[1].split("\n\n")[1], "marked wherever it stands"
    assert f"external/avatars/A/dann/seed0-{store.submitted()[0][0]['hash']}/record.json" in page_of(store)
    duel = compare(boards, load.read_predictions(store), "external:dann", "dann")[0]
    assert duel.columns["A"].low > 0


def page_of(store):
    write.write_leaderboards(store)
    return (store.results / "index.html").read_text("utf-8")


def test_its_confidence_is_judged_as_that_of_the_methods(store, probabilities, tmp_path):
    for anchor in "ALV":
        call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities), anchor=anchor)
    boards, _ = load.load_boards(store)
    trust = markdown.markdown(boards).split("### Trust")[1].split("\n\n")[1]
    assert f"| mine (external) | {boards[0].external[0].trust['A'][0]:7.1f} |" in trust


def test_probabilities_that_are_almost_equal_are_scored_as_they_are_stored(store, tmp_path):
    """Half precision would make ties of them: another score than that of the file, and no interval."""
    close = np.full((50, 4), 0.25)
    close[np.arange(50), LABELS] += 3e-5
    close[np.arange(50), (LABELS + 1) % 4] -= 3e-5
    file = write_csv(tmp_path / "close.csv", IDS, close)
    assert json.loads(call(store, file, "--json").output)["metrics"]["target_test"]["weighted_f1"] == 1
    row = load.load_boards(store)[0][0].external[0]
    assert row.intervals["A"] == (100, 100)


def test_a_submission_whose_signature_no_cell_has_any_more_is_named(store, probabilities, tmp_path):
    """In a record of before, which does not say its protocol; another one has a table of its own."""
    call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities))
    shutil.rmtree(store.runs)
    cell = make_cell("dt", "A", 0, epochs=2)
    store.write(cell, scored_record(cell, LABELS, LABELS), make_outputs(LABELS, LABELS))
    boards, damaged = load.load_boards(store)
    assert [[row.title for row in board.external] for board in boards] == [[], ["mine (external)"]]
    assert damaged == []
    (path,) = store.external.rglob("record.json")
    record = json.loads(path.read_text())
    del record["external"]["protocol"]
    path.write_text(json.dumps(record))
    boards, damaged = load.load_boards(store)
    assert [board.external for board in boards] == [[]]
    assert [(one.path.split("/")[0], one.reason) for one in damaged] == [
        ("external", "no stored cell has its signature")
    ]


@pytest.mark.parametrize(
    "changes",
    [{"metrics": None}, {"metrics": {"target_test": {}}}, {"status": None}, {"schema": 99}, {"external": None}],
)
def test_a_submission_without_what_the_tables_need_is_damaged(store, probabilities, tmp_path, changes):
    call(store, write_csv(tmp_path / "mine.csv", IDS, probabilities))
    (path,) = (store.results / "external").rglob("record.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    boards, damaged = load.load_boards(store)
    assert [board.external for board in boards] == [[]]
    assert [one.path for one in damaged] == [store.relative(path)]


@pytest.mark.parametrize("text", ["{half", "[" * 100_000], ids=["half", "nested beyond reason"])
def test_a_damaged_submission_is_named_and_left_out(store, probabilities, tmp_path, text):
    file = write_csv(tmp_path / "mine.csv", IDS, probabilities)
    for seed in range(3):
        call(store, file, "--seed", str(seed))
    paths = sorted((store.results / "external").rglob("record.json"))
    paths[0].write_text(text)
    edited = json.loads(paths[1].read_text())
    edited["key"]["seed"] = 7
    paths[1].write_text(json.dumps(edited))
    usable, damaged = store.submitted()
    assert [record["key"]["seed"] for record in usable] == [2]
    assert [one.path.split("/")[0] for one in damaged] == ["external", "external"]
    assert "it was edited" in damaged[1].reason
    assert "it was edited" in markdown.markdown(*load.load_boards(store))
