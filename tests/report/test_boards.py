"""Tables from hand-made stores: each thing is shown as what it is, and nothing is averaged over a hole."""

import csv
import io
import json
import os
import re
from dataclasses import replace
from statistics import fmean, stdev

import pytest
from hand_made import make_cell, make_record

from mmda_bench.protocol import SUPERVISED, Cell, Protocol
from mmda_bench.registry import METHODS, registry
from mmda_bench.report import Kept, drawn, load, write
from mmda_bench.report.boards import AVERAGE, Board, make_boards
from mmda_bench.report.formats import captions, latex, markdown
from mmda_bench.report.formats import tables as sections
from mmda_bench.report.missing import run_command
from mmda_bench.store import Damaged, Store


def sweep(method, *, seeds=range(3), base=0.5, without=(), **options):
    """Records of a method at all anchors; ``without``: (anchor, seed) that did not run."""
    cells = [make_cell(method, anchor, seed, **options) for seed in seeds for anchor in "ALV"]
    kept = [cell for cell in cells if (cell.anchor, cell.seed) not in without]
    return [make_record(cell, base + 0.01 * cell.seed + 0.1 * "ALV".index(cell.anchor)) for cell in kept]


def spoil(records, anchor, seed, **changes):
    for record in records:
        if (record["key"]["anchor"], record["key"]["seed"]) == (anchor, seed):
            record.update(changes, metrics=None, times=None, memory_mb=None)
    return records


def only(boards) -> Board:
    assert len(boards) == 1
    return boards[0]


def row_of(board, label):
    return next(row for row in board.rows if row.label == label)


def test_mean_and_deviation_are_over_seeds_and_the_average_is_over_anchors_first():
    row = row_of(only(make_boards(sweep("dt"))), "dt")
    assert row.scores["A"].mean == pytest.approx(100 * fmean([0.5, 0.51, 0.52]))
    assert row.scores["A"].sd == pytest.approx(100 * stdev([0.5, 0.51, 0.52]))
    assert row.scores[AVERAGE].mean == pytest.approx(61.0)
    assert row.scores[AVERAGE].sd == pytest.approx(1.0)
    assert row.minutes == pytest.approx(0.1)
    assert row.memory_mb == 512


def test_methods_stand_in_the_order_of_the_paper_and_the_others_after_them():
    records = sweep("zebra") + sweep("a3d2") + sweep("dann") + sweep("dt") + sweep("a3d2", gamma1=5.0)
    board = only(make_boards(records))
    assert [row.label for row in board.rows] == ["dt", "dann", "a3d2", "a3d2[gamma1=5]", "zebra"]
    assert [row.title for row in board.rows][2:4] == ["A3D2", "A3D2[gamma1=5]"]


def test_a_cell_that_another_split_lacks_is_run_by_a_command_that_names_the_split():
    key = {**make_cell("dt").key(), "protocol": vars(Protocol(backbone="tiny", split=2))}
    command = run_command(key, ["dt"], ["A"], [0], rerun=False, bounds=True)
    assert command.endswith("--backbone tiny --splits 2-2")


def test_a_missing_seed_is_marked_has_no_average_and_is_named_with_its_command():
    board = only(make_boards(sweep("dt") + sweep("dann", without=[("L", 2)])))
    row = row_of(board, "dann")
    assert captions.score_text(row.scores["L"]).endswith("(2/3)")
    assert row.scores[AVERAGE].mean is None
    assert row_of(board, "dt").scores[AVERAGE].mean is not None
    hole = board.holes[0]
    assert len(board.holes) == 1
    assert hole.cells == "dann: anchor L, seed 2 (not run)"
    assert hole.command == (
        "mmda-bench run --dataset avatars --methods dann --anchors L --seeds 2-2 --backbone tiny --no-bounds"
    )


def test_what_lacks_of_a_search_is_filled_by_its_settings_and_the_run_on_target_labels_by_the_search():
    chosen = {"select": "bnm", "trials": 12}
    cells = [Cell.from_key(r["key"]) for r in sweep("dann", without={("V", 1)}) + sweep(SUPERVISED, without={("A", 0)})]
    board = only(make_boards([make_record(replace(c, protocol=replace(c.protocol, **chosen))) for c in cells]))
    first, second = (hole.command.removeprefix("mmda-bench run --dataset avatars ") for hole in board.holes)
    assert first == "--methods 'dann[tuned]' --anchors V --seeds 1-1 --backbone tiny --select bnm --no-bounds"
    asked = "--methods dt --anchors A --seeds 0-0 --backbone tiny --select bnm --protocol tuned --trials 12"
    assert second == asked


