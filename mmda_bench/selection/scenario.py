"""A scenario in which the settings of one method are searched: its trials and its winners, as cells."""

from dataclasses import dataclass, replace

from mmda_bench.protocol import PUBLISHED_RATES, TRIAL, TUNING_SEED, Cell, Protocol
from mmda_bench.registry import METHODS, UsageError
from mmda_bench.selection.budget import Setting, trials
from mmda_bench.selection.experiment import CANDIDATES, default_validator

MOST_TRIALS = 128  # among which a stored trial is looked for


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One method on one corpus with one anchor. ``protocol``: that of the winners, with ``select``, ``trials`` and
    ``study``.

    >>> protocol = Protocol(backbone="tiny", select="bnm", trials=4)
    >>> scenario = Scenario(method="dann", dataset="avatars", version="v3", anchor="V", protocol=protocol)
    >>> [cell.seed for cell in scenario.trial_cells()], scenario.validator
    ([1000, 1000, 1000, 1000], 'bnm')
    """

    method: str
    off: tuple[str, ...] = ()
    dataset: str
    version: str
    anchor: str
    protocol: Protocol

    @property
    def tuning_seed(self) -> int:
        return TUNING_SEED + self.protocol.study

    @property
    def address(self) -> Cell:
        """Where the choice is stored: a cell that never runs, since it has no settings."""
        return self.cell(Setting(), self.tuning_seed)

    @property
    def validator(self) -> str:
        """That of the protocol, or the first of :data:`CANDIDATES` where that is a loss of the method."""
        return default_validator(METHODS.entry(self.method), (self.protocol.select, *CANDIDATES))

    def settings(self) -> list[Setting]:
        """As many as the protocol has trials, the published one first."""
        return trials(METHODS.entry(self.method), self.protocol.trials, study=self.protocol.study)

    def trial_cells(self) -> list[Cell]:
        """A cell for every setting, all under the tuning seed. They do not depend on who chooses, nor on how many
        others are tried."""
        return [self.trial_cell(setting) for setting in self.settings()]

    def trial_cell(self, setting: Setting) -> Cell:
        """The trial of a setting."""
        cell = self.cell(setting, self.tuning_seed)
        return replace(cell, protocol=replace(self.protocol.untuned, select=TRIAL))

    def cell(self, setting: Setting, seed: int) -> Cell:
        """The cell of a winner, or of what stands in for it."""
        return Cell(
            method=self.method, params=setting.params, off=self.off, dataset=self.dataset, version=self.version,
            anchor=self.anchor, seed=seed, protocol=self.protocol, rates=(setting.rate, setting.pretrained_rate),
        )  # fmt: skip


def search_of(cell: Cell) -> tuple[int, int]:
    """(trials, studies) of the smallest search in which a stored trial runs. Raises :class:`UsageError` where none of
    the first :data:`MOST_TRIALS` is it: the search space has changed since.

    >>> scenario = Scenario(method="dann", dataset="avatars", version="v4", anchor="V",
    ...                     protocol=Protocol(backbone="tiny", select="bnm", trials=4))
    >>> search_of(scenario.trial_cells()[2])
    (3, 1)
    """
    study = cell.seed - TUNING_SEED
    tried = trials(METHODS.entry(cell.method), MOST_TRIALS, study=study)
    for count, one in enumerate(tried, 1):
        if (dict(one.params), (one.rate, one.pretrained_rate)) == (dict(cell.params), tuple(cell.rates)):
            return count, study + 1
    raise UsageError(f"{cell.hash} is a trial of a search space that {cell.method} no longer has")


def scenario_of(cell: Cell, *, select: str, trials: int, study: int = 0) -> Scenario:
    """The scenario in which the settings of a cell would be searched. Raises :class:`UsageError` where it has some."""
    entry = METHODS.entry(cell.method)
    if dict(cell.params) != entry.settings() or cell.rates != PUBLISHED_RATES:
        raise UsageError(f"{cell.method}: its settings are searched, so that none may be named; write {cell.method}")
    return Scenario(
        method=cell.method, off=cell.off, dataset=cell.dataset, version=cell.version, anchor=cell.anchor,
        protocol=replace(cell.protocol, select=select, trials=trials, study=study),
    )  # fmt: skip
