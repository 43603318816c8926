"""The families of the methods, and the words of ``--methods`` that select them."""

import pytest
from families import GROUPS, MORE

from mmda_bench.published import FAMILIES as PAPERS
from mmda_bench.registry import METHODS, UsageError
from mmda_bench.registry import spec as specs
from mmda_bench.registry.declare import FAMILIES, RESERVED


def test_the_families_hold_the_verified_methods() -> None:
    for group, names in GROUPS.items():
        mine = [n for n in MORE if (METHODS.entry(n).groups or ("",)) == (group,)]
        assert sorted(mine) == names, group
    assert set(GROUPS) - {""} == set(FAMILIES)
    assert all("all" not in METHODS.entry(name).groups for name in MORE)


def selected(text: str) -> list[str]:
    return [spec.method for spec in specs.parse_methods(text)]


@pytest.mark.parametrize("group", FAMILIES)
def test_the_name_of_a_group_selects_its_members(group: str) -> None:
    published = {spec.partition("[")[0] for spec in PAPERS.get(group, ())}
    assert set(selected(group)) == {*METHODS.names(group), *published} >= set(GROUPS[group])


def test_baselines_hold_two_methods_that_align_the_drifts_alone() -> None:
    found = [spec for spec in specs.parse_methods("baselines") if spec.method in ("dann", "cdan")]
    assert [spec.params["align_on"] for spec in found] == ["drifts", "drifts"]
    assert selected("dann[align_on=drifts],dann,dt,-baselines") == ["dann"], "as published, it is none"


def test_everything_is_every_usable_method_and_a_group_can_be_taken_out() -> None:
    assert sorted(selected("everything")) == sorted(METHODS.names())
    without = selected("everything,-transport,-baselines")
    assert set(METHODS.names()) - set(without) == {*METHODS.names("transport"), *METHODS.names("baselines"), "dt"}
    assert selected("moment,dt")[0] == "dt"


@pytest.mark.parametrize(
    ("text", "word"), [("everythin", "everything"), ("multimodel", "multimodal"), ("selftraining", "self-training")]
)
def test_a_word_that_is_nearly_a_group_is_answered_with_it(text: str, word: str) -> None:
    with pytest.raises(UsageError, match=f"unknown method '{text}': did you mean {word}"):
        specs.parse_methods(text)


def test_a_method_comes_before_a_group_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(METHODS, "names", lambda group=None: ["mada"] if group == "dann" else ["dann", "mada"])
    assert selected("dann") == ["dann"]


def test_the_words_cannot_name_a_method() -> None:
    assert {"everything", *FAMILIES} < set(RESERVED)
