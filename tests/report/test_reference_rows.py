"""The references that the heads of DT give: in tables, tests and figures, marked, never in bold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record
from scipy import stats
from sklearn.metrics import f1_score

from mmda_bench.protocol import REFERENCES
from mmda_bench.report import load, reference_rows
from mmda_bench.report import paired_tests as st
from mmda_bench.report.compare import compare
from mmda_bench.report.figures import gallery
from mmda_bench.report.formats import captions, markdown
from mmda_bench.report.formats import tables as sections
from mmda_bench.report.rows import AVERAGE, COLUMNS
from mmda_bench.store import Store

LABELS = np.random.default_rng(0).integers(0, 4, 150)
HEADS = {"A": 0.55, "L": 0.5, "V": 0.6}  # accuracies of the drifts' heads
METHODS = {"dann": 0.55, "luhp": 0.95}
OLD = Path(__file__).resolve().parents[1] / "fixtures" / "records-schema1"


def predicted(*names, accuracy):
    return erring(np.random.default_rng([ord(str(name)[0]) for name in names]), LABELS, accuracy)


def peaked(classes, confidence=0.7):
    """(N, 4) probabilities with the peak at these classes."""
    rows = np.full((len(LABELS), 4), (1 - confidence) / 3, np.float16)
    rows[np.arange(len(LABELS)), classes] = confidence
    return rows


def heads_of(anchor, seed):
    """Classes that each head of a cell of DT gives: the anchor's is good, the others as in :data:`HEADS`."""
    accuracies = HEADS | {anchor: 0.8, "joint": 0.5}
    return {m: predicted(m, anchor, seed, accuracy=accuracies[m]) for m in ("A", "L", "V", "joint")}


def scores(classes):
    per_class = f1_score(LABELS, classes, average=None, labels=range(4), zero_division=0)
    return {
        "weighted_f1": float(np.average(per_class, weights=np.bincount(LABELS))),
        "per_class_f1": per_class.tolist(),
    }


def mean_of_heads(anchor, seed):
    heads = heads_of(anchor, seed)
    return np.mean([peaked(heads[m], 0.7).astype(float) for m in ("A", "L", "V")], 0).argmax(1)


def add_dt(store, anchor, seed, *, detected, stored=True):
    """A cell of DT as the engine leaves it; ``stored``: with the probabilities of its heads."""
    heads, cell = heads_of(anchor, seed), make_cell("dt", anchor, seed)
    record = scored_record(cell, LABELS, heads["joint"])
    record["metrics"]["target_test"]["heads"] = {m: scores(classes)["weighted_f1"] for m, classes in heads.items()}
    record["metrics"] |= {
        "detected_anchor": {"modality": detected, "accuracy": dict.fromkeys("ALV", 0.9) | {detected: 0.5}},
        "references": {
            "anchor-head": scores(heads[anchor]),
            "detected-anchor": scores(heads[detected]),
            "mean-of-heads": scores(mean_of_heads(anchor, seed)),
        },
    }
    arrays = make_outputs(LABELS, heads["joint"])
    if stored:
        arrays["target_test/head_probabilities"] = np.stack([peaked(heads[m]) for m in ("A", "L", "V", "joint")], 1)
    store.write(cell, record, arrays)


def fill(store, *, seeds=5, detected=None, stored=True):
    for anchor in "ALV":
        for seed in range(seeds):
            add_dt(store, anchor, seed, detected=detected or anchor, stored=stored)
            for method, accuracy in METHODS.items():
                cell, classes = make_cell(method, anchor, seed), predicted(method, anchor, seed, accuracy=accuracy)
                store.write(cell, scored_record(cell, LABELS, classes), make_outputs(LABELS, classes))
    return store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return fill(Store(tmp_path_factory.mktemp("store")), detected="V")


@pytest.fixture(scope="module")
def board(store):
    (only,), damaged = load.load_boards(store)
    assert damaged == []
    return only


def reference(board, label):
    return next(row for row in board.references if row.label == label)


