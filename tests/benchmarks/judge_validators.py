"""Which validator is the default: all of them judged on a development draw, by labels that no choice has seen.

``python -m tests.benchmarks.judge_validators [--methods all] [--trials 8] [--studies 2] [--results results/development]
[--out results/validators.md]``

Trials of all methods run on ``avatars-dev`` under every anchor and tuning seed, and go on where they were. Then every
validator chooses within a method, an anchor and a seed. The default is the candidate with the lowest worst regret,
judged without the methods whose own loss it is; for these methods it is the next best that is not. The corpora that are
reported play no part.
"""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tabulate import tabulate

from mmda_bench import api
from mmda_bench.config import RunConfig, Workspace
from mmda_bench.features.corpus import read_labels
from mmda_bench.features.prepare import open_corpus
from mmda_bench.registry import VALIDATORS
from mmda_bench.selection import CANDIDATES, GUARD, Judgement, Outcome, best_first, choose, judge
from mmda_bench.selection.choice import regret, scores_of, spearman
from mmda_bench.selection.hindsight import ENSV_OVER_ALL, Trials, ensv_over_all, outcome_of, own_of, read_trials
from mmda_bench.tuning import Tuning


@dataclass(frozen=True)
class Judged:
    """What is known after the trials: outcomes with their anchor and study, and the validators that are own losses."""

    outcomes: Sequence[tuple[str, int, Outcome]]
    own: dict[str, frozenset[str]]

    def of(self, anchor: str | None = None) -> list[Outcome]:
        return [outcome for where, _, outcome in self.outcomes if anchor in (None, where)]

    @property
    def anchors(self) -> list[str]:
        return list(dict.fromkeys(anchor for anchor, _, _ in self.outcomes))


class Told(api.Listener):
    """A line per cell, so that a log shows how far it is."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0

    def on_result(self, cell, record) -> None:
        self.done += 1
        print(f"[{self.done}/{self.total}] {cell.method} {cell.anchor} {cell.seed}: {record['status']}", flush=True)


def run_trials(
    config: RunConfig, workspace: Workspace, listener: api.Listener | None = None
) -> tuple[api.Plan, Tuning]:
    """Run the trials of a tuned configuration that are not stored, and none of the winners."""
    planned = api.plan(config, workspace)
    tuning = planned.tuning
    assert tuning is not None, "--protocol tuned"
    trials = tuning.trials
    todo = planned.store.missing(trials, rerun=config.rerun)
    api.execute(replace(planned, cells=trials, todo=todo, tuning=None), listener or Told(len(todo)))
    return planned, tuning


def judged(planned: api.Plan, tuning: Tuning) -> Judged:
    """Choose in every scenario, and only then read the labels of the target."""
    store, ws = planned.store, planned.workspace
    choices = tuning.choose(store)
    found: list[Trials] = []
    labels: dict[int, dict[str, int]] = {}
    for choice in choices:
        protocol = choice.scenario.protocol
        if protocol.split not in labels:
            corpus = open_corpus(
                choice.scenario.dataset, root=ws.data_root, protocol=protocol, cache=ws.cache, weights=ws.weights,
                version=choice.scenario.version,
            )  # fmt: skip
            positions = corpus.parts["target", "test"]
            names = [corpus.ids[p] for p in positions]
            known = read_labels(corpus, "target", positions).tolist()
            labels[protocol.split] = dict(zip(names, known, strict=True))
        if one := read_trials(choice, store, labels[protocol.split]):
            found.append(one)
    more = ensv_over_all(found)
    scenarios = [one.choice.scenario for one in found]
    outcomes = [outcome_of(one, {ENSV_OVER_ALL: scores}) for one, scores in zip(found, more, strict=True)]
    return Judged(
        [(s.anchor, s.protocol.study, outcome) for s, outcome in zip(scenarios, outcomes, strict=True)], own_of(found)
    )


def validators(seen: Judged) -> list[str]:
    """Those that scored anything, and the rank sums among the candidates."""
    names = [name for name in VALIDATORS.names() if not VALIDATORS.entry(name).oracle]
    known = {name for _, _, outcome in seen.outcomes for name, values in outcome.scores.items() if any_known(values)}
    return [name for name in dict.fromkeys([*names, *CANDIDATES, ENSV_OVER_ALL]) if set(_parts(name, known)) <= known]


def _parts(name: str, known: Iterable[str]) -> list[str]:
    return [name] if name in known else name.split("+")


def any_known(values: Iterable[float | None]) -> bool:
    return any(value is not None for value in values)


def text(seen: Judged, planned: api.Plan) -> str:
    """The page: the table of validators, the choice, and the settings' own spread."""
    names = validators(seen)
    verdicts = {name: judge(name, seen.of(), own=seen.own) for name in names}
    order = best_first([verdicts[name] for name in CANDIDATES if name in verdicts])
    rows = [_row(one, seen) for one in best_first(list(verdicts.values()))]
    header = ["validator", "Spearman", "regret", "worst", *(f"worst {anchor}" for anchor in seen.anchors), "searches"]
    table = tabulate(rows, header, "pipe", disable_numparse=True, colalign=("left", *["right"] * (len(header) - 1)))
    config = planned.config
    methods = sorted({outcome.method for _, _, outcome in seen.outcomes})
    own = [f"{m}: {', '.join(sorted(v))}" for m, v in sorted(seen.own.items()) if v and m in methods]
    first = order[0].validator
    what = (
        f"`python -m tests.benchmarks.judge_validators --methods {config.methods} --trials {config.trials} "
        f"--studies {config.studies}` on the synthetic development draw `{config.dataset}`, {planned.card.version}: "
        f"{len(methods)} methods, {config.trials} trials each, anchors {', '.join(seen.anchors)}, "
        f"{config.studies} tuning {'seed' if config.studies == 1 else 'seeds'}, {config.epochs} epochs."
    )
    note = (
        "Regret: weighted F1 on the target test set of the best trial minus that of the trial that the validator takes "
        "within one method, anchor and tuning seed, in points; its mean and its greatest value. Spearman: the mean "
        "rank correlation of score and F1 within those. Each validator is judged without the methods whose own loss "
        f"it is ({'; '.join(own) or 'none here'}). A trial whose F1 on source validation is more than "
        f"{100 * GUARD:.0f} points below that of the published setting is not taken. `{ENSV_OVER_ALL}` is no "
        "candidate, since the trials of another method would move a choice."
    )
    default = (
        f"Candidates, by the worst regret, then the mean: {', '.join(f'`{one.validator}`' for one in order)}. The "
        f"default is **`{first}`**, and for a method whose own loss it is the next in this order that is not."
    )
    parts = ["# Which validator chooses", what, table, note, "## The default", default]
    return "\n\n".join([*parts, "## How much there is to choose", _spread(seen, first)]) + "\n"


