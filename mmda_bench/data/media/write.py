"""Files of the kinds that corpora have: wav, H.264 with AAC sound in mp4, MPEG-4 part 2 in avi."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from mmda_bench.dataset import SAMPLE_RATE

SOUND_RATE = 48_000
Held = tuple[NDArray[np.uint8], int]  # a picture, and for how many frames of the video it stands


def held(frames: NDArray[np.uint8], count: int) -> list[Held]:
    """Pictures that last ``count`` frames of a video, so that picture i of T is the one at int(i·count/T)."""
    starts = [i * count // len(frames) for i in range(len(frames))]
    return [(frame, end - start) for frame, start, end in zip(frames, starts, [*starts[1:], count], strict=True)]


def write_wav(path: Path, waveform: NDArray[np.float32]) -> None:
    """Mono, 16 kHz, 16 bits. Raises :class:`OSError` when it cannot be written."""
    try:
        soundfile.write(path, waveform, SAMPLE_RATE, subtype="PCM_16")
    except soundfile.SoundFileError as error:  # what a full disk looks like to libsndfile
        raise OSError(str(error)) from error


def write_mp4(path: Path, pictures: Iterable[Held], rate: Fraction, waveform: NDArray[np.float32] | None) -> None:
    """H.264, and AAC in stereo at 48 kHz unless ``waveform`` (mono, 16 kHz) is None."""
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options={"crf": "12", "preset": "veryfast"})
        sound = None
        if waveform is not None:
            sound = container.add_stream("aac", rate=SOUND_RATE, layout="stereo", options={"aac_coder": "fast"})
            sound.bit_rate = 192_000
        _encode_video(container, video, pictures)
        if sound is not None and waveform is not None:
            _encode_sound(container, sound, waveform)


def write_avi(path: Path, pictures: Iterable[Held], rate: Fraction) -> None:
    """MPEG-4 part 2 under the name of DivX, a key picture every 250: it has to be sought."""
    with av.open(str(path), "w", format="avi") as container:
        options = {"qmin": "2", "qmax": "3", "g": "250"}
        video = container.add_stream("mpeg4", rate=rate, options=options)
        video.codec_context.codec_tag = "DIVX"
        video.bit_rate = 4_000_000
        _encode_video(container, video, pictures)


def write_flv(path: Path, pictures: Iterable[Held], rate: Fraction) -> None:
    """Flash video (Sorenson's codec), without sound."""
    with av.open(str(path), "w", format="flv") as container:
        video = container.add_stream("flv", rate=rate, options={"qmin": "2", "qmax": "3"})
        _encode_video(container, video, pictures)


def _encode_video(container: av.container.OutputContainer, stream: av.VideoStream, pictures: Iterable[Held]) -> None:
    stream.pix_fmt = "yuv420p"
    stream.codec_context.thread_count = 1  # the same bytes everywhere; utterances are written side by side
    number = 0
    for picture, repeats in pictures:
        if number == 0:
            stream.height, stream.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        for _ in range(repeats):
            frame.pts = number
            container.mux(stream.encode(frame))
            number += 1
    container.mux(stream.encode(None))


def _encode_sound(
    container: av.container.OutputContainer, stream: av.AudioStream, waveform: NDArray[np.float32]
) -> None:
    mono = resample_poly(waveform, SOUND_RATE // SAMPLE_RATE, 1).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([mono, mono]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = SOUND_RATE, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