def answers(label, anchor, seed):
    """The classes that a reference of the fixture gives, from the heads themselves."""
    return {
        "anchor-head": lambda: heads_of(anchor, seed)[anchor],
        "detected-anchor": lambda: heads_of(anchor, seed)["V"],
        "mean-of-heads": lambda: mean_of_heads(anchor, seed),
    }[label]()


@pytest.mark.slow
@pytest.mark.parametrize("label", REFERENCES)
def test_scores_intervals_and_gains_equal_a_computation_from_the_heads(board, label):
    row = reference(board, label)
    drawn = st.resamples(len(LABELS), names=["avatars:v1", "split:0"])

    def sample(classes_of):
        """By seed: mean over anchors; by draw: mean over anchors and seeds."""
        classes = np.array([[classes_of(anchor, seed) for anchor in "ALV"] for seed in range(5)])
        values = [100 * np.mean([scores(one)["weighted_f1"] for one in mine]) for mine in classes]
        flat = classes.reshape(15, -1)
        counts = np.array([np.bincount(rows, minlength=len(LABELS)) for rows in drawn])
        return np.array(values), 100 * st.weighted_f1(LABELS, flat, counts, classes=4).mean(1)

    values, draws = sample(lambda anchor, seed: answers(label, anchor, seed))
    assert list(row.scores[AVERAGE].seeds.values()) == pytest.approx(values.tolist())
    for anchor in "ALV":
        mine = [100 * scores(answers(label, anchor, seed))["weighted_f1"] for seed in range(5)]
        assert list(row.scores[anchor].seeds.values()) == pytest.approx(mine)
        macro = [100 * np.mean(scores(answers(label, anchor, seed))["per_class_f1"]) for seed in range(5)]
        assert row.macro[anchor].mean == pytest.approx(np.mean(macro))

    def interval(values, draws):
        parts = draws.var(ddof=1), values.var(ddof=1) / 5
        df = sum(parts) ** 2 / (parts[0] ** 2 / (len(LABELS) - 1) + parts[1] ** 2 / 4)
        return stats.t.interval(0.95, df, values.mean(), sum(parts) ** 0.5)

    assert row.intervals[AVERAGE] == pytest.approx(interval(values, draws), rel=1e-5)
    if label == board.best_reference.label:
        theirs, their_draws = sample(lambda a, s: predicted("luhp", a, s, accuracy=METHODS["luhp"]))
        gain = board.gains["luhp", AVERAGE]
        assert (gain.low, gain.high) == pytest.approx(interval(theirs - values, their_draws - draws), rel=1e-4)


def test_references_are_in_every_table_of_scores_marked_and_never_in_bold(board):
    assert [row.label for row in board.references] == [*REFERENCES, "dt"]
    assert not any(row.bold for row in board.references)
    assert not set(REFERENCES) & {label for pair in board.pairs for label in pair}
    tables = {table.name: table for table in sections.tables(board)}
    assert [row[0].text for row in tables["reference"].rows][:3] == ["anchor head", "detected anchor", "mean of heads"]
    for name in ("macro", "interval", "difference", "trust", "class"):
        names = [row[0].text for row in tables[name].rows]
        assert [title for title in names if "(reference)" in title] == [
            f"{reference(board, label).marked} (reference)" for label in REFERENCES
        ], name
    assert all(row.trust for row in board.references if row.label in REFERENCES)
    lines = [line for line in markdown.rows_of([board]) if line["method"] == "anchor-head"]
    assert {line["table"] for line in lines} == {"reference", "macro"}


