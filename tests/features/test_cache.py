"""Where prepared corpora lie: the names say all that determines their content, and the room is known beforehand."""

from dataclasses import replace
from pathlib import Path

import noise
import pytest

from mmda_bench import registry
from mmda_bench.backbone.tiny import WIDTH, Tiny
from mmda_bench.features import cache, prepare
from mmda_bench.machine.disk import Disk, free_bytes
from mmda_bench.protocol import Protocol
from mmda_bench.units import in_units

pytestmark = pytest.mark.usefixtures("unwatched")

PROTOCOL = Protocol(backbone="tiny")


@pytest.fixture
def place(tmp_path):
    registry.load_plugin(noise.__file__)

    def place_of(card=noise.Noise.card, protocol=PROTOCOL, dataset="noise"):
        return cache.place_of(dataset, card=card, backbone=Tiny(), protocol=protocol, cache=tmp_path)

    return place_of


@pytest.mark.parametrize(
    "protocol",
    [replace(PROTOCOL, severity=0.5), replace(PROTOCOL, shift="released"), replace(PROTOCOL, split=1)],
    ids=["severity", "shift", "split"],
)
def test_shift_severity_and_split_have_shifted_shards_of_their_own_and_share_the_clean_ones(place, protocol):
    assert place(protocol=protocol).shifted != place().shifted
    assert place(protocol=protocol).clean == place().clean


def test_what_is_no_matter_of_the_prefix_is_not_in_the_name(place):
    assert place(protocol=replace(PROTOCOL, epochs=3, batch=2, beta=0.1)) == place()


@pytest.mark.parametrize("change", [{"version": "v2"}, {"files": "0123"}], ids=["version", "files"])
def test_another_version_or_other_files_of_a_corpus_lie_elsewhere(place, change):
    other = place(card=replace(noise.Noise.card, **change))
    assert other.clean != place().clean
    assert other.shifted != place().shifted


@pytest.mark.parametrize(
    ("name", "value"),
    [("identity", lambda self: "other weights"), ("cache_dtype", "float16"), ("frames", 5), ("frame_size", 32)],
)
def test_another_backbone_lies_elsewhere(place, monkeypatch, name, value):
    here = place()
    monkeypatch.setattr(Tiny, name, value)
    assert place().clean != here.clean
    assert place().shifted != here.shifted


def test_all_protocols_of_a_corpus_have_one_lock(place):
    assert place(protocol=replace(PROTOCOL, severity=0.5)).lock == place().lock
    assert place().lock.name == "noise-v1.0-tiny.lock"


def test_an_edited_plug_in_reader_lies_elsewhere_and_a_built_in_one_is_known_by_its_version(tmp_path):
    registry.DATASETS.entries().pop("noise", None)  # where a fixture of another file has it loaded
    file = tmp_path / "reader.py"
    digests = []
    for more in ("", "second = 2\n", "import besides_reader\n"):
        (tmp_path / "besides_reader.py").write_text("")
        file.write_text(Path(noise.__file__).read_text() + more)
        registry.load_plugin(file)
        digests.append(cache.plugin_digest("noise"))
    (tmp_path / "besides_reader.py").write_text("other = 1")
    registry.load_plugin(file)
    digests.append(cache.plugin_digest("noise"))
    assert len(set(digests)) == 4, "the content of a helper counts"
    assert cache.plugin_digest("mintrec") == ""


def test_the_room_is_not_less_than_what_is_taken_and_not_much_more(tmp_path):
    registry.load_plugin(noise.__file__)
    root = noise.lay_out(tmp_path / "root", 40)
    options = {"root": root, "protocol": PROTOCOL, "cache": tmp_path / "cache"}
    before = prepare.disk_needed("noise", **options)
    assert not (tmp_path / "cache").exists()
    corpus = prepare.prepare("noise", **options)
    taken = sum(values.size for values in corpus.features.values())
    clean, shifted = (sum(corpus.features[m, v].size for m in "ALV") for v in ("clean", "shifted"))
    assert taken == clean + shifted <= before.needed
    exact = sum(len(corpus.features["V", v].rows) * 4 * 5 * WIDTH * 4 for v in ("clean", "shifted"))
    assert corpus.features["V", "clean"].size + corpus.features["V", "shifted"].size == exact
    longest = {"A": 63 * WIDTH * 4, "L": 12 * WIDTH * 4, "V": 4 * 5 * WIDTH * 4}
    assert before.needed == 60 * sum(longest.values()), "40 clean and 20 shifted utterances"
    assert prepare.disk_needed("noise", **options).needed == 0
    half = prepare.disk_needed("noise", **{**options, "protocol": replace(PROTOCOL, severity=0.5)})
    assert half.needed == 20 * sum(longest.values()), "the clean ones are there"


def test_free_room_is_that_of_the_disk_where_the_folder_would_be(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet" / "there") == pytest.approx(free_bytes(tmp_path), rel=0.05)


def test_room_is_said_in_words(tmp_path):
    assert str(Disk(tmp_path, 7_600_000_000, 9_000_000_000)) == f"at most 7.6 GB needed in {tmp_path}, 9.0 GB free"
    assert str(Disk(tmp_path, 7_600_000_000, 1_000_000_000)).endswith("only 1.0 GB free")
    assert str(Disk(tmp_path, 0, 1)).startswith("nothing more needed")


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (7_600_000_000, "7.6 GB"), (1_000_000_000, "1.0 GB"), (80_000_000, "80.0 MB"), (4_900_000, "4.9 MB"),
        (2_100, "2.1 kB"), (999, "999 bytes"), (0, "0 bytes"),
    ],
)  # fmt: skip
def test_a_size_is_said_in_a_unit_that_fits_it(size, words):
    assert in_units(size) == words


def test_the_room_of_a_small_corpus_is_not_said_to_be_nothing(tmp_path):
    assert str(Disk(tmp_path, 4_100_000, 512)) == f"at most 4.1 MB needed in {tmp_path}, only 512 bytes free"
