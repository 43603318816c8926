"""The record of a cell, or of submitted predictions: what it holds, and the one way to make one.

A record is plain JSON. Its shape is declared once, as :class:`Record`: mypy holds the code that reads a record to it,
and pydantic holds every file to it (:mod:`mmda_bench.store.faults`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NotRequired, Unpack, cast, get_args

from typing_extensions import TypedDict  # pydantic reads this one; that of typing only since Python 3.12

from mmda_bench.dataset import Card
from mmda_bench.protocol import (
    DOMAINS,
    LAST,
    SUPERVISED,
    SYNTHETIC,
    TRIAL,
    Cell,
    canonical_json,
    key_hash,
    said_synthetic,
)
from mmda_bench.registry import DATASETS, METHODS
from mmda_bench.registry.spec import label
from mmda_bench.store.keys import Key, ProtocolKey
from mmda_bench.store.values import (
    CheckedApart,
    Count,
    Digest,
    Measure,
    Modality,
    Moment,
    Note,
    Number,
    Range,
    Share,
    Text,
)

SCHEMA: Literal[1] = 1
Status = Literal["ok", "failed", "diverged", "out-of-memory", "timeout", "interrupted"]
STATUSES: tuple[Status, ...] = get_args(Status)


class Scores(TypedDict, total=False):
    """Of one split, from 0 to 1. ``confusion``: a row per true class; ``heads``: weighted F1 of every head alone."""

    weighted_f1: Share | None
    accuracy: Share | None
    per_class_f1: list[Share]
    support: list[Count]
    confusion: list[list[Count]]
    heads: dict[Text, Share | None] | None


class DetectedAnchor(TypedDict):
    """The modality that looks least shifted, and how well a probe tells the domains apart in each."""

    modality: Modality
    accuracy: NotRequired[dict[Text, Share]]


class Metrics(TypedDict, total=False):
    """``source_validation``: of a trial, its only scores. ``references``: scores of the heads of a run without
    adaptation, by reference. ``assumed_anchor``: what the method took for the anchor, where it was not told."""

    source_test: Scores | None
    source_validation: Scores | None
    target_test: Scores | None
    category_distance: dict[Text, Number | None] | None
    detected_anchor: DetectedAnchor | None
    assumed_anchor: DetectedAnchor | None
    references: dict[Text, Scores] | None


class Curves(TypedDict, total=False):
    """``terms``: of the loss by name, the mean of every epoch; null where it was not finite, or not there. ``ranges``:
    by name, the lowest and the highest value so far. ``gradients``: by name and modality, the norm of a term's gradient
    at the representations, in the last step of every epoch. ``target_f1``: after each of the last epochs."""

    terms: dict[Text, list[Number | None]] | None
    ranges: dict[Text, list[Range]] | None
    gradients: dict[Text, dict[Modality, list[Measure | None]]] | None
    target_f1: list[Share | None] | None


class Times(TypedDict):
    """Seconds."""

    setup_s: NotRequired[Measure]
    train_s: NotRequired[Measure]
    evaluate_s: NotRequired[Measure]
    total_s: Measure


class Hardware(TypedDict, total=False):
    """``processor``: its name; ``capability``: the instructions that torch uses of it, such as AVX2."""

    machine: Text
    system: Text
    cpus: Count | None
    gpu: Text | None
    processor: Text | None
    capability: Text | None


class Lexical(TypedDict, total=False):
    """How many texts there are, how many the shift cannot change, how many words, how many the backbone lacks."""

    texts: Count
    unchanged: Count | None
    words: Count
    unknown: Count | None


class Corpus(TypedDict, total=False):
    """What a cell read. ``skipped``, ``substituted``: [id, reason] of utterances."""

    fingerprint: Text | None
    classes: list[Text]
    skipped: list[Note]
    substituted: list[Note]
    lexical: Lexical


class Titles(TypedDict, total=False):
    """Names for people, as they were when the cell ran. ``label``: the method as one would have typed it then;
    ``synthetic``: whether the corpus is, null where the cell ended before it was read and its version does not say."""

    dataset: Text
    method: Text
    label: Text
    synthetic: bool | None


class External(TypedDict, total=False):
    """Where submitted predictions come from. ``sha256``: of the ``file``; ``protocol``: of cells to stand beside."""

    file: Text
    sha256: Digest
    submitted_utc: Moment
    protocol: ProtocolKey


class Parts(TypedDict, total=False):
    """What a record may lack, or have as null. ``put_back``: what the cell had changed in its process."""

    titles: Titles | None
    traceback: list[Text] | None
    curves: Curves | None
    times: Times | None
    steps: Count | None
    memory_mb: Measure | None
    trainable_parameters: Count | None
    device: Text | None
    hardware: Hardware | None
    precision: dict[Text, Any] | None
    versions: dict[Text, Text] | None
    commit: Text | None
    method_source: Text | None
    started_utc: Moment | None
    ended_utc: Moment | None
    plugins: list[dict[Text, Text]]
    put_back: list[Text]
    predictions_sha256: Digest | None
    external: External


class Record(Parts):
    """All of it. ``hash`` is that of the ``key``, and ``signature`` the one that the key stands for."""

    schema: Literal[1]
    status: Status
    reason: Text | None
    key: Annotated[Key, CheckedApart()]
    hash: Text
    signature: Text
    metrics: Metrics | None
    dataset: Corpus | None


@dataclass(frozen=True)
class Damaged:
    """A record that is there but cannot be used. ``path`` is relative to the results folder."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Submission:
    """Predictions that were made elsewhere, as a :class:`~mmda_bench.protocol.Cell` is those that we make.

    ``method``: the name under which they are shown; ``signature``: of the cells that they stand beside.
    """

    method: str
    dataset: str
    version: str
    anchor: str
    seed: int
    signature: str

    def key(self) -> dict[str, Any]:
        """What tells one submission from another, as JSON values."""
        return asdict(self)

    @property
    def hash(self) -> str:
        """Ten hexadecimal digits of the canonical key."""
        return key_hash(canonical_json(self.key()))


