"""How long a sweep still takes: from stored records and from what is under way."""

import pytest
from hand_made import make_cell, make_record

from mmda_bench.sweep.forecast import Forecast

# A sweep as it ran on two processors: method, anchor, when the cell began and how long it took, in seconds.
RECORDED = """
daln A 0 6.3, daln L 3 6.2, daln V 6 6.8, pcl A 10 11.1, pcl L 13 9.6, pcl V 21 9.7, fdd A 23 6.1, fdd L 29 6.1,
fdd V 31 6.3, luhp A 35 8.5, luhp L 37 8.6, luhp V 44 9.1, dada A 46 7.5, dada L 53 7.3, dada V 53 7.6, a3d2 A 60 8.0,
a3d2 L 61 8.3, a3d2 V 69 7.8, target-supervised A 70 6.6, target-supervised L 76 6.0, target-supervised V 76 6.1
"""
SWEEP = [
    (make_cell(method, anchor), float(began), float(took))
    for method, anchor, began, took in (line.split() for line in RECORDED.replace("\n", " ").split(","))
]
LAST_S = 10.0  # of a sweep, in which a factor says little


def replay(forecast):
    """By event, after the first cell that has ended: the forecast, and what was then really left."""
    end = max(began + took for _, began, took in SWEEP)
    events = sorted(
        [(b, 0, i) for i, (_, b, _) in enumerate(SWEEP)] + [(b + t, 1, i) for i, (_, b, t) in enumerate(SWEEP)]
    )
    for now, has_ended, number in events:
        cell, _, took = SWEEP[number]
        if has_ended:
            forecast.finished(cell, took)
            yield forecast.left(now), end - now
        else:
            forecast.started(cell, now)


@pytest.mark.parametrize("slower", [None, 1.0, 4.0, 0.25])
def test_after_the_first_cell_the_forecast_is_within_a_factor_of_one_and_a_half(slower):
    """``slower``: how many times longer the stored cells, of other seeds, took; None: nothing is stored."""
    stored = [
        make_record(make_cell(cell.method, cell.anchor, seed=1), times={"total_s": slower * took})
        for cell, _, took in SWEEP
    ] if slower else []  # fmt: skip
    factors = [
        told / real
        for told, real in replay(Forecast([cell for cell, _, _ in SWEEP], stored, at_once=2))
        if real > LAST_S
    ]
    assert len(factors) > 15
    assert min(factors) > 1 / 1.5
    assert max(factors) < 1.5


def test_stored_cells_tell_something_before_the_first_has_ended():
    stored = [make_record(make_cell("dt", seed=1), times={"total_s": 60.0})]
    forecast = Forecast([make_cell("dt"), make_cell("dann")], stored, at_once=1)
    assert forecast.left(0.0) == 120.0
    forecast.started(make_cell("dt"), 0.0)
    assert forecast.left(45.0) == 75.0, "what is under way counts"
    assert Forecast([make_cell("dt")]).left(0.0) is None


def test_no_sweep_is_shorter_than_its_longest_cell():
    stored = [make_record(make_cell("dt", seed=1), times={"total_s": 60.0})]
    assert Forecast([make_cell("dt")], stored, at_once=8).left(0.0) == 60.0


def test_without_a_number_of_places_as_many_as_were_seen_are_expected():
    cells = [make_cell("dt", seed=seed) for seed in range(8)]
    forecast = Forecast(cells, [make_record(make_cell("dt", seed=9), times={"total_s": 10.0})])
    for cell in cells[:4]:
        forecast.started(cell, 0.0)
    assert forecast.left(0.0) == 20.0
    forecast.finished(cells[0], None)
    assert forecast.left(10.0) == 10.0, "a cell that failed says nothing of the others"