def test_batches_of_another_size_are_another_table_and_the_command_of_a_hole_says_so():
    records = sweep("dt") + sweep("dann")
    other = [
        make_record(replace(c, protocol=replace(c.protocol, batch=32, beta=0.01)))
        for c in (Cell.from_key(r["key"]) for r in records)
    ]
    first, second = make_boards([*records, *other[1:]])
    assert first.signature != second.signature
    assert "--batch 32 --beta 0.01" in next(hole.command for b in (first, second) for hole in b.holes)


def test_a_failed_cell_leaves_no_mean_of_its_scenario_and_is_listed_with_its_reason():
    records = sweep("dt") + spoil(sweep("dann"), "V", 1, status="diverged", reason="term domain is NaN in epoch 3")
    board = only(make_boards(records))
    assert captions.score_text(row_of(board, "dann").scores["V"]) == "– (diverged)"
    assert row_of(board, "dann").scores[AVERAGE].mean is None
    assert row_of(board, "dann").scores["A"].mean is not None
    failure = board.failures[0]
    assert (failure.label, failure.anchor, failure.seed, failure.status) == ("dann", "V", 1, "diverged")
    assert board.holes[0].command.endswith("--rerun failed --no-bounds")
    text = markdown.markdown([board])
    assert "term domain is NaN in epoch 3" in text
    assert board.holes[0].command in text


def test_holes_of_several_methods_share_a_command_and_brackets_are_quoted():
    records = sweep("dt") + sweep("dann") + sweep("cdan", without=[("A", 0)])
    records += sweep("a3d2", off=("add",), without=[("A", 0)])
    board = only(make_boards(records))
    assert [hole.cells for hole in board.holes] == ["cdan, a3d2[-add]: anchor A, seed 0 (not run)"]
    assert "--methods 'cdan,a3d2[-add]'" in board.holes[0].command


def test_another_signature_is_another_table_and_its_commands_say_so():
    first, second = make_boards(sweep("dt") + sweep("dt", epochs=2, without=[("A", 0)]))
    assert "epochs:8" in first.signature, "the larger sweep first"
    assert "epochs:2" in second.signature
    assert all(len(board.rows) == 1 for board in (first, second))
    assert "--epochs 2" in second.holes[0].command


def test_a_corpus_that_changed_between_cells_is_said_under_the_table():
    old = [record | {"dataset": {"fingerprint": "aaa"}} for record in sweep("dt")]
    new = [record | {"dataset": {"fingerprint": "bbb"}} for record in sweep("dann")]
    assert "Not comparable" not in markdown.markdown(make_boards(old))
    assert "Not comparable: the corpus changed between these cells (`aaa`, `bbb`)" in markdown.markdown(
        make_boards(old + new)
    )


def test_a_row_whose_seeds_are_of_different_corpora_is_named_wherever_its_means_are(tmp_path, figureless):
    changed = [r | {"dataset": {"fingerprint": "bbb" if r["key"]["seed"] else "aaa"}} for r in sweep("dann")]
    store = Store(tmp_path)
    for record in [r | {"dataset": {"fingerprint": "aaa"}} for r in sweep("dt")] + changed:
        store.write(Cell.from_key(record["key"]), record, None)
    board = only(load.load_boards(store, tests=False)[0])
    warning = "Not comparable: the corpus changed between these cells (`aaa`, `bbb`); even within one row, whose means "
    warning += "are then of no one corpus: DANN; `--rerun all` makes them one."
    assert captions.not_comparable(board) == warning
    write.write_leaderboards(store)
    assert (tmp_path / "leaderboard.md").read_text().count(warning) == 2, "at the top, and under Table 1"
    assert warning in markdown.markdown_main(board), "in a terminal"
    assert "Not comparable" in latex.latex([board])


def test_utterances_that_were_lost_are_counted_in_the_caption():
    lost = {"skipped": [["u1", "no sound"], ["u2", "empty"]], "substituted": [["u3", "silent"]]}
    records = [record | {"dataset": lost} for record in sweep("dt") + sweep("dann")]
    said = "Utterances of the corpus: 2 could not be read and were left out and 1 were used with a part missing"
    assert said in markdown.markdown(make_boards(records))
    assert said in latex.latex(make_boards(records)).replace("\n% ", " ")
    assert "Utterances" not in captions.caption(only(make_boards(sweep("dt"))))
    assert "left out" not in captions.caption(only(make_boards(
        [record | {"dataset": lost | {"skipped": []}} for record in sweep("dt")])))  # fmt: skip


def test_cells_of_corpora_with_other_numbers_of_classes_have_tables_and_no_confusion(tmp_path, undrawn):
    store = Store(tmp_path)
    for record in sweep("dt"):
        n = 2 + record["key"]["seed"]
        record["metrics"]["target_test"] |= {"per_class_f1": [0.5] * n, "confusion": [[1] * n] * n}
        store.write(Cell.from_key(record["key"]), record, None)
    write.write_leaderboards(store)
    assert "different numbers of classes ([2, 3, 4])" in (tmp_path / "index.html").read_text()


