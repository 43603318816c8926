"""The development draws of the avatars: where difficulty is chosen, so that no reported corpus is looked at for it.

Other speakers and another seed than the corpora that are reported. ``--data-root FILE.json`` gives another setting than
the frozen one, for whoever searches for a better one::

    {"incongruence": {"A": 0.1, "L": 0.1, "V": 0.1}, "intensity": {"A": [2, 1], "L": [3, 1], "V": [2, 2]},
     "shift": {"noise": 0.003, "brightness": 0.2, "visual_noise": 0.25, "masked": 0.5}}
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from mmda_bench.dataset import MODALITIES, Card, DataError, Dataset, Shift, Utterance
from mmda_bench.datasets.avatars import corpus
from mmda_bench.datasets.avatars.corpus import Setting
from mmda_bench.protocol import canonical_json
from mmda_bench.registry import register_dataset


def to_json(setting: Setting) -> dict[str, Any]:
    """A setting as the JSON value that :func:`read_setting` reads.

    >>> to_json(corpus.SETTINGS["avatars"])["intensity"]["A"]
    [2.5, 1.4]
    """
    value = asdict(setting)
    return value | {"intensity": {m: list(pair) for m, pair in setting.intensity.items()}}


def _number(value: object, low: float, high: float = math.inf) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high and value < math.inf


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_number(part, 0.1) for part in value)


# the keys of each part of a setting, what a value may be, and that in words
PARTS: Mapping[str, tuple[Sequence[str], Callable[[object], bool], str]] = {
    "incongruence": (MODALITIES, lambda value: _number(value, 0, 1), "a probability from 0 to 1"),
    "intensity": (MODALITIES, _is_pair, "the two parameters of a Beta distribution, for example [2.5, 1.5]"),
    "shift": ([f.name for f in fields(Shift)], lambda value: _number(value, 0), "a number from 0 upwards"),
}


def read_setting(path: Path) -> Setting:
    """The setting in a JSON file. Raises :class:`DataError` when it is not one, naming the value that is wrong."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no setting of avatars: {error}; expected a JSON file, see avatars-dev") from error
    if not isinstance(value, Mapping) or set(value) != set(PARTS):
        raise DataError(f"{path} is no setting of avatars: expected an object with {', '.join(PARTS)}")
    for name, (keys, right, expected) in PARTS.items():
        part = value[name]
        if not isinstance(part, Mapping) or set(part) != set(keys):
            raise DataError(f"{path}: {name} must have exactly {', '.join(keys)}; found {part!r}")
        for key, found in part.items():
            if not right(found):
                raise DataError(f"{path}: {name}.{key} is {found!r}, expected {expected}")
    intensity = {m: (float(a), float(b)) for m, (a, b) in value["intensity"].items()}
    return Setting(incongruence=value["incongruence"], intensity=intensity, shift=Shift(**value["shift"]))


def digest(setting: Setting) -> str:
    """Eight hexadecimal digits that tell one setting from another."""
    return hashlib.sha256(canonical_json(to_json(setting)).encode()).hexdigest()[:8]


def _own(root: Path | None) -> Setting | None:
    """The setting in the file ``root``. A folder holds some other corpus (``MMDA_BENCH_DATA`` names it for all)."""
    return None if root is None or root.is_dir() else read_setting(root)


def _described(card: Card, root: Path | None) -> Card:
    setting = _own(root)
    if setting is None:
        return card
    return replace(card, shift=setting.shift, version=f"{card.version}-{digest(setting)}")


def _drawn(recipe: str, root: Path | None) -> Iterator[Utterance]:
    setting = _own(root) or corpus.SETTINGS[recipe]
    for index in range(corpus.UTTERANCES):
        yield corpus.generate(
            index,
            recipe=recipe,
            seed=corpus.DEVELOPMENT_SEED,
            cast=corpus.DEVELOPMENT_CAST,
            incongruence=setting.incongruence,
            intensity=setting.intensity,
        )


@register_dataset("avatars-dev", title="Avatars, 4 emotions, development draw (synthetic)")
class AvatarsDevelopment(Dataset):
    """The draw on which the difficulty of ``avatars`` was chosen; nothing on it is to be reported as a result."""

    card = replace(corpus.Avatars.card, name="avatars-dev", title="Avatars, 4 emotions, development draw (synthetic)")

    def describe(self, root: Path | None) -> Card:
        """The card; with a setting in the file ``root``, its shift, and its digest in the version."""
        return _described(self.card, root)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances with the setting in the file ``root``, or with the frozen one."""
        return _drawn("avatars", root)


@register_dataset("avatars-intent-dev", title="Avatars, 20 intents, development draw (synthetic)")
class AvatarsIntentDevelopment(Dataset):
    """The draw on which ``avatars-intent`` was checked; nothing on it is to be reported as a result."""

    card = replace(
        corpus.AvatarsIntent.card,
        name="avatars-intent-dev",
        title="Avatars, 20 intents, development draw (synthetic)",
    )

    def describe(self, root: Path | None) -> Card:
        """The card; with a setting in the file ``root``, its shift, and its digest in the version."""
        return _described(self.card, root)

    def utterances(self, root: Path | None) -> Iterable[Utterance]:
        """All utterances with the setting in the file ``root``, or with the frozen one."""
        return _drawn("avatars-intent", root)
