import json
from dataclasses import dataclass, replace

import pytest

from mmda_bench.data.splits import split_halves
from mmda_bench.dataset import Shift
from mmda_bench.protocol import FIRST_FIELDS, Cell, Protocol, canonical_json, format_seeds, name_hash
from mmda_bench.shifts import effective_shift

PROTOCOL = Protocol(backbone="tiny")
CELL = Cell(
    method="dann", params={"weight": 1.0}, dataset="avatars", version="v1", anchor="A", seed=0, protocol=PROTOCOL
)


def test_signature_says_what_was_measured():
    assert PROTOCOL.signature("avatars", "v1", [0, 1, 2]) == (
        "mmda-bench:0.1|avatars:v1|split:0|shift:paper|backbone:tiny|epochs:8|select:last|seeds:0-2|metric:weighted-f1"
    )
    unusual = Protocol(backbone="tiny", batch=32, beta=0.01, severity=0.1234567).signature("avatars", "v1")
    assert "|shift:paper*0.1234567|backbone:tiny|epochs:8|batch:32|beta:0.01|select:last|" in unusual
    assert "|shift:released*0.5|" in Protocol(backbone="tiny", shift="released", severity=0.5).signature(
        "avatars", "v1"
    )


def test_key_survives_json_and_ignores_the_order_of_parameters():
    again = Cell.from_key(json.loads(canonical_json(CELL.key())))
    assert again == CELL
    shuffled = replace(CELL, params={"b": 1, "a": 2})
    assert replace(CELL, params={"a": 2, "b": 1}).hash == shuffled.hash
    assert replace(CELL, off=("add", "aa")).hash == replace(CELL, off=("aa", "add")).hash


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"anchor": "V"},
        {"params": {"weight": 2.0}},
        {"off": ("aa",)},
        {"version": "v2"},
        {"protocol": replace(PROTOCOL, epochs=9)},
        {"protocol": replace(PROTOCOL, severity=0.5)},
    ],
)
def test_whatever_changes_the_scores_changes_the_hash(change):
    assert replace(CELL, **change).hash != CELL.hash


def test_key_holds_named_fields_only():
    assert set(CELL.key()) == {"method", "params", "off", "dataset", "version", "anchor", "seed", "protocol"}


def test_learning_rate_follows_the_released_schedule():
    factors = [PROTOCOL.learning_rate_factor(epoch) for epoch in range(8)]
    assert factors == pytest.approx([1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert Protocol(backbone="tiny", epochs=1).learning_rate_factor(0) == 1


def test_seeds_are_written_as_ranges_where_they_are_one():
    assert [format_seeds(s) for s in ([0, 1, 2], [5, 0], [3])] == ["0-2", "0,5", "3"]


def test_released_shift_takes_the_numbers_as_standard_deviations():
    card = Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4)
    assert effective_shift(card, PROTOCOL) == card
    released = effective_shift(card, replace(PROTOCOL, shift="released"))
    assert released.noise == pytest.approx(1e-4)
    assert released.visual_noise == pytest.approx(0.01)
    half = effective_shift(card, replace(PROTOCOL, severity=0.5))
    assert (half.noise, half.brightness, half.masked) == pytest.approx((0.005, 0.55, 0.2))


def test_a_severity_beyond_one_makes_no_negative_of_a_picture():
    card = Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4)
    strong = effective_shift(card, replace(PROTOCOL, severity=3.0))
    assert (strong.noise, strong.brightness, strong.masked) == pytest.approx((0.03, 0.0, 1.0))


def test_name_hash_tells_neighbouring_names_apart():
    assert name_hash("ab", "c") != name_hash("a", "bc")
    assert name_hash("a", 1) == name_hash("a", 1)


