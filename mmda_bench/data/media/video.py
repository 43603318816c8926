"""Sound and pictures of video files (mp4, avi), decoded by PyAV, in the form that every reader yields.

What cannot be read raises :class:`ClipError` with a reason. A clip without sound is silent, which is no error: the
engine lists silent utterances itself.
"""

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import SideDataContainer
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from mmda_bench.data.media.file_rules import check_whole, name_format
from mmda_bench.data.media.picture_rules import UPRIGHT, ten_of, turn_of_matrix, turned
from mmda_bench.data.media.sound_rules import heard, samples_needed
from mmda_bench.dataset import MAX_SAMPLES, MIN_SAMPLES, SAMPLE_RATE, substituted
from mmda_bench.errors import ClipError

# what PyAV stumbles over in a file that holds anything at all: streams without a decoder, rates of zero, absurd sizes
DAMAGE = (av.FFmpegError, ArithmeticError, AttributeError, LookupError, OSError, RuntimeError, TypeError, ValueError)
READABLE = 0.8  # a clip of which fewer pictures than this share can be decoded is damaged


def read_sound(path: Path, *, needed: bool = False) -> NDArray[np.float32]:
    """(samples,) float32 mono at 16 kHz in [−1, 1], at most 5.01 s; zeros of the clip's length if it has no sound.

    With ``needed``, a clip without sound raises :class:`ClipError` as well.
    """
    with _opened(path) as container:
        chunks: list[NDArray[np.float32]] = []
        rate = SAMPLE_RATE
        if container.streams.audio:
            stream = container.streams.audio[0]
            _check_known(stream, path)
            rate = stream.rate
            missing = samples_needed(rate, name=str(path))
            # whatever the samples are, to floats in one plane: PyAV reads eight planes at most, and dies at the ninth
            floats = av.AudioResampler(format="flt")
            for frame in container.decode(stream):
                chunks += [_by_channel(part) for part in floats.resample(frame)]
                missing -= frame.samples
                if missing <= 0:
                    break
        channels = np.concatenate(chunks, axis=1) if chunks else np.zeros((1, 0), np.float32)
        if channels.size:
            return heard(channels, rate, name=str(path))
        if needed:
            raise ClipError(f"{path} has no sound")
        seconds = (container.duration or 0) / av.time_base
        return np.zeros(min(MAX_SAMPLES, max(MIN_SAMPLES, int(seconds * SAMPLE_RATE))), np.float32)


def read_pictures(path: Path) -> NDArray[np.uint8]:
    """(10, H, W, 3) uint8 RGB, whole pictures at int(i·n/10) of the clip's n, padded by repetition."""
    with _opened(path) as container:
        stream = _video(container, path)
        # packets are counted without decoding them; those that an edit list cuts off are not shown
        count = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_discard)
        if not count:
            raise ClipError(f"{path} has a video stream without pictures")
        wanted = ten_of(count)
    with _opened(path, whole=False) as container:
        taken = _take(enumerate(container.decode(_video(container, path))), wanted)
    if taken.last < wanted[-1]:
        if not taken.pictures or taken.last + 1 < READABLE * count:
            raise ClipError(f"{path} is damaged: only {taken.last + 1} of its {count} pictures can be decoded")
        substituted(f"only {taken.last + 1} of its {count} pictures can be decoded, the last one is repeated")
    return np.stack(taken.pictures)


