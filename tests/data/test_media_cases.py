"""Videos and pictures as people have them: turned, deep, cut, misnamed. They are shown right, named, or refused."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest
from clips import RATE, SCENE, TONE, noted, video
from PIL import Image, ImageOps

from mmda_bench.data.media.files import read_frames
from mmda_bench.data.media.video import read_excerpt, read_pictures, read_sound
from mmda_bench.data.media.write import held, write_avi
from mmda_bench.data.verify import decode
from mmda_bench.errors import ClipError

# --- videos


def with_matrix(path: Path, a: float, b: float, c: float, d: float) -> Path:
    """``path`` with these numbers in the display matrix of its first track."""
    content = bytearray(path.read_bytes())
    start = content.index(b"tkhd") + 4 + 40
    fixed = [round(value * 65_536) for value in (a, b, 0, c, d, 0, 0, 0)]
    content[start : start + 36] = struct.pack(">9i", *fixed, 1 << 30)
    path.write_bytes(content)
    return path


def mapped(picture: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """Slow and obvious: the pixel at (p, q) goes to (a·p + c·q, b·p + d·q), as ISO 14496-12 defines the matrix."""
    height, width = picture.shape[:2]
    places = {(a * p + c * q, b * p + d * q): picture[q, p] for p in range(width) for q in range(height)}
    columns, rows = (sorted({place[axis] for place in places}) for axis in (0, 1))
    return np.array([[places[column, row] for column in columns] for row in rows])


@pytest.mark.parametrize(
    "matrix",
    [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0),
     (0, -1, -1, 0)],
    ids=["upright", "90", "180", "270", "mirrored", "upside down", "transposed", "transversed"],
)  # fmt: skip
def test_a_video_is_turned_as_a_player_turns_it(tmp_path, matrix):
    stored = read_pictures(video(tmp_path / "a.mp4"))
    shown, said = noted(read_pictures, with_matrix(tmp_path / "a.mp4", *matrix))
    np.testing.assert_array_equal(shown[0], mapped(stored[0], *matrix))
    assert said == ""


def test_a_turned_video_is_cut_as_it_is_shown(tmp_path):
    path = with_matrix(video(tmp_path / "a.mp4"), 0, 1, -1, 0)
    box = (slice(10, 40), slice(0, 20))
    found = read_excerpt(path, start=0, end=0.4, box=box, size=(64, 96))
    np.testing.assert_array_equal(found, read_pictures(path)[:, 10:40, :20])


def test_a_video_at_an_odd_angle_is_turned_to_the_next_right_one_and_named(tmp_path):
    path = video(tmp_path / "a.mp4")
    stored = read_pictures(path)
    shown, said = noted(read_pictures, with_matrix(path, 0.5, 0.866, -0.866, 0.5))
    np.testing.assert_array_equal(shown, np.rot90(stored, -1, (1, 2)))
    assert said == "turned to the next right angle, which is 30° away from what the file says"


@pytest.mark.parametrize("kind", ["matroska", "avi", "mpegts"])
def test_another_container_under_the_name_of_an_mp4_is_read_and_named(tmp_path, kind):
    right, wrong = tmp_path / "right", tmp_path / "wrong.mp4"
    write_avi(right, held(SCENE.repeat(4, 0).repeat(4, 1)[None], 12), RATE)
    with av.open(str(right)) as source, av.open(str(wrong), "w", format=kind) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    shown, said = noted(read_pictures, wrong)
    np.testing.assert_array_equal(shown, read_pictures(right))
    assert said == f"{kind} content under the name .mp4"
    if kind != "mpegts":  # which does not say how long it is
        wrong.write_bytes(wrong.read_bytes()[:-1_200])
        with pytest.raises(ClipError, match=r"wrong\.mp4 is truncated"):
            read_pictures(wrong)


@pytest.mark.parametrize("tail", [b"\ncopied by hand\n", b"TAG" + b"Title".ljust(125), bytes(4_096)])
def test_bytes_behind_an_mp4_are_named_and_cost_nothing(tmp_path, tail):
    path = video(tmp_path / "a.mp4", sound=TONE)
    before = read_pictures(path), read_sound(path)
    path.write_bytes(path.read_bytes() + tail)
    for load, expected in zip((read_pictures, read_sound), before, strict=True):
        found, said = noted(load, path)
        np.testing.assert_array_equal(found, expected)
        assert said == f"{len(tail):,} bytes behind its last part are not read"


def test_a_part_that_nobody_knows_is_no_fault_of_an_mp4(tmp_path):
    path = video(tmp_path / "a.mp4")
    content = path.read_bytes()
    path.write_bytes(content + (24).to_bytes(4, "big") + b"mine" + bytes(16))
    assert noted(read_pictures, path)[1] == ""


def test_an_mp4_that_lost_its_index_is_truncated(tmp_path):
    path = video(tmp_path / "a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moov") - 4])
    with pytest.raises(ClipError, match=r"a\.mp4 is truncated: it has no part moov"):
        read_pictures(path)


def test_a_turn_beyond_the_end_of_a_dialogue_is_named(tmp_path):
    write_avi(tmp_path / "a.avi", held(SCENE.repeat(4, 0).repeat(4, 1)[None], 20), RATE)
    options = {"box": (slice(None), slice(None)), "size": (96, 64)}
    assert noted(read_excerpt, tmp_path / "a.avi", start=0.2, end=0.8, **options)[1] == ""
    said = noted(read_excerpt, tmp_path / "a.avi", start=0.4, end=1.6, **options)[1]
    assert said == "the video ends 0.72 s before the last picture of the utterance"  # picture 37 of 19


# --- pictures


def folder(root: Path, *pictures: Image.Image, kind: str = "PNG", **options) -> Path:
    """Pictures under the names 0.jpg, 1.jpg, ..."""
    root.mkdir()
    for i, picture in enumerate(pictures):
        picture.save(root / f"{i}.jpg", kind, **options)
    return root


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_as_its_camera_was_held(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    frames, said = noted(read_frames, folder(tmp_path / "a", Image.fromarray(SCENE), kind="JPEG", exif=exif))
    with Image.open(tmp_path / "a" / "0.jpg") as picture:
        np.testing.assert_array_equal(frames[0], np.asarray(ImageOps.exif_transpose(picture)))
    assert said == ""


@pytest.mark.parametrize("exif", [b"Exif\0\0MM", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_a_photograph_with_a_damaged_exif_block_is_shown_as_it_is(tmp_path, exif):
    frames = read_frames(folder(tmp_path / "a", Image.fromarray(SCENE), kind="JPEG", exif=exif))
    assert frames.shape == (10, 16, 24, 3)


def deep(scale: float, kind: type) -> list[Image.Image]:
    """A bright and a dark picture whose white is ``scale``."""
    grey = np.linspace(0, scale, 64).reshape(8, 8)
    return [Image.fromarray(picture.astype(kind)) for picture in (grey, grey * 0.003)]


@pytest.mark.parametrize(
    ("scale", "dtype", "kind", "said"),
    [
        (65_535, np.uint16, "PNG", ""),
        (1.0, np.float32, "TIFF", "float32 pixels from 0 to 1, taken as a scale of 0 to 1"),
        (255.0, np.float32, "TIFF", "float32 pixels from 0 to 255, taken as a scale of 0 to 255"),
        (65_535, np.int32, "TIFF", "int32 pixels from 0 to 65535, taken as a scale of 0 to 65535"),
        (255, np.int32, "TIFF", "int32 pixels from 0 to 255, taken as a scale of 0 to 255"),
    ],
)
def test_deep_pictures_are_scaled_by_the_range_of_their_clip(tmp_path, scale, dtype, kind, said):
    frames, notes = noted(read_frames, folder(tmp_path / "a", *deep(scale, dtype), kind=kind))
    expected = np.linspace(0, 255, 64).reshape(8, 8)
    for found, grey in zip(frames[:2], (expected, expected * 0.003), strict=True):
        np.testing.assert_allclose(found, np.repeat(grey[..., None], 3, 2), atol=1)  # the dark one stays dark
    assert notes == said


@pytest.mark.parametrize("high", [1.3, 300.0, 70_000.0, np.nan, np.inf])
def test_pictures_whose_scale_nobody_can_tell_are_refused(tmp_path, high):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    values[0, 0] = high
    with pytest.raises(ClipError, match=r"a has pictures of float32 pixels from .* expected numbers that fill 0 to 1"):
        read_frames(folder(tmp_path / "a", Image.fromarray(values), kind="TIFF"))


def test_pictures_with_negative_numbers_are_refused(tmp_path):
    values = np.linspace(-40, 200, 64).reshape(8, 8).astype(np.int32)
    with pytest.raises(ClipError, match="int32 pixels from -40 to 200; expected numbers that fill 0 to 255 or 65535"):
        read_frames(folder(tmp_path / "a", Image.fromarray(values), kind="TIFF"))


def test_transparent_pixels_are_black_and_named(tmp_path):
    alpha = np.repeat(np.array([[0, 128, 255]], np.uint8), 8, 1).repeat(16, 0)[..., None]
    picture = Image.fromarray(np.concatenate([SCENE, alpha], 2))
    frames, said = noted(read_frames, folder(tmp_path / "a", picture))
    np.testing.assert_allclose(frames[0], SCENE * (alpha / 255), atol=0.51)
    assert said == "transparent pixels shown on black"
    picture.putalpha(255)
    frames, said = noted(read_frames, folder(tmp_path / "b", picture))
    np.testing.assert_array_equal(frames[0], SCENE)
    assert said == ""


def test_a_transparent_palette_is_black_too(tmp_path):
    picture = Image.new("P", (4, 4), 1)
    picture.putpalette([255, 255, 255, 200, 0, 0])
    picture.putpixel((0, 0), 0)
    frames, said = noted(read_frames, folder(tmp_path / "a", picture, transparency=0))
    assert frames[0, 0, :2].tolist() == [[0, 0, 0], [200, 0, 0]]
    assert said == "transparent pixels shown on black"


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr"])
def test_every_other_kind_of_picture_is_shown_in_its_colours(tmp_path, mode):
    picture = Image.new("RGB", (8, 8), (255, 255, 255)).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    frames, said = noted(read_frames, folder(tmp_path / "a", picture, kind=kind))
    assert (frames == 255).all()
    assert said == ""


def test_of_an_animation_the_first_picture_is_taken_and_named(tmp_path):
    first, second = Image.new("L", (8, 8), 50), Image.new("L", (8, 8), 200)
    root = folder(tmp_path / "a", first, kind="GIF", save_all=True, append_images=[second])
    frames, said = noted(read_frames, root)
    assert (frames == 50).all()
    assert said == "the first of several pictures in a GIF file"


def test_verify_lists_what_a_clip_is_not(tmp_path):
    from dataclasses import replace
    from functools import partial

    from mmda_bench.datasets.avatars.corpus import Avatars

    video(tmp_path / "a.mp4", sound=TONE)
    with (tmp_path / "a.mp4").open("ab") as file:
        file.write(b"a line of text")
    whole = next(iter(Avatars().utterances(None)))
    loaders = {
        "waveform": partial(read_sound, tmp_path / "a.mp4"),
        "frames": partial(read_pictures, tmp_path / "a.mp4"),
    }
    note = "14 bytes behind its last part are not read"
    assert decode(replace(whole, **loaders)).substituted == f"acoustic: {note}; visual: {note}"
