"""The layout of IEMOCAP_full_release, with what makes it hard to read.

Two actors a session, the speaker on the left or on the right; names that are prefixes of others; labels outside the
four emotions; ids without a label; carriage returns; files that macOS leaves behind.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmda_bench.data.export import each, write_origin
from mmda_bench.data.media.write import Held, held, write_avi, write_wav
from mmda_bench.data.validation import load_pictures, load_sound
from mmda_bench.dataset import SAMPLE_RATE, ExportTask, Utterance
from mmda_bench.datasets.iemocap.layout import LABELS, LEFT, PICTURE, RIGHT, ROWS, SOUND, VIDEO, WORDS
from mmda_bench.errors import ClipError

RATE = Fraction(30_000, 1_001)
PAUSE = 6  # frames between two utterances
WIDTH, HEIGHT = PICTURE
HALF_HEIGHT, HALF_WIDTH = ROWS.stop - ROWS.start, LEFT.stop - LEFT.start
USUAL = ("F_impro01", "F_script01_1", "M_impro01", "M_script01_1")
UNUSUAL = {3: ("M_impro05a", "M_impro05b", "M_impro08a", "M_impro08b"), 5: ("M_script01_1b",)}
CODES = {"neutral": ("neu",), "happy": ("hap", "exc"), "sad": ("sad",), "angry": ("ang",)}
NOT_USED = ("fru", "xxx")
CARRIAGE_RETURNS = 2  # the session whose text files have them
MACOS = bytes.fromhex("00051607") + b"Mac OS X        \xff\xfe"


@dataclass(frozen=True)
class _Dialogue:
    """``turns``: (sex of the speaker, utterance)."""

    session: int
    name: str
    turns: Sequence[tuple[str, Utterance]]


@dataclass(frozen=True)
class _Line:
    """One utterance of a dialogue: its name there, and its frames of the video (first, count)."""

    name: str
    utterance: Utterance
    waveform: NDArray[np.float32]
    frames: NDArray[np.uint8]
    first: int
    count: int

    @property
    def times(self) -> tuple[float, float]:
        return float(self.first / RATE), float((self.first + self.count) / RATE)


def write_iemocap(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
    ids: dict[str, str] = {}
    skipped: dict[str, str] = {}
    write = partial(_write_dialogue, task.out, task.card.classes)
    for lines, reasons in each(write, _dialogues(task.utterances), task, size=lambda dialogue: len(dialogue.turns)):
        ids |= lines
        skipped |= reasons
    write_origin(task, ids)
    return skipped


def _dialogues(utterances: Sequence[Utterance]) -> list[_Dialogue]:
    """Speakers become the ten actors; a session's utterances go to its dialogues in turn."""
    speakers = sorted({u.speaker or "" for u in utterances})
    dialogues = []
    for session in range(1, 6):
        names = [f"Ses{session:02d}{part}" for part in (*USUAL, *UNUSUAL.get(session, ()))]
        turns = []
        for utterance in utterances:
            actor = speakers.index(utterance.speaker or "") % 10
            if actor // 2 + 1 == session:
                turns.append(("MF"[actor % 2], utterance))
        dialogues += [_Dialogue(session, name, turns[k :: len(names)]) for k, name in enumerate(names)]
    return dialogues


def _write_dialogue(out: Path, classes: Sequence[str], dialogue: _Dialogue) -> tuple[dict[str, str], dict[str, str]]:
    """Everything of one dialogue; ({new id: old id}, {old id: reason})."""
    session = out / f"Session{dialogue.session}"
    labels = session / LABELS / f"{dialogue.name}.txt"
    words = session / WORDS / f"{dialogue.name}.txt"
    video = session / VIDEO / f"{dialogue.name}.avi"
    sounds = session / SOUND / dialogue.name
    sounds.mkdir(parents=True, exist_ok=True)
    for path in (labels, words, video, sounds / f"{dialogue.name}_M000.wav"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f"._{path.name}").write_bytes(MACOS)
    lines, skipped = _lines(dialogue)
    newline = "\r\n" if dialogue.session == CARRIAGE_RETURNS else "\n"
    for path, content in ((labels, _labels(lines, dialogue.name, classes)), (words, _words(lines, dialogue.name))):
        path.write_bytes("".join(f"{line}{newline}" for line in content).encode())
    for name, waveform in _sounds(lines, dialogue.name):
        write_wav(sounds / f"{name}.wav", waveform)
    write_avi(video, _pictures(lines, dialogue.name), RATE)
    return {line.name: line.utterance.id for line in lines}, skipped


