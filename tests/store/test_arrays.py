"""Predictions that are damaged, hostile, or those of another record: named, left aside, and never a crash."""

import io
import json
import zipfile

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.metrics import scores
from mmda_bench.metrics.reference_heads import reference_scores
from mmda_bench.report import load
from mmda_bench.report.formats import markdown
from mmda_bench.store import Store, arrays

LABELS = np.random.default_rng(0).integers(0, 4, 40)
TARGET = "target_test/probabilities"


@pytest.fixture
def store(tmp_path):
    """DT and DANN everywhere, with their predictions."""
    store = Store(tmp_path / "results")
    rng = np.random.default_rng(1)
    for method in ("dt", "dann"):
        for anchor in "ALV":
            predicted, cell = erring(rng, LABELS, 0.6), make_cell(method, anchor)
            store.write(cell, scored_record(cell, LABELS, predicted), make_outputs(LABELS, predicted))
    return store


def npy(array, **header):
    """The bytes of a npy file; ``header`` changes what it says of the array."""
    file = io.BytesIO()
    said = {**np.lib.format.header_data_from_array_1_0(array), **header}
    np.lib.format.write_array_header_1_0(file, said)
    return file.getvalue() + array.tobytes()


def packed(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def replaced(name, content, **options):
    """The predictions of a record with one member in another shape."""
    members = {one: npy(array) for one, array in make_outputs(LABELS, LABELS).items()}
    return packed(members | {name: content}, **options)


def encrypted():
    """A file whose flags say that it is: zipfile reads those of the list at its end."""
    content = bytearray(packed({one: npy(array) for one, array in make_outputs(LABELS, LABELS).items()}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def cut_header():
    whole = npy(make_outputs(LABELS, LABELS)[TARGET])
    return replaced(TARGET, whole[:8] + (20).to_bytes(2, "little") + whole[10:30])


def unknown_compression():
    content = bytearray(packed({TARGET: npy(np.ones((3, 4)))}))
    place = content.index(b"PK\x01\x02") + 10
    content[place : place + 2] = (93).to_bytes(2, "little")
    return bytes(content)


P = make_outputs(LABELS, LABELS)[TARGET]
DAMAGE = {
    "encrypted": (encrypted(), "is encrypted"),
    "compressed by lzma": (replaced(TARGET, npy(P), compression=zipfile.ZIP_LZMA), "numpy does not write"),
    "compressed in an unknown way": (unknown_compression(), "numpy does not write"),
    "an npy under that name": (npy(P), "not an npz file (BadZipFile"),
    "nothing": (b"", "not an npz file"),
    "cut header": (cut_header(), "not an npz file (TokenError"),
    "10^12 rows": (replaced(TARGET, npy(P, shape=(10**12, 4))), "promises (1000000000000, 4) of float16"),
    "fewer rows than bytes": (replaced(TARGET, npy(P, shape=(4, 4))), "is not what the file holds"),
    "negative rows": (replaced(TARGET, npy(P, shape=(-40, -4))), "is not what the file holds"),
    "a folder inside": (packed({"x/": b""}), "not an npz file"),
    "Python objects": (replaced(TARGET, npy(P, descr="|O")), "holds Python objects"),
    "0-d labels": (replaced("target_test/labels", npy(np.array(3))), "target_test/labels is () of int64"),
    "0-d probabilities": (replaced(TARGET, npy(np.array(0.5))), f"{TARGET} is () of float64"),
    "labels of text": (replaced("target_test/labels", npy(np.array(["a"] * 40))), "target_test/labels is (40,) of <U1"),
    "labels beyond the classes": (replaced("target_test/labels", npy(np.full(40, 9))), "from 9 to 9; expected 0 to 3"),
    "infinite": (replaced(TARGET, npy(np.full((40, 4), np.inf))), f"{TARGET} is not finite everywhere"),
    "rows of another number": (replaced(TARGET, npy(P[:3])), f"{TARGET} is (3, 4) of float16"),
    "no classes": (replaced(TARGET, npy(np.ones((40, 0)))), f"{TARGET} is (40, 0)"),
    "an array that is not there": (packed({TARGET: npy(P)}), "lacks source_test/ids"),
    "bytes for ids": (replaced("target_test/ids", npy(np.array([b"u"] * 40))), "target_test/ids is (40,) of |S1"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_predictions_are_named_and_everything_else_is_shown(store, kind):
    content, reason = DAMAGE[kind]
    cell = make_cell("dann", "L")
    path = store.folder(cell) / "predictions.npz"
    path.write_bytes(content)
    boards, damaged = load.load_boards(store, tests=False)
    assert [one.path for one in damaged] == [store.relative(path)]
    assert reason in damaged[0].reason
    assert [len(row.records) for row in boards[0].rows] == [3, 3]
    assert store.predictions(store.read(cell)) is None


def test_tables_and_comparisons_come_with_a_damaged_file_beside_each_record(store):
    for number, path in enumerate(sorted(store.runs.rglob("predictions.npz"))):
        path.write_bytes(list(DAMAGE.values())[6 * number % len(DAMAGE)][0])
    boards, damaged = load.load_boards(store)
    assert markdown.markdown(boards, damaged).count("predictions.npz") == 6
    assert not boards[0].rows[0].intervals
    answer = CliRunner().invoke(app, ["compare", "dt", "dann", "--results", str(store.results)])
    assert "its predictions are not stored" in answer.output


@given(st.binary(max_size=8), st.floats(0, 1), st.booleans())
def test_whatever_bytes_are_changed_the_answer_is_arrays_or_the_one_error(patch, where, deflated):
    outputs = make_outputs(LABELS[:5], LABELS[:5])
    content = bytearray(
        packed({one: npy(array) for one, array in outputs.items()}, zipfile.ZIP_DEFLATED if deflated else 0)
    )
    start = int(where * (len(content) - len(patch)))
    content[start : start + len(patch)] = patch
    try:
        found = arrays.read_npz(bytes(content))
    except arrays.UnreadableError:
        return
    arrays.fault_of_predictions(found, ["source_test", "target_test"])


def test_arrays_come_back_as_numpy_wrote_them(tmp_path):
    wanted = {
        "by columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "none": np.zeros((0, 3), np.int16),
        "one": np.array(7), "big end": np.arange(3, dtype=">i4"), "text": np.array(["a", "bc"]),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "all.npz", **wanted)
        found = arrays.read_npz(tmp_path / "all.npz")
        assert found.keys() == wanted.keys()
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array, strict=True)


def test_the_digest_is_of_what_the_arrays_hold_and_not_of_how_they_are_packed(store):
    cell = make_cell("dann", "L")
    record, path = store.read(cell), store.folder(cell) / "predictions.npz"
    content = store.predictions(record)
    np.savez(path, **dict(reversed(content.items())))
    assert store.predictions(store.read(cell)) is not None
    for change in ({"target_test/ids": content["target_test/ids"][::-1]}, {"more": np.zeros(1)}):
        np.savez(path, **{**content, **change})
        assert store.predictions(record) is None
    assert record["predictions_sha256"] == arrays.digest(content)


def test_a_record_beside_predictions_of_another_is_damaged_and_on_no_board(store):
    """Copied between two stores: the arrays are sound, and the score may even be the same."""
    cell = make_cell("dann", "L")
    other = store.folder(make_cell("dt", "A")) / "predictions.npz"
    (store.folder(cell) / "predictions.npz").write_bytes(other.read_bytes())
    boards, damaged = load.load_boards(store)
    assert [one.path for one in damaged] == [store.path(store.read(cell))]
    assert "not those that were stored with it" in damaged[0].reason
    assert damaged[0].reason.endswith("; remove its folder and run the cell again")
    dann = next(row for row in boards[0].rows if row.label == "dann")
    assert not dann.scores["L"].seeds


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("split", ["target_test", "source_test"])
def test_a_forged_score_is_on_no_board(store, tied, split):
    cell = make_cell("dann", "L")
    path = store.folder(cell) / "record.json"
    record = json.loads(path.read_text())
    record["metrics"][split]["weighted_f1"] = 0.99
    if not tied:
        del record["predictions_sha256"]  # as records were before there was a digest
    path.write_text(json.dumps(record))
    assert store.read(cell) is not None
    boards, damaged = load.load_boards(store, tests=False)
    assert [one.path for one in damaged] == [store.relative(path)]
    assert f"on {split}, the record says 0.9900" in damaged[0].reason
    assert not next(row for row in boards[0].rows if row.label == "dann").scores["L"].seeds
    assert "99.00" not in markdown.markdown(boards)


EDITS = {
    "accuracy": 0.99,
    "per_class_f1": [0.99] * 4,
    "support": [1] * 4,
    "confusion": [[9, 0, 0, 0]] * 4,
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("split", ["source_test", "target_test"])
def test_every_score_that_the_predictions_give_is_held_against_them(store, split, name):
    cell = make_cell("dann", "L")
    path = store.folder(cell) / "record.json"
    record = json.loads(path.read_text())
    record["metrics"][split][name] = EDITS[name]
    path.write_text(json.dumps(record))
    _, damaged = load.load_boards(store, tests=False)
    assert [one.path for one in damaged] == [store.relative(path)]
    assert f"give another {name} on {split} than the record has" in damaged[0].reason


def test_scores_of_references_are_held_against_the_stored_heads():
    rng = np.random.default_rng(0)
    labels, heads = np.arange(60) % 4, rng.dirichlet(np.ones(4), (60, 4)).astype(np.float16)
    found = reference_scores(heads, labels, anchor="V", detected="L")
    record = {"key": {"anchor": "V"}, "metrics": {"references": found, "detected_anchor": {"modality": "L"}}}
    stored = {"target_test/labels": labels, "target_test/head_probabilities": heads}
    assert arrays._other_references(record, stored) == ""
    for name in found:
        edited = {**found, name: {**found[name], "weighted_f1": 0.99}}
        reason = arrays._other_references({**record, "metrics": {**record["metrics"], "references": edited}}, stored)
        assert reason == f"the heads that are stored give another weighted_f1 of {name} than the record has"


@given(st.integers(2, 6), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=30))
def test_the_recomputed_score_is_that_of_scikit_learn(classes, pairs):
    labels, predicted = (np.array(one) % classes for one in zip(*pairs, strict=True))
    found = {"s/labels": labels, "s/probabilities": np.eye(classes, dtype=np.float16)[predicted]}
    expected = scores(labels, predicted, classes=classes)
    made = arrays._scores(found, "s")
    assert made.keys() == expected.keys()
    assert all(np.allclose(made[name], expected[name]) for name in made)


def test_representations_that_are_damaged_are_none(store):
    cell = make_cell("dann", "L")
    names = [f"{half}_test/z_{m}" for half in ("source", "target") for m in "ALV"]
    sound = {name: np.ones((3, 2), np.float16) for name in names}
    for change, there in (({}, True), ({names[0]: np.float16(1)}, False), ({names[1]: sound[names[1]][:2]}, False)):
        np.savez(store.folder(cell) / "outputs.npz", **{**sound, **change})
        assert (store.representations(store.read(cell)) is not None) == there
