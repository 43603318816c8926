"""The choice of a scenario, stored beside the records: what every validator says of its trials, and which was taken.

``results/choices/<dataset>/<anchor>/<method>/<hash10>.json`` is a pure function of the records of the trials. It holds
for as long as these are the ones it was made from.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from typing_extensions import TypedDict

from mmda_bench.protocol import Cell, Protocol, canonical_json
from mmda_bench.selection.budget import Setting
from mmda_bench.selection.choice import GUARD, choose, scores_of
from mmda_bench.selection.evidence import scores
from mmda_bench.selection.scenario import Scenario
from mmda_bench.store import SCHEMA, Damaged, Record, Store, weighted_f1, write_text
from mmda_bench.store.faults import parse, unlike
from mmda_bench.store.keys import Key
from mmda_bench.store.values import CheckedApart, Count, Factor, Number, Share, Text


class Tried(TypedDict):
    """One trial. ``seal``: digest of the predictions that it was judged by; ``source_f1``: on source validation, from
    0 to 1; ``scores``: of all validators, higher is better, null where there is none."""

    hash: Text
    params: dict[Text, Any]
    rates: list[Factor]
    status: Text
    seal: Text | None
    source_f1: Share | None
    scores: dict[Text, Number | None]


class Stored(TypedDict):
    """What a file of a choice holds. ``chosen``: the place of a trial, from 0; null where none could be taken."""

    schema: Count
    key: Annotated[Key, CheckedApart()]
    validator: Text
    guard: Share
    chosen: Count | None
    trials: list[Tried]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What was chosen in a scenario: ``chosen`` of ``trials``, by ``validator``."""

    scenario: Scenario
    validator: str
    trials: list[Tried]
    chosen: int | None

    @property
    def setting(self) -> Setting | None:
        """The settings of the winner."""
        return None if self.chosen is None else _setting(self.trials[self.chosen])

    @property
    def cells(self) -> list[Cell]:
        """The trials, whatever the registry would try today."""
        return [self.scenario.trial_cell(_setting(one)) for one in self.trials]

    def table(self) -> dict[str, list[float | None]]:
        """The scores of all trials by validator."""
        names = dict.fromkeys(name for one in self.trials for name in one["scores"])
        return {name: [one["scores"].get(name) for one in self.trials] for name in names}

    def source_f1(self) -> list[float | None]:
        """Weighted F1 on source validation of all trials, from 0 to 1."""
        return [one["source_f1"] for one in self.trials]


def _setting(tried: Tried) -> Setting:
    return Setting(params=tried["params"], rate=tried["rates"][0], pretrained_rate=tried["rates"][1])


def make_choice(scenario: Scenario, store: Store) -> Choice:
    """Judge the stored trials of a scenario and take one. A trial without a record counts as failed: it is spent."""
    cells = scenario.trial_cells()
    records = [store.read(cell) for cell in cells]
    done = [record if record is not None and record["status"] == "ok" else None for record in records]
    table = scores([record and store.evidence(record)[0] for record in done], anchor=scenario.anchor)
    trials: list[Tried] = [
        {
            "hash": cell.hash,
            "params": dict(cell.params),
            "rates": list(cell.rates),
            "status": record["status"] if record else "missing",
            "seal": record.get("predictions_sha256") if record else None,
            "source_f1": weighted_f1(ok, "source_validation") if (ok := done[i]) else None,
            "scores": {name: column[i] for name, column in table.items()},
        }
        for i, (cell, record) in enumerate(zip(cells, records, strict=True))
    ]
    validator = scenario.validator
    found = Choice(scenario=scenario, validator=validator, trials=trials, chosen=None)
    chosen = choose(scores_of(validator, found.table()), found.source_f1())
    return Choice(scenario=scenario, validator=validator, trials=trials, chosen=chosen)


def path_of(scenario: Scenario, store: Store) -> Path:
    """Where the choice of a scenario lies."""
    address = scenario.address
    return store.choices / address.dataset / address.anchor / address.method / f"{address.hash}.json"


