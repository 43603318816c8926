"""Where words end, in any script: what the lexical shift masks, one at a time.

Most scripts put spaces between words. Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan and a few others do not:
a sentence is then one run of characters, and each of its characters is a unit of its own [ours]. A text whose script
has spaces is cut at them and nowhere else, so that nothing changes for it.
"""

import re
import unicodedata
from collections.abc import Sequence

LONGEST_WORD = 8  # characters; between two spaces, a longer run of a script without spaces is a phrase and no word
JOINERS = "\u200d\ufe0e\ufe0f"  # belong to the character before them: zero-width joiner, variation selectors

# blocks of the scripts that are written without spaces between words (Unicode 15)
_UNSPACED = re.compile(
    "["
    "\u0e00-\u0e7f\u0e80-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"  # Khmer, Tai Le, New Tai Lue, Tai Tham
    "\u1b00-\u1b7f\ua980-\ua9df\uaa80-\uaadf"  # Balinese, Javanese, Tai Viet
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\uff66-\uff9f"  # Japanese
    "\u3100-\u312f\u31a0-\u31bf\ua000-\ua4cf"  # Bopomofo, Yi
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "]"
)


def units(words: Sequence[str]) -> list[list[str]]:
    """For each word what can be masked of it: itself, or its characters where the script has no spaces.

    Joined, the units of a word give the word again. Marks and punctuation belong to the character before them, and a
    run of another script (a name in Latin letters) is one unit.

    >>> units(["she", "said", "no"])
    [['she'], ['said'], ['no']]
    >>> units(["我们赢了GPU!"])
    [['我', '们', '赢', '了', 'GPU!']]
    """
    return [_characters(word) if _is_phrase(word, alone=len(words) == 1) else [word] for word in words]


def all_units(text: str) -> list[str]:
    """All units of a text, one after the other.

    >>> all_units("ok 好")
    ['ok', '好']
    """
    return [unit for part in units(text.split()) for unit in part]


def _is_phrase(word: str, *, alone: bool) -> bool:
    return len(_UNSPACED.findall(word)) > (0 if alone else LONGEST_WORD)


def _characters(word: str) -> list[str]:
    parts: list[str] = []
    before = ""  # what the last letter or digit was: "" for none, "own" for a unit of its own, "run" for part of a run
    for character in word:
        if unicodedata.category(character)[0] not in "LN" or character in JOINERS:
            now = before
            joins = bool(parts)
        else:
            now = "own" if _UNSPACED.match(character) else "run"
            joins = bool(parts) and (before == "" or (now == before == "run"))
        if joins:
            parts[-1] += character
        else:
            parts.append(character)
        before = now
    return parts