def _row(one: Judgement, seen: Judged) -> list[str]:
    worst = [f"{100 * judge(one.validator, seen.of(anchor), own=seen.own).worst:.1f}" for anchor in seen.anchors]
    correlation = "–" if one.spearman is None else f"{one.spearman:+.2f}"
    return [one.validator, correlation, f"{100 * one.regret:.1f}", f"{100 * one.worst:.1f}", *worst, str(one.outcomes)]


def _spread(seen: Judged, validator: str) -> str:
    """By method: F1 of the published setting, of the choice, of the best trial, and of the worst."""
    rows = []
    for method in dict.fromkeys(outcome.method for _, _, outcome in seen.outcomes):
        mine = [outcome for _, _, outcome in seen.outcomes if outcome.method == method]
        mine = [outcome for outcome in mine if any_known(outcome.target_f1)]
        shown = []
        for outcome in mine:
            known = [value for value in outcome.target_f1 if value is not None]
            scores = scores_of(validator, outcome.scores)
            taken = choose(scores, outcome.source_f1)
            lost = regret(outcome.target_f1, taken)
            shown.append((outcome.target_f1[0] or 0.0, max(known) - lost, max(known), min(known), lost))
        columns = [100 * sum(values) / len(values) for values in zip(*shown, strict=True)]
        correlations = [spearman(scores_of(validator, o.scores), o.target_f1) for o in mine]
        known = [value for value in correlations if value is not None]
        mean = f"{sum(known) / len(known):+.2f}" if known else "–"
        rows.append([method, *(f"{value:.1f}" for value in columns), mean])
    header = ["method", "published", f"by {validator}", "best trial", "worst trial", "regret", "Spearman"]
    note = "Weighted F1 on the target test set, mean over anchors and tuning seeds."
    align = ("left", *["right"] * (len(header) - 1))
    return tabulate(rows, header, "pipe", disable_numparse=True, colalign=align) + f"\n\n{note}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="avatars-dev")
    parser.add_argument("--methods", default="all")
    parser.add_argument("--anchors", default="A,L,V")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--studies", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=RunConfig.epochs)
    parser.add_argument("--results", type=Path, default=Path("results/development"))
    parser.add_argument("--cache", type=Path, default=None)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--out", type=Path, default=None, help="where the page goes, such as results/validators.md")
    told = parser.parse_args(arguments)
    config = RunConfig(
        methods=told.methods, dataset=told.dataset, anchors=told.anchors, seeds=1, bounds=False, protocol="tuned",
        trials=told.trials, studies=told.studies, epochs=told.epochs, jobs=told.jobs,
    )  # fmt: skip
    planned, tuning = run_trials(config, Workspace(results=told.results, cache=told.cache))
    page = text(judged(planned, tuning), planned)
    print(page)
    if told.out:
        told.out.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
