"""The criteria of the calibration see DT and the reference alone, and each of them can be missed on its own."""

from dataclasses import replace

import pytest

from mmda_bench.datasets.avatars import corpus
from mmda_bench.datasets.avatars.criteria import DT, Measured, chance, measured, summarise, verdicts
from mmda_bench.protocol import SUPERVISED

SHARES = corpus.RECIPES["avatars"].shares
IN_DOMAIN = {"A": 0.74, "L": 0.73, "V": 0.76}


def cells(seeds=5):
    """A setting that meets everything: anchor heads .72, drift heads .5, DT .68 to .72, the reference .84."""
    made = []
    for seed in range(seeds):
        for anchor in "ALV":
            heads = {m: 0.72 if m == anchor else 0.5 for m in "ALV"}
            options = {"setting": "s", "anchor": anchor, "seed": seed, "heads": heads, "in_domain": IN_DOMAIN}
            options |= {"fused": 0.9, "largest": 0.4, "steps": 200}
            made.append(Measured(**options, method=DT, f1=0.68 + 0.01 * seed, seconds=6.0))
            made.append(Measured(**options, method=SUPERVISED, f1=0.84, seconds=11.0))
    return made


def missed(some):
    return [verdict.criterion for verdict in verdicts(summarise(some), SHARES) if not verdict.passed]


def change(some, *, method=DT, anchor="L", seeds=range(5), **values):
    """The cells of one row and anchor, with other values."""
    return [replace(c, **values) if (c.method, c.anchor) == (method, anchor) and c.seed in seeds else c for c in some]


def test_a_setting_that_is_as_it_should_be_misses_nothing():
    assert missed(cells()) == []
    assert len(verdicts(summarise(cells()), SHARES)) == 10


HEADS = {"A": 0.5, "L": 0.72, "V": 0.5}


@pytest.mark.parametrize(
    ("changes", "criterion"),
    [
        ({"f1": 0.75}, "target-supervised above DT"),
        ({"heads": HEADS | {"L": 0.77}}, "target-supervised above DT's anchor head"),
        ({"largest": 0.61, "seeds": [3]}, "DT's most frequent class, share"),
        ({"heads": HEADS | {"A": 0.35}}, "drift heads of DT above chance"),
        ({"heads": HEADS | {"V": 0.65}}, "drift heads of DT below their in-domain score"),
        ({"f1": 0.58, "seeds": [0]}, "spread of DT over seeds"),
        ({"steps": 189}, "steps a cell"),
        ({"seconds": 17.0}, "seconds a cell"),
    ],
)
def test_each_criterion_is_missed_at_one_anchor_alone(changes, criterion):
    found = verdicts(summarise(change(cells(), **changes)), SHARES)
    assert [v.criterion for v in found if not v.passed] == [criterion]
    assert next(v for v in found if not v.passed).place in ("", "L", "A under L", "V under L")


@pytest.mark.parametrize(
    ("in_domain", "criterion"),
    [
        ({"A": 0.70, "L": 0.73, "V": 0.76}, "distance of the modalities alone, in-domain"),
        ({"A": 0.86, "L": 0.87, "V": 0.88}, "fused above the best modality, in-domain"),
    ],
)
def test_the_modalities_are_alike_and_none_suffices(in_domain, criterion):
    assert missed([replace(c, in_domain=in_domain) for c in cells()]) == [criterion]


def test_the_limit_on_the_largest_class_follows_the_shares():
    def limit(recipe):
        found = verdicts(summarise(cells()), corpus.RECIPES[recipe].shares)
        return next(v.asked for v in found if v.criterion == "DT's most frequent class, share")

    assert limit("avatars") == 0.60
    assert limit("avatars-intent") == 0.20
    assert chance([0.5, 0.5]) == 0.5


def test_the_limits_on_drift_heads_follow_the_room_that_more_classes_leave():
    def limits(shares, **in_domain):
        some = [replace(c, in_domain=IN_DOMAIN | in_domain) for c in cells()]
        return [v.asked for v in verdicts(summarise(some), shares) if "drift heads" in v.criterion]

    assert limits(SHARES) == limits(SHARES, A=0.3) == [0.10, 0.12]
    even = [0.05] * 20
    assert limits(even, A=0.29) == pytest.approx([0.05, 0.06]), "half of the room that four emotions have"
    assert limits(even) == [0.10, 0.12], "never more than with four"


def test_seconds_are_the_median_of_the_slower_row():
    slow = change(cells(), method=SUPERVISED, anchor="V", seeds=[0, 1], seconds=60.0)
    assert summarise(slow).seconds == {"A": 11.0, "L": 11.0, "V": 11.0}


def test_a_setting_with_a_hole_has_no_summary():
    with pytest.raises(ValueError, match="one cell of dt and of target-supervised"):
        summarise(cells()[:-1])


def test_the_numbers_come_from_the_record_of_a_cell():
    heads = {"A": 0.7, "L": 0.5, "V": 0.6, "joint": 0.8}
    record = {
        "status": "ok",
        "key": {"method": "dt", "anchor": "A", "seed": 3},
        "metrics": {
            "target_test": {"weighted_f1": 0.8, "heads": heads, "confusion": [[3, 1], [4, 2]]},
            "source_test": {"weighted_f1": 0.9, "heads": {m: v + 0.1 for m, v in heads.items()}},
        },
        "steps": 200,
    }
    one = measured("s", record, seconds=7.0)
    assert (one.method, one.anchor, one.seed, one.steps, one.seconds) == ("dt", "A", 3, 200, 7.0)
    assert (one.f1, one.fused) == (0.8, 0.9)
    assert one.heads == {m: heads[m] for m in "ALV"}
    assert one.in_domain["V"] == pytest.approx(0.7)
    assert one.largest == 0.7, "7 of 10 get the first class"
    failed = {"status": "diverged", "reason": "the loss term ib is nan", "signature": "mmda-bench:0.1|avatars-dev"}
    with pytest.raises(ValueError, match="diverged: the loss term ib is nan"):
        measured("s", failed, seconds=1.0)
