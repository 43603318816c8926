"""One cell, or the cells of one method, found in a store and looked at closely. Pure but for reading."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmda_bench.data.validation import read_card, read_utterances
from mmda_bench.dataset import Utterance, modality
from mmda_bench.errors import DataError, UsageError, suggest
from mmda_bench.protocol import ANCHORS, NATURAL, without_seeds
from mmda_bench.registry import DATASETS
from mmda_bench.registry.spec import label_of
from mmda_bench.report.inspected import Answer, Inspected
from mmda_bench.report.rows import EXTERNAL
from mmda_bench.store import Record, Store
from mmda_bench.store.record import is_external

if TYPE_CHECKING:
    import pandas as pd


class Inspection(Inspected):
    """What :func:`inspect` answers: the cells as a frame, as text, and the frames of their utterances as a picture."""

    @property
    def frame(self) -> "pd.DataFrame":
        """A row an utterance and anchor, most wrong first; a column a class with its mean probability."""
        import pandas as pd

        names = ("id", "anchor", "label", "predicted", "truth", "margin", "text")
        rows = [{**{name: getattr(a, name) for name in names}, **a.probabilities} for a in self.answers]
        return pd.DataFrame(rows, columns=[*names, *self.classes])

    def contact_sheet(self, file: str | Path, answers: Sequence[Answer] | None = None) -> Path:
        """Write the frames of the worst and most contested utterances, or of ``answers``, as one PNG; its path.

        Raises :class:`DataError` where the corpus cannot be read here.
        """
        from mmda_bench.report.figures.contact_sheet import write_sheet

        if self.unread:
            raise DataError(f"no frames: {self.unread}")
        chosen = [*self.worst(), *self.contested()] if answers is None else answers
        if lacking := [answer.id for answer in chosen if answer.id not in self.utterances]:
            raise DataError(
                f"no frames: the corpus here lacks {', '.join(lacking[:3])}, which the cells were tested on"
            )
        return write_sheet(Path(file), [(answer, self.utterances[answer.id]) for answer in chosen])

    def __str__(self) -> str:
        from mmda_bench.report.formats.inspection import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"


def inspect(
    store: Store, what: str, *, anchor: str | None = None, seed: int | None = None, signature: str | None = None,
    root: Path | None = None,
) -> Inspection:  # fmt: skip
    """The cell whose hash begins with ``what``, or the cells of the method or submission of that name.

    Of several signatures the one with most cells, unless one is named. ``root``: of the corpus, for texts and frames.
    Raises :class:`UsageError` where nothing is stored of that name, and for an anchor that is none.
    """
    anchor = anchor and (NATURAL if anchor.lower() == NATURAL else modality(anchor))
    if anchor not in (None, *ANCHORS):
        raise UsageError(f"--anchor {anchor!r}: expected one of {', '.join(ANCHORS)}")
    signature = signature and without_seeds(signature)
    everything = [*store.records()[0], *store.submitted()[0]]
    mine = [r for r in everything if _is(r, what)] or [r for r in everything if r["key"]["method"] == what.lower()]
    chosen = [r for r in mine if anchor in (None, r["key"]["anchor"]) and seed in (None, r["key"]["seed"])]
    counts = Counter(record["signature"] for record in chosen)
    if signature is not None and signature not in counts:
        raise UsageError(f"--signature {signature!r}: the store has {', '.join(sorted(counts)) or 'none'}")
    if not chosen:
        raise UsageError(_nothing(store, what, everything, mine))
    most = signature or max(counts, key=lambda one: (counts[one], one))
    chosen = [record for record in chosen if record["signature"] == most]
    predictions = {r["hash"]: arrays for r in chosen if (arrays := store.predictions(r)) is not None}
    utterances, unread = _utterances(chosen[0], root)
    name = name_of(chosen[0]) if len({name_of(r) for r in chosen}) == 1 else what
    return Inspection(name, chosen, predictions, utterances, unread)


def name_of(record: Record) -> str:
    """A cell's method with its settings, or the name of a submission."""
    key = record["key"]
    return f"{EXTERNAL}{key['method']}" if is_external(record) else label_of(key)


def _is(record: Record, what: str) -> bool:
    by_hash = len(what) >= 4 and record["hash"].startswith(what.lower())
    return by_hash or what == name_of(record) or what.lower() == name_of(record)


def _nothing(store: Store, what: str, everything: Sequence[Record], mine: Sequence[Record]) -> str:
    if mine:
        there = sorted({f"{r['key']['anchor']} {r['key']['seed']}" for r in mine})
        return f"no cell of {what} with that anchor and seed; stored are (anchor, seed): {', '.join(there)}"
    known = sorted({name_of(record) for record in everything})
    hint = suggest(what, known) or f"; stored are {', '.join(known) or 'none'}"
    return f"no cell {what!r} in {store.results}{hint}"


def _utterances(record: Record, root: Path | None) -> tuple[dict[str, Utterance], str]:
    """The utterances of the corpus that the cell read, by id; or none, and why."""
    key = record["key"]
    name = key["dataset"]
    try:
        reader = DATASETS.get(name)()
        card = read_card(reader, name, root)
        if card.version != key["version"]:
            return {}, f"{name} is at version {card.version} here, and the cell read {key['version']}"
        return {u.id: u for u in read_utterances(reader, card, root)}, ""
    except (DataError, UsageError) as error:
        return {}, str(error)