def test_the_caption_says_how_many_methods_beat_the_best_label_free_reference(board, tmp_path):
    best = board.best_reference
    assert best.label == "anchor-head", "where the probe always says V, it is better to be told"
    said = "1 of 2 methods is significantly better than the anchor head, the best label-free reference "
    assert f"{said}({best.scores[AVERAGE].mean:.1f} on average)" in captions.caption(board)
    assert all(said in one.caption for one in sections.tables(board) if one.name in ("main", "ablation:luhp", "macro"))
    one = captions.beaten(replace(board, rows=[row for row in board.rows if row.label in ("dt", "dann")]))
    assert one.startswith("0 of 1 method is significantly better than the anchor head")
    table = next(table for table in sections.tables(board) if table.name == "gain")
    assert table.title == "Difference from the best label-free reference, anchor head"
    assert [row[0].text for row in table.rows] == ["DT", "DANN", "LUHP"]
    assert "0.001" in table.rows[2][4].text
    (found,), _ = load.load_boards(fill(Store(tmp_path), seeds=2))
    assert found.best_reference.label == "detected-anchor", "of equal ones, that which needs to be told less"


def test_without_the_heads_probabilities_there_are_means_and_no_test(tmp_path):
    (board,), _ = load.load_boards(fill(Store(tmp_path), stored=False, seeds=2))
    row = reference(board, "anchor-head")
    assert row.scores[AVERAGE].mean
    assert not row.intervals
    assert not board.gains
    assert "1 of 2 methods has a higher average than the detected anchor" in captions.caption(board)
    assert "could not be tested, as the predictions are not stored" in captions.caption(board)


def test_old_records_give_the_head_of_the_anchor_and_no_other_reference():
    store = Store(OLD)
    (board,), _ = load.load_boards(store)
    row = reference(board, "anchor-head")
    records = [r for r in store.records()[0] if r["key"]["method"] == "dt"]
    mean = np.mean([r["metrics"]["target_test"]["heads"][r["key"]["anchor"]] for r in records])
    assert row.scores[AVERAGE].mean == pytest.approx(100 * mean)
    assert [one.label for one in board.references] == ["anchor-head", "dt"]
    assert not row.intervals
    assert not row.macro


def test_a_reference_can_be_compared_by_its_name(store):
    boards, predictions = load.load_boards(store, tests=False)[0], load.read_predictions(store)
    (duel,) = compare(boards, predictions, "luhp", "mean-of-heads")
    assert set(duel.columns) == set(COLUMNS)
    assert duel.columns[AVERAGE].mean > 0
    (back,) = compare(boards, predictions, "mean-of-heads", "luhp")
    assert back.columns["A"].p == duel.columns["A"].p


def test_damaged_heads_count_as_not_stored():
    record = {"reference": "anchor-head", "key": {"anchor": "A"}, "detected": None}
    arrays = {"target_test/probabilities": np.ones((5, 3))}
    assert reference_rows.answers(record, arrays | {"target_test/head_probabilities": np.ones((5, 3, 3))}) is None
    assert reference_rows.answers(record, arrays) is None
    assert reference_rows.answers({}, arrays) is arrays["target_test/probabilities"]


def test_a_failed_cell_of_dt_is_one_of_its_references(tmp_path):
    store = fill(Store(tmp_path), seeds=2)
    cell = make_cell("dt", "L", 1)
    store.write(cell, store.read(cell) | {"status": "failed", "reason": "x", "metrics": None}, None, replace=True)
    (board,), _ = load.load_boards(store)
    assert captions.score_text(reference(board, "anchor-head").scores["L"]) == "– (failed)"
    assert board.best_reference is None
    assert "label-free" not in captions.caption(board)


def test_the_figures_show_references_hollow(board, store):
    figure, caption, alt = gallery._scores(board, "")
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert {"anchor head (reference)", "mean of heads (reference)", "LUHP"} <= set(names)
    assert "Hollow: references made from the heads of DT" in caption
    assert "anchor head (reference)" in alt
    marks = [
        line for line in figure.axes[-1].lines if line.get_marker() in ("o", "D", "s") and line.get_markersize() > 5
    ]
    assert len({line.get_markerfacecolor() for line in marks}) > 1
    figure, _, _ = gallery._cost(board)
    assert "anchor head (reference)" in [text.get_text() for text in figure.axes[0].texts]
