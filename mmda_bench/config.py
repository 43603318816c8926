"""What to run and where: :class:`RunConfig` and :class:`Workspace`, the same from flags, a file and Python."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from mmda_bench.data.corpora import joined_roots, settled_name
from mmda_bench.dataset import Card
from mmda_bench.errors import UsageError, suggest
from mmda_bench.machine.hand_written import is_hand_written, read_hand_written
from mmda_bench.protocol import (
    LAST,
    NATURAL,
    PAIR,
    SUPERVISED,
    TRIAL,
    TRIALS,
    Cell,
    Protocol,
    format_seeds,
)
from mmda_bench.registry import BACKBONES, METHODS, Plugin, load_plugin
from mmda_bench.registry.spec import TUNED, label, parse_methods
from mmda_bench.store import DEFAULT_RESULTS
from mmda_bench.store.record import is_external
from mmda_bench.sweep import conditions, placement, plan

# What a run may set of the protocol; the weights are known by their locations, and how settings are chosen by name.
PROTOCOL_FIELDS = tuple(
    one.name for one in fields(Protocol) if one.name not in ("weights", "select", "trials", "study")
)
RERUN = ("failed", "all")
COUNTED = ("seeds", "splits")  # a whole number counts them from 0
PROTOCOLS = ("paper", "tuned")


def default_cache() -> Path:
    """Where prepared corpora lie unless told otherwise: below XDG_CACHE_HOME or ~/.cache; in TMPDIR without a home."""
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(given) if given else Path.home() / ".cache") / "mmda-bench"
    except RuntimeError:  # a container whose user has no entry and no HOME
        return Path(tempfile.gettempdir()) / "mmda-bench"


@dataclass(frozen=True, init=False)
class Workspace:
    """The folders and files of a run, none of which changes a score.

    ``results``: records and leaderboards. ``data_root``: folder of the corpus, None for an embedded one;
    ``target_root``: of the target of a natural pair, where it is another one. ``cache``: prepared corpora, None for
    :func:`default_cache`. ``weights``: locations of pretrained weights by modality name ("acoustic", "lexical",
    "visual"). ``plugins``: files that register methods, datasets or backbones. A ``~`` is the home folder.

    >>> Workspace(results="results/local", plugins=["mine.py"]).plugins
    (PosixPath('mine.py'),)
    """

    results: Path
    data_root: Path | None
    target_root: Path | None
    cache: Path
    weights: Mapping[str, str]
    plugins: tuple[Path, ...]

    def __init__(
        self, *, results: str | Path = DEFAULT_RESULTS, data_root: str | Path | None = None,
        target_root: str | Path | None = None,
        cache: str | Path | None = None, weights: Mapping[str, str] | None = None, plugins: Iterable[str | Path] = (),
    ) -> None:  # fmt: skip
        if isinstance(plugins, Iterable) and not isinstance(plugins, (str, bytes, Mapping)):
            plugins = tuple(plugins)
        given = {
            "results": results, "data_root": data_root, "target_root": target_root, "cache": cache, "weights": weights,
            "plugins": plugins,
        }  # fmt: skip
        for name, value in given.items():
            _check_places(name, value)
        facts = {
            "results": Path(results).expanduser(),
            "data_root": None if data_root is None else Path(data_root).expanduser(),
            "target_root": None if target_root is None else Path(target_root).expanduser(),
            "cache": default_cache() if cache is None else Path(cache).expanduser(),
            "weights": dict(weights or {}),
            "plugins": tuple(Path(plugin).expanduser() for plugin in plugins),
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def load_plugins(self) -> tuple[Plugin, ...]:
        """Register what the plug-ins hold, and return them as they were read. What they print is no answer of ours."""
        with redirect_stdout(sys.stderr):
            return tuple(load_plugin(path) for path in self.plugins)

    @property
    def root(self) -> Path | None:
        """What a reader gets: the folder of the corpus, or both of a pair as
        :func:`~mmda_bench.data.corpora.joined_roots` joins them."""
        return joined_roots(self.data_root, self.target_root)

    @classmethod
    def from_file(cls, path: str | Path, **overrides: Any) -> Self:
        """The folders and files that a YAML or TOML file of settings names; ``overrides`` win."""
        found = {name: value for name, value in read_settings(path).items() if name in WORKSPACE_FIELDS}
        return cls(**{**found, **overrides})


WORKSPACE_FIELDS = tuple(one.name for one in fields(Workspace))


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Which cells to run, and how.

    ``methods``, ``anchors``, ``seeds`` and ``splits`` are written as on the command line (``"dt,a3d2[gamma1=5]"``,
    ``"A,V"``, ``"3"`` or ``"0-2"``) or given as a list; a whole number of seeds or splits counts them from 0.
    ``target``: the corpus that is the target of a natural pair, whose source is ``dataset``; "" for none.
    ``splits``: "" for ``split`` alone, else in its place. ``backbone``: "" for the corpus's own. ``missing``:
    modalities that target utterances lack; ``told_anchor``: what methods take for the anchor, see :class:`Protocol`.
    ``bounds``: also the run on target labels. ``protocol``: "tuned" searches the settings of each method with so many
    ``trials``, of which the validator ``select`` ("" for the default) takes one, in ``studies`` that are independent of
    each other. ``jobs``, ``gpus_per_cell``, ``address``, ``timeout`` (minutes a cell) and ``rerun`` ("failed" or "all")
    say how, and change no score.

    >>> RunConfig(methods=["dt", "dann"], anchors="V", seeds=2).methods
    'dt,dann'
    """

    methods: str = "all"
    dataset: str = "avatars"
    target: str = ""
    anchors: str = "A,L,V"
    seeds: str = "3"
    splits: str = ""
    bounds: bool = True
    protocol: Literal["paper", "tuned"] = "paper"
    trials: int = TRIALS
    select: str = ""
    studies: int = 1
    backbone: str = ""
    shift: str = Protocol.shift
    severity: float = Protocol.severity
    epochs: int = Protocol.epochs
    batch: int = Protocol.batch
    beta: float = Protocol.beta
    split: int = Protocol.split
    missing: str = Protocol.missing
    missing_in: str = Protocol.missing_in
    missing_rate: float = Protocol.missing_rate
    told_anchor: str = Protocol.told_anchor
    heads: str = Protocol.heads
    jobs: int | None = None
    gpus_per_cell: float | None = None
    address: str | None = None
    timeout: float | None = None
    rerun: Literal["failed", "all"] | None = None

    def __post_init__(self) -> None:
        for name in ("methods", "anchors", "seeds", "splits"):
            object.__setattr__(self, name, _listed(name, getattr(self, name)))
        for one in fields(self):
            _check_type(one.name, getattr(self, one.name), one.default)
        for name in ("dataset", "target", "backbone", "shift"):
            given = getattr(self, name)
            object.__setattr__(self, name, given if is_hand_written(given) else given.lower())
        for name, known in (("rerun", (None, *RERUN)), ("protocol", PROTOCOLS)):
            if getattr(self, name) not in known:
                listed = ", ".join(word for word in known if word)
                raise UsageError(f"{name} is {getattr(self, name)!r}: expected one of {listed}")
        if min(self.trials, self.studies) < 1:
            raise UsageError(f"trials {self.trials}, studies {self.studies}: expected at least 1 of each")
        if self.protocol == "paper" and (self.trials, self.studies) != (TRIALS, 1):
            raise UsageError("the paper's protocol tries no settings: trials and studies belong to the protocol tuned")

    @classmethod
    def of(cls, settings: Mapping[str, Any], *, where: str) -> Self:
        """From plain values by field name. Raises :class:`UsageError` that names ``where`` for a name that is none."""
        known = [one.name for one in fields(cls)]
        settings = {name.replace("-", "_"): value for name, value in settings.items()}
        for name in settings:
            if name in WORKSPACE_FIELDS:
                raise UsageError(f"{where} sets {name!r}, which belongs to the workspace: Workspace({name}=...)")
            if name not in known:
                hint = suggest(name, [*known, *WORKSPACE_FIELDS]) or f"; it may set {', '.join(known)}"
                raise UsageError(f"{where} sets {name!r}, which no run has{hint}")
        try:
            return cls(**settings)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None

    @classmethod
    def from_file(cls, path: str | Path, **overrides: Any) -> Self:
        """From a YAML or TOML file of settings; ``overrides`` win. What it says of the workspace is left out.

        Raises :class:`UsageError` for a file that cannot be read, and for settings that do not exist.
        """
        found = {name: value for name, value in read_settings(path).items() if name not in WORKSPACE_FIELDS}
        return cls.of({**found, **overrides}, where=str(path))

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The configuration that runs the cell of a stored record; of one whose settings were chosen, with the trials
        that they were chosen from; of a trial, the smallest search with it. Raises :class:`UsageError` for submissions.

        Weights are found by their locations, which no record holds: give those of the record in the workspace.
        """
        if is_external(record):
            raise UsageError(f"{record['hash']} is a submission: its predictions were made elsewhere")
        cell = Cell.from_key(record["key"])
        protocol = {name: getattr(cell.protocol, name) for name in PROTOCOL_FIELDS}
        supervised, select, seed = cell.method == SUPERVISED, cell.protocol.select, cell.seed
        typed = SUPERVISED if supervised else label(cell.method, cell.params, cell.off, cell.rates)
        if select != LAST and not supervised:
            typed = label(cell.method, METHODS.entry(cell.method).parameters, cell.off)
        source, _, target = cell.dataset.partition(PAIR)
        chosen: dict[str, Any] = {}
        if select == TRIAL:
            from mmda_bench.selection.scenario import search_of

            (trials, studies), seed = search_of(cell), 0
            chosen = {"protocol": "tuned", "trials": trials, "studies": studies}
        elif select != LAST:
            trials, studies = cell.protocol.trials, cell.protocol.study + 1
            chosen = {"protocol": "tuned", "select": select, "trials": trials, "studies": studies}
        return cls(
            methods=typed, dataset=source, target=target, anchors=cell.anchor, seeds=f"{seed}-{seed}",
            bounds=supervised, **protocol, **chosen,
        )  # fmt: skip

    @property
    def corpus(self) -> str:
        """The name of what is run on: the dataset, or the natural pair of it and ``target``."""
        return f"{self.dataset}{PAIR}{self.target}" if self.target else self.dataset

    def check(self) -> None:
        """Raise :class:`UsageError` for a name or value that does not exist.

        This imports neither torch nor a reader, so that a mistake is told at once. What depends on the corpus, as do
        its modalities, is left to :meth:`cells`.
        """
        placement.check(self.gpus_per_cell, self.timeout)
        settled_name(self.corpus)
        plan.check_values(
            shift=self.shift, severity=self.severity, epochs=self.epochs, batch=self.batch, beta=self.beta,
            split=self.split, heads=self.heads,
        )  # fmt: skip
        conditions.missing_modalities(self.missing, where=self.missing_in, rate=self.missing_rate)
        conditions.told_anchor(self.told_anchor)
        if self.backbone:
            BACKBONES.entry(self.backbone)
        if self.anchors.lower() != NATURAL:
            plan.parse_anchors(self.anchors)
        seeds = plan.parse_seeds(self.seeds)
        plan.parse_splits(self.splits or "0")
        parse_methods(self.methods)
        if self.select:
            plan.check_select(self.select)
            if self.protocol == "paper" and TUNED not in self.methods:
                raise UsageError(f"select {self.select!r}: nothing is chosen; add --protocol tuned, or a3d2[tuned]")
        if self.protocol == "tuned":
            plan.check_seeds(seeds, self.studies)

    def protocol_on(self, card: Card, *, weights: Mapping[str, str] | None = None) -> Protocol:
        """The protocol on the corpus of ``card``, before settings are chosen. Raises :class:`UsageError`."""
        return plan.protocol_for(
            card, backbone=self.backbone or None, shift=self.shift, severity=self.severity, epochs=self.epochs,
            batch=self.batch, beta=self.beta, split=self.split, heads=self.heads, missing=self.missing,
            missing_in=self.missing_in, missing_rate=self.missing_rate, told_anchor=self.told_anchor, weights=weights,
        )  # fmt: skip

    def cells(
        self, card: Card, *, weights: Mapping[str, str] | None = None, chosen: Callable[[Cell], Cell] | None = None
    ) -> list[Cell]:
        """All cells of settings that are typed, every method at one seed before the next seed. ``chosen``: makes the
        cells of ``a3d2[tuned]``, from those of the published setting."""
        return plan.expand(
            methods=self.methods, dataset=self.corpus, version=card.version, bounds=self.bounds,
            protocol=self.protocol_on(card, weights=weights), chosen=chosen,
            anchors=plan.anchors_on(card, self.anchors), seeds=plan.parse_seeds(self.seeds),
            splits=plan.parse_splits(self.splits) if self.splits else None,
        )  # fmt: skip


def _listed(name: str, value: Any) -> Any:
    """A list as it would be typed; a number of seeds or splits as its text."""
    if isinstance(value, str):
        return value
    if name in COUNTED and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if name in COUNTED and isinstance(value, Sequence) and value and all(type(part) in (int, str) for part in value):
        text = format_seeds(value)
        return text if {",", "-"} & set(text) else f"{text}-{text}"
    if isinstance(value, Sequence) and value and all(isinstance(part, str) for part in value):
        return ",".join(value)
    raise UsageError(f"{name} is {value!r}: expected a text such as those of --{name}, or a list")


def _check_places(name: str, value: Any) -> None:
    """Raises :class:`UsageError` where ``value`` cannot be the field ``name`` of a workspace."""
    if name == "weights":
        right = value is None or (
            isinstance(value, Mapping) and all(isinstance(one, str) for pair in value.items() for one in pair)
        )
        expected = "locations of weights by modality, such as {acoustic: DIR}"
    elif name == "plugins":
        right = isinstance(value, tuple) and all(isinstance(one, (str, Path)) for one in value)
        expected = "a list of files"
    else:
        right = isinstance(value, (str, Path)) or (value is None and name != "results")
        expected = "a folder"
    if not right or "\0" in str(value):
        raise UsageError(f"{name} is {value!r}: expected {expected}")


def _check_type(name: str, value: Any, default: Any) -> None:
    """Raises :class:`UsageError` where ``value`` is not of the type of ``default`` (None: text or number)."""
    if default is None:
        allowed: tuple[type, ...] = (str,) if name in ("address", "rerun") else (int, float)
        right = value is None or (isinstance(value, allowed) and not isinstance(value, bool))
        if name == "jobs":
            right = value is None or (type(value) is int and value >= 0)
    elif isinstance(default, float):
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
    else:
        right = type(value) is type(default)
    if not right:
        kind = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
        expected = kind.get(type(default), "a whole number from 0" if name == "jobs" else "a text or a number")
        raise UsageError(f"{name} is {value!r}: expected {expected}")


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings in a YAML or TOML file, with underscores in their names. Raises :class:`UsageError`."""
    found = read_hand_written(Path(path), option="--config")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UsageError(f"--config {path} holds {type(found).__name__}; expected settings, such as: methods: dt,dann")
    found = {str(name).replace("-", "_"): value for name, value in found.items()}
    if "plugin" in found:  # as the option is called, which may be repeated
        plugin = found.pop("plugin")
        found.setdefault("plugins", [plugin] if isinstance(plugin, str) else plugin)
    return found
