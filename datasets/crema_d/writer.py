"""The layout of CREMA-D: wav and flv named by actor, sentence, emotion and level."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mmda_bench.data.export import SCALE, TELEVISION, each, write_origin
from mmda_bench.data.media.write import held, write_flv, write_wav
from mmda_bench.data.validation import load_pictures, load_sound
from mmda_bench.dataset import ExportTask, Utterance
from mmda_bench.datasets.crema_d.layout import EMOTIONS, LEVELS, PICTURES, SENTENCES, SOUND
from mmda_bench.errors import ClipError

FIRST_ACTOR = 1001
CODES = {name: code for code, name in EMOTIONS.items()}
Named = tuple[str, Utterance]


def write_crema_d(task: ExportTask) -> dict[str, str]:
    """Write ``task`` in this layout; returns the reason for every utterance that could not be read.

    The layout has no words of its own: an utterance gets one of the twelve sentences in the place of its text.
    """
    for folder in (SOUND, PICTURES):
        (task.out / folder).mkdir()
    named = _named(task.utterances, task.card.classes)
    ids, skipped = {}, {}
    for (name, utterance), reason in zip(named, each(partial(_write, task.out), named, task), strict=True):
        if reason is None:
            ids[name] = utterance.id
        else:
            skipped[utterance.id] = reason
    write_origin(task, ids)
    return skipped


def _named(utterances: Sequence[Utterance], classes: Sequence[str]) -> list[Named]:
    """A name for each: another actor when all sentences and levels of an emotion are used up."""
    places = [(sentence, level) for level in LEVELS for sentence in SENTENCES]
    used: Counter[tuple[str, str]] = Counter()
    speakers = {name: i for i, name in enumerate(sorted({u.speaker or "" for u in utterances}))}
    named = []
    for u in utterances:
        code, speaker = CODES[classes[u.label]], u.speaker or ""
        turn, place = divmod(used[speaker, code], len(places))
        used[speaker, code] += 1
        actor = FIRST_ACTOR + speakers[speaker] + turn * len(speakers)
        sentence, level = places[place]
        named.append((f"{actor}_{sentence}_{code}_{level}", u))
    return named


def _write(out: Path, named: Named) -> str | None:
    name, utterance = named
    try:
        waveform, frames = load_sound(utterance), load_pictures(utterance)
    except ClipError as error:
        return str(error)
    write_wav(out / SOUND / f"{name}.wav", waveform)
    large = frames.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    write_flv(out / PICTURES / f"{name}.flv", held(large, 3 * len(frames)), TELEVISION)
    return None
