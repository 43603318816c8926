"""From the trials of a store to what a tuned board shows of them, by the labels beside the cells of the winners."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import numpy as np

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import LAST, SUPERVISED
from mmda_bench.registry import VALIDATORS
from mmda_bench.registry.spec import label
from mmda_bench.report.paired_tests import DRAWS, Difference, Sample, average, differences, resampled_f1
from mmda_bench.report.rows import AVERAGE, Board
from mmda_bench.report.search import Scores, Searched, Tuned, Verdict
from mmda_bench.report.significance import Predictions
from mmda_bench.selection import CANDIDATES, Judgement, best_first, expected_best, is_own, judge, ranked, scores_of
from mmda_bench.selection.choices import Choice
from mmda_bench.selection.hindsight import ENSV_OVER_ALL, Trials, ensv_over_all, outcome_of, own_of, read_trials
from mmda_bench.store import Store


def with_tuning(
    boards: Sequence[Board], choices: Sequence[Choice], store: Store, predictions: Predictions, *, draws: int = DRAWS
) -> list[Board]:
    """The boards, the tuned ones of them with what their trials say; without, where the trials are not stored or no
    cell of a winner has predictions, from which the labels come."""
    found = [_tuned(board, choices, store, predictions, draws) for board in boards]
    averages = _studies(boards)
    return [
        board if tuning is None else replace(board, tuning=_with_studies(tuning, averages.get(_family(board), [])))
        for board, tuning in zip(boards, found, strict=True)
    ]


def _tuned(board: Board, choices: Sequence[Choice], store: Store, predictions: Predictions, draws: int) -> Tuned | None:
    if board.protocol.select == LAST:
        return None
    mine = [choice for choice in choices if _belongs(choice, board)]
    labels = _labels(board, predictions) if mine else {}
    trials = [one for choice in mine if labels and (one := read_trials(choice, store, labels))]
    if not trials:
        return None
    by_method: dict[str, dict[str, Trials]] = defaultdict(dict)
    for one in trials:
        scenario = one.choice.scenario
        by_method[label(scenario.method, {}, scenario.off)][scenario.anchor] = one
    rows = [(row.label, row.title) for row in board.lines if row.label in by_method]
    regrets = _regrets(board, {name: by_method[name] for name, _ in rows}, draws)
    methods = [_searched(name, title, by_method[name], regrets[name]) for name, title in rows]
    own = own_of(trials)
    return Tuned(methods, _verdicts(trials, own), {name: sorted(values) for name, values in own.items() if values})


def _belongs(choice: Choice, board: Board) -> bool:
    """Whether a choice is of the corpus and the protocol of a board."""
    scenario = choice.scenario
    versions = {record["key"]["version"] for row in board.lines for record in row.records}
    return (scenario.dataset, scenario.protocol) == (board.dataset, board.protocol) and scenario.version in versions


def _labels(board: Board, predictions: Predictions) -> Mapping[str, int]:
    """By id, from the first cell of the board that has them."""
    for row in board.lines:
        for record in row.records:
            arrays = predictions(record) if record["status"] == "ok" else None
            if arrays is not None:
                ids = [str(one) for one in arrays["target_test/ids"]]
                return dict(zip(ids, arrays["target_test/labels"].tolist(), strict=True))
    return {}


def _searched(name: str, title: str, by_anchor: Mapping[str, Trials], regret: Mapping[str, Difference]) -> Searched:
    scores = {anchor: found for anchor, one in by_anchor.items() if (found := _scores(one))}
    if set(scores) == set(MODALITIES):
        columns = list(scores.values())
        published = [one.published for one in columns]
        known = [value for value in published if value is not None]
        scores[AVERAGE] = Scores(
            fmean(known) if len(known) == len(published) else None,
            fmean(one.chosen for one in columns),
            fmean(one.oracle for one in columns),
            fmean(one.worst for one in columns),
        )
    chosen_by = dict.fromkeys(one.choice.validator for one in by_anchor.values())
    curves = [_curves(one) for one in by_anchor.values()]
    least = min(len(curve) for curve, _ in curves)
    expected, at_best = (
        [fmean(curves[i][which][k] for i in range(len(curves))) for k in range(least)] for which in (0, 1)
    )
    tried = [tried for one in by_anchor.values() for tried in one.choice.trials]
    return Searched(
        label=name, title=title, validator=", ".join(chosen_by), scores=scores, regret=regret, expected=expected,
        at_best=at_best, trials=len(tried), failed=sum(one["status"] != "ok" for one in tried),
    )  # fmt: skip


def _scores(one: Trials) -> Scores | None:
    values = [None if value is None else 100 * value for value in one.target_f1]
    known = [value for value in values if value is not None]
    taken = None if one.choice.chosen is None else values[one.choice.chosen]
    return None if taken is None else Scores(values[0], taken, max(known), min(known))


def _curves(one: Trials) -> tuple[list[float], list[float]]:
    """By k, the expected score of what the validator takes of k trials, and that of the best of k."""
    choice = one.choice
    order = ranked(scores_of(choice.validator, choice.table()), choice.source_f1())
    values, count = one.target_f1, len(choice.trials)
    by_validator = [100 * expected_best(values, k, order=order) for k in range(1, count + 1)]
    return by_validator, [100 * expected_best(values, k) for k in range(1, count + 1)]


def _regrets(board: Board, found: Mapping[str, Mapping[str, Trials]], draws: int) -> dict[str, dict[str, Difference]]:
    """By method and column, the oracle's trial minus the chosen one on the same utterances."""
    pairs: dict[tuple[str, str], tuple[np.ndarray, np.ndarray]] = {}
    labels, classes = np.zeros(0, int), 0
    for name, by_anchor in found.items():
        for anchor, one in by_anchor.items():
            values, chosen = one.target_f1, one.choice.chosen
            if chosen is not None:
                best = max(range(len(values)), key=lambda i: -1.0 if values[i] is None else values[i] or 0.0)
                oracle, taken = one.answers[best], one.answers[chosen]
                if oracle is not None and taken is not None:
                    labels, classes = one.labels, oracle.shape[1]
                    pairs[name, anchor] = oracle.argmax(1), taken.argmax(1)
    regrets: dict[str, dict[str, Difference]] = {name: {} for name in found}
    if not pairs:
        return regrets
    answers = np.array([predicted for pair in pairs.values() for predicted in pair])
    drawn = 100 * resampled_f1(labels, answers, classes=classes, names=board.drawn_by, draws=draws)
    for name, by_anchor in found.items():
        samples: dict[str, Sample] = {}
        for place, (method, anchor) in enumerate(pairs):
            if method == name:
                values, chosen = by_anchor[anchor].target_f1, by_anchor[anchor].choice.chosen
                lost = 100 * (max(v for v in values if v is not None) - (values[chosen or 0] or 0.0))
                samples[anchor] = Sample(np.array([lost]), drawn[:, 2 * place] - drawn[:, 2 * place + 1], len(labels))
        if set(samples) == set(MODALITIES):
            samples[AVERAGE] = average([samples[anchor] for anchor in MODALITIES])
        regrets[name] = dict(zip(samples, differences(list(samples.values())), strict=True)) if samples else {}
    return regrets


