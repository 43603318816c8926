"""From records to the numbers of the tables. Pure: the same records give the same boards.

A :class:`Board` holds what may be compared: one corpus under one signature. Its seeds are those that most methods ran;
a method lacking some of them is marked, a failed cell leaves no mean, and an average over anchors exists only where
every one of its cells does. Formats are in :mod:`mmda_bench.report.formats.markdown`.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from mmda_bench.dataset import MODALITIES
from mmda_bench.protocol import (
    ANCHORS,
    NATURAL,
    PUBLISHED_RATES,
    SUPERVISED,
    SYNTHETIC,
    Protocol,
    canonical_json,
    format_seeds,
)
from mmda_bench.published import DRIFTS_ALIGNED
from mmda_bench.registry import DATASETS, METHODS
from mmda_bench.registry.spec import Spec, label, table_rank, tuned_label
from mmda_bench.report.missing import Runs, find_holes
from mmda_bench.report.reference_rows import TITLES, reference_runs
from mmda_bench.report.rows import AVERAGE, BASELINE, EXTERNAL, SOURCE_BOUND, Board, Failure, Row, Score
from mmda_bench.store import Record, scores_of, weighted_f1
from mmda_bench.store.record import is_chosen


def make_boards(records: Iterable[Record], external: Iterable[Record] = ()) -> list[Board]:
    """A board for every corpus and signature in ``records``: corpora by name, of each the largest sweep first.

    ``external``: submitted predictions (:mod:`mmda_bench.store.submissions`), each shown with the board it belongs to.
    """
    groups: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    for record in records:
        key = record["key"]
        if record["status"] != "interrupted":
            groups[key["dataset"], record["signature"], canonical_json(key["protocol"])].append(record)
    submitted = list(external)
    signatures = {signature for _, signature, _ in groups}
    for record in submitted:
        protocol = record["external"].get("protocol")
        if protocol and record["signature"] not in signatures:
            groups.setdefault((record["key"]["dataset"], record["signature"], canonical_json(protocol)), [])
    order = sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1]), group[0]))
    mine = {signature: [e for e in submitted if e["signature"] == signature] for (_, signature, _), _ in order}
    return [_board(members, mine[key[1]]) if members else _of_submissions(mine[key[1]]) for key, members in order]


def _of_submissions(submitted: Sequence[Record]) -> Board:
    """The board of a scenario in which nothing has run here: predictions for a task alone."""
    first = submitted[0]
    seeds = sorted({record["key"]["seed"] for record in submitted})
    return Board(
        dataset=first["key"]["dataset"],
        signature=with_seeds(first["signature"], seeds),
        protocol=Protocol(**first["external"]["protocol"]),
        seeds=tuple(seeds),
        rows=[],
        ablation={},
        components={},
        references=[],
        failures=[],
        holes=[],
        external=_external_rows(submitted),
        corpus_title=_recorded(submitted, "dataset"),
        synthetic=is_synthetic(submitted),
    )


def with_seeds(signature: str, seeds: Sequence[int]) -> str:
    """The signature of cells as that of a table."""
    return signature.replace("|metric:", f"|seeds:{format_seeds(seeds)}|metric:")


def variants(boards: Sequence[Board]) -> list[str]:
    """What of a board's signature differs from that of its corpus's largest sweep; '' for that sweep itself."""
    main: dict[str, list[str]] = {}
    return [
        " ".join(part for part in parts if part not in main.setdefault(board.dataset, parts))
        for board in boards
        if (parts := board.signature.split("|"))
    ]


def _board(records: Sequence[Record], external: Sequence[Record] = ()) -> Board:
    runs: dict[str, Runs] = defaultdict(lambda: defaultdict(dict))
    specs: dict[str, Spec] = {}
    for record in records:
        key = record["key"]
        name, spec = _identity(record)
        specs[name] = spec
        runs[name][key["anchor"]][key["seed"]] = record
    order = sorted(specs, key=lambda name: (table_rank(specs[name].method), len(specs[name].off), name))
    of_spec = {name: [r for by_seed in mine.values() for r in by_seed.values()] for name, mine in runs.items()}
    typed = _labels(specs)
    recorded = {name: "" if specs[name].tuned else _recorded(mine, "label") for name, mine in of_spec.items()}
    labels = _recorded_labels(specs, typed, recorded)
    typed = {name: tuned_label(text) if specs[name].tuned else text for name, text in typed.items()}
    methods = [name for name in order if specs[name].method != SUPERVISED]
    seeds = _common_seeds([{seed for by_seed in runs[name].values() for seed in by_seed} for name in methods or order])

    titles = _titles(specs, labels, {name: _recorded(mine, "method") for name, mine in of_spec.items()})

    def row(name: str, title: str, split: str = "target_test") -> Row:
        return _row(specs[name], labels[name], title, runs[name], seeds, split)

    def titled(name: str) -> Row:
        return row(name, titles[name])

    references = [
        _row(Spec(which), which, TITLES[which], made, seeds, "target_test")
        for name in order
        if labels[name] == BASELINE
        for which, made in reference_runs(runs[name]).items()
    ]
    references += [row(name, SOURCE_BOUND, "source_test") for name in order if labels[name] == BASELINE]
    references += [row(name, "target-supervised") for name in order if specs[name].method == SUPERVISED]
    ablation, components = _ablations({name: specs[name] for name in methods})
    beside = [name for name in methods if labels[name] in (BASELINE, *DRIFTS_ALIGNED)]
    key = records[0]["key"]
    extra = {
        labels[name]: tuple(sorted(left))
        for name in order
        if (left := {seed for by_seed in runs[name].values() for seed in by_seed} - set(seeds))
    }
    return Board(
        dataset=key["dataset"],
        protocol=Protocol(**key["protocol"]),
        signature=with_seeds(records[0]["signature"], seeds),
        seeds=tuple(seeds),
        rows=[titled(name) for name in methods if not specs[name].off],
        ablation={m: [titled(name) for name in beside + lines] for m, lines in ablation.items()},
        components=components,
        references=references,
        failures=[failure for name in order for failure in _failures(labels[name], runs[name])],
        holes=find_holes(key, {name: labels[name] for name in order}, runs, seeds, typed=typed),
        extra=extra,
        external=_external_rows(external),
        corpus_title=_recorded([r for r in records if r["status"] == "ok"] or records, "dataset"),
        synthetic=is_synthetic(records),
        fingerprints=fingerprints(records),
    )


def _identity(record: Record) -> tuple[str, Spec]:
    """The row that a record belongs to: its settings make it, unless they were chosen, for each anchor anew."""
    key = record["key"]
    rates = key.get("rates", ())
    off = tuple(key["off"])
    if is_chosen(record):
        entry = METHODS.entries().get(key["method"])
        spec = Spec(key["method"], entry.parameters if entry else {}, off, tuned=True)
        return canonical_json([spec.method, spec.off]), spec
    spec = Spec(key["method"], key["params"], off, (rates[0], rates[1]) if rates else PUBLISHED_RATES)
    return canonical_json([spec.method, spec.params, spec.off, *rates]), spec


def _failures(label_: str, runs: Runs) -> list[Failure]:
    """The cells of a row that ran and have no score, by anchor and seed."""
    return [
        Failure(label_, anchor, seed, record["status"], record.get("reason") or "no reason recorded")
        for anchor in ANCHORS
        for seed, record in sorted(runs[anchor].items())
        if record["status"] != "ok"
    ]


def fingerprints(records: Iterable[Record]) -> tuple[str, ...]:
    """Of the corpora that cells read, each once; a cell that failed before it read one has none."""
    return tuple(sorted({(r.get("dataset") or {}).get("fingerprint") or "" for r in records} - {""}))


def _external_rows(submitted: Sequence[Record]) -> list[Row]:
    """A row per name; its seeds are those that were submitted, the same at every anchor for an average."""
    runs: dict[str, Runs] = defaultdict(lambda: defaultdict(dict))
    for record in submitted:
        runs[record["key"]["method"]][record["key"]["anchor"]][record["key"]["seed"]] = record
    rows = []
    for name, mine in sorted(runs.items()):
        seeds = sorted({seed for by_seed in mine.values() for seed in by_seed})
        rows.append(_row(Spec(name), f"{EXTERNAL}{name}", f"{name} (external)", mine, seeds, "target_test"))
    return rows


def _ablations(specs: Mapping[str, Spec]) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    """For every method that ran with components off: its lines of Table 2, fewest first, and its components."""
    lines: dict[str, list[str]] = {}
    components: dict[str, tuple[str, ...]] = {}
    for method in dict.fromkeys(spec.method for spec in specs.values() if spec.off):
        entry = METHODS.entries().get(method)
        mine = {name: spec for name, spec in specs.items() if spec.method == method}
        parts = entry.components if entry else tuple(sorted({part for spec in mine.values() for part in spec.off}))
        ablated = [spec.params for spec in mine.values() if spec.off]
        components[method] = parts
        lines[method] = sorted(
            (name for name, spec in mine.items() if spec.params in ablated),
            key=lambda name: (-len(specs[name].off), [part in specs[name].off for part in parts]),
        )
    return lines, components


def _labels(specs: Mapping[str, Spec]) -> dict[str, str]:
    """How each spec would be typed; a method that is not registered here and has one setting is just its name."""
    settings = Counter(spec.method for spec in specs.values())
    known = METHODS.entries()
    return {
        name: spec.method
        if spec.method not in known and settings[spec.method] == 1 and not spec.off
        else label(spec.method, spec.params, spec.off, spec.rates)
        for name, spec in specs.items()
    }


def is_synthetic(records: Sequence[Record]) -> bool:
    """Whether the corpus of these cells is: as they say; where none does, as its version or the reader here says."""
    told = {(record.get("titles") or {}).get("synthetic") for record in records} - {None}
    if told:
        return True in told
    key = records[0]["key"]
    entry = DATASETS.entries().get(key["dataset"])
    read = entry is not None and entry.reason is None and DATASETS.get(entry.name).card.synthetic
    return bool(read) or key["version"].endswith(SYNTHETIC)


def _recorded(records: Iterable[Record], what: Literal["dataset", "method", "label"]) -> str:
    """What most records say in their titles; "" of older records, which say nothing."""
    said = Counter(text for record in records if (text := (record.get("titles") or {}).get(what)))
    return min(said, key=lambda text: (-said[text], text), default="")


def _recorded_labels(
    specs: Mapping[str, Spec], typed: Mapping[str, str], recorded: Mapping[str, str]
) -> dict[str, str]:
    """The labels under which the cells ran, so that a changed default renames no row; as ``typed`` here where there are
    none, and for all settings of a method of which two ran under one label."""
    labels = {name: recorded[name] or typed[name] for name in specs}
    often = Counter(labels.values())
    unclear = {spec.method for name, spec in specs.items() if often[labels[name]] > 1}
    return {name: typed[name] if spec.method in unclear else labels[name] for name, spec in specs.items()}


def _titles(specs: Mapping[str, Spec], labels: Mapping[str, str], recorded: Mapping[str, str]) -> dict[str, str]:
    """Each spec's title, with its label where another has the same: figures and the page know rows by their titles.

    ``recorded``: titles of the methods when the cells ran, before those of the registry; "" of older records.
    """
    known = METHODS.entries()
    methods = {s.method: known[s.method].title if s.method in known else s.method for s in specs.values()}
    plain = {
        name: labels[name].replace(spec.method, recorded[name] or methods[spec.method], 1)
        for name, spec in specs.items()
    }
    often = Counter(plain.values())
    return {name: f"{title} ({labels[name]})" if often[title] > 1 else title for name, title in plain.items()}


def _common_seeds(per_row: Sequence[set[int]]) -> list[int]:
    """The seeds that most rows ran; of two equally frequent sets the larger."""
    counted = Counter([tuple(sorted(seeds)) for seeds in per_row])
    return list(max(counted.items(), key=lambda item: (item[1], len(item[0]), item[0]))[0])


def _columns(runs: Runs, seeds: Sequence[int], score: Callable[[Record], float]) -> dict[str, Score]:
    """Scores by column. ``score``: of a record that is ok, in [0, 1]."""
    scores: dict[str, Score] = {}
    anchors = (NATURAL,) if runs.get(NATURAL) else MODALITIES
    for anchor in anchors:
        mine = {seed: runs[anchor][seed] for seed in seeds if seed in runs[anchor]}
        values = {s: 100 * score(r) for s, r in mine.items() if r["status"] == "ok"}
        failed = tuple(r["status"] for r in mine.values() if r["status"] != "ok")
        scores[anchor] = Score(values, len(seeds), failed)
    whole = all(score.complete for score in scores.values())
    averages = {seed: fmean(scores[anchor].seeds[seed] for anchor in anchors) for seed in seeds} if whole else {}
    return {**scores, AVERAGE: Score(averages, len(seeds))}


def _row(spec: Spec, name: str, title: str, runs: Runs, seeds: Sequence[int], split: str) -> Row:
    scores = _columns(runs, seeds, lambda record: weighted_f1(record, split))
    ok = [r for by_seed in runs.values() for r in by_seed.values() if r["status"] == "ok"]
    by_class = ok and all(scores_of(r, split).get("per_class_f1") for r in ok)
    macro = _columns(runs, seeds, lambda record: fmean(scores_of(record, split)["per_class_f1"])) if by_class else {}
    times = [spent["train_s"] / 60 for r in ok if (spent := r.get("times")) and "train_s" in spent]
    memory = [used for r in ok if (used := r.get("memory_mb")) is not None]
    return Row(
        method=spec.method, label=name, title=title, off=spec.off, scores=scores,
        minutes=fmean(times) if times else None, memory_mb=max(memory) if memory else None,
        parameters=max((r.get("trainable_parameters") or 0 for r in ok), default=0) or None,
        records=[runs[anchor][seed] for anchor in ANCHORS for seed in seeds if seed in runs[anchor]], macro=macro,
    )  # fmt: skip
