"""Which figures a store can show, and each of them drawn; what cannot be drawn says what is lacking."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmda_bench.errors import UsageError, suggest
from mmda_bench.protocol import Protocol
from mmda_bench.report.boards import variants
from mmda_bench.report.drawn import Drawn, Plate, seen_in
from mmda_bench.report.figures import balance, budgets, diagnostics, domains, representations, style
from mmda_bench.report.figures import scores as figures
from mmda_bench.report.figures.chosen import classes_of, looks_of, scored
from mmda_bench.report.figures.conditions import KINDS as OF_FAMILIES
from mmda_bench.report.figures.conditions import makers as family_makers
from mmda_bench.report.figures.scores import Estimate, line
from mmda_bench.report.figures.style import LackingError
from mmda_bench.report.formats.captions import dagger
from mmda_bench.report.formats.tables import label_free
from mmda_bench.report.kept import code_digest, digest_of
from mmda_bench.report.rows import AVERAGE, Board, Row
from mmda_bench.store import Store

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = ("f1", "budget", "tsne", "distance", "cost", "severity", "confusion", "curves", "balance")
BY_FILES = ("tsne", "distance")  # of representations, which are not part of a board
TAKEN = ("main", "methods", "unreadable")  # names of other parts of the page
MOST_DRAWN = 20  # methods in a figure; the tables have all of them
TSNE = Path("figures") / "tsne.json"


def draw(
    boards: Sequence[Board], store: Store, coordinates: domains.Coordinates, drawn: Drawn | None = None
) -> dict[str, list[Plate]]:
    """The plates of every board by its slug; of all boards but a corpus's largest and the head of a family, only the
    scores and the budgets of a tuned one, and none of a brief one. ``drawn``: those that lie there already."""
    plates: dict[str, list[Plate]] = {}
    shown = [seen_in(board) if drawn else "" for board in boards]
    for number, (slug, variant) in enumerate(zip(slugs(boards), variants(boards), strict=True)):
        board = boards[number]
        largest = board.dataset not in {other.dataset for other in boards[:number]}
        others = {"severity": [d for other, d in zip(boards, shown, strict=True) if _family(other) == _family(board)]}
        others |= dict.fromkeys(OF_FAMILIES, [seen_in(member) for member in board.family] if drawn else [])
        plates[slug] = []
        first = 0 if board.brief else None if largest or board.family else 2 if board.tuning else 1
        for kind, title, make in islice(_makers(board, variant, boards, store, coordinates), first):
            known = drawn if kind not in BY_FILES else None
            made_from = digest_of(code_digest(), variant, shown[number], others.get(kind, []))
            plate = known.plate(f"{slug}-{kind}", made_from) if known else None
            plates[slug].append(plate := plate or _plate(f"{slug}-{kind}", title, make))
            if known:
                known.keep(plate, made_from)
    return plates


def slugs(boards: Sequence[Board]) -> list[str]:
    """A name for every board that can be a file's: its corpus and its variant."""
    names: list[str] = []
    for board, variant in zip(boards, variants(boards), strict=True):
        name = re.sub(r"[^a-z0-9.]+", "-", f"{board.dataset} {variant}".lower()).strip("-.") or "corpus"
        names.append(name if name not in [*names, *TAKEN] else f"{name}-{len(names)}")
    return names


def figure(boards: Sequence[Board], store: Store, kind: str, *, board: int = 0) -> "Figure":
    """One figure of one board, as matplotlib has it. Raises :class:`UsageError` where it cannot be drawn."""
    known = [*KINDS, *OF_FAMILIES]
    if kind not in known:
        raise UsageError(f"unknown figure {kind!r}{suggest(kind, known)}; known: {', '.join(known)}")
    if not 0 <= board < len(boards):
        raise UsageError(f"board {board}: there are {len(boards)}, counted from 0")
    coordinates = domains.Coordinates(store.results / TSNE)
    makers = _makers(boards[board], variants(boards)[board], boards, store, coordinates)
    try:
        return next((make for name, _, make in makers if name == kind), partial(_nothing, kind))()[0]
    except LackingError as lacking:
        raise UsageError(f"the figure {kind} cannot be drawn: {lacking}") from None


def _nothing(kind: str) -> "tuple[Figure, str, str]":
    way = OF_FAMILIES[kind].command if kind in OF_FAMILIES else "no settings were searched; --protocol tuned does"
    raise LackingError(way)


Maker = Callable[[], tuple["Figure", str, str]]  # the figure, its caption, its alternative text


def _plate(name: str, title: str, make: Maker) -> Plate:
    try:
        figure, caption, alt = make()
    except LackingError as lacking:
        return Plate(name, title, reason=str(lacking))
    style.settle(figure)
    return Plate(name, title, caption, alt, svg=style.svg(figure), png=style.png(figure))


