"""Files of settings that people write by hand, in YAML or TOML: what is unclear in them is refused."""

import tomllib
from pathlib import Path
from typing import Any

from mmda_bench.errors import UsageError

SUFFIXES = (".yaml", ".yml", ".toml")


def is_hand_written(name: str) -> bool:
    """Whether a word is the name of such a file, in any case of its suffix.

    >>> is_hand_written("rain.YAML"), is_hand_written("paper")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES)


def read_hand_written(path: Path, *, option: str) -> Any:
    """What the file holds. Raises :class:`UsageError` that begins with ``option`` for a file that cannot be read, and
    for a name that stands in it twice: which of the two is meant would be a guess."""
    if not is_hand_written(path.name):
        raise UsageError(f"{option} {path}: expected a file that ends in .yaml, .yml or .toml")
    try:
        text = path.expanduser().read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option} {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    try:
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else _yaml(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option} {path} is not valid {path.suffix[1:].upper()}: {error}") from error


def _yaml(text: str) -> Any:
    """Raises ValueError."""
    import yaml

    def without_repetition(self: Any, node: Any, deep: bool = False) -> Any:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"{twice[0]!r} stands there twice (line {node.start_mark.line + 1} and below)")
        return yaml.SafeLoader.construct_mapping(self, node, deep)

    strict: Any = type("Strict", (yaml.SafeLoader,), {"construct_mapping": without_repetition})
    try:
        return yaml.load(text, Loader=strict)
    except yaml.YAMLError as error:
        raise ValueError(error) from error
