"""Whether a term of a loss is felt, in words: by hand, and in ``mmda-bench check``."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmda_bench.metrics.term_balance import ratios, strongest, verdicts
from mmda_bench.registry import METHODS
from mmda_bench.testing import check_method
from mmda_bench.testing.term_balance import rehearsed_balance

norm = st.one_of(st.none(), st.floats(0, 1e6), st.just(math.nan))
gradients = st.dictionaries(
    st.sampled_from(["ib", "aa", "add"]),
    st.fixed_dictionaries({m: st.lists(norm, min_size=3, max_size=3) for m in "ALV"}),
)


@given(gradients)
def test_a_ratio_is_the_largest_of_the_modalities_in_its_epoch(found):
    for term, values in ratios(found).items():
        for epoch, value in enumerate(values):
            plain = []
            for m in "ALV":
                mine, objective = found[term][m][epoch], found["ib"][m][epoch]
                if mine is not None and objective is not None and not math.isnan(mine) and objective > 0:
                    plain.append(mine / objective)
            assert (value == max(plain)) if plain else math.isnan(value)
        known = [value for value in values if not math.isnan(value)]
        assert strongest(values) == (max(known) if known else None)
    assert set(ratios(found)) == set(found) - {"ib"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.0, "it has no gradient at Z"),
        (0.005, "its gradient at Z is 1/200 of L_IB's: it hardly acts"),
        (0.02, "its gradient at Z is 1/50 of L_IB's: it hardly acts"),
        (0.0625, "its gradient at Z is 1/16 of L_IB's"),
        (0.0000123, "its gradient at Z is 1/81000 of L_IB's: it hardly acts"),
        (0.5, "its gradient at Z is 0.5 × L_IB's"),
        (1.9, "its gradient at Z is 1.9 × L_IB's"),
        (6.0, "its gradient at Z is 6 × L_IB's: it dominates"),
        (32.0, "its gradient at Z is 32 × L_IB's: it dominates"),
    ],
)
def test_a_term_is_judged_where_it_is_strongest(value, said):
    found = {"ib": {"A": [2.0, 1.0], "V": [1.0, 4.0]}, "term": {"A": [0.0, value], "V": [0.0, 0.0]}}
    assert verdicts(found) == {"term": said}


def test_the_bounds_are_angles_of_the_sum():
    assert math.degrees(math.asin(1 / 50)) < 1.2
    assert math.degrees(math.asin(1 / 2)) == pytest.approx(30)


@pytest.mark.slow
def test_check_says_of_a3d2_as_printed_what_is_wrong_with_it():
    (found,) = [check for check in check_method("a3d2") if check.title.startswith("terms beside L_IB")]
    assert found.passed
    said = dict(part.split(": ", 1) for part in found.detail.split("; "))
    assert set(said) == {"aa_L", "aa_V", "add_L", "add_V"}
    for m in "LV":
        assert said[f"add_{m}"].endswith("of L_IB's: it hardly acts")
        assert 150 < int(said[f"add_{m}"].split("1/")[1].split()[0]) < 300, "γ1/(p√B), beside about 1"
        assert said[f"aa_{m}"].endswith("× L_IB's: it dominates")


def test_a_rehearsal_follows_the_weights():
    entry = METHODS.entry("a3d2")
    assert rehearsed_balance(entry, gamma1=2000.0)["add_L"].endswith("× L_IB's")
    assert rehearsed_balance(entry, gamma2=0.5)["aa_L"].endswith("L_IB's")
    assert rehearsed_balance(METHODS.entry("dt")) == {}
    said = rehearsed_balance(METHODS.entry("dann"))["domain_joint"]
    assert said.endswith("L_IB's"), "neither too weak nor too strong"
