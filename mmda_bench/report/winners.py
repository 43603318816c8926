"""Which records of a tuned table are those of winners: settings may have been chosen anew since some of them ran."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from mmda_bench.protocol import PUBLISHED_RATES, Cell, canonical_json
from mmda_bench.selection.choices import Choice
from mmda_bench.selection.scenario import Scenario
from mmda_bench.store import Record
from mmda_bench.store.record import is_chosen


def scene(scenario: Scenario) -> str:
    """What the cells of a winner have in common but their settings."""
    cell = scenario.address
    return canonical_json([cell.method, cell.off, cell.dataset, cell.version, cell.anchor, cell.key()["protocol"]])


def current(records: Iterable[Record], choices: Sequence[Choice]) -> list[Record]:
    """The records without those of winners that are winners no more.

    Where no choice is stored for the very scenario, as of ``a3d2[tuned]`` at another severity, the settings that ran
    last stand.
    """
    settings = {}
    for choice in choices:
        taken = choice.trials[choice.chosen or 0]
        settings[scene(choice.scenario)] = canonical_json([taken["params"], taken["rates"]])
    kept: list[Record] = []
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if is_chosen(record):
            groups[_scene_of(record)].append(record)
        else:
            kept.append(record)
    for name, members in groups.items():
        last = max(members, key=lambda record: (record.get("ended_utc") or "", _settings(record)))
        standing = settings.get(name, _settings(last))
        kept += [record for record in members if _settings(record) == standing]
    return kept


def _scene_of(record: Record) -> str:
    cell = Cell.from_key(record["key"])
    return canonical_json([cell.method, cell.off, cell.dataset, cell.version, cell.anchor, record["key"]["protocol"]])


def _settings(record: Record) -> str:
    return canonical_json([record["key"]["params"], list(record["key"].get("rates", PUBLISHED_RATES))])