def identity(record: Mapping[str, Any]) -> Cell | Submission:
    """What a record is of. Raises one of :data:`~mmda_bench.store.faults.MALFORMED` if its key does not say that."""
    return Submission(**record["key"]) if is_external(record) else Cell.from_key(record["key"])


def is_external(record: Mapping[str, Any]) -> bool:
    """Whether a record is of submitted predictions."""
    return "external" in record


def is_trial(record: Mapping[str, Any]) -> bool:
    """Whether a record is of one of the settings that are tried: its answers on the target are not scored."""
    return bool(not is_external(record) and record["key"]["protocol"].get("select") == TRIAL)


def is_chosen(record: Mapping[str, Any]) -> bool:
    """Whether the settings of a cell were chosen for it, so that they may differ from anchor to anchor."""
    key = record["key"]
    select = LAST if is_external(record) else key["protocol"].get("select", LAST)
    return select not in (LAST, TRIAL) and key["method"] != SUPERVISED


def splits_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The splits of which a record with status "ok" has scores."""
    if is_trial(record):
        return ("source_validation",)
    return ("target_test",) if is_external(record) else tuple(f"{domain}_test" for domain in DOMAINS)


def new_record(
    of: Cell | Submission, *, status: Status, reason: str | None = None, metrics: Metrics | None = None,
    dataset: Corpus | None = None, **parts: Unpack[Parts],
) -> Record:  # fmt: skip
    """A record of the current schema; what is not given is null. ``parts``: any others that :class:`Record` has.

    >>> of = Submission(method="mine", dataset="avatars", version="v3", anchor="A", seed=0, signature="…")
    >>> record = new_record(of, status="ok", metrics={"target_test": {"weighted_f1": 0.5}}, external={"file": "my.csv"})
    >>> record["key"]["anchor"], weighted_f1(record), record["reason"]
    ('A', 0.5, None)
    """
    record: Record = {
        "schema": SCHEMA,
        "status": status,
        "reason": reason,
        "traceback": None,
        "key": cast(Key, of.key()),
        "hash": of.hash,
        "signature": of.signature,
        "titles": titles_of(of),
        "metrics": metrics,
        "curves": None,
        "times": None,
        "steps": 0,
        "memory_mb": None,
        "trainable_parameters": None,
        "device": None,
        "hardware": None,
        "precision": None,
        "versions": None,
        "commit": None,
        "dataset": dataset,
        "method_source": None,
        "started_utc": None,
        "ended_utc": None,
    }
    record.update(cast(Record, parts))
    return record


def unfinished(cell: Cell, *, status: Status, reason: str, traceback: Sequence[str] | None = None) -> Record:
    """The record of a cell that ended outside ``run_cell``: its worker died, or its time was up."""
    return new_record(cell, status=status, reason=reason, traceback=list(traceback or ()) or None, ended_utc=now())


def titles_of(of: Cell | Submission, card: Card | None = None) -> Titles:
    """Names for people. ``card``: of the corpus, once it is read; before, its title is that of the registry."""
    corpus, method = DATASETS.find(of.dataset), METHODS.find(of.method)
    marked = of.version.endswith(SYNTHETIC)
    return {
        "dataset": card.title if card else said_synthetic(corpus.title if corpus else of.dataset, marked),
        "method": method.title if method and isinstance(of, Cell) else of.method,
        "label": label(of.method, of.params, of.off, of.rates) if isinstance(of, Cell) else of.method,
        "synthetic": card.synthetic if card else marked or None,
    }


def scores_of(record: Record, split: str = "target_test") -> Scores:
    """The scores of a split. Raises :class:`KeyError` if there are none; a record with status "ok" has some."""
    scores = cast("dict[str, Scores | None]", record["metrics"] or {}).get(split)
    if scores is None:
        raise KeyError(f"{record['hash']} has no scores of {split}")
    return scores


def weighted_f1(record: Record, split: str = "target_test") -> float:
    """The score of the tables, from 0 to 1, as :func:`scores_of` finds it."""
    score = scores_of(record, split).get("weighted_f1")
    if score is None:
        raise KeyError(f"{record['hash']} has no weighted F1 of {split}")
    return score


def now() -> str:
    """UTC, to the second, as all records have it.

    >>> assert len(now()) == 20
    """
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
