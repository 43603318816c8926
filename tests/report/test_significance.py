"""Bold sets, intervals and trust of whole boards, from stores made by hand."""

import numpy as np
import pytest
from hand_made import erring, make_cell, make_outputs, scored_record
from slow_f1 import weighted_f1

from mmda_bench.protocol import SUPERVISED
from mmda_bench.report import load
from mmda_bench.report import paired_tests as st
from mmda_bench.report.boards import AVERAGE
from mmda_bench.report.formats import captions, markdown, tables
from mmda_bench.report.formats.tables import MOST_PAIRED
from mmda_bench.report.significance import with_tests
from mmda_bench.store import Store

pytestmark = pytest.mark.slow

SIZE = 200
LABELS = np.random.default_rng(0).integers(0, 4, SIZE)
ACCURACY = {"dt": 0.5, "dann": 0.8, "cdan": 0.82}


def predictions(method, anchor, seed, accuracy):
    return erring(np.random.default_rng([len(method), ord(anchor), seed]), LABELS, accuracy)


def fill(store, accuracy=ACCURACY, *, seeds=range(5), without_predictions=(), labels=LABELS, **options):
    """Three methods at all anchors, with predictions unless told."""
    for method, share in accuracy.items():
        for anchor in "ALV":
            for seed in seeds:
                cell = make_cell(method, anchor, seed, **options)
                predicted = predictions(method, anchor, seed, share)
                kept = None if (method, anchor, seed) in without_predictions else make_outputs(labels, predicted)
                store.write(cell, scored_record(cell, LABELS, predicted), kept, replace=True)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def only_board(store, **options):
    boards, _ = load.load_boards(store, **options)
    assert len(boards) == 1
    return boards[0]


def test_bold_intervals_and_p_of_a_board_equal_a_computation_from_its_files(store):
    fill(store)
    draws = 12
    board = with_tests(only_board(store, tests=False), load.read_predictions(store), draws=draws)
    rows = st.resamples(SIZE, names=["avatars:v1", "split:0"], draws=draws)

    def f1(predicted, chosen):
        return 100 * weighted_f1(LABELS[chosen], predicted[chosen], classes=4)

    table = {  # the score itself first, then that of every draw
        (method, anchor, seed): [f1(predictions(method, anchor, seed, share), row) for row in [range(SIZE), *rows]]
        for method, share in ACCURACY.items()
        for anchor in "ALV"
        for seed in range(5)
    }

    def column(method, anchors):
        means = np.mean([[table[method, anchor, seed] for seed in range(5)] for anchor in anchors], 0).T
        return st.Sample(means[0], means[1:].mean(1), SIZE)

    for anchors, name in (("A", "A"), ("ALV", AVERAGE)):
        slow = {method: column(method, anchors) for method in ACCURACY}
        best, others = st.from_the_best(slow)
        for row in board.rows:
            np.testing.assert_allclose(row.intervals[name], st.interval(slow[row.label]), rtol=1e-5)
            assert (name in row.bold) == (row.label == best or not others[row.label].significant)
            if row.label != best:
                assert row.from_best[name].adjusted == pytest.approx(others[row.label].adjusted)
                assert row.from_best[name].mean == pytest.approx(others[row.label].mean)
    assert AVERAGE not in board.rows[0].bold, "dt is far behind"
    assert set(board.pairs) == {("dt", "dann"), ("dt", "cdan"), ("dann", "cdan")}


def test_the_caption_says_how_bold_was_earned_and_every_format_shows_it(store):
    fill(store)
    board = only_board(store)
    assert "Holm over the comparisons" in captions.caption(board)
    assert "t test on the mean over 5 seeds" in captions.caption(board)
    best = next(row for row in board.rows if row.label == "cdan")
    text = f"**{captions.score_text(best.scores['A'])}**"
    assert text in markdown.markdown([board])
    lines = [line for line in markdown.rows_of([board]) if line["table"] == "main" and line["column"] == "A"]
    assert [line["bold"] for line in lines] == [int("A" in row.bold) for row in board.rows]
    assert "about the trained models, not about the methods" in captions.bold_rule(only_board_of_one_seed(store))


def only_board_of_one_seed(store):
    other = Store(store.results / "one")
    fill(other, seeds=[0])
    return only_board(other)


def test_one_row_without_predictions_leaves_its_columns_without_bold_and_says_why(store):
    fill(store, without_predictions=[("cdan", "L", 1)])
    board = only_board(store)
    for column in ("L", AVERAGE):
        assert not any(column in row.bold for row in board.rows)
        assert board.untested[column] == "cdan: its predictions are not stored (anchor L, seed 1)"
    assert any("A" in row.bold for row in board.rows)
    assert not board.ranks, "of some methods alone they would mislead"
    assert "Without a test: L (cdan: its predictions are not stored" in captions.bold_rule(board)
    assert "L" in board.rows[0].intervals, "the others have their intervals"
    assert "L" not in next(row for row in board.rows if row.label == "cdan").intervals


