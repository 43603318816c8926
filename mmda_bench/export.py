"""Write a corpus out as real files, in a layout that a reader of this project takes back.

That is how anybody gets an example of a layout, and how the readers are tested end to end, codecs included. A layout is
one function in ``LAYOUTS``: it gets a :class:`Task` and writes below ``task.out``.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmda_bench.dataset import Card, Dataset
from mmda_bench.export_folder import write_folder
from mmda_bench.export_iemocap import write_iemocap
from mmda_bench.export_mintrec import write_mintrec
from mmda_bench.export_task import Progress, Task
from mmda_bench.readable import read_card, read_utterances
from mmda_bench.registry import DATASETS, UsageError, suggest
from mmda_bench.schedule import ResourceError

LAYOUTS: dict[str, Callable[[Task], dict[str, str]]] = {
    "folder": write_folder,
    "mintrec": write_mintrec,
    "iemocap": write_iemocap,
}


@dataclass(frozen=True)
class Exported:
    """What an export left: the folder, how many utterances, and the reason for each that could not be read."""

    out: Path
    utterances: int
    skipped: dict[str, str]


def export(
    dataset: Dataset,
    layout: str,
    out: Path,
    *,
    root: Path | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
    jobs: int = 1,
) -> Exported:
    """Write ``dataset`` (read from ``root``, if it needs one) to the folder ``out``, which must not exist or be empty.

    ``limit``: only that many utterances, from the first. ``jobs``: processes. The files appear under ``out`` all at
    once, when they are complete. Raises :class:`UsageError` for an unknown layout or a folder with something in it,
    :class:`DataError` when the corpus is unusable, and :class:`ResourceError` when the files cannot be written.
    """
    if layout not in LAYOUTS:
        hint = suggest(layout, list(LAYOUTS))
        raise UsageError(f"unknown layout {layout!r}{hint}; known: {', '.join(LAYOUTS)}")
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; expected at least 1 utterance")
    out = Path(os.path.abspath(out))
    with _writing(out):
        _check_free(out)
    card = read_card(dataset, type(dataset).__name__, root)
    _check_classes(card, layout)
    utterances = read_utterances(dataset, card, root, limit=limit)
    partial_out = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        with _writing(out):
            partial_out.mkdir(parents=True)
            skipped = LAYOUTS[layout](Task(card, utterances, partial_out, progress, jobs))
            partial_out.replace(out)
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)
    return Exported(out, len(utterances) - len(skipped), skipped)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot write {out}: {error.strerror or error}; nothing was left there. "
            "Free some space or choose another folder"
        ) from error


def _check_free(out: Path) -> None:
    """Nothing is overwritten."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose a new folder")
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty and nothing is overwritten; choose a new folder or remove this one")


def _check_classes(card: Card, layout: str) -> None:
    """The layout of a corpus can only hold the classes of that corpus; a prepared folder has whatever it has."""
    known = DATASETS.get(layout)().card.classes
    strange = [name for name in card.classes if known and name not in known]
    if strange:
        raise UsageError(f"{card.name} has the class {strange[0]!r}; the layout {layout} knows {', '.join(known)}")
