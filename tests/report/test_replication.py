"""The page on A3D2: its rows of several boards beside DT, what the paper claims, the balance, and what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from hand_made import make_cell, make_outputs, make_record, scored_record

from mmda_bench.protocol import Protocol
from mmda_bench.registry.spec import parse_methods, parse_spec
from mmda_bench.report.boards import make_boards
from mmda_bench.report.load import load_boards
from mmda_bench.report.paired_tests import Difference
from mmda_bench.report.replication import VARIANTS, replication
from mmda_bench.report.write import write_leaderboards
from mmda_bench.store import Store

GRADIENTS = {
    "ib": {m: [1.0, 1.0] for m in "ALV"},
    "aa_L": {m: [0.5, 6.0] if m == "L" else [0.0, 0.0] for m in "ALV"},
    "aa_V": {m: [0.5, 4.0] if m == "V" else [0.0, 0.0] for m in "ALV"},
    "add_L": {m: [0.005, 0.005] for m in "ALV"},
}


def runs(typed, f1, **protocol):
    spec = parse_spec(typed)
    cells = [
        replace(
            make_cell(spec.method, anchor, seed),
            params=spec.params,
            off=spec.off,
            protocol=Protocol(backbone="tiny", **protocol),
        )
        for anchor in "ALV"
        for seed in range(2)
    ]
    return [make_record(cell, f1, curves={"terms": {}, "gradients": GRADIENTS}) for cell in cells]


def page(records, **gaps):
    return replication([replace(board, gaps=gaps) for board in make_boards(records)])


def test_rows_of_all_frames_stand_side_by_side():
    records = [*runs("dt", 0.5), *runs("a3d2", 0.6), *runs("a3d2[detach=yes]", 0.7), *runs("a3d2[gamma2=0.5]", 0.8)]
    records += [*runs("dt", 0.4, heads="bn"), *runs("a3d2-released", 0.55, heads="bn")]
    tuned = {"select": "bnm+ensv", "trials": 12}
    records += [*runs("dt", 0.3, **tuned), *runs("a3d2[gamma1=77]", 0.35, **tuned)]
    text = page(records, a3d2=Difference(10.0, 4.0, 16.0, 0.004, 0.004))
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    values = {"DT": 50, "as printed": 60, "predictions detached": 70, "AA with the weight that DANN has": 80}
    values |= {"DT with the heads of the released code": 40, "as released": 55, "DT, tuned": 30, "tuned": 35}
    for title, value in values.items():
        assert f"| {value:.1f} ± 0.0 |" in rows[title], title
    assert "| +10.0 (+4.0 … +16.0) | 0.004 |" in rows["as printed"]
    assert set(rows) == {variant.title for variant in VARIANTS} | {"row", "---"}


def test_what_is_missing_is_said_with_the_command_that_makes_it():
    text = page([*runs("dt", 0.5), *runs("a3d2", 0.6)])
    assert "| predictions detached | missing | missing | missing | missing |" in text
    assert "--methods 'a3d2[detach=yes]' --anchors A,L,V --seeds 0-1 --backbone tiny --no-bounds`" in text
    assert "--methods a3d2-released --anchors A,L,V --seeds 0-1 --backbone tiny --heads bn --no-bounds`" in text
    assert text.count("--protocol tuned`") == 2
    for variant in VARIANTS:
        assert len(parse_methods(variant.typed)) == 1


@pytest.mark.parametrize(
    ("gap", "said"),
    [
        (
            Difference(9.0, 1.0, 17.0, 0.03, 0.03),
            "AA: the paper has +9.4, here it is +9.0 (+1.0 … +17.0): a gain",
        ),
        (Difference(2.0, -3.0, 7.0, 0.4, 0.4), "+2.0 (−3.0 … +7.0): neither gain nor loss is seen"),
        (Difference(-8.0, -9.0, -7.0, 0.0, 0.0), "−8.0 (−9.0 … −7.0): a loss is seen"),
    ],
)
def test_what_of_the_gains_of_the_paper_is_seen(gap, said):
    text = page([*runs("dt", 0.5), *runs("a3d2", 0.6), *runs("a3d2[-add]", 0.6)], **{"a3d2[-add]": gap})
    assert said in text
    assert "ADD: the paper has +8.9; not tested here." in text


def test_the_balance_is_the_median_over_runs_of_each_kind_of_term():
    text = page([*runs("dt", 0.5), *runs("a3d2", 0.6)])
    assert "- as printed: aa: its gradient at Z is 5 × L_IB's: it dominates; add: its gradient at Z is 1/200 of" in text


def test_no_page_without_a3d2_as_printed():
    assert replication(make_boards(runs("dt", 0.5) + runs("a3d2[gamma1=5]", 0.6))) == ""


def test_the_distance_from_dt_is_tested_for_every_line_of_both_tables(tmp_path, figureless):
    store, rng = Store(tmp_path), np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    for typed, accuracy in (("dt", 0.5), ("a3d2", 0.9), ("a3d2[-add]", 0.8)):
        spec = parse_spec(typed)
        for anchor in "ALV":
            for seed in range(3):
                cell = replace(make_cell(spec.method, anchor, seed), params=spec.params, off=spec.off)
                predicted = np.where(rng.random(len(labels)) < accuracy, labels, (labels + 1) % 4)
                store.write(cell, scored_record(cell, labels, predicted), make_outputs(labels, predicted))
    (board,), _ = load_boards(store)
    means = {row.label: row.scores["ave."].mean for row in board.lines}
    assert set(board.gaps) == {"a3d2", "a3d2[-add]"}
    for label, gap in board.gaps.items():
        assert gap.mean == pytest.approx(means[label] - means["dt"])
        assert gap.low < gap.mean < gap.high
        assert gap.p < 0.01
    write_leaderboards(store, tmp_path)
    assert "a gain is seen" in (tmp_path / "a3d2.md").read_text("utf-8")