def _lines(dialogue: _Dialogue) -> tuple[list[_Line], dict[str, str]]:
    lines: list[_Line] = []
    skipped: dict[str, str] = {}
    first = PAUSE
    for number, (sex, utterance) in enumerate(dialogue.turns):
        try:
            waveform, frames = load_sound(utterance), load_pictures(utterance)
        except ClipError as error:
            skipped[utterance.id] = str(error)
            continue
        count = max(len(frames), round(len(waveform) / SAMPLE_RATE * RATE))
        lines.append(_Line(f"{dialogue.name}_{sex}{number:03d}", utterance, waveform, frames, first, count))
        first += count + PAUSE
    return lines, skipped


def _labels(lines: Sequence[_Line], dialogue: str, classes: Sequence[str]) -> Iterator[str]:
    """The label file: a block of lines an utterance, of which the first is the label and the others are votes."""
    yield "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
    yield ""
    named = [(line.name, line.times, _code(line, classes)) for line in lines]
    named += [(f"{dialogue}_M{900 + i}", lines[0].times, code) for i, code in enumerate(NOT_USED) if lines]
    for name, (start, end), code in named:
        yield f"[{start:.4f} - {end:.4f}]\t{name}\t{code}\t[2.5000, 2.5000, 2.5000]"
        yield "C-E1:\tNeutral;\t()"
        yield "A-E1:\tval 3; act 2; dom  2;\t()"
        yield ""


def _code(line: _Line, classes: Sequence[str]) -> str:
    codes = CODES[classes[line.utterance.label]]
    return codes[line.first % len(codes)]


def _words(lines: Sequence[_Line], dialogue: str) -> Iterator[str]:
    """The transcript: also of a turn that nobody labelled."""
    for line in lines:
        start, end = line.times
        yield f"{line.name} [{start:08.4f}-{end:08.4f}]: {' '.join(line.utterance.text.split())}"
    for name in _unlabelled(dialogue):
        yield f"{name} [000.0000-000.1000]: [LAUGHTER]"


def _unlabelled(dialogue: str) -> list[str]:
    return [f"{dialogue}_MXX0", *(f"{dialogue}_M{900 + i}" for i in range(len(NOT_USED)))]


def _sounds(lines: Sequence[_Line], dialogue: str) -> Iterator[tuple[str, NDArray[np.float32]]]:
    yield from ((line.name, line.waveform) for line in lines)
    yield from ((name, np.zeros(SAMPLE_RATE // 10, np.float32)) for name in _unlabelled(dialogue))


def _pictures(lines: Sequence[_Line], dialogue: str) -> Iterator[Held]:
    """Both actors side by side; who listens, and everybody in the pauses, stays as he was last seen."""
    canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for columns in (LEFT, RIGHT):
        canvas[ROWS, columns] = 128
    yield canvas.copy(), PAUSE
    for line in lines:
        marked = dialogue[5] == line.name.rsplit("_", 1)[1][0]  # who wears the markers sits on the left
        for frame, repeats in held(line.frames, line.count):
            shown = Image.fromarray(frame).resize((HALF_WIDTH, HALF_HEIGHT), Image.Resampling.BILINEAR)
            canvas[ROWS, LEFT if marked else RIGHT] = np.asarray(shown)
            yield canvas.copy(), repeats
        yield canvas.copy(), PAUSE
