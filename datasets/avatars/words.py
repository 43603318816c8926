"""The sentences of the avatars: an opening, a core and a close, each said in the manner of a class or in nobody's.

Several parts of a sentence tell the same thing, so that a sentence with masked words can still be read; how many parts
do, grows with the intensity. Some phrases are shared by several classes, as in real talk.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

PLAIN_SHARE = 0.24  # share of parts that are said in nobody's manner at intensity 1
WEAK_SHARE = 0.80  # and at intensity 0

FILLERS = {
    "who": "my brother|the guy at work|my cousin|that woman|our neighbour|the whole team|my teacher|the doctor|my mom"
    "|the new kid|my landlord|your sister",
    "place": "office|station|store|school|hospital|house|airport|garage|hotel|library",
    "day": "today|last night|on monday|this week|tomorrow|last summer|this morning|on friday",
    "thing": "car|letter|phone|ticket|dinner|picture|jacket|money|paper|key",
}


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Phrases separated by bars; ``{who}``, ``{place}``, ``{day}`` and ``{thing}`` are filled in."""

    openings: str
    cores: str
    closes: str


ANYBODY = Lines(
    openings="so|well|you know|okay|right|and then|i mean|listen",
    cores="{who} came by the {place} {day}|{who} talked about the {thing} {day}|we saw {who} at the {place}"
    "|{who} called me {day}|{who} brought the {thing} to the {place}|i met {who} {day}|{who} was at the {place} {day}",
    closes="you see|i tell you|that was it|you know that|there you go|can you believe it",
)

EMOTIONS: Mapping[str, Lines] = {
    "neutral": Lines(
        openings="i think|as i said|as usual|by the way|for the record|basically",
        cores="{who} usually goes to the {place} {day}|{who} left the {thing} near the {place}"
        "|{who} normally keeps the {thing} at the {place}|{who} probably needs the {thing} {day}"
        "|the meeting at the {place} starts {day}|{who} will return the {thing} {day}"
        "|{who} asked about the schedule {day}",
        closes="that is all|i suppose|more or less|as planned|nothing special|if that works",
    ),
    "happy": Lines(
        openings="oh wow|guess what|yes yes|finally|great news|i love it",
        cores="{who} got a wonderful job at the {place}|{who} is getting married {day}|{who} won the big prize {day}"
        "|{who} threw me a surprise party {day}|we loved the beautiful trip with {who}"
        "|{who} laughed and danced at the {place}|{who} gave me a lovely {thing} {day}",
        closes="it is amazing|i am so excited|how great is that|we had such fun|what a joy|i am so glad",
    ),
    "sad": Lines(
        openings="i guess|honestly|i am sorry|oh no|these days|it hurts",
        cores="{who} passed away {day}|{who} never came back from the {place}|{who} is leaving me alone {day}"
        "|{who} lost everything at the {place}|{who} forgot my birthday {day}|{who} cried at the funeral {day}"
        "|i still miss {who} at the {place}|{who} is terribly sick {day}",
        closes="i feel so empty|nothing helps|i cannot stop crying|it breaks my heart|i am so lonely|there is no hope",
    ),
    "angry": Lines(
        openings="shut up|are you serious|for the last time|damn it|how dare you|stop it",
        cores="{who} lied to me again {day}|{who} wrecked my {thing} at the {place}|{who} blamed me for the {thing}"
        "|{who} stole my {thing} {day}|{who} kept yelling at the {place}|{who} ruined my {thing} again"
        "|{who} cheated and insulted me {day}|i hate that {who} broke the {thing}",
        closes="i have had enough|get out|that is so unfair|this is ridiculous|i am furious|leave me the hell alone",
    ),
}


def say(lines: Lines, strength: float, rng: np.random.Generator) -> str:
    """A sentence in the manner of ``lines``; a part is said in nobody's manner the more likely, the less intense."""
    plain = WEAK_SHARE + strength * (PLAIN_SHARE - WEAK_SHARE)
    parts = []
    for part in ("openings", "cores", "closes"):
        manner = ANYBODY if rng.random() < plain else lines
        phrase = _pick(getattr(manner, part), rng)
        parts.append(phrase.format(**{slot: _pick(options, rng) for slot, options in FILLERS.items()}))
    return " ".join(parts)


def vocabulary(recipe: Mapping[str, Lines]) -> tuple[str, ...]:
    """Every word that sentences of this recipe can contain, sorted."""
    text = "|".join(FILLERS.values())
    for lines in (ANYBODY, *recipe.values()):
        text += "|".join(["", lines.openings, lines.cores, lines.closes])
    return tuple(sorted(set(re.sub(r"\{\w+\}|\|", " ", text).split())))


def _pick(phrases: str, rng: np.random.Generator) -> str:
    options = phrases.split("|")
    return options[rng.integers(len(options))]
