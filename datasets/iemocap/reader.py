"""IEMOCAP: 5,531 utterances of ten actors with four emotions, read from IEMOCAP_full_release.

::

    DIR/Session1/dialog/EmoEvaluation/Ses01F_impro01.txt       labels and times
    DIR/Session1/dialog/transcriptions/Ses01F_impro01.txt      words
    DIR/Session1/dialog/avi/DivX/Ses01F_impro01.avi            both actors side by side
    DIR/Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav

Happy and excited are one class, as everywhere in the literature; other labels than those of the four classes are not
used. A name means something: ``Ses01F_impro01_M003`` is said by the man while the woman wears the markers.
"""

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmda_bench.data.corpus_files import completed, corpus_root
from mmda_bench.data.media.files import read_waveform
from mmda_bench.data.media.video import read_excerpt
from mmda_bench.data.tables import CP1252, decoded
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.iemocap.layout import LABELS, LEFT, PICTURE, RIGHT, ROWS, SOUND, VIDEO, WORDS
from mmda_bench.registry import register_dataset

SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")
EMOTIONS = {"neu": "neutral", "hap": "happy", "exc": "happy", "sad": "sad", "ang": "angry"}
OTHER_EMOTIONS = {"fru", "sur", "fea", "dis", "oth", "xxx"}
#                  [6.2901 - 8.2357]                        Ses01F_impro01_F000  neu   [2.5000, 2.5000, 2.5000]
LABEL = re.compile(r"\[\s*(\d+\.?\d*)\s*-\s*(\d+\.?\d*)\s*\]\t+(Ses\S+_[FM]\d+)\t+(\w+)(\t.*)?")
VOTE = re.compile(r"[AC]-\w+:")  # a line of one annotator

SIDE = 112


@register_dataset("iemocap", title="IEMOCAP, 4 emotions", layout=True)
class IEMOCAP(Dataset):
    """Ten actors in dialogues with four emotions, from IEMOCAP_full_release; ``--data-root DIR`` names its folder."""

    card = Card(
        name="iemocap",
        title="IEMOCAP",
        version="v1",
        classes=("neutral", "happy", "sad", "angry"),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="signed licence of the University of Southern California; not to be redistributed",
        citation="Busso et al., IEMOCAP: Interactive emotional dyadic motion capture database, Language Resources and "
        "Evaluation 2008",
        obtain="sign the licence at https://sail.usc.edu/iemocap and take the full release, with its videos; an "
        "example of the layout: mmda-bench data export avatars --layout iemocap --out DIR",
        expected={
            "utterances": 5_531,
            "neutral": 1_708,
            "happy": 1_636,
            "sad": 1_084,
            "angry": 1_103,
            "Ses01*": 1_085,
            "Ses02*": 1_023,
            "Ses03*": 1_151,
            "Ses04*": 1_031,
            "Ses05*": 1_241,
        },
    )

    def describe(self, root: Path | None) -> Card:
        """The card; its version gets digits of its own where the counts are not those of the whole corpus."""
        root = _existing(root)
        sessions = _sessions(root)
        tables = [path for session in sessions for part in (LABELS, WORDS) for path in _texts(session / part)]
        videos = [path for session in sessions for path in sorted((session / VIDEO).glob("Ses*.avi"))]
        sounds = [_wav(root, turn) for turn in _read(root)[0]]
        utterances = list(self.utterances(root))
        return completed(self.card, root, utterances, tables=tables, media=[*videos, *sounds])

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances with one of the four emotions, by session, dialogue and time of the label file."""
        root = _existing(root)
        for turn in _read(root)[0]:
            video = root / turn.session / VIDEO / f"{turn.dialogue}.avi"
            yield Utterance(
                id=turn.name,
                text=turn.text,
                label=self.card.classes.index(turn.emotion),
                speaker=turn.speaker,
                waveform=partial(read_waveform, _wav(root, turn)),
                frames=partial(read_speaker, video, turn.start, turn.end, turn.on_the_left),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Sessions that are absent, lines that are no label, and labelled utterances without words."""
        return _read(_existing(root))[1]

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.iemocap.writer import write_iemocap

        return write_iemocap(task)