def _leading(board: Board) -> list[Row]:
    """The rows that figures show, in the table's order: all, or of too many those with the best averages."""
    best = sorted(board.rows, key=lambda row: -(row.scores[AVERAGE].mean or 0.0))[:MOST_DRAWN]
    chosen = {row.label for row in best}
    return [row for row in board.rows if row.label in chosen]


def _of_many(board: Board) -> str:
    """What a caption says about rows that are not drawn."""
    left_out = len(board.rows) - MOST_DRAWN
    return f" The {MOST_DRAWN} methods with the best averages; {left_out} others are not drawn." if left_out > 0 else ""


def _makers(
    board: Board, variant: str, boards: Sequence[Board], store: Store, coordinates: domains.Coordinates
) -> Iterator[tuple[str, str, Maker]]:
    yield "f1", "Weighted F1 by method and scenario", lambda: _scores(board, variant)
    if board.tuning:
        yield "budget", "Expected score after k trials", lambda: budgets.budgets(board)
    yield "tsne", "Source and target in representation space", lambda: representations.tsne(board, store, coordinates)
    yield "distance", "Distance between the domains", lambda: representations.distance(board, store)
    yield "cost", "Weighted F1 against the cost of training", lambda: _cost(board)
    yield from family_makers(board)
    yield "severity", "Weighted F1 against the severity of the shift", lambda: _severity(board, boards)
    yield "confusion", "What is confused with what", lambda: _confusion(board)
    yield "curves", "Terms of the loss during training", lambda: _curves(board)
    yield "balance", "Gradient of each term beside that of the source objective", lambda: _balance(board)


def _scores(board: Board, variant: str) -> tuple["Figure", str, str]:
    how = looks_of(board)
    lines = [line(row, how) for row in (*_leading(board), *board.external)]
    lines += [line(row, how, reference=True) for row in label_free(board)]
    if not any(one.scores for one in lines):
        raise LackingError("no cell of this board has a score")
    title = f"Weighted F1 on the target test set: {board.title}{f', {variant}' if variant else ''}"
    bounds = [replace(line(row, how), title=row.title) for row in board.references if row not in label_free(board)]
    figure = figures.f1_by_scenario(title, lines, bounds, board.columns)
    ranked = sorted((one for one in lines if AVERAGE in one.scores), key=lambda one: -one.scores[AVERAGE].mean)
    alt = "Weighted F1 by method, best average first: " + ", ".join(
        f"{one.title} {one.scores[AVERAGE].mean:.1f}" for one in ranked
    )
    caption = f"Best average on top; the same numbers as in Table 1.{_of_many(board)}"
    if any(score.mean is not None and not score.complete for row in board.rows for score in row.scores.values()):
        caption += " Some scores are of fewer seeds than the others, as Table 1 says."
    if label_free(board):
        caption += " Hollow: references made from the heads of DT, without training."
    if bounds:
        caption += " Vertical lines: reference runs, which are no methods."
    return figure, f"{caption} {dagger(board)}".strip(), f"{alt}."


def _cost(board: Board) -> tuple["Figure", str, str]:
    how = looks_of(board)
    rows = [line(row, how) for row in _leading(board)]
    rows += [line(row, how, reference=True) for row in label_free(board) if row == board.best_reference]
    lines = [one for one in rows if one.minutes is not None and AVERAGE in one.scores]
    if sum(not one.look.hollow for one in lines) < 2:
        raise LackingError("fewer than two methods have an average and a training time")
    figure = figures.f1_against_cost(f"Weighted F1 against cost: {board.title}", lines, AVERAGE)
    hardware = {(record.get("hardware") or {}).get("gpu") for row in board.rows for record in row.records}
    factor, unit = figures.time_scale(lines)
    times = {one.title: f"{factor * (one.minutes or 0):.1f} {unit}" for one in lines}
    alt = "; ".join(f"{one.title}: {times[one.title]}, F1 {one.scores[AVERAGE].mean:.1f}" for one in lines)
    caption = "Upper left is better. Times are those of the machine that ran the cells, frozen prefixes cached."
    caption += _of_many(board)
    if any(one.look.hollow for one in lines):
        caption += " Hollow: the best label-free reference, made from the heads of DT."
    if len(hardware) > 1:
        caption += " The cells ran on different machines: compare times with care."
    return figure, f"{caption} {dagger(board)}".strip(), f"{alt}."


