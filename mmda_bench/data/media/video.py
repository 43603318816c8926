"""Sound and pictures of video files (mp4, avi), decoded by PyAV, in the form that every reader yields.

What cannot be read raises :class:`ClipError` with a reason. A clip without sound is silent, which is no error: the
engine lists silent utterances itself.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mmda_bench.data.media.files import conform, ten_of
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE
from mmda_bench.errors import ClipError

# what PyAV stumbles over in a file that holds anything at all: streams without a decoder, rates of zero, absurd sizes
DAMAGE = (av.FFmpegError, ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
READABLE = 0.8  # a clip of which fewer pictures than this share can be decoded is damaged


def read_sound(path: Path) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1], at most 5.01 s; zeros of the clip's length if it has no sound."""
    with _opened(path) as container:
        chunks: list[NDArray[np.float32]] = []
        rate = SAMPLE_RATE
        if container.streams.audio:
            stream = container.streams.audio[0]
            _check_known(stream, path)
            rate = stream.rate
            missing = -(-MAX_SAMPLES * rate // SAMPLE_RATE) + rate // 10  # a little more, for the filter's edge
            planes = av.AudioResampler(format="fltp")  # whatever the samples are, to one plane of floats per channel
            for frame in container.decode(stream):
                chunks += [part.to_ndarray().mean(axis=0) for part in planes.resample(frame)]
                missing -= frame.samples
                if missing <= 0:
                    break
        sound = np.concatenate(chunks) if chunks else np.zeros(0, np.float32)
        if not len(sound):
            seconds = (container.duration or 0) / av.time_base
            return np.zeros(min(MAX_SAMPLES, max(MIN_SAMPLES, int(seconds * SAMPLE_RATE))), np.float32)
        if not np.isfinite(sound).all():
            raise ClipError(f"{path} contains samples that are not numbers")
        return conform(sound, rate)


def read_pictures(path: Path) -> NDArray[np.uint8]:
    """(10, H, W, 3) uint8 RGB, whole pictures at int(i·n/10) of the clip's n, padded by repetition."""
    with _opened(path) as container:
        stream = _video(container, path)
        # packets are counted without decoding them; those that an edit list cuts off are not shown
        count = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_discard)
    if not count:
        raise ClipError(f"{path} has a video stream without pictures")
    wanted = ten_of(count)
    with _opened(path) as container:
        found, decoded = _take(enumerate(container.decode(_video(container, path))), wanted)
    if not decoded or (decoded <= wanted[-1] and decoded < READABLE * count):
        raise ClipError(f"{path} is damaged: only {decoded} of its {count} pictures can be decoded")
    return np.stack(found)


def read_excerpt(
    path: Path, *, start: float, end: float, box: tuple[slice, slice], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """(10, h, w, 3) uint8 RGB: ten pictures between two times, in seconds, cut to the rows and columns of ``box``.

    ``size``: (width, height) that the whole picture must have. The file is sought, not read from its start.
    """
    with _opened(path) as container:
        stream = _video(container, path)
        if (stream.width, stream.height) != size:
            raise ClipError(f"{path} is {stream.width}×{stream.height}, expected {size[0]}×{size[1]} pixels")
        rate = stream.average_rate or Fraction(0)
        if not rate:
            raise ClipError(f"{path} does not say how many pictures a second it has")
        first = round(start * rate)
        wanted = [first + i for i in ten_of(max(1, round(end * rate) - first))]
        numbered = _numbered_from(container, stream, rate, first)
        found, decoded = _take(numbered, wanted, box)
    if not decoded:
        raise ClipError(f"{path} ends before {start:.2f} s, where the utterance starts")
    return np.stack(found)


def _numbered_from(
    container: InputContainer, stream: VideoStream, rate: Fraction, first: int
) -> Iterator[tuple[int, av.VideoFrame]]:
    """(number, picture) from ``first`` on, by the pictures' times; from the key picture before it, which is sought."""
    base, origin = stream.time_base or Fraction(0), stream.start_time or 0
    # an avi only knows in which order pictures are decoded; where that is not the order shown, all times are one late
    late_by = 1 if container.format.name == "avi" and stream.codec_context.has_b_frames else 0
    for number in (first, 0):  # an index may be missing or wrong: then everything is read from the start
        container.seek(origin + int(number / rate / base), stream=stream)
        unproven = number > 0
        for frame in container.decode(stream):
            stamp = frame.pts if frame.pts is not None else frame.dts  # an avi need not have presentation times
            if stamp is None:
                continue
            position = round((stamp - origin) * base * rate) - late_by
            if unproven and position > first:
                break
            unproven = False
            if position >= first:
                yield position, frame
        else:
            return


def _take(
    numbered: Iterator[tuple[int, av.VideoFrame]], wanted: Sequence[int], box: tuple[slice, slice] = (slice(None),) * 2
) -> tuple[list[NDArray[np.uint8]], int]:
    """The pictures of ``wanted`` (ascending), each the first of at least that number, and how many were seen.

    Where the pictures end too early, the last one seen is repeated.
    """
    found: list[NDArray[np.uint8]] = []
    first = latest = None
    seen = 0
    for number, frame in numbered:
        first, latest = first or frame, frame
        seen += 1
        if number >= wanted[len(found)]:
            picture = _rgb(frame, first)[box]
            while len(found) < len(wanted) and wanted[len(found)] <= number:
                found.append(picture)
            if len(found) == len(wanted):
                break
    if first is not None and latest is not None and len(found) < len(wanted):
        found += [_rgb(latest, first)[box]] * (len(wanted) - len(found))
    return found, seen


def _rgb(frame: av.VideoFrame, first: av.VideoFrame) -> NDArray[np.uint8]:
    """(H, W, 3), in the size of the stream's first picture: it may change."""
    return np.asarray(frame.to_ndarray(format="rgb24", width=first.width, height=first.height), np.uint8)


def _video(container: InputContainer, path: Path) -> VideoStream:
    if not container.streams.video:
        raise ClipError(f"{path} has no video stream")
    stream = container.streams.video[0]
    _check_known(stream, path)
    stream.codec_context.thread_count = 1  # clips are decoded side by side, one processor each
    return stream


def _check_known(stream: AudioStream | VideoStream, path: Path) -> None:
    if stream.codec_context is None:
        raise ClipError(f"{path} has a stream of {stream.type} of a kind that no decoder knows")


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """The open file; whatever goes wrong inside is a :class:`ClipError` that names it."""
    try:
        if path.suffix.lower() == ".mp4":
            _check_whole(path)
        with av.open(str(path), metadata_errors="ignore") as container:
            yield container
    except FileNotFoundError:
        raise ClipError(f"{path} is missing") from None
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) == errno.EPERM:  # of a decoder: it only says that it failed
            reason = "its content is damaged"
        raise ClipError(f"{path} cannot be decoded: {reason}") from error


def _check_whole(path: Path) -> None:
    """A truncated mp4 often plays up to where it ends, so its boxes are held against the size of the file."""
    size, position = path.stat().st_size, 0
    with path.open("rb") as file:
        while size - position >= 8:  # fewer bytes are no box
            file.seek(position)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:  # a large box: its length stands in 64 bits behind its name
                length = int.from_bytes(header[8:16], "big")
            elif length == 0:  # up to the end of the file
                length = size - position
            if length < 8 or position + length > size:
                raise ClipError(f"{path} is truncated: its parts add up to more than its {size} bytes")
            position += length
