"""What takes long to make and can be made again, kept beside a store and found by a digest of what it was made from.

Everything lies in ``results/.kept``, which git ignores. No number depends on it, only how long a look takes: a file
that is not there, or not as it was written, is made anew. What was made by other code, or by other versions of the
libraries, is another thing and not found.
"""

import contextlib
import hashlib
import json
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mmda_bench.errors import StoreError
from mmda_bench.store import Store, write_text

FOLDER = ".kept"
ENGINE = Path(__file__).resolve().parents[1]
MAKERS = (
    "report",
    "selection",
    "store",
    "metrics",
    "registry",
    "protocol.py",
    "published.py",
    "dataset.py",
    "units.py",
)
LIBRARIES = ("numpy", "scipy", "scikit-learn", "matplotlib", "jinja2")


def digest_of(*parts: Any) -> str:
    """SHA-256 of JSON values, in hexadecimal.

    >>> digest_of("a", 1) == digest_of("a", 1), digest_of("a", 1) == digest_of("a", 1.0)
    (True, False)
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def code_digest() -> str:
    """A digest of the code that reports are made by."""
    places = [ENGINE / name for name in MAKERS]
    files = sorted(path for place in places for path in (place.rglob("*.*") if place.is_dir() else [place]))
    sources = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix != ".pyc"]
    return digest_of(sources, [version(name) for name in LIBRARIES])


class Kept:
    """Contents by name and by ``made_from``, a digest; for one look at a store. Where nothing can be written, nothing
    is kept."""

    def __init__(self, store: Store) -> None:
        self.store, self.folder = store, store.results / FOLDER
        self._used: set[str] = set()

    @cached_property
    def digests(self) -> dict[str, str]:
        """:meth:`Store.digests`, of the first time that it is asked for."""
        return self.store.digests()

    def find(self, name: str, made_from: str) -> Any:
        """The JSON value that was kept, or None."""
        file = self._file(name, made_from)
        try:
            digest, _, text = (self.folder / file).read_text("utf-8").partition("\n")
        except (OSError, ValueError):
            return None
        if digest != _sha256(text):
            return None
        self._used.add(file)
        return json.loads(text)

    def keep(self, name: str, made_from: str, content: Any) -> None:
        """Keep a JSON value; not where the folder cannot be written."""
        text, file = json.dumps(content), self._file(name, made_from)
        with contextlib.suppress(StoreError):
            if not self.folder.is_dir():
                write_text(self.folder / ".gitignore", "*\n")
            write_text(self.folder / file, f"{_sha256(text)}\n{text}")
        self._used.add(file)

    def clear(self) -> None:
        """Remove what was neither found nor kept through this object: after a look at everything."""
        for path in self.folder.glob("*.json"):
            if path.name not in self._used:
                with contextlib.suppress(OSError):
                    path.unlink()

    @staticmethod
    def _file(name: str, made_from: str) -> str:
        return f"{name}-{digest_of(code_digest(), made_from)[:32]}.json"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
