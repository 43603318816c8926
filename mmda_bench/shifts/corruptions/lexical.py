"""Corruptions of words: a list of words in, another out. Levels [ours].

In a script without spaces the characters of a sentence are its words (:func:`mmda_bench.shifts.scripts.units`).
At least one word always stays.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from mmda_bench.shifts import mask_words, masked_count
from mmda_bench.shifts.corruptions.base import Surroundings, corruption
from mmda_bench.shifts.scripts import units

Draw = np.random.Generator
SHARE_OF_WORDS = "share of the words"
SHORT = 3  # letters; a word of no more is left alone by a typist
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SOUNDS = {letter: str(i) for i, group in enumerate(("bfpv", "cgjkqsxz", "dt", "l", "mn", "r"), 1) for letter in group}
SUBSTITUTED, DELETED = 0.6, 0.2  # of a recogniser's errors; the others are insertions
NEAREST = 5  # words that a recogniser may take for another


@corruption("masked", "L", 0.1, 0.2, 0.3, 0.4, 0.5, unit=SHARE_OF_WORDS, origin="ours")
def masked(words: Sequence[str], level: float, rng: Draw, around: Surroundings) -> list[str]:
    return mask_words(words, share=level, mask=around.mask, rng=rng)


@corruption("deleted", "L", 0.1, 0.2, 0.3, 0.4, 0.5, unit=SHARE_OF_WORDS, origin="ours")
def deleted(words: Sequence[str], level: float, rng: Draw, around: Surroundings) -> list[str]:
    parts = units(words)
    total = sum(map(len, parts))
    gone = set(rng.permutation(total)[: masked_count(total, level)].tolist())
    places = iter(range(total))
    left = ["".join(unit for unit in part if next(places) not in gone) for part in parts]
    return [word for word in left if word]


@corruption("typos", "L", 0.1, 0.2, 0.3, 0.4, 0.5, unit="share of the words of more than 3 letters", origin="ours")
def typos(words: Sequence[str], level: float, rng: Draw, around: Surroundings) -> list[str]:
    """Letters swapped, doubled, left out, or a neighbour on the keyboard: one in each word that is struck."""
    long = [i for i, word in enumerate(words) if sum(map(str.isalpha, word)) > SHORT]
    order, draws = rng.permutation(len(long)), rng.random((len(long), 3))
    typed = list(words)
    for place in order[: round(level * len(long))]:
        typed[long[place]] = mistyped(words[long[place]], *draws[place])
    return typed


def mistyped(word: str, kind: float, position: float, which: float) -> str:
    """``word`` with one slip of a finger, chosen by three numbers in [0, 1); never the word itself.

    >>> [mistyped("letter", kind, 0.1, 0.0) for kind in (0.1, 0.3, 0.6, 0.8)]
    ['eltter', 'oetter', 'lletter', 'etter']
    """
    letters = [i for i, letter in enumerate(word) if letter.isalpha()]
    i = letters[int(position * len(letters))]
    before, letter, after = word[:i], word[i], word[i + 1 :]
    near = _neighbours(letter)
    if kind < 0.25 and after[:1].isalpha() and after[0] != letter:
        return before + after[0] + letter + after[1:]
    if kind < 0.5 and near:
        return before + near[int(which * len(near))] + after
    if kind < 0.75:
        return before + letter + letter + after
    return before + after


@lru_cache
def _neighbours(letter: str) -> str:
    """The keys around a letter, in its case; "" for a letter that is on no such key."""
    keys = {key: (column + row / 2, row) for row, line in enumerate(ROWS) for column, key in enumerate(line)}
    if letter.lower() not in keys:
        return ""
    x, y = keys[letter.lower()]
    near = "".join(k for k, (a, b) in keys.items() if k != letter.lower() and abs(a - x) <= 1 and abs(b - y) <= 1)
    return near.upper() if letter.isupper() else near


@corruption("recogniser", "L", 0.1, 0.2, 0.3, 0.45, 0.6, unit="word error rate", origin="ours", needs="words")
def recogniser(words: Sequence[str], level: float, rng: Draw, around: Surroundings) -> list[str]:
    """Substitutions, deletions and insertions at 6 : 2 : 2. A word is taken for one of ``around.words`` that is near
    in spelling or sound, and followed by any of them where one is inserted."""
    spoken = [unit for part in units(words) for unit in part]
    count, known = len(spoken), around.words or tuple(sorted(set(spoken)))
    order, kinds, choice = rng.permutation(count), rng.random(count), rng.random(count)
    struck = set(order[: round(level * count)].tolist())
    heard: list[str] = []
    for i, word in enumerate(spoken):
        if i not in struck:
            heard.append(word)
        elif kinds[i] < SUBSTITUTED:
            alike = nearest(word, known)
            heard.append(alike[int(choice[i] * len(alike))] if alike else word + word[-1])
        elif kinds[i] >= SUBSTITUTED + DELETED:
            heard += [word, known[int(choice[i] * len(known))]]
    return heard or spoken[:1]


@lru_cache(maxsize=100_000)
def nearest(word: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """The ``NEAREST`` other words of ``known`` by edit distance of the spelling or, if less, of the sound.

    >>> nearest("there", ("their", "banana", "where", "There"))[:2]
    ('where', 'their')
    """
    plain = word.casefold()
    others = [other for other in known if other.casefold() != plain]
    close = [other for other in others if abs(len(other) - len(word)) <= 2 and _alike(plain, other.casefold())]
    ranked = sorted(close if len(close) >= NEAREST else others, key=lambda other: (_distance(plain, other), other))
    return tuple(ranked[:NEAREST])


def _alike(word: str, other: str) -> bool:
    return word[:1] == other[:1] or sound(word) == sound(other) or word[-2:] == other[-2:]


def _distance(word: str, other: str) -> float:
    other = other.casefold()
    heard, meant = sound(word), sound(other)
    # an equal sound is not an equal word
    by_sound = (edits(heard, meant) + 0.5) / max(len(heard), len(meant)) if heard and meant else 1.0
    return min(edits(word, other) / max(len(word), len(other)), by_sound)


@lru_cache(maxsize=100_000)
def sound(word: str) -> str:
    """The consonants of a word by how they are spoken (after Soundex): b f p v are one, d t another. Vowels are left
    out, except in front.

    >>> sound("their"), sound("there"), sound("apple")
    ('36', '36', 'a14')
    """
    coded = [SOUNDS.get(letter, letter if i == 0 else "") for i, letter in enumerate(word)]
    kept = [code for code in coded if code]
    return "".join(code for i, code in enumerate(kept) if i == 0 or code != kept[i - 1])


def edits(a: Sequence[str], b: Sequence[str]) -> int:
    """Levenshtein distance: insertions, deletions and substitutions that lead from ``a`` to ``b``.

    >>> edits("kitten", "sitting")
    3
    """
    row = list(range(len(b) + 1))
    for i, mine in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (mine != other))
    return row[-1]
