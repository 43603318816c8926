"""A corpus or a cache in which something is wrong: what is kept, what is left out, and what is said."""

import errno
import os
import shutil

import noise
import pytest

from mmda_bench import registry
from mmda_bench.errors import DataError, ResourceError
from mmda_bench.features import cache as caching
from mmda_bench.features import prepare as prefix
from mmda_bench.features import shards
from mmda_bench.protocol import Protocol

pytestmark = pytest.mark.usefixtures("small_shards")
SIZE = 40  # utterances of noise: two shards a modality


def prepare(root, cache):
    registry.load_plugin(noise.__file__)
    return prefix.prepare("noise", root=root, protocol=Protocol(backbone="tiny"), cache=cache)


@pytest.fixture(scope="module")
def whole(small_shards, tmp_path_factory):
    """A root, and a cache that nothing disturbed."""
    root = noise.lay_out(tmp_path_factory.mktemp("noise"), SIZE)
    cache = tmp_path_factory.mktemp("whole")
    return root, cache, prepare(root, cache)


def full_disk(self, position, row):
    if position >= 32:
        raise OSError(28, "No space left on device")
    return write_row(self, position, row)


write_row = shards.ShardWriter.append


def test_a_disk_that_fills_up_keeps_the_finished_shards_and_says_what_is_needed(whole, tmp_path, monkeypatch):
    root, cache, _ = whole
    monkeypatch.setattr(shards.ShardWriter, "append", full_disk)
    message = r"No space left on device; at most [\d.]+ [kM]B needed in .*, [\d.]+ GB free; .*MMDA_BENCH_CACHE"
    with pytest.raises(ResourceError, match=message):
        prepare(root, tmp_path)
    assert {path.name for path in noise.shards(tmp_path)} == {"A-000000"}
    assert not list(tmp_path.glob("prefix/*/.tmp-*"))
    monkeypatch.undo()
    prepare(root, tmp_path)
    assert noise.digests(tmp_path) == noise.digests(cache)


def test_what_a_killed_writer_left_beside_the_index_goes(whole, tmp_path):
    root, cache, _ = whole
    mine = shutil.copytree(cache, tmp_path / "cache")
    for index in mine.glob("prefix/*/corpus.json"):
        index.with_name(".tmp-1-left").write_text("half")
    prepare(root, mine)
    assert not list(mine.glob("prefix/*/.tmp-*"))
    assert noise.digests(mine) == noise.digests(cache)


