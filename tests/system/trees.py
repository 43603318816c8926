"""MIntRec and IEMOCAP as they lie on a disk, in their true size, with cheap clips: links to a few small files."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import cycle
from pathlib import Path

import numpy as np

from mmda_bench.data.media.write import held, write_avi, write_mp4, write_wav
from mmda_bench.dataset import ONE_WORD
from mmda_bench.registry import DATASETS

SECONDS = 1.0
TURNS = 10_039  # of IEMOCAP, of which the card expects those with one of four emotions
DIALOGUES = 30  # of a session
OTHERS = ("fru", "xxx", "sur", "oth", "fea")
SPOKEN = "what do you think of that, then, and who is going to tell them when the others come back"


def mintrec(root: Path) -> int:
    """The whole corpus below ``root``; how many utterances."""
    card = DATASETS.get("mintrec").card
    expected = dict(card.expected)
    total, one_word = expected.pop("utterances"), expected.pop(ONE_WORD)
    others = [name for name in card.classes if name not in expected]
    counts = Counter(expected) + Counter(name for name, _ in zip(cycle(others), range(total - sum(expected.values()))))
    labels = _mixed([name for name in card.classes for _ in range(counts[name])])
    (root / "raw_data").mkdir(parents=True)
    clips = [root / f"clip{number}.mp4" for number in range(4)]
    for number, clip in enumerate(clips):
        write_mp4(clip, held(_pictures(number, (48, 64)), 10), Fraction(10), _sound(number))
    parts = {"train.tsv": labels[:1334], "dev.tsv": labels[1334:1779], "test.tsv": labels[1779:]}
    number = 0
    for name, part in parts.items():
        lines = ["season\tepisode\tclip\ttext\tlabel"]
        for label in part:
            season, episode, clip = f"S{4 + number % 3:02d}", f"E{number // 100:02d}", str(number)
            text = "well" if number < one_word else " ".join(SPOKEN.split()[number % 5 :])
            lines.append(f"{season}\t{episode}\t{clip}\t{text}\t{label}")
            _link(clips[card.classes.index(label) % 4], root / "raw_data" / season / episode / f"{clip}.mp4")
            number += 1
        (root / name).write_text("\n".join(lines) + "\n")
    return number


def iemocap(root: Path) -> int:
    """The whole release below ``root``; how many of its 10,039 turns have one of the four emotions."""
    card = DATASETS.get("iemocap").card
    emotions = {"neutral": "neu", "happy": "hap", "sad": "sad", "angry": "ang"}
    spoken = iter(_mixed([emotions[name] for name in card.classes for _ in range(card.expected[name])]))
    others = iter(_mixed([name for name, _ in zip(cycle(OTHERS), range(TURNS - card.expected["utterances"]))]))
    root.mkdir(parents=True)
    wav, avi = root / "turn.wav", root / "dialogue.avi"
    longest = 2 * TURNS // (5 * DIALOGUES)  # turns, with room
    write_wav(wav, _sound(0))
    write_avi(avi, held(_pictures(0, (480, 720)), 5 * longest), Fraction(5))
    for number in range(1, 6):
        ours = card.expected[f"Ses{number:02d}*"]
        rest = (TURNS - card.expected["utterances"]) // 5 + (number <= (TURNS - card.expected["utterances"]) % 5)
        turns = _mixed([next(spoken) for _ in range(ours)] + [next(others) for _ in range(rest)])
        for dialogue in range(DIALOGUES):
            name = f"Ses{number:02d}F_impro{dialogue:02d}"
            _dialogue(root / f"Session{number}", name, turns[dialogue::DIALOGUES], wav, avi)
    return int(card.expected["utterances"])


def _dialogue(session: Path, name: str, emotions: Sequence[str], wav: Path, avi: Path) -> None:
    labels, words = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""], []
    for number, emotion in enumerate(emotions):
        turn = f"{name}_{'FM'[number % 2]}{number:03d}"
        start, end = number * SECONDS, (number + 1) * SECONDS
        labels += [f"[{start:.4f} - {end:.4f}]\t{turn}\t{emotion}\t[2.5000, 2.5000, 2.5000]", "A-E1:\tNeutral;\t()", ""]
        words.append(f"{turn} [{start:08.4f}-{end:08.4f}]: {' '.join(SPOKEN.split()[number % 7 :])}")
        _link(wav, session / "sentences" / "wav" / name / f"{turn}.wav")
    for part, lines in (("EmoEvaluation", labels), ("transcriptions", words)):
        path = session / "dialog" / part / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    _link(avi, session / "dialog" / "avi" / "DivX" / f"{name}.avi")


def _link(of: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(of, path)


def _mixed(names: Sequence[str]) -> list[str]:
    """In an order that has every class everywhere; always the same."""
    order: Iterator[int] = iter(np.random.default_rng(0).permutation(len(names)).tolist())
    return [names[number] for number in order]


def _sound(number: int) -> np.ndarray:
    time = np.arange(int(16_000 * SECONDS)) / 16_000
    return (0.3 * np.sin(2 * np.pi * (200 + 100 * number) * time)).astype(np.float32)


def _pictures(number: int, size: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(size)
    pictures = [(rows + columns + 20 * i + 60 * number) % 256 for i in range(10)]
    return np.repeat(np.stack(pictures)[..., None], 3, axis=3).astype(np.uint8)
