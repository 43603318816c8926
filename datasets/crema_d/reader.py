"""CREMA-D: 7,442 clips of 91 actors who say twelve sentences in six emotions.

::

    DIR/AudioWAV/1001_DFA_ANG_XX.wav        actor_sentence_emotion_level
    DIR/VideoFlash/1001_DFA_ANG_XX.flv

The words come from the sentence's code and say nothing of the emotion. The repository keeps its media in git-lfs: what
a plain download holds in their place are pointers of three lines. Four clips are known to be damaged; they are counted
with the reason, whatever a copy holds.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmda_bench.data.corpus_files import broken_remark, completed, corpus_root, files_remark, refused
from mmda_bench.data.media.files import read_waveform
from mmda_bench.data.media.video import read_pictures
from mmda_bench.dataset import Card, Dataset, ExportTask, Shift, Utterance
from mmda_bench.datasets.crema_d.layout import EMOTIONS, PICTURES, SENTENCES, SOUND
from mmda_bench.errors import ClipError, DataError
from mmda_bench.registry import register_dataset

NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
POINTER = b"version https://git-lfs"
GET_IT = "git lfs install; git lfs pull"
BROKEN: Mapping[str, str] = {
    "1076_MTI_SAD_XX": "its files are damaged as published",
    "1076_MTI_NEU_XX": "its pictures are damaged as published",
    "1064_TIE_SAD_XX": "its files are damaged as published",
    "1064_IEO_DIS_MD": "its files are damaged as published",
}


@register_dataset("crema-d", title="CREMA-D, 6 emotions", layout=True)
class CREMAD(Dataset):
    """Actors who say twelve sentences in six emotions, from the repository's clips; ``--data-root DIR`` names it."""

    card = Card(
        name="crema-d",
        title="CREMA-D",
        version="v1",
        classes=tuple(EMOTIONS.values()),
        shift=Shift(noise=0.01, brightness=0.1, visual_noise=0.1, masked=0.4),
        licence="Open Database License 1.0",
        citation="Cao et al., CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset, IEEE Transactions on "
        "Affective Computing 2014",
        obtain="git clone https://github.com/CheyneyComputerScience/CREMA-D with git-lfs installed, not a download as "
        "zip; an example of the layout: mmda-bench data export avatars --layout crema-d --out DIR",
        expected={"utterances": 7_442, **dict.fromkeys(EMOTIONS.values(), 1271), "neutral": 1_087},
    )

    def describe(self, root: Path | None) -> Card:
        """The card; its version gets digits of its own where the counts are not those of the whole corpus."""
        root = _existing(root)
        clips, _ = _read(root)
        media = [path for clip in clips for path in (_sound(root, clip), _pictures(root, clip))]
        return completed(self.card, root, list(self.utterances(root)), tables=[], media=media)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All clips by name, which is by actor."""
        root = _existing(root)
        for clip in _read(root)[0]:
            lost = partial(refused, BROKEN[clip.name]) if clip.name in BROKEN else None
            yield Utterance(
                id=clip.name,
                text=SENTENCES[clip.sentence],
                label=self.card.classes.index(EMOTIONS[clip.emotion]),
                speaker=clip.actor,
                waveform=lost or partial(_heard, _sound(root, clip)),
                frames=lost or partial(_seen, _pictures(root, clip)),
            )

    def unusable(self, root: Path | None) -> Iterable[tuple[str, str]]:
        """Sound files whose name says no sentence or emotion of the corpus."""
        return _read(_existing(root))[1]

    def remarks(self, root: Path | None) -> Iterable[str]:
        """Clips that are known to be broken, pictures without sound, and that the words are the same in all classes."""
        root = _existing(root)
        names = {clip.name for clip in _read(root)[0]}
        yield from broken_remark(sorted(names & set(BROKEN)))
        mute = [path.name for path in sorted((root / PICTURES).glob("[!.]*.flv")) if path.stem not in names]
        yield from files_remark(mute, f"videos have no {SOUND}/*.wav of a name of the corpus and are not used")
        yield f"the words say nothing of the class: {len(SENTENCES)} sentences, each in every emotion"

    def export(self, task: ExportTask) -> dict[str, str]:
        """Write ``task`` in this layout; returns the reason for every utterance that could not be read."""
        from mmda_bench.datasets.crema_d.writer import write_crema_d

        return write_crema_d(task)


@dataclass(frozen=True)
class _Clip:
    name: str
    actor: str
    sentence: str
    emotion: str


def _existing(root: Path | None) -> Path:
    root = corpus_root(root, CREMAD.card, [SOUND, PICTURES])
    first = next(iter(sorted((root / SOUND).glob("[!.]*.wav"))), None)
    if first is not None and _is_pointer(first):
        raise DataError(f"{first} is a pointer of git-lfs and no sound; in {root}: {GET_IT}")
    return root


def _is_pointer(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


def _heard(path: Path) -> NDArray[np.float32]:
    _check_fetched(path)
    return read_waveform(path)


def _seen(path: Path) -> NDArray[np.uint8]:
    _check_fetched(path)
    return read_pictures(path)


def _check_fetched(path: Path) -> None:
    if _is_pointer(path):
        raise ClipError(f"{path} is a pointer of git-lfs; in its repository: {GET_IT}")


def _sound(root: Path, clip: _Clip) -> Path:
    return root / SOUND / f"{clip.name}.wav"


def _pictures(root: Path, clip: _Clip) -> Path:
    return root / PICTURES / f"{clip.name}.flv"


def _read(root: Path) -> tuple[list[_Clip], list[tuple[str, str]]]:
    """Every clip by its sound file, and (file, reason) of those whose name is none."""
    clips: list[_Clip] = []
    wrong: list[tuple[str, str]] = []
    for path in sorted((root / SOUND).glob("[!.]*.wav")):
        match = NAME.fullmatch(path.stem)
        reason = "" if match else "its name is not actor_sentence_emotion_level"
        if match and match[2] not in SENTENCES:
            reason = f"unknown sentence {match[2]!r}"
        elif match and match[3] not in EMOTIONS:
            reason = f"unknown emotion {match[3]!r}"
        if match and not reason:
            clips.append(_Clip(path.stem, match[1], match[2], match[3]))
        else:
            wrong.append((f"{SOUND}/{path.name}", reason))
    return clips, wrong
