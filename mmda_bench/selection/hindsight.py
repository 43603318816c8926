"""What the labels of the target test set say of choices that were made without them: F1 of the trials, and validators.

Labels come from outside, by the ids of utterances: trials have none.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmda_bench.metrics import weighted_f1
from mmda_bench.protocol import Protocol
from mmda_bench.registry import METHODS
from mmda_bench.selection.choice import Numbers
from mmda_bench.selection.choices import Choice
from mmda_bench.selection.evidence import PARTS
from mmda_bench.selection.experiment import Outcome, own_validators
from mmda_bench.store import Store
from mmda_bench.store.arrays import untied

ENSV_OVER_ALL = "ensv, all methods"  # its pool is the trials of all methods; shown, and never used to choose


@dataclass(frozen=True, kw_only=True)
class Trials:
    """A choice and what its trials answered on the target test set. ``labels``: (N,); ``answers``: (N, C) float16
    probabilities of each trial, None of one that failed; ``target``: those on the target by which it was judged."""

    choice: Choice
    labels: np.ndarray
    answers: Sequence[np.ndarray | None]
    target: Sequence[np.ndarray | None]

    @property
    def target_f1(self) -> list[float | None]:
        """Weighted F1 of every trial on the target test set, in [0, 1]."""
        return [
            None if one is None else weighted_f1(self.labels, one.argmax(1), classes=one.shape[1])
            for one in self.answers
        ]


def read_trials(choice: Choice, store: Store, labels: Mapping[str, int]) -> Trials | None:
    """The trials of a choice with ``labels`` by id; None where one that was judged is not stored any more, or where an
    utterance has no label."""
    answers: list[np.ndarray | None] = []
    target: list[np.ndarray | None] = []
    known: np.ndarray | None = None
    for cell, tried in zip(choice.cells, choice.trials, strict=True):
        if tried["status"] != "ok":
            answers.append(None)
            target.append(None)
            continue
        record = store.read(cell)
        arrays = None if record is None else store.load_predictions(record)[0]
        if record is None or arrays is None or untied(record, arrays) or "target_test/probabilities" not in arrays:
            return None
        ids = [str(one) for one in arrays["target_test/ids"]]
        if not set(ids) <= set(labels):
            return None
        known = np.array([labels[one] for one in ids])
        answers.append(arrays["target_test/probabilities"])
        target.append(np.concatenate([arrays[f"{part}/probabilities"] for part in PARTS[1:]]))
    return None if known is None else Trials(choice=choice, labels=known, answers=answers, target=target)


def outcome_of(trials: Trials, more: Mapping[str, Numbers] | None = None) -> Outcome:
    """For :func:`mmda_bench.selection.judge`. ``more``: scores of further validators."""
    choice = trials.choice
    return Outcome(
        method=choice.scenario.method, target_f1=trials.target_f1, source_f1=choice.source_f1(),
        scores={**choice.table(), **(more or {})},
    )  # fmt: skip


def ensv_over_all(found: Sequence[Trials]) -> list[list[float | None]]:
    """EnsV of the trials of every choice, the pool being all trials of all methods with the same corpus and anchor."""
    pools: dict[tuple[str, str, Protocol], np.ndarray] = {}
    groups: dict[tuple[str, str, Protocol], list[np.ndarray]] = defaultdict(list)
    for one in found:
        groups[_scene(one)] += [probabilities for probabilities in one.target if probabilities is not None]
    for scene, members in groups.items():
        pools[scene] = np.sum([member.astype(np.float64) for member in members], axis=0).argmax(axis=1)
    return [
        [None if p is None else float((p.argmax(axis=1) == pools[_scene(one)]).mean()) for p in one.target]
        for one in found
    ]


def _scene(one: Trials) -> tuple[str, str, Protocol]:
    scenario = one.choice.scenario
    return scenario.dataset, scenario.anchor, scenario.protocol


def own_of(found: Sequence[Trials]) -> dict[str, frozenset[str]]:
    """By method, the validators that compute a loss of it; of a method that is not registered here none is known."""
    methods = {one.choice.scenario.method for one in found}
    entries = METHODS.entries()
    return {name: own_validators(entries[name]) for name in methods if name in entries}
