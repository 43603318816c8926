"""Shards: rows of different lengths come back as they were written, whole or not at all."""

import numpy as np
import pytest
import torch

from mmda_bench.features.shards import Ragged, ShardWriter, intact, pad, read_index, seal

ROWS = {4: 3, 9: 1, 2: 5}  # position to length


def values(position, dtype=np.float32):
    return np.random.default_rng(position).normal(size=(ROWS[position], 2, 7)).astype(dtype)


def write(folder, positions=ROWS, dtype=np.float32):
    with ShardWriter(folder) as writer:
        for position in positions:
            writer.append(position, values(position, dtype))
    return folder


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rows_of_several_shards_come_back_bit_for_bit(tmp_path, dtype):
    shards = [write(tmp_path / "a", [4, 9], dtype), write(tmp_path / "b", [2], dtype)]
    ragged = Ragged(shards)
    assert set(ragged.rows) == set(ROWS)
    for position in ROWS:
        assert np.array_equal(ragged[position], values(position, dtype))
        assert ragged[position].dtype == dtype
        assert not ragged[position].flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_batch_is_padded_with_zeros_and_masked_in_the_order_asked(tmp_path, dtype):
    batch = Ragged([write(tmp_path / "a", dtype=dtype)]).batch([9, 2, 9])
    assert batch.values.numpy().dtype == dtype, "half precision travels to the device as it is"
    assert batch.to(torch.device("cpu")).values.dtype == torch.float32
    assert batch.values.shape == (3, 5, 2, 7)
    assert batch.mask.sum(1).tolist() == [1, 5, 1]
    for row, position in enumerate([9, 2, 9]):
        length = ROWS[position]
        assert np.array_equal(batch.values[row, :length], values(position, dtype))
        assert not batch.values[row, length:].any()
        assert batch.mask[row, :length].all()


def test_a_shard_may_hold_notes_and_no_rows(tmp_path):
    with ShardWriter(tmp_path / "a") as writer:
        writer.note("skipped", 3, "u.mp4 is empty")
    assert Ragged([tmp_path / "a"]).rows == {}
    assert read_index(tmp_path / "a")["skipped"] == [[3, "u.mp4 is empty"]]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_shard_that_is_not_finished_leaves_nothing(tmp_path, error):
    def write_half():
        with ShardWriter(tmp_path / "a") as writer:
            writer.append(4, values(4))
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["values.bin", "shard.json", "digest"])
@pytest.mark.parametrize("damage", ["flip", "bad", "truncate", "remove"])
def test_any_damage_to_any_file_is_seen(tmp_path, name, damage):
    path = write(tmp_path / "a") / name
    assert intact(tmp_path / "a")
    content = path.read_bytes()
    if damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "bad":
        path.write_bytes(b"\xff" + content[1:])  # no text
    elif damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    assert not intact(tmp_path / "a")


def test_what_was_sealed_is_intact_whatever_folders_lie_beside_it(tmp_path):
    (tmp_path / "corpus.json").write_text("{}")
    seal(tmp_path)
    write(tmp_path / "a")
    assert intact(tmp_path)
    assert not intact(tmp_path / "nowhere")


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_several_threads_fill_a_batch_as_one_does(threads):
    rows = [values(position) for position in [4, 9, 2, 2, 4]]
    into = np.full((5, 6, 2, 7), np.nan, np.float32)
    pad(rows, into, threads=threads)
    for row, filled in zip(rows, into, strict=True):
        assert np.array_equal(filled[: len(row)], row)
        assert not filled[len(row) :].any()
