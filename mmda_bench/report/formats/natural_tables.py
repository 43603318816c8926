"""What a natural pair is like: the frequencies of the classes on both sides, and how far apart each modality is."""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.protocol import NATURAL
from mmda_bench.report.formats.captions import ABSENT, signed
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.rows import BASELINE, Board
from mmda_bench.store import Record, scores_of


def natural_tables(board: Board) -> Iterator[Table]:
    """Of a natural pair, whose domains differ in more than a shift of ours; none of another board."""
    if NATURAL in board.scored:
        yield _priors(board)
        yield _distances(board)


def _cells(board: Board, label: str = "") -> list[Record]:
    """The cells of the rows that have a score, each once; of one row by its label."""
    rows = (row for row in (*board.rows, *board.references) if label in ("", row.label))
    cells = [record for row in rows for record in row.records if record["status"] == "ok" and "reference" not in record]
    return list({record["hash"]: record for record in cells}.values())


def _priors(board: Board) -> Table:
    rows = []
    for record in _cells(board)[:1]:
        names = (record["dataset"] or {}).get("classes", [])
        counts = [scores_of(record, f"{domain}_test").get("support", []) for domain in ("source", "target")]
        shares = [[100 * count / (sum(mine) or 1) for count in mine] for mine in counts]
        for name, source, target in zip(names, *shares, strict=True):
            cells = [f"{source:.1f}", f"{target:.1f}", signed(target - source, 1)]
            rows.append([TextCell(name), *map(TextCell, cells)])
        apart = sum(abs(a - b) for a, b in zip(*shares, strict=True)) / 2
        rows.append([TextCell("to be moved"), TextCell(""), TextCell(""), TextCell(f"{apart:.1f}")])
    return Table(
        "prior",
        "Frequencies of the classes",
        ["class", "source", "target", "difference"],
        rows,
        "Percent of the two test sets. To be moved: half of the sum of the absolute differences, the share of one side "
        "that would have to change its class. Where it is large, read the macro-F1 beside the weighted one.",
    )


def _distances(board: Board) -> Table:
    cells = _cells(board, BASELINE)
    metrics = [record["metrics"] or {} for record in cells]
    probes = [probe for one in metrics if (probe := one.get("detected_anchor"))]
    apart = [by_modality for one in metrics if (by_modality := one.get("category_distance"))]
    rows = []
    for m in MODALITIES:
        accuracy = _mean([found["accuracy"].get(m) for found in probes if "accuracy" in found])
        distance = _mean([found.get(m) for found in apart])
        proxy = None if accuracy is None else 2 * (2 * accuracy - 1)
        shown = [
            ABSENT if accuracy is None else f"{100 * accuracy:.1f}",
            ABSENT if proxy is None else f"{max(0.0, proxy):.2f}",
            ABSENT if distance is None else f"{distance:.2f}",
        ]
        rows.append([TextCell(f"{m} ({NAMES[m]})"), *map(TextCell, shown)])
    return Table(
        "domains",
        "How far apart the domains are in each modality",
        ["modality", "told apart", "proxy A-distance", "category distance"],
        rows if probes or apart else [],
        "Of the representations of DT, mean over seeds. Told apart: percent of utterances that a logistic regression "
        "gives the right domain, 50 is chance. Proxy A-distance: 2(1 − 2ε) of its error ε, from 0 to 2. Category "
        f"distance: D_m of the paper, between the class centres. {_assumed(board)}".strip(),
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _assumed(board: Board) -> str:
    """What methods that need an anchor took for it."""
    found = Counter(
        assumed["modality"]
        for record in _cells(board)
        if (assumed := (record["metrics"] or {}).get("assumed_anchor")) is not None
    )
    said = ", ".join(f"{m} in {count} of {found.total()} cells" for m, count in found.most_common())
    takes = "There is no anchor; a method that needs one takes what looks least shifted before training"
    return f"{takes}: {said}." if said else ""
