"""A corpus by its name: a section of one, or a natural pair on the classes that both sides have."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import worlds

from mmda_bench.config import RunConfig, Workspace
from mmda_bench.data.corpora import datasets_of, joined_roots, reader_of, settled_name, split_roots
from mmda_bench.data.verify import as_text, verify
from mmda_bench.errors import UsageError
from mmda_bench.registry import load_plugin

pytestmark = pytest.mark.usefixtures("unwatched")

LEFT_RIGHT = "worlds[left]--worlds[right]"


@pytest.fixture(autouse=True)
def loaded():
    load_plugin(worlds.__file__)


def test_a_section_is_a_corpus_of_its_own():
    reader = reader_of("Worlds[LEFT]")
    card, utterances = reader.describe(None), list(reader.utterances(None))
    assert (card.name, card.title, card.sections) == ("worlds[left]", "Worlds, left", ())
    assert len(utterances) == 60
    assert {u.section for u in utterances} == {"left"}
    assert list(reader.unusable(None)) == [("table line 3", "no label")]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("worlds[lefft]", "worlds has no section 'lefft': did you mean left"),
        ("elsewhere[left]", "elsewhere has no section 'left'; it has none"),
        ("wrlds--elsewhere", "did you mean worlds"),
        ("worlds--", "expected one corpus, or two"),
        ("worlds--elsewhere--avatars", "expected one corpus, or two"),
        ("worlds[left", "expected a name, or name"),
    ],
)
def test_a_name_that_is_none_is_answered(name, message):
    with pytest.raises(UsageError, match=message):
        settled_name(name)


def test_a_pair_has_the_classes_that_both_have_by_the_names_that_others_know():
    reader = reader_of("worlds--elsewhere")
    card, utterances = reader.describe(None), list(reader.utterances(None))
    assert card.classes == ("calm", "glad")
    assert (card.natural, card.synthetic, card.title) == (True, True, "Worlds → Elsewhere")
    counts = Counter((u.domain, card.classes[u.label]) for u in utterances)
    # of 120 a third is odd; of 80 a quarter is anger, and joy and delight are both glad
    assert counts == {("source", "calm"): 40, ("source", "glad"): 40, ("target", "calm"): 20, ("target", "glad"): 40}
    assert utterances[0].id == "source_w_0"
    assert len({u.id for u in utterances}) == len(utterances)
    remarks = list(reader.remarks(None))
    assert "worlds: 2 files of another system are ignored" in remarks
    assert "worlds: 40 utterances of classes that the other side lacks are left out (odd 40)" in remarks
    assert "elsewhere: 20 utterances of classes that the other side lacks are left out (anger 20)" in remarks
    assert datasets_of("worlds[left]--elsewhere") == ["worlds", "elsewhere"]


def test_the_map_of_the_labels_is_part_of_the_version(monkeypatch):
    before = reader_of("worlds--elsewhere").describe(None).version
    assert before.startswith("v1+v1+map-")
    other = replace(worlds.Elsewhere.card, known_as={"joy": "glad"})
    cls = type(reader_of("elsewhere"))
    monkeypatch.setattr(cls, "card", other)
    after = reader_of("worlds--elsewhere").describe(None)
    assert after.version != before
    assert after.classes == ("calm", "glad")
    monkeypatch.setattr(cls, "card", replace(other, known_as={}))
    with pytest.raises(UsageError, match="share 1 classes: calm, glad, odd against joy, delight, calm, anger"):
        reader_of("worlds--elsewhere").describe(None)


def test_two_roots_travel_as_one():
    both = joined_roots(Path("/data/a"), Path("/data/b"))
    assert split_roots(both) == {"source": Path("/data/a"), "target": Path("/data/b")}
    assert split_roots(joined_roots(None, Path("b"))) == {"source": None, "target": Path("b")}
    assert split_roots(joined_roots(Path("a"), None)) == {"source": Path("a"), "target": Path("a")}
    assert Workspace(data_root="a").root == Path("a")
    assert split_roots(Workspace(data_root="a", target_root="b").root)["target"] == Path("b")


def cells(**settings):
    config = RunConfig(**{"methods": "dt", "seeds": 1, "bounds": False, **settings})
    config.check()
    return config.cells(reader_of(config.corpus).describe(None))


def test_a_natural_pair_has_no_anchor_and_no_shift_of_ours():
    (cell,) = cells(dataset="worlds[left]", target="worlds[right]")
    assert (cell.dataset, cell.anchor, cell.protocol.shift) == (LEFT_RIGHT, "none", "none")
    assert cell.drifts == ("A", "L", "V")
    assert cell.assumed_anchor is None
    assert cell.signature.startswith(f"mmda-bench:0.1|{LEFT_RIGHT}:v1+v1+map-")
    assert cells(dataset=LEFT_RIGHT) == [cell], "as a record names it"
    (told,) = cells(dataset="worlds[left]", target="worlds[right]", told_anchor="V")
    assert told.assumed_anchor == "V"
    (corrupted,) = cells(dataset="worlds", target="elsewhere", shift="corrupt:dark@2")
    assert corrupted.protocol.shift == "corrupt:dark@2"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"anchors": "A"}, "a natural pair has no anchor"),
        ({"shift": "released"}, "the target of a natural pair is another corpus"),
        ({"told_anchor": "none"}, "that is the truth"),
    ],
)
def test_what_makes_no_sense_for_a_pair_is_answered(settings, message):
    with pytest.raises(UsageError, match=message):
        cells(dataset="worlds[left]", target="worlds[right]", **settings)
    with pytest.raises(UsageError, match="for no shift: --severity 0"):
        cells(dataset="worlds", shift="none")


def test_verify_says_what_is_left_out():
    found = verify("worlds[right]--elsewhere", root=None)
    assert found.usable
    assert "classes that the other side lacks" in as_text(found)
    assert found.unusable == [("source: table line 3", "no label")]
