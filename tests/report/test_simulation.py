"""What the tests of the leaderboard promise, in simulation: a quick form of ``tests.benchmarks.simulate_tests``."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

from mmda_bench.report import paired_tests as st
from mmda_bench.report.formats import captions
from tests.benchmarks import simulate_tests as sim

SIMULATIONS = 1600


def test_the_closed_form_of_accuracy_is_what_drawn_resamples_give():
    (runs,) = sim.simulate(1, accuracies=(0.7, 0.62), seeds=5, spread=3)
    exact = sim.tested(runs.method(0) - runs.method(1))
    shares = runs.by_utterance[0, 0] - runs.by_utterance[0, 1]
    drawn = shares[st.resamples(sim.UTTERANCES, names=["test"], draws=8_000)].mean(1)
    differences = st.Sample(runs.by_seed[0, 0] - runs.by_seed[0, 1], drawn, sim.UTTERANCES)
    found = st.estimate_of(differences)
    assert found.mean == pytest.approx(exact.mean.item())
    assert found.error == pytest.approx(exact.error.item(), rel=0.02)
    assert found.df == pytest.approx(exact.df.item(), rel=0.06)


def test_the_simulated_answers_have_the_accuracy_the_spread_and_the_correlations_that_are_said():
    (runs,) = sim.simulate(40, accuracies=(0.7, 0.7), seeds=2, spread=0)
    assert runs.by_seed.mean() == pytest.approx(70, abs=1)
    correlation = np.corrcoef(runs.by_utterance[:, 0].ravel(), runs.by_utterance[:, 1].ravel())[0, 1]
    # of means over two seeds whose single answers correlate .66 within and .47 between methods
    assert correlation == pytest.approx(0.47 / ((1 + 0.66) / 2), abs=0.03)
    (runs,) = sim.simulate(100, accuracies=(0.7,), seeds=10, spread=8)
    assert runs.by_seed.std(2, ddof=1).mean() == pytest.approx(8, abs=0.5)


@pytest.mark.parametrize(("seeds", "level", "coverage"), [(3, 0.09, 0.91), (5, 0.06, 0.94), (10, 0.06, 0.94)])
@pytest.mark.parametrize("spread", sim.SPREADS)
def test_equal_methods_are_seldom_called_different_and_intervals_hold_the_truth(seeds, level, coverage, spread):
    different, inside = [], []
    for runs in sim.simulate(SIMULATIONS, accuracies=(0.7, 0.7), seeds=seeds, spread=spread):
        different.append(sim.tested(runs.method(0) - runs.method(1)).p_value < st.ALPHA)
        low, high = sim.tested(runs).interval()  # of the scores of both methods
        inside.append((low <= 70) & (high >= 70))
    assert np.mean(np.concatenate(different)) <= level
    assert np.mean(np.concatenate(inside)) >= coverage


def test_fewer_than_five_seeds_are_too_few_and_normal_quantiles_too_narrow():
    """Why there is no bold below five seeds, and why the quantiles are those of t."""
    assert sim.called_different(SIMULATIONS, sim.tested, seeds=3, spread=4) > 0.06
    assert sim.called_different(500, sim.normal, seeds=3, spread=4) > 0.12
    assert sim.called_different(200, sim.over_seeds, seeds=10, spread=0) > 0.3


def test_captions_and_docstring_say_what_the_stored_simulation_found():
    text = (Path(__file__).resolve().parents[2] / "results" / "simulation.md").read_text("utf-8")
    tables = [section.split("**t, Satterthwaite**")[-1].split("**")[0] for section in text.split("\n## ")[1:]]
    level, _, left_out, misplaced, _ = (
        {int(line.split("|")[1]): [float(x) for x in line.split("|")[2:-1]] for line in re.findall(r"\| +\d.*", table)}
        for table in tables
    )
    assert math.ceil(max(level[3])) == captions.CALLED_DIFFERENT
    for said, found in ((captions.LEFT_OUT, left_out), (captions.MISPLACED, misplaced)):
        assert said == {seeds: math.ceil(max(found[seeds])) for seeds in said}
    said = " ".join(st.__doc__.split())
    for seeds, number in ((3, "three"), (5, "five"), (10, "ten")):
        assert re.search(f"{', '.join(map(str, level[seeds]))} % with {number}", said), seeds