def test_seeds_beyond_those_of_most_rows_stay_out_and_are_named():
    board = only(make_boards(sweep("dt") + sweep("dann") + sweep("cdan", seeds=range(5))))
    assert board.seeds == (0, 1, 2)
    assert "|seeds:0-2|metric:" in board.signature
    assert row_of(board, "cdan").scores["A"].complete
    assert board.extra == {"cdan": (3, 4)}
    assert board.holes == []
    assert "outside the seeds of these tables: cdan (seeds 3, 4)" in markdown.markdown([board])


def test_bounds_are_references_below_the_table_and_no_rows_of_it():
    board = only(make_boards(sweep("dt") + sweep("dann") + sweep(SUPERVISED, base=0.7)))
    assert [row.label for row in board.rows] == ["dt", "dann"]
    assert [row.title for row in board.references] == ["DT, source test", "target-supervised"]
    assert board.references[0].scores["A"].mean == pytest.approx(90.0)
    assert board.references[1].scores["A"].mean == pytest.approx(71.0)
    main, below = markdown.markdown_main(board).split("### Bounds: references, not methods")
    assert SUPERVISED not in main
    assert SUPERVISED in below


def test_only_the_references_that_are_there_are_explained():
    both, source_alone = (
        sections.references(make_boards(records)[0]).caption
        for records in (sweep("dt") + sweep(SUPERVISED), sweep("dt"))
    )
    assert "DT on the source test set" in both
    assert "target labels" in both
    assert "DT on the source test set" in source_alone
    assert "target labels" not in source_alone


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0004, "p < 0.001"), (0.02, "p = 0.020"), (0.0496, "p = 0.0496"), (0.0504, "p = 0.0504"), (0.051, "p = 0.051")],
)
def test_a_p_value_shows_on_which_side_of_the_level_it_lies(p, text):
    assert captions.p_text(p) == text


def test_table_2_has_a_mark_per_component_that_is_on():
    records = sweep("dt") + sweep("a3d2") + sweep("a3d2", off=("aa",)) + sweep("a3d2", off=("add",)) + sweep("dann")
    board = only(make_boards(records + sweep("dann", align_on="drifts")))
    assert [row.label for row in board.rows] == ["dt", "dann[align_on=drifts]", "dann", "a3d2"]
    rows = board.ablation["a3d2"]
    marks = {row.label: sections.switched_on(row, "a3d2", board.components["a3d2"]) for row in rows}
    assert marks == {
        "dt": [False, False],
        "dann[align_on=drifts]": [False, False],
        "a3d2[-add]": [True, False],
        "a3d2[-aa]": [False, True],
        "a3d2": [True, True],
    }
    table_2 = next(table for table in sections.tables(board) if table.name == "ablation:a3d2")
    assert list(marks) == ["dt", "dann[align_on=drifts]", "a3d2[-add]", "a3d2[-aa]", "a3d2"]
    assert markdown.markdown_table(table_2, "").count("✓") == 4


def test_markup_in_a_record_stays_text():
    nasty = "<script>alert(1)</script> | `x` **b**\nsecond_line & 50% #1 {}"
    board = only(make_boards(spoil(sweep("dt"), "A", 0, status="failed", reason=nasty)))
    text = markdown.markdown([board])
    assert "<script>" not in text
    assert "\nsecond" not in text
    assert latex.tex(nasty).count(r"\&") == 1


FORMULA = '=HYPERLINK("http://x")'


def test_what_a_spreadsheet_would_take_for_a_formula_is_text_in_csv_and_numbers_stay():
    records = [record | {"dataset": {"classes": [FORMULA, "@b"]}} for record in sweep("dt") + sweep("dann")]
    for record in records:
        record["key"]["method"] += "=1" if record["key"]["method"] == "dann" else ""
        record["metrics"]["target_test"] = record["metrics"]["target_test"] | {"per_class_f1": [0.5, 0.5]}
    board = only(make_boards(records))
    board = replace(board, dataset="=1+1", rows=[replace(board.rows[0], title="-2+3"), board.rows[1]])
    lines = list(csv.DictReader(io.StringIO(markdown.csv_text([board]))))
    assert not [value for line in lines for value in line.values() if re.match(r"[=+@\t\r]|-(?!\d+\.\d+$)", value)]
    assert {line["dataset"] for line in lines} == {"'=1+1"}
    assert "'-2+3" in {line["title"] for line in lines}
    assert any(line["column"] == f"'{FORMULA}:A" for line in lines)