def read_speaker(video: Path, start: float, end: float, left: bool) -> NDArray[np.uint8]:
    """(10, 112, 112, 3) uint8 RGB: the half of a dialogue's video that shows the speaker. Raises ``ClipError``."""
    box = (ROWS, LEFT if left else RIGHT)
    pictures = read_excerpt(video, start=start, end=end, box=box, size=PICTURE)
    small = [Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for picture in pictures]
    return np.stack([np.asarray(picture) for picture in small])


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """What one label line and one transcript line say of an utterance. Times in seconds of the dialogue's video."""

    session: str
    name: str
    emotion: str
    start: float
    end: float
    text: str = ""

    @property
    def dialogue(self) -> str:
        return self.name.rsplit("_", 1)[0]

    @property
    def sex(self) -> str:
        return self.name.rsplit("_", 1)[1][0]

    @property
    def speaker(self) -> str:
        return f"{self.name[:5]}{self.sex}"

    @property
    def on_the_left(self) -> bool:
        """The actor with the markers sits on the left, and the dialogue's sixth character is that actor's sex."""
        return self.dialogue[5] == self.sex


def _existing(root: Path | None) -> Path:
    root = corpus_root(root, IEMOCAP.card, ["Session*"])
    # users often lack the videos, which are most of the download: every session must have all that is read
    needs = [f"{session.name}/{part}" for session in _sessions(root) for part in (LABELS, WORDS, VIDEO, SOUND)]
    return corpus_root(root, IEMOCAP.card, needs)


def _sessions(root: Path) -> list[Path]:
    return [root / name for name in SESSIONS if (root / name).is_dir()]


def _texts(folder: Path) -> list[Path]:
    """The text files of dialogues; macOS leaves files named ``._Ses...`` beside them."""
    return sorted(path for path in folder.glob("Ses*.txt") if path.is_file())


def _wav(root: Path, turn: _Turn) -> Path:
    return root / turn.session / SOUND / turn.dialogue / f"{turn.name}.wav"


def _lines(path: Path) -> list[str]:
    return list(io.StringIO(decoded(path, fallback=CP1252), newline=None))


def _read(root: Path) -> tuple[list[_Turn], list[tuple[str, str]]]:
    """Every utterance with one of the four emotions, and (where, why) of all that should be one and cannot."""
    turns: list[_Turn] = []
    wrong = [(name, "the folder is missing") for name in SESSIONS if not (root / name).is_dir()]
    for session in _sessions(root):
        for path in _texts(session / LABELS):
            transcript = session / WORDS / path.name
            words = transcribed(_lines(transcript)) if transcript.is_file() else {}
            for turn, where, reason in _labelled(path, session.name):
                if turn is not None and turn.name not in words:
                    reason = f"no words in {transcript.relative_to(root)}"
                if reason:
                    wrong.append((where, reason))
                elif turn is not None:
                    turns.append(replace(turn, text=words[turn.name]))
    return turns, wrong


def _labelled(path: Path, session: str) -> Iterator[tuple[_Turn | None, str, str]]:
    """(utterance, its id or line, reason) of every line of a label file that is an utterance of ours or is wrong."""
    seen: set[str] = set()
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path.name} line {number}"
        if not line.strip() or line.startswith("%") or VOTE.match(line):
            continue
        match = LABEL.fullmatch(line.rstrip())
        if match is None:
            yield None, where, f"not a label: {line.strip()[:60]!r}"
            continue
        start, end, name, emotion = float(match[1]), float(match[2]), match[3], match[4]
        if emotion in OTHER_EMOTIONS:
            continue
        if emotion not in EMOTIONS:
            yield None, where, f"unknown emotion {emotion!r}"
        elif end <= start:
            yield None, where, f"ends at {end:g} s, before its start at {start:g} s"
        elif name.rsplit("_", 1)[0] != path.stem:
            yield None, where, f"{name} is not of this dialogue"
        elif name in seen:
            yield None, where, f"{name} is labelled a second time"
        else:
            seen.add(name)
            yield _Turn(session=session, name=name, emotion=EMOTIONS[emotion], start=start, end=end), name, ""


def transcribed(lines: Iterable[str]) -> dict[str, str]:
    """Words by utterance, from lines such as ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``"""
    texts = {}
    for line in lines:
        head, found, text = line.partition("]: ")  # the first one: words may contain it as well
        if found and " [" in head:
            texts[head.split(" [")[0].strip()] = text.strip()
    return texts