def _severity(board: Board, boards: Sequence[Board]) -> tuple["Figure", str, str]:
    """From the boards whose protocols differ from this one's in the severity alone."""
    family = {other.protocol.severity: other for other in boards if _family(other) == _family(board)}
    points: dict[str, dict[str, list[tuple[float, Estimate]]]] = {anchor: {} for anchor in board.anchors}
    best = board.best_reference
    drawn = {row.label: row.title for row in _leading(board)}
    drawn |= {} if best is None else {best.label: f"{best.title} (reference)"}
    how = looks_of(board)
    for severity, other in sorted(family.items()):
        for row in (row for row in (*other.rows, *label_free(other)) if row.label in drawn):
            scores = line(row, how).scores
            for anchor in board.anchors:
                if anchor in scores:
                    points[anchor].setdefault(row.label, []).append((severity, scores[anchor]))
    several = {label for found in points.values() for label, values in found.items() if len(values) > 1}
    lines = {
        anchor: [(title, how[label], found[label]) for label, title in drawn.items() if label in {*found} & several]
        for anchor, found in points.items()
    }
    if not several:
        command = f"mmda-bench run --dataset {board.dataset} --severity 0.5"
        raise LackingError(f"all cells have one severity; others are made by `{command}`")
    figure = figures.f1_against_severity(f"Weighted F1 against severity: {board.title}", lines)
    alt = "Weighted F1 at severities " + ", ".join(f"{severity:g}" for severity in sorted(family)) + " by scenario."
    caption = (
        "Mean over seeds; small marks are single ones. Severity 1, at the rule, is the corpus's own shift; 0 is none."
    )
    if alone := [title for label, title in drawn.items() if label not in several]:
        caption += f" Left out, as their cells are of one severity: {', '.join(alone)}."
    if best is not None:
        caption += " Dashed: the best label-free reference, made from the heads of DT."
    return figure, f"{caption}{_of_many(board)}", alt


def _family(board: Board) -> tuple[str, str, bool, Protocol]:
    """What boards share that differ in the severity alone: corpus, its version, and the rest of the protocol."""
    return board.dataset, board.corpus, board.synthetic, replace(board.protocol, severity=1.0)


def _confusion(board: Board) -> tuple["Figure", str, str]:
    classes = classes_of(board)
    matrices = {row.title: diagnostics.confusions(scored(row)) for row in _leading(board)}
    if not any(matrices.values()):
        raise LackingError("no cell of this board has a confusion matrix")
    figure = diagnostics.confusion_matrices(f"Confusion: {board.title}", matrices, classes)
    recalls = []
    for title, by_anchor in matrices.items():
        for anchor, counts in by_anchor.items():
            recall = np.diag(counts) / np.maximum(counts.sum(1), 1)
            worst = int(recall.argmin())
            recalls.append(f"{title}, anchor {anchor}: {classes[worst]} {100 * recall[worst]:.0f} percent")
    alt = "The class least often recognised, and how often: " + "; ".join(recalls) + "."
    caption = f"Rows are true classes and sum to 100 percent; all seeds of a scenario together.{_of_many(board)}"
    return figure, caption, alt


def _curves(board: Board) -> tuple["Figure", str, str]:
    curves = {row.title: found for row in _leading(board) if (found := diagnostics.terms(row.records))}
    if not curves:
        raise LackingError("no cell of this board recorded its loss")
    figure = diagnostics.loss_curves(f"Terms of the loss: {board.title}", curves)
    caption = "Weighted as they enter the sum. Mean over seeds, failed ones too; the band spans the seeds."
    caption += _of_many(board)
    alt = "Loss by epoch, a panel per method and scenario. Terms: " + "; ".join(
        f"{title}: {', '.join(sorted({diagnostics.term_name(t) for terms in by_anchor.values() for t in terms}))}"
        for title, by_anchor in curves.items()
    )
    return figure, caption, f"{alt}."


def _balance(board: Board) -> tuple["Figure", str, str]:
    rows = {row.title: row.records for row in _leading(board)}
    figure, alt = balance.drawn(f"Gradients of terms at Z, beside that of L_IB: {board.title}", rows)
    return figure, f"{balance.CAPTION}{_of_many(board)}", alt


def stale(folder: Path, current: Iterable[str]) -> list[Path]:
    """Figures that an earlier store left below ``folder`` and that are not among the ``current`` paths any more."""
    ours, kept = re.compile(rf".+-({'|'.join([*KINDS, *OF_FAMILIES])})\.(svg|png)"), set(current)
    found = sorted(path for path in (folder / "figures").glob("*") if ours.fullmatch(path.name))
    return [path for path in found if f"figures/{path.name}" not in kept]


def files(plates: Mapping[str, Sequence[Plate]], coordinates: domains.Coordinates) -> dict[str, bytes]:
    """What to keep, by path below the results folder; the first board's scores also as the README's picture."""
    drawn = [plate for mine in plates.values() for plate in mine if plate.svg]
    found = {f"figures/{plate.name}.{end}": getattr(plate, end) for plate in drawn for end in ("svg", "png")}
    if drawn and drawn[0].name.endswith("-f1"):
        found |= {f"figures/leaderboard.{end}": getattr(drawn[0], end) for end in ("svg", "png")}
    return found | ({TSNE.as_posix(): coordinates.text().encode()} if coordinates.used else {})
