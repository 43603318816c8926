"""What the readers of corpora on disk share: is it the right folder, and what identifies the files in it."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mmda_bench.dataset import ONE_WORD, Card, Utterance, tally
from mmda_bench.errors import ClipError, DataError

ORIGIN = "origin.json"  # left by ``data export``: which corpus was written in this layout


def corpus_root(root: Path | None, card: Card, needs: Sequence[str]) -> Path:
    """``root`` if it holds all that ``needs`` names (patterns). Raises :class:`DataError` that says what is missing."""
    how = f"How to obtain {card.title}: {card.obtain}"
    if root is None:
        raise DataError(f"the dataset {card.name} needs --data-root DIR, the folder of the corpus. {how}")
    root = Path(root)
    if not root.is_dir():
        raise DataError(f"{root} is not a folder; --data-root must name the one of {card.title}. {how}")
    missing = [pattern for pattern in needs if not any(root.glob(pattern))]
    if not missing:
        return root
    inside = sorted(path for path in root.iterdir() if path.is_dir())
    for folder in (*inside, *root.absolute().parents[:3]):  # one level too high, or some too low
        if all(any(folder.glob(pattern)) for pattern in needs):
            raise DataError(f"{root} is not the folder of {card.title}, but {folder} is: --data-root {folder}")
    names = sorted(entry.name for entry in os.scandir(root))
    found = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    raise DataError(
        f"{root} lacks {', '.join(missing)}; found {found or 'nothing'}; expected {', '.join(needs)}. {how}"
    )


def completed(
    card: Card, root: Path, utterances: Sequence[Utterance], *, tables: Iterable[Path], media: Iterable[Path]
) -> Card:
    """The card as these files fulfil it.

    The version stays what it is if all counts are those of the card, so that everybody's table of the whole corpus has
    one name; anything else gets digits of its own. ``files`` is a digest of the tables' content and the media's sizes.
    """
    digest = hashlib.sha256()
    for path in tables:
        digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    for path in media:
        digest.update(f"{path.relative_to(root)} {size_of(path)}\n".encode())
    facts: dict[str, Any] = {"files": digest.hexdigest()[:12]}
    counts = tally(card, utterances)
    if any(counts[name] != number for name, number in card.expected.items() if name != ONE_WORD):
        content = repr([(u.id, u.text, card.classes[u.label]) for u in utterances])
        facts["version"] = f"{card.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
    if (root / ORIGIN).is_file():
        facts |= _origin(root / ORIGIN, card)
    return replace(card, **facts)


def _origin(path: Path, card: Card) -> dict[str, Any]:
    """What an export says of the corpus that it holds."""
    try:
        origin = json.loads(path.read_text("utf-8"))
        return {"synthetic": bool(origin["synthetic"]), "title": f"{origin['title']} in the layout of {card.title}"}
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise DataError(f"{path}, which an export left, cannot be used ({reason}); export again") from error


def refused(reason: str) -> NoReturn:
    """Stands for the sound or the pictures of a clip that is known to be broken. Raises :class:`ClipError`."""
    raise ClipError(reason)


def files_remark(names: Sequence[str], what: str) -> Iterator[str]:
    """ "3 files are no clips: a.mp4, b.mp4, c.mp4" for ``what`` "files are no clips"; nothing where there are none."""
    if names:
        yield f"{len(names)} {what}: {', '.join(names[:9])}{' …' if len(names) > 9 else ''}"


def broken_remark(ids: Sequence[str]) -> Iterator[str]:
    """What ``data verify`` says of the clips of a corpus that are known to be broken; nothing where there are none."""
    if ids:
        yield f"{len(ids)} clips are known to be broken and are not used: {', '.join(ids)}"


def size_of(path: os.PathLike[str]) -> int | None:
    """Bytes of a file; None if it is not there, as behind a link that leads nowhere (git-annex, datalad)."""
    try:
        return os.stat(path).st_size
    except OSError:
        return None