def write_choice(choice: Choice, store: Store) -> None:
    """Store a choice, in the place of an older one. Raises :class:`~mmda_bench.errors.StoreError`."""
    content = {
        "schema": SCHEMA,
        "key": choice.scenario.address.key(),
        "validator": choice.validator,
        "guard": GUARD,
        "chosen": choice.chosen,
    }
    lines = [f"{json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in content.items()]
    trials = ",\n ".join(json.dumps(one, allow_nan=False) for one in choice.trials)
    write_text(path_of(choice.scenario, store), "{\n" + ",\n".join([*lines, f'"trials": [\n {trials}\n]']) + "\n}\n")


def read_choice(scenario: Scenario, store: Store) -> Choice | None:
    """The stored choice of a scenario, if it was made from the trials that stand there now, all of them."""
    found = _read(path_of(scenario, store))
    if isinstance(found, str) or found.scenario != scenario or found.validator != scenario.validator:
        return None
    cells = scenario.trial_cells()
    records = [store.standing(cell) for cell in cells]
    if len(records) != len(found.trials):
        return None
    pairs = zip(cells, records, found.trials, strict=True)
    return found if all(_is_of(one, cell, record) for cell, record, one in pairs) else None


def _is_of(tried: Tried, cell: Cell, record: Record | None) -> bool:
    if record is None:
        return False
    seal = record.get("predictions_sha256")
    return (tried["hash"], tried["status"], tried["seal"]) == (cell.hash, record["status"], seal)


def read_choices(store: Store) -> tuple[list[Choice], list[Damaged]]:
    """Every choice of a store in order of its path, and every file that holds none."""
    usable, damaged = [], []
    for path in sorted(store.choices.glob("*/*/*/*.json")):
        found = _read(path)
        if isinstance(found, str):
            damaged.append(Damaged(store.relative(path), found))
        else:
            usable.append(found)
    return usable, damaged


def _read(path: Path) -> Choice | str:
    """A stored choice, or why there is none."""
    try:
        content = parse(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        return f"not readable as JSON ({error})"
    return unlike(Stored, content) or unlike(Key, content["key"], extra="forbid") or _choice(content, path)


def _choice(content: Mapping[str, Any], path: Path) -> Choice | str:
    cell = Cell.from_key(content["key"])
    trials, chosen = content["trials"], content["chosen"]
    if path.stem != cell.hash or canonical_json(cell.key()) != canonical_json(content["key"]):
        return f"its name is not that of its key, {cell.hash}: it was edited"
    if chosen is not None and chosen >= len(trials):
        return f"it has chosen trial {chosen} of {len(trials)}"
    scenario = Scenario(
        method=cell.method, off=cell.off, dataset=cell.dataset, version=cell.version, anchor=cell.anchor,
        protocol=cell.protocol,
    )  # fmt: skip
    return Choice(scenario=scenario, validator=content["validator"], trials=trials, chosen=chosen)


def best_fitting(cell: Cell, choices: Sequence[Choice], *, select: str = "") -> Choice | None:
    """The one of ``choices`` whose settings a cell of the same method, corpus, backbone and anchor should have.

    Among several that of the most similar protocol goes before others, then that of the plainest protocol, then study 0
    and more trials. ``select``: only of this validator.
    """

    def fits(choice: Choice) -> bool:
        mine = choice.scenario
        same = (mine.method, mine.off, mine.dataset, mine.version, mine.anchor, mine.protocol.backbone)
        wanted = (cell.method, cell.off, cell.dataset, cell.version, cell.anchor, cell.protocol.backbone)
        return same == wanted and choice.chosen is not None and select in ("", mine.protocol.select)

    def order(choice: Choice) -> tuple[int, int, int, int, str]:
        of = choice.scenario.protocol
        plain = Protocol(backbone=of.backbone, weights=of.weights)
        return (_differing(of, cell.protocol), _differing(of, plain), of.study, -of.trials, of.select)

    return min(filter(fits, choices), key=order, default=None)


def _differing(one: Protocol, other: Protocol) -> int:
    """In how many fields two protocols differ, the search of settings apart."""
    return sum(getattr(one.untuned, f.name) != getattr(other.untuned, f.name) for f in fields(Protocol))