def read_excerpt(
    path: Path, *, start: float, end: float, box: tuple[slice, slice], size: tuple[int, int]
) -> NDArray[np.uint8]:
    """(10, h, w, 3) uint8 RGB: ten pictures between two times, in seconds, cut to the rows and columns of ``box``.

    ``size``: (width, height) that the whole picture must have. The file is sought, not read from its start.
    """
    with _opened(path, whole=False) as container:  # a dialogue that was cut costs the utterances behind the cut
        stream = _video(container, path)
        rate = stream.average_rate or Fraction(0)
        if not rate:
            raise ClipError(f"{path} does not say how many pictures a second it has")
        first = round(start * rate)
        wanted = [first + i for i in ten_of(max(1, round(end * rate) - first))]
        numbered = _numbered_from(container, stream, rate, first)
        taken = _take(numbered, wanted, box)
    if not taken.pictures:
        raise ClipError(f"{path} ends before {start:.2f} s, where the utterance starts")
    if taken.size != size:
        raise ClipError(f"{path} is {taken.size[0]}×{taken.size[1]}, expected {size[0]}×{size[1]} pixels")
    if taken.last < wanted[-1]:
        missing = float((wanted[-1] - taken.last) / rate)
        substituted(f"the video ends {missing:.2f} s before the last picture of the utterance")
    return np.stack(taken.pictures)


def _by_channel(packed: av.AudioFrame) -> NDArray[np.float32]:
    """(channels, samples) of a frame in which the samples of all channels take turns."""
    return np.asarray(packed.to_ndarray(), np.float32).reshape(-1, packed.layout.nb_channels).T


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


@dataclass(frozen=True)
class _Taken:
    """``pictures``: one for each that was wanted, or none. ``last``: number of the last one seen, −1 if none was.
    ``size``: (width, height) of a whole picture as it is shown."""

    pictures: list[NDArray[np.uint8]]
    last: int
    size: tuple[int, int]


def _take(
    numbered: Iterator[tuple[int, av.VideoFrame]], wanted: Sequence[int], box: tuple[slice, slice] = (slice(None),) * 2
) -> _Taken:
    """The pictures of ``wanted`` (ascending), each the first of at least that number, cut to ``box``.

    Where the pictures end too early, the last one seen is repeated.
    """
    found: list[NDArray[np.uint8]] = []
    screen = latest = None
    last = -1
    for last, frame in numbered:
        screen, latest = screen or _Screen(frame), frame
        if last >= wanted[len(found)]:
            picture = screen.show(frame)[box]
            while len(found) < len(wanted) and wanted[len(found)] <= last:
                found.append(picture)
            if len(found) == len(wanted):
                break
    if screen is None or latest is None:
        return _Taken([], -1, (0, 0))
    if len(found) < len(wanted):
        found += [screen.show(latest)[box]] * (len(wanted) - len(found))
    return _Taken(found, last, screen.size)


class _Screen:
    """How the pictures of one stream are shown: all in the size of the first, which may change, and turned as it is.

    One converter serves them all. A frame would make one of its own, with threads that a process forked later waits
    for in vain; and ``frame.side_data`` would keep the frame alive beyond its use.
    """

    def __init__(self, first: av.VideoFrame) -> None:
        self._stored = (first.width, first.height)
        self._convert = VideoReformatter()
        container: Any = SideDataContainer
        matrices = [bytes(data) for data in container(first) if data.type.name == "DISPLAYMATRIX"]
        self._turn = turn_of_matrix(matrices[0]) if matrices else UPRIGHT
        self.size = self._stored[::-1] if self._turn.swap else self._stored  # (width, height) as shown

    def show(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        width, height = self._stored
        rgb = self._convert.reformat(frame, width=width, height=height, format="rgb24")
        return turned(np.asarray(rgb.to_ndarray(), np.uint8), self._turn)


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
def _opened(path: Path, *, whole: bool = True) -> Iterator[InputContainer]:
    """The open file; whatever goes wrong inside is a :class:`ClipError` that names it.

    ``whole``: refuse a file that was cut, wherever that is. A kind that is not that of its name is named.
    """
    try:
        if whole:
            check_whole(path)
        with av.open(str(path), metadata_errors="ignore") as container:
            name_format(path, container.format.name)
            yield container
    except FileNotFoundError:
        raise ClipError(f"{path} is missing") from None
    except DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        if getattr(error, "errno", None) == errno.EPERM:  # of a decoder: it only says that it failed
            reason = "its content is damaged"
        raise ClipError(f"{path} cannot be decoded: {reason}") from error