def test_without_any_predictions_the_tables_come_and_say_why_nothing_is_bold(store):
    every = [(method, anchor, seed) for method in ACCURACY for anchor in "ALV" for seed in range(5)]
    fill(store, without_predictions=every)
    text = markdown.markdown([only_board(store)])
    assert "**" not in text
    assert "Nothing is set in bold, as nothing was tested: A (dt: its predictions are not stored" in text
    assert "| DANN" in text
    assert "95 % intervals" not in text
    assert "Trust" not in text


def test_predictions_of_other_utterances_or_of_another_run_are_not_compared(store):
    fill(store)
    cell = make_cell("dann", "A", 0)
    other = LABELS[::-1]
    store.write(cell, scored_record(cell, other, LABELS), make_outputs(other, LABELS), replace=True)
    assert only_board(store).untested["A"] == "dann: its predictions are of other utterances (anchor A, seed 0)"
    store.write(cell, store.read(cell), make_outputs(LABELS, (LABELS + 1) % 4), replace=True)
    boards, damaged = load.load_boards(store, tests=False)
    assert [(one.path, "its predictions give a weighted F1 of 0.0000" in one.reason) for one in damaged] == [
        (store.relative(store.folder(cell) / "record.json"), True)
    ]
    dann = next(row for row in boards[0].rows if row.label == "dann")
    assert len(dann.scores["A"].seeds) == 4, "and what is not sure is shown nowhere"


def test_predictions_that_are_not_whole_count_as_not_stored(store):
    fill(store)
    cell = make_cell("dann", "A", 0)
    arrays = make_outputs(LABELS, LABELS)
    for damage in ({"target_test/labels": None}, {"target_test/probabilities": np.ones((3, 4), np.float16)}):
        kept = {name: array for name, array in (arrays | damage).items() if array is not None}
        store.write(cell, store.read(cell), kept, replace=True)
        assert "dann: its predictions are not stored" in only_board(store).untested["A"]


def test_nothing_is_tested_across_a_change_of_the_corpus(store):
    fill(store)
    cell = make_cell("dann", "A", 0)
    changed = store.read(cell) | {"dataset": {"fingerprint": "other", "classes": []}}
    predicted = predictions("dann", "A", 0, 0.8)
    store.write(cell, changed, make_outputs(LABELS, predicted), replace=True)
    board = only_board(store)
    assert not board.pairs
    assert not any(row.bold or row.intervals for row in board.rows)
    assert "the corpus changed between the cells" in board.untested["A"]


def test_incomplete_rows_and_references_take_no_part_in_the_bold_set(store):
    fill(store, {"dt": 0.5, "dann": 0.6, SUPERVISED: 0.97})
    fill(store, {"cdan": 0.95}, seeds=range(4))
    board = only_board(store)
    bold = {row.label for row in board.rows if "A" in row.bold}
    assert "cdan" not in bold, "a missing seed"
    assert "dann" in bold
    assert SUPERVISED not in {row.label for row in board.rows}
    reference = next(row for row in board.references if row.label == SUPERVISED)
    assert reference.intervals
    assert not reference.bold


def test_table_2_is_a_family_of_its_own(store):
    fill(store, {"dt": 0.4, "a3d2": 0.6, "cdan": 0.98})
    fill(store, {"a3d2": 0.55}, off=("aa",))
    board = only_board(store)
    assert {row.label for row in board.rows if AVERAGE in row.bold} == {"cdan"}
    assert "a3d2" in {row.label for row in board.ablation["a3d2"] if AVERAGE in row.bold}


def test_of_many_methods_the_matrix_has_the_best_and_can_still_tell_them_apart(store):
    many = {f"m{i:02d}": 0.3 + 0.02 * i for i in range(MOST_PAIRED + 5)}
    fill(store, many, seeds=[0])
    board = only_board(store)
    best = set(sorted(many, key=lambda m: -next(r for r in board.rows if r.label == m).scores[AVERAGE].mean)[:20])
    assert {label for pair in board.pairs for label in pair} == set(many), "all pairs are tested"
    assert min(p.adjusted for p in board.pairs.values()) < st.ALPHA
    table = next(table for table in tables.tables(board) if table.name == "pairs")
    assert "The 20 best by average of 25" in table.caption
    assert {row[0].text for row in table.rows} == best


def test_a_failed_cell_leaves_the_others_their_test(store):
    fill(store)
    cell = make_cell("dann", "V", 1)
    record = store.read(cell) | {"status": "diverged", "reason": "NaN", "metrics": None}
    store.write(cell, record, None, replace=True)
    board = only_board(store)
    dann = next(row for row in board.rows if row.label == "dann")
    assert "V" not in dann.intervals
    assert AVERAGE not in dann.intervals
    assert {"A", "L"} <= set(dann.intervals)
    assert not board.untested
    assert set(board.pairs) == {("dt", "cdan")}