def test_a_disk_that_is_too_small_is_told_before_anything_is_written(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(caching, "free_bytes", lambda folder: 1000)
    with pytest.raises(ResourceError, match=r"too small for the prefixes of noise: at most .* needed .*--cache"):
        prepare(whole[0], tmp_path)
    assert noise.shards(tmp_path) == {}


def test_a_cache_that_cannot_be_written_is_said(whole, tmp_path):
    (tmp_path / "prefix").write_text("a file where a folder should be")
    with pytest.raises(ResourceError, match=r"cannot write the cache .*MMDA_BENCH_CACHE"):
        prepare(whole[0], tmp_path)


def refusing(number):
    """In the place of ``locked``: root may write anywhere, so a read-only place cannot be had by permissions."""

    def refuse(path):
        raise OSError(number, os.strerror(number), str(path))

    return refuse


def test_a_complete_cache_is_used_where_nothing_can_be_written(whole, monkeypatch):
    root, cache, corpus = whole
    monkeypatch.setattr(prefix, "locked", refusing(errno.EROFS))
    before = noise.shards(cache)
    assert prepare(root, cache).folder == corpus.folder
    assert noise.shards(cache) == before


@pytest.mark.parametrize("damage", ["corpus.json", "L-000000/values.bin", "L-000000"])
def test_a_cache_that_is_not_whole_is_not_used_where_nothing_can_be_written(whole, tmp_path, damage, monkeypatch):
    root = whole[0]
    victim = prepare(root, tmp_path).folder / damage
    if victim.is_dir():
        victim.rename(tmp_path / "elsewhere")
    else:
        victim.write_bytes(victim.read_bytes()[:-1])
    monkeypatch.setattr(prefix, "locked", refusing(errno.EROFS))
    with pytest.raises(ResourceError, match=r"cannot write the cache .*Read-only file system.*--cache DIR"):
        prepare(root, tmp_path)


def test_a_lock_that_fails_for_another_reason_is_said(whole, monkeypatch):
    root, cache, _ = whole
    monkeypatch.setattr(prefix, "locked", refusing(errno.ENOLCK))
    with pytest.raises(ResourceError, match=r"cannot write the cache .*No locks available"):
        prepare(root, cache)


def test_a_corpus_that_is_mostly_unreadable_is_refused_and_read_anew_when_repaired(tmp_path):
    root = noise.lay_out(tmp_path / "root", SIZE, unreadable=list(range(10)))
    with pytest.raises(DataError, match=r"10 of 40 utterances of noise cannot be read: 0\.wav is empty"):
        prepare(root, tmp_path)
    kept = noise.shards(tmp_path)
    assert {path.name for path in kept} == {"A-000032"}
    corpus = prepare(noise.lay_out(root, SIZE), tmp_path)
    assert corpus.skipped == []
    assert noise.shards(tmp_path).items() >= kept.items()


def test_a_loader_that_fails_costs_its_clip_alone(tmp_path):
    corpus = prepare(noise.lay_out(tmp_path / "root", SIZE, failing=[3]), tmp_path)
    assert corpus.skipped == [["n_3", "KeyError: '3.wav'"]]


def test_what_a_loader_substitutes_is_named(tmp_path):
    corpus = prepare(noise.lay_out(tmp_path / "root", SIZE, resampled=[2, 5], still=[5]), tmp_path)
    resampled = "acoustic: resampled from 8000 Hz"
    assert corpus.substituted == [["n_2", resampled], ["n_5", f"{resampled}; visual: one picture stands for all"]]


def test_a_value_that_is_no_waveform_refuses_the_corpus_and_what_was_left_out_is_read_anew(tmp_path):
    root = noise.lay_out(tmp_path / "root", SIZE, unreadable=[5], stereo=[35])
    with pytest.raises(DataError, match=r"waveform\(\) of utterance n_35"):
        prepare(root, tmp_path)
    assert prepare(noise.lay_out(root, SIZE), tmp_path).skipped == []


@pytest.mark.parametrize("call", ["describe", "utterances", "unusable"])
def test_a_reader_that_fails_is_named_with_what_it_failed_in(whole, tmp_path, monkeypatch, call):
    def fail(self, root):
        raise ValueError("bad row")

    monkeypatch.setattr(type(registry.DATASETS.get("noise")()), call, fail)
    with pytest.raises(DataError, match=rf"the reader of noise failed in {call}\(\): ValueError: bad row"):
        prepare(whole[0], tmp_path)


def test_two_utterances_of_one_id_are_refused(small_corpus, tmp_path, monkeypatch):
    reader = type(small_corpus.reader)
    original = reader.utterances
    monkeypatch.setattr(
        reader, "utterances", lambda self, root: [*original(self, root), next(iter(original(self, root)))]
    )
    with pytest.raises(DataError, match="utterance avatars_0000 appears twice, as number 0 and 240"):
        small_corpus.prepare(cache=tmp_path)


def test_a_class_without_utterances_is_refused(small_corpus, tmp_path, monkeypatch):
    reader = type(small_corpus.reader)
    original = reader.utterances
    monkeypatch.setattr(
        reader, "utterances", lambda self, root: (u for u in list(original(self, root))[:40] if u.label != 2)
    )
    with pytest.raises(DataError, match="class 'sad'"):
        small_corpus.prepare(cache=tmp_path)


def test_a_corpus_that_cannot_be_opened_is_not_blamed_on_the_cache(small_corpus, tmp_path, monkeypatch):
    def locked(self, root):
        raise PermissionError(13, "Permission denied", "labels.csv")

    monkeypatch.setattr(type(small_corpus.reader), "utterances", locked)
    with pytest.raises(DataError, match=r"cannot read avatars.*labels\.csv"):
        small_corpus.prepare(cache=tmp_path)
