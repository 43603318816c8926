"""The protocol ``tuned``: which trials a run has, which of them win, and what the winners run.

Trials and winners are ordinary cells, so that whatever ends early goes on where it was. Between the two stands a choice
for each scenario, which is stored beside the records (:mod:`mmda_bench.selection.choices`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from mmda_bench.errors import UsageError
from mmda_bench.protocol import SUPERVISED, Cell
from mmda_bench.selection import CANDIDATES
from mmda_bench.selection.choices import Choice, best_fitting, make_choice, read_choice, read_choices, write_choice
from mmda_bench.selection.scenario import Scenario, scenario_of
from mmda_bench.store import Store, unfinished
from mmda_bench.store.store import Rerun


@dataclass(frozen=True)
class Tuning:
    """``scenarios``: one per method, anchor, split and study; ``seeds``: those that the winners run; ``bounds``: cells
    of the reference on target labels, which nobody tunes."""

    scenarios: Sequence[Scenario]
    seeds: Sequence[int]
    bounds: Sequence[Cell]

    @cached_property
    def trials(self) -> list[Cell]:
        """Every method at one trial before the next trial, so that an unfinished sweep has spent alike on all."""
        by_scenario = [scenario.trial_cells() for scenario in self.scenarios]
        return [cells[i] for i in range(len(by_scenario[0])) for cells in by_scenario] if by_scenario else []

    def choices(self, store: Store, *, rerun: Rerun | None = None) -> list[Choice | None]:
        """The stored choice of every scenario, None where one of its trials has still to run."""
        return [
            None if store.missing(scenario.trial_cells(), rerun=rerun) else read_choice(scenario, store)
            for scenario in self.scenarios
        ]

    def winners(self, choices: Sequence[Choice | None]) -> list[Cell]:
        """The cells of the winners, every method at one seed before the next, and those of the reference. A scenario
        without a winner is stood in for by cells of the published setting."""
        pairs = zip(self.scenarios, choices, strict=True)
        settings = [(choice and choice.setting) or scenario.settings()[0] for scenario, choice in pairs]
        found = list(zip(self.scenarios, settings, strict=True))
        return [*(scenario.cell(setting, seed) for seed in self.seeds for scenario, setting in found), *self.bounds]

    def cells(self, choices: Sequence[Choice | None]) -> list[Cell]:
        """Trials and winners."""
        return [*self.trials, *self.winners(choices)]

    def todo(self, choices: Sequence[Choice | None], store: Store, *, rerun: Rerun | None = None) -> list[Cell]:
        """What of :meth:`cells` has to run; cells whose settings are still to be chosen among them."""
        cells = self.cells(choices)
        to_choose = [choice is None for _ in self.seeds for choice in choices]
        winners = cells[len(self.trials) : len(self.trials) + len(to_choose)]
        todo = {cell.hash for cell in store.missing(cells, rerun=rerun)}
        todo |= {cell.hash for cell, unknown in zip(winners, to_choose, strict=True) if unknown}
        return [cell for cell in cells if cell.hash in todo]

    def choose(self, store: Store, told: Callable[[Choice], None] = lambda choice: None) -> list[Choice]:
        """Choose in every scenario and store it; where a stored choice still holds, that one."""
        found = []
        for scenario in self.scenarios:
            choice = read_choice(scenario, store)
            if choice is None:
                choice = make_choice(scenario, store)
                write_choice(choice, store)
                told(choice)
            found.append(choice)
        return found

    def finish(
        self, store: Store, sweep: Callable[[list[Cell]], None], told: Callable[[Choice], None], *, rerun: Rerun | None
    ) -> list[Cell]:
        """Choose among the trials, which have run, and have ``sweep`` run the winners. All cells, trials among them."""
        choices = self.choose(store, told)
        lost = self.lost(choices)
        reason = "no winner: no trial ended well with a score on the source near that of the published setting"
        for cell in lost:
            store.write(cell, unfinished(cell, status="failed", reason=reason), None, replace=rerun is not None)
        sweep(store.missing([cell for cell in self.winners(choices) if cell not in lost], rerun=rerun))
        return self.cells(choices)

    def lost(self, choices: Sequence[Choice]) -> list[Cell]:
        """The cells that stand in for the winners of scenarios in which no trial could be taken."""
        scenarios = [choice.scenario for choice in choices if choice.chosen is None]
        return [scenario.cell(scenario.settings()[0], seed) for scenario in scenarios for seed in self.seeds]


def tuning_of(cells: Sequence[Cell], *, select: str, trials: int, studies: int) -> Tuning:
    """The search of the settings of all methods among ``cells``, which are those of a run without one.

    ``select``: a validator, "" for the default. Raises :class:`UsageError` for cells that have settings of their own.
    """
    select = select or CANDIDATES[0]
    seeds = list(dict.fromkeys(cell.seed for cell in cells))
    tuned = [cell for cell in cells if cell.method != SUPERVISED]
    scenarios = [
        scenario_of(cell, select=select, trials=trials, study=study)
        for study in range(studies)
        for cell in tuned
        if cell.seed == seeds[0]
    ]
    bounds = [
        replace(cell, protocol=replace(cell.protocol, select=select, trials=trials))
        for cell in cells
        if cell.method == SUPERVISED
    ]
    return Tuning(scenarios, seeds, bounds)


def as_chosen(cell: Cell, choices: Sequence[Choice], *, select: str = "") -> Cell:
    """A cell of ``name[tuned]`` with the settings of the stored choice that fits it best, and that choice's ``select``.

    Raises :class:`UsageError` where there is none.
    """
    choice = best_fitting(cell, choices, select=select)
    if choice is None or choice.setting is None:
        by = f" by {select}" if select else ""
        raise UsageError(
            f"{cell.method}[tuned]: this results folder holds no settings chosen{by} for {cell.dataset} with anchor "
            f"{cell.anchor}; mmda-bench run --protocol tuned --methods {cell.method} --dataset {cell.dataset} "
            "chooses some"
        )
    setting, of = choice.setting, choice.scenario.protocol
    protocol = replace(cell.protocol, select=of.select, trials=of.trials, study=of.study)
    rates = (setting.rate, setting.pretrained_rate)
    return replace(cell, protocol=protocol, params=setting.params, rates=rates)


def chooser(store: Store, select: str = "") -> Callable[[Cell], Cell]:
    """:func:`as_chosen` by the choices of ``store``, which are read for the first cell."""

    @cache
    def choices() -> list[Choice]:
        return read_choices(store)[0]

    return lambda cell: as_chosen(cell, choices(), select=select)