def _verdicts(trials: Sequence[Trials], own: Mapping[str, frozenset[str]]) -> list[Verdict]:
    """Of every validator that scored the trials and of the candidates, best first."""
    more = ensv_over_all(trials)
    outcomes = [outcome_of(one, {ENSV_OVER_ALL: scores}) for one, scores in zip(trials, more, strict=True)]
    anchors = [one.choice.scenario.anchor for one in trials]
    in_use = {one.choice.validator for one in trials}
    scored = {
        name
        for outcome in outcomes
        for name, values in outcome.scores.items()
        if any(value is not None for value in values)
    }
    verdicts = []
    for name in dict.fromkeys([*VALIDATORS.names(), *CANDIDATES, *in_use, ENSV_OVER_ALL]):
        judged = [outcome for outcome in outcomes if not is_own(name, own.get(outcome.method, ()))]
        if not judged or not set([name] if name in scored else name.split("+")) <= scored:
            continue
        by_anchor: dict[str, Judgement] = {}
        for anchor in dict.fromkeys(anchors):
            here = [o for o, where in zip(outcomes, anchors, strict=True) if where == anchor and o in judged]
            if here:
                by_anchor[anchor] = judge(name, here, own=own)
        verdicts.append(Verdict(judge(name, judged, own=own), by_anchor, name in in_use))
    order = [one.validator for one in best_first([verdict.overall for verdict in verdicts])]
    return sorted(verdicts, key=lambda verdict: order.index(verdict.overall.validator))


def _family(board: Board) -> tuple[str, str, object]:
    """What the boards of independent studies share."""
    return board.dataset, board.corpus, replace(board.protocol, study=0)


def _studies(boards: Sequence[Board]) -> dict[tuple[str, str, object], list[dict[str, float | None]]]:
    """The averages of all methods by study, for searches of which several studies are stored."""
    families: dict[tuple[str, str, object], dict[int, Board]] = defaultdict(dict)
    for board in boards:
        if board.protocol.select != LAST:
            families[_family(board)][board.protocol.study] = board
    return {
        family: [
            {row.label: row.scores[AVERAGE].mean for row in members[study].lines if row.method != SUPERVISED}
            for study in sorted(members)
        ]
        for family, members in families.items()
        if len(members) > 1
    }


def _with_studies(tuning: Tuned, averages: Sequence[Mapping[str, float | None]]) -> Tuned:
    methods = [replace(one, studies=[by_label.get(one.label) for by_label in averages]) for one in tuning.methods]
    return replace(tuning, methods=methods)
