"""Write a corpus out as real files, in a layout that a reader of this project takes back.

That is how anybody gets an example of a layout, and how the readers are tested end to end, codecs included. A layout is
what a registered dataset reads and, with :meth:`~mmda_bench.dataset.Dataset.export`, writes.
"""

import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from mmda_bench.data.validation import load_pictures, load_sound, read_card, read_utterances
from mmda_bench.dataset import SAMPLE_RATE, Card, Dataset, ExportTask, Utterance
from mmda_bench.errors import ClipError, ResourceError, UsageError, suggest
from mmda_bench.machine.pool import deaths_explained, process_pool
from mmda_bench.registry import DATASETS

TELEVISION = Fraction(24_000, 1_001)  # pictures a second
SCALE = 4  # colours are stored at half the resolution, so small pictures are written larger
Progress = Callable[[int, int], None]  # (utterances written, utterances in all)
Item = TypeVar("Item")
Result = TypeVar("Result")


def layouts() -> list[str]:
    """Names of the datasets that write a layout of their own, plug-ins among them."""
    return [name for name in DATASETS.names() if DATASETS.entry(name).facts.get("layout")]


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
    if layout not in (known := layouts()):
        raise UsageError(f"unknown layout {layout!r}{suggest(layout, known)}; known: {', '.join(known)}")
    writer: Dataset = DATASETS.get(layout)()
    if limit is not None and limit < 1:
        raise UsageError(f"limit is {limit}; expected at least 1 utterance")
    out = check_free(out)
    card = read_card(dataset, type(dataset).__name__, root)
    _check_classes(card, writer.card)
    utterances = read_utterances(dataset, card, root, limit=limit)
    with new_folder(out) as made:
        skipped = writer.export(ExportTask(card, utterances, made, progress, jobs))
    return Exported(out, len(utterances) - len(skipped), skipped)


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write to, which appears as ``out`` when the body has ended well, and not at all otherwise.

    Raises :class:`ResourceError` where it cannot be written.
    """
    partial_out = out.with_name(f".{out.name}.partial-{os.getpid()}-{secrets.token_hex(4)}")
    with _writing(out):
        partial_out.mkdir(parents=True)  # nobody else's: it is removed below
    try:
        with _writing(out):
            yield partial_out
            partial_out.replace(out)
    finally:
        shutil.rmtree(partial_out, ignore_errors=True)


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(
            f"cannot write {out}: {error.strerror or error}; nothing was left there. "
            "Free some space or choose another folder"
        ) from error


def check_free(out: Path) -> Path:
    """The absolute path of a new or empty folder. Raises :class:`UsageError` for any other: nothing is overwritten."""
    out = Path(os.path.abspath(out))
    with _writing(out):
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file; choose a new folder")
        if out.is_dir() and any(out.iterdir()):
            raise UsageError(f"{out} is not empty and nothing is overwritten; choose a new folder or remove this one")
    return out


def _check_classes(card: Card, layout: Card) -> None:
    """The layout of a corpus can only hold the classes of that corpus; a prepared folder has whatever it has."""
    known = (*layout.classes, *layout.known_as.values())
    strange = [name for name in card.classes if known and name not in known]
    if strange:
        raise UsageError(f"{card.name} has the class {strange[0]!r}; the layout {layout.name} knows {', '.join(known)}")


def write_origin(task: ExportTask, ids: dict[str, str]) -> None:
    """``origin.json``: which corpus this was, so that nobody takes it for the layout's own, and {new id: old id}."""
    card = task.card
    origin = {"origin": f"{card.name} {card.version}", "title": card.title, "synthetic": card.synthetic, "ids": ids}
    (task.out / "origin.json").write_text(json.dumps(origin, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def talking_clip(path: Path, utterance: Utterance) -> str | None:
    """Write an utterance as an mp4 with sound, at the rate of television; the reason where it cannot be read."""
    from mmda_bench.data.media.write import held, write_mp4  # PyAV, which the other layouts do without

    try:
        waveform, frames = load_sound(utterance), load_pictures(utterance)
    except ClipError as error:
        return str(error)
    count = max(len(frames), round(len(waveform) / SAMPLE_RATE * TELEVISION))
    write_mp4(path, held(frames.repeat(SCALE, axis=1).repeat(SCALE, axis=2), count), TELEVISION, waveform)
    return None


def each(
    write: Callable[[Item], Result],
    items: Sequence[Item],
    task: ExportTask,
    *,
    size: Callable[[Item], int] = lambda item: 1,
) -> Iterator[Result]:
    """``write`` for every item, in order and in parallel; ``size`` says how many utterances an item holds."""
    if task.jobs <= 1:
        yield from _counted(map(write, items), items, task, size)
        return
    chunk = max(1, min(16, len(items) // (4 * task.jobs)))
    with deaths_explained("a process that writes", left="nothing was left"), process_pool(task.jobs) as pool:
        yield from _counted(pool.map(write, items, chunksize=chunk), items, task, size)


def _counted(
    results: Iterator[Result], items: Sequence[Item], task: ExportTask, size: Callable[[Item], int]
) -> Iterator[Result]:
    done = 0
    for item, result in zip(items, results, strict=True):
        done += size(item)
        if task.progress is not None:
            task.progress(done, len(task.utterances))
        yield result