@pytest.mark.parametrize("foreign", ["a`b", "`a``", "$x$ ~~y~~ &lt; <b>", "![](http://x) | **c**"])
def test_foreign_text_stays_text_in_markdown(foreign):
    nasty = [record | {"hardware": {"gpu": foreign}, "device": "cuda"} for record in sweep("dt")]
    nasty += spoil(sweep("dann"), "A", 0, status="failed", reason=foreign)
    for record in nasty:
        record["key"]["method"] += foreign if record["key"]["method"] == "dann" else ""
    text = markdown.markdown(make_boards(nasty), [Damaged(foreign, foreign)])
    code = re.compile(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)")
    outside = re.sub(r"\\.", "", code.sub("", text))
    assert not set(outside.replace("**failed**", "").replace("~~", "")) & set("<>`$")
    assert not re.search(r"~|\*\*c|!\[|&lt;b", outside.replace("&lt;b&gt;", ""))


def test_two_methods_with_one_title_are_told_apart(monkeypatch):
    entries = METHODS.entries()
    monkeypatch.setattr(registry.METHODS, "entries", lambda: entries | {"mine": replace(entries["dann"], name="mine")})
    board = only(make_boards(sweep("dt") + sweep("dann") + sweep("mine")))
    assert [row.title for row in board.rows] == ["DT", "DANN (dann)", "DANN (mine)"]


def test_csv_and_json_hold_every_number_of_the_tables():
    boards = make_boards(sweep("dt") + sweep("dann", without=[("A", 0)]))
    lines = list(csv.DictReader(io.StringIO(markdown.csv_text(boards))))
    assert {(line["method"], line["column"]) for line in lines if line["table"] == "main"} == {
        (method, column) for method in ("dt", "dann") for column in ("A", "L", "V", AVERAGE)
    }
    hole = next(line for line in lines if line["method"] == "dann" and line["column"] == AVERAGE)
    assert hole["mean"] == ""
    document = json.loads(markdown.json_text(boards))
    assert document["boards"][0]["table1"][0]["scores"]["A"]["seeds"] == {"0": 50.0, "1": 51.0, "2": 52.0}


def test_leaderboards_are_the_same_bytes_for_the_same_store_and_name_what_is_unreadable(tmp_path, figureless):
    store = Store(tmp_path)
    for record in sweep("dt") + sweep("dann"):
        cell = make_cell(record["key"]["method"], record["key"]["anchor"], record["key"]["seed"])
        store.write(cell, record, None)
    broken = store.folder(make_cell("dann", "V", 2)) / "record.json"
    broken.write_text("{half")
    paths = write.write_leaderboards(store)
    first = [path.read_bytes() for path in paths]
    assert {f"leaderboard.{kind}" for kind in ("md", "tex", "csv", "json")} <= {path.name for path in paths}
    assert write.write_leaderboards(store) == paths
    assert [path.read_bytes() for path in paths] == first
    text = paths[0].read_text()
    assert "Unreadable records" in text
    assert "runs/avatars/V/dann/seed2-" in text
    assert "dann: anchor V, seed 2 (not run)" in text
    assert str(tmp_path) not in text


CHANGES = {
    "none": lambda folder: None,
    "every time": lambda folder: [os.utime(path, ns=(10**18, 10**18)) for path in folder.rglob("*")],
    "a record": lambda folder: Store(folder).write(make_cell("dann"), make_record(make_cell("dann")), None),
    "predictions": lambda folder: next(folder.rglob("record.json")).with_name("predictions.npz").write_bytes(b"new"),
    "a table": lambda folder: (folder / "leaderboard.md").write_text("edited"),
    "a figure": lambda folder: (folder / "figures" / "avatars-f1.svg").write_text("edited"),
    "no page": lambda folder: (folder / "index.html").unlink(),
    "a damaged note": lambda folder: (folder / ".made_from.json").write_text('{"inputs": 3}'),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_leaderboards_are_up_to_date_by_what_they_were_made_from_and_not_by_time(tmp_path, undrawn, change):
    store = Store(tmp_path)
    for record in sweep("dt"):
        store.write(Cell.from_key(record["key"]), record, None)
    paths = write.write_leaderboards(store, kept=Kept(store))
    CHANGES[change](tmp_path)
    assert write.up_to_date(Kept(store)) == (paths if change in ("none", "every time") else [])
    write.write_leaderboards(store, kept=Kept(store))
    assert write.up_to_date(Kept(store)) == paths
    assert paths[0].read_text() == markdown.markdown(*load.load_boards(store))


def test_another_version_of_the_code_makes_leaderboards_anew(tmp_path, figureless, monkeypatch):
    store = Store(tmp_path)
    write.write_leaderboards(store, kept=Kept(store))
    monkeypatch.setattr(drawn, "code_digest", lambda: "another")
    assert write.up_to_date(Kept(store)) == []


def test_an_empty_store_says_how_to_fill_it(tmp_path):
    assert "mmda-bench run" in write.write_leaderboards(Store(tmp_path))[0].read_text()