class TestSplit:
    ids = [f"u{i}" for i in range(1000)]
    labels = [0] * 500 + [1] * 300 + [2] * 200

    def split(self, ids=ids, labels=labels, **options):
        options = {"dataset": "d", "split": 0, "fractions": (0.6, 0.2, 0.2)} | options
        return split_halves(ids, labels, **options)

    def test_every_utterance_lands_in_one_part_of_the_planned_size(self):
        parts = self.split()
        assert sorted(i for part in parts.values() for i in part) == list(range(1000))
        assert [len(parts["source", p]) for p in ("train", "validation", "test")] == [300, 100, 100]
        assert len(parts["target", "train"]) == 300

    def test_the_totals_are_right_where_no_class_divides_evenly(self):
        """3,000 utterances in uneven classes, 40, 10 and 50 % of each half."""
        labels = [0] * 927 + [1] * 869 + [2] * 611 + [3] * 593
        parts = self.split([f"u{i}" for i in range(3000)], labels, fractions=(0.4, 0.1, 0.5))
        for half in ("source", "target"):
            assert [len(parts[half, p]) for p in ("train", "validation", "test")] == [600, 150, 750]

    @pytest.mark.parametrize("seed", range(20))
    def test_a_rare_class_is_trained_and_tested_on_in_both_halves(self, seed):
        sizes = [4, 5, 7, 4, 200, 6, 4]
        labels = [label for label, size in enumerate(sizes) for _ in range(size)]
        parts = self.split([f"{seed}-{i}" for i in range(len(labels))], labels)
        for half in ("source", "target"):
            for part in ("train", "test"):
                assert {labels[i] for i in parts[half, part]} == set(range(len(sizes))), (half, part)

    def test_every_part_is_stratified(self):
        for (half, part), positions in self.split().items():
            share = sum(self.labels[i] == 0 for i in positions) / len(positions)
            assert share == pytest.approx(0.5, abs=0.02), (half, part)

    def test_depends_on_ids_and_not_on_the_order_of_files(self):
        order = list(reversed(range(1000)))
        ids, labels = [self.ids[i] for i in order], [self.labels[i] for i in order]
        again = self.split(ids=ids, labels=labels)
        here = self.split()
        for key, positions in here.items():
            assert [self.ids[i] for i in positions] == [ids[i] for i in again[key]]

    def test_where_files_are_sorted_by_class_a_place_in_a_part_tells_nothing_of_it(self):
        for key, positions in self.split().items():
            classes = [self.labels[i] for i in positions]
            first, second = classes[: len(classes) // 2], classes[len(classes) // 2 :]
            for label in range(3):
                assert abs(first.count(label) - second.count(label)) < 0.25 * len(first), key

    def test_another_seed_is_another_split(self):
        assert self.split(split=1) != self.split()

    def test_halves_given_by_the_corpus_are_kept(self):
        halves = ["source" if i % 4 else "target" for i in range(1000)]
        parts = self.split(domains=halves)
        assert {halves[i] for part in ("train", "validation", "test") for i in parts["target", part]} == {"target"}


def test_weights_are_part_of_the_key_and_the_signature_only_where_there_is_a_choice():
    embedded = Protocol(backbone="tiny")
    loaded = Protocol(backbone="paper", weights="0123abcd")
    assert "|backbone:paper#0123abcd|" in loaded.signature("iemocap", "v1")
    assert "#" not in embedded.signature("avatars", "v1")
    cells = [Cell(method="dt", dataset="d", version="v1", anchor="A", seed=0, protocol=p) for p in (embedded, loaded)]
    assert "weights" not in cells[0].key()["protocol"], "records from before there was a choice keep their names"
    for cell in cells:
        assert Cell.from_key(cell.key()) == cell


def test_a_field_that_came_later_is_in_the_key_only_when_it_is_not_at_its_default():
    """So that nothing that is stored changes its hash."""

    @dataclass(frozen=True, kw_only=True)
    class Later(Protocol):
        selection: str = "last"

    cell = Cell(method="dt", dataset="avatars", version="v1", anchor="A", seed=0, protocol=Protocol(backbone="tiny"))
    later = replace(cell, protocol=Later(backbone="tiny"))
    assert (later.key(), later.hash) == (cell.key(), cell.hash)
    chosen = replace(cell, protocol=Later(backbone="tiny", selection="best"))
    assert chosen.key()["protocol"] == {**cell.key()["protocol"], "selection": "best"}
    assert set(FIRST_FIELDS) == set(cell.key()["protocol"])
