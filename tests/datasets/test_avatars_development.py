"""The development draws share nobody with what is reported, and take another setting from a file."""

import json
from itertools import islice

import numpy as np
import pytest

from mmda_bench.dataset import DataError
from mmda_bench.datasets.avatars import corpus
from mmda_bench.datasets.avatars.development import digest, read_setting, to_json
from mmda_bench.registry import DATASETS

PAIRS = [("avatars", "avatars-dev"), ("avatars-intent", "avatars-intent-dev")]


def first(name, root=None, count=200):
    return list(islice(DATASETS.get(name)().utterances(root), count))


@pytest.fixture
def setting_file(tmp_path):
    def write(recipe="avatars", **changes):
        value = to_json(corpus.SETTINGS[recipe])
        for path, new in changes.items():
            part, key = path.split("__")
            value[part][key] = new
        (tmp_path / "setting.json").write_text(json.dumps(value))
        return tmp_path / "setting.json"

    return write


@pytest.mark.parametrize(("reported", "development"), PAIRS)
def test_it_has_the_facts_of_the_reported_corpus_and_none_of_its_people(reported, development):
    card, other = (DATASETS.get(name)().describe(None) for name in (reported, development))
    for name in ("classes", "shift", "version", "fractions", "expected", "backbone", "synthetic", "needs_root"):
        assert getattr(card, name) == getattr(other, name)
    one, two = first(reported), first(development)
    assert not {u.speaker for u in one} & {u.speaker for u in two}
    assert [u.text for u in one] != [u.text for u in two]
    assert one[0].waveform().tobytes() != two[0].waveform().tobytes()


def test_all_draws_have_seeds_and_casts_of_their_own():
    casts = [corpus.CAST, corpus.DEVELOPMENT_CAST, corpus.PRETRAINING_CAST, tuple(range(10))]  # the last: v3's
    assert len({person for cast in casts for person in cast}) == sum(map(len, casts))
    assert len({corpus.SEED, corpus.DEVELOPMENT_SEED, corpus.PRETRAINING_SEED, 0}) == 4


def test_the_frozen_setting_in_a_file_gives_the_same_utterances_and_names_them_by_its_digest(setting_file):
    path = setting_file()
    assert read_setting(path) == corpus.SETTINGS["avatars"]
    plain, from_file = first("avatars-dev", count=20), first("avatars-dev", path, count=20)
    assert [(u.id, u.text, u.label) for u in plain] == [(u.id, u.text, u.label) for u in from_file]
    np.testing.assert_array_equal(plain[3].frames(), from_file[3].frames())
    version = DATASETS.get("avatars-dev")().describe(path).version
    assert version == f"{corpus.Avatars.card.version}-{digest(corpus.SETTINGS['avatars'])}"


def test_a_folder_of_another_corpus_is_not_looked_at(tmp_path):
    assert DATASETS.get("avatars-dev")().describe(tmp_path) == DATASETS.get("avatars-dev").card
    assert [u.text for u in first("avatars-dev", tmp_path, 9)] == [u.text for u in first("avatars-dev", count=9)]


@pytest.mark.parametrize(
    "change", [{"intensity__A": [1.0, 3.0]}, {"incongruence__V": 0.4}, {"shift__noise": 0.5}], ids=str
)
def test_every_number_of_a_setting_counts(setting_file, change):
    reader, frozen = DATASETS.get("avatars-dev")(), corpus.SETTINGS["avatars"]
    path = setting_file(**change)
    card = reader.describe(path)
    assert digest(frozen) not in card.version
    assert card.shift == read_setting(path).shift
    plain, changed = first("avatars-dev", count=30), first("avatars-dev", path, count=30)
    alike = all(
        np.array_equal(a.frames(), b.frames()) and np.array_equal(a.waveform(), b.waveform())
        for a, b in zip(plain, changed, strict=True)
    )
    assert alike == ("shift__noise" in change), "a corpus is clean; its shift comes later"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"incongruence__A": 1.5}, r"incongruence\.A is 1\.5, expected a probability"),
        ({"intensity__L": [2.0]}, r"intensity\.L is \[2\.0\], expected the two parameters"),
        ({"intensity__L": [2.0, 0]}, r"intensity\.L"),
        ({"shift__noise": "loud"}, r"shift\.noise is 'loud', expected a number"),
        ({"shift__noise": True}, r"shift\.noise is True"),
        ({"shift__blur": 1}, "shift must have exactly noise, brightness, visual_noise, masked"),
    ],
)
def test_a_file_that_is_no_setting_is_refused(setting_file, change, told):
    with pytest.raises(DataError, match=told):
        DATASETS.get("avatars-dev")().describe(setting_file(**change))


@pytest.mark.parametrize("text", ["", "[]", '{"shift": {}}'])
def test_a_file_that_is_no_object_of_its_parts_is_refused(tmp_path, text):
    (tmp_path / "wrong.json").write_text(text)
    with pytest.raises(DataError, match=r"wrong\.json is no setting of avatars"):
        read_setting(tmp_path / "wrong.json")
    with pytest.raises(DataError, match="is no setting of avatars"):
        read_setting(tmp_path / "not-there.json")
