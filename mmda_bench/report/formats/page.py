"""The leaderboards as one HTML page that needs nothing but itself: no server, no network, no other file.

Pure: boards and plates to text. Everything that comes from records, plug-ins or predictions is escaped by the template,
and the page's own script is the only one that its content security policy lets run.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from mmda_bench.protocol import CORRUPT, format_seeds
from mmda_bench.published import PAPER_ORDER
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, Entry, catalogue
from mmda_bench.report.boards import variants
from mmda_bench.report.drawn import Plate
from mmda_bench.report.figures.style import for_both_themes
from mmda_bench.report.formats import drilldown
from mmda_bench.report.formats import tables as sections
from mmda_bench.report.formats.captions import beaten
from mmda_bench.report.formats.grid import Table
from mmda_bench.report.formats.mathml import mathml
from mmda_bench.report.paired_tests import LEAST_SEEDS
from mmda_bench.report.rows import AVERAGE, Board, Row
from mmda_bench.store import Damaged, Store

LARGEST = 3_000_000  # bytes of a page of up to 1,200 cells; figures have what its text leaves
CELLS, A_CELL = 1_200, 1_300  # each further cell brings the room of its own text, so that the figures stay
AROUND = 500  # bytes beside the data of a figure
DOI = re.compile(r"10\.\d{4,9}/\S+")
REPOSITORY = re.compile(r"\b(github\.com/[\w-]+/[\w-]+)")


@dataclass(frozen=True)
class Strip:
    """A score and its interval as shares of a common axis, in percent of its width; ``text`` for who cannot see it."""

    at: float
    low: float
    high: float
    text: str


def page(
    boards: Sequence[Board], damaged: Sequence[Damaged], plates: Mapping[str, Sequence[Plate]], store: Store
) -> str:
    """The whole page. ``plates``: by slug, in the order of ``boards``."""
    script = _asset("page.js")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"coded": coded, "doi_link": doi_link, "linked": linked, "mathml": mathml}
    render = partial(
        environment.from_string(_asset("page.html.j2")).render,
        style=Markup(_asset("page.css")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        boards=[
            _view(board, slug, variant, mine, store)
            for board, variant, (slug, mine) in zip(boards, variants(boards), plates.items(), strict=True)
        ],
        damaged=damaged,
        methods=[_card(entry) for entry in catalogue.entries(METHODS)],
    )
    cells = len({r["hash"] for board in boards for row in (*board.lines, *board.references) for r in row.records})
    room = LARGEST + A_CELL * max(0, cells - CELLS) - len(render(pictures={}).encode())
    return render(pictures=embedded([plate for mine in plates.values() for plate in mine], room))


def _asset(name: str) -> str:
    return (files("mmda_bench.report.formats") / name).read_text("utf-8")


def _view(board: Board, slug: str, variant: str, plates: Sequence[Plate], store: Store) -> dict[str, object]:
    """What the template shows of a board."""
    tables = sections.tables(board)
    return {
        "slug": slug,
        "variant": variant,
        "name": f"{board.title}, {variant}" if variant else board.title,
        "board": board,
        "main": next((by_average(table, board) for table in tables if table.name == "main"), None),
        "references": next((table for table in tables if table.name == "reference"), None),
        "tables": [table for table in tables if table.name not in ("main", "reference")],
        "strips": strips(board),
        "axis": _axis(board),
        "has_bold": any(AVERAGE in row.bold for row in board.rows),
        "protocol": protocol_in_words(board),
        "summary": summary(board),
        "picture": next((plate for plate in plates if plate.name.endswith("-f1") and plate.svg), None),
        "plates": [plate for plate in plates if not (plate.name.endswith("-f1") and plate.svg)],
        "runs": [] if board.brief else drilldown.runs(board, store),
        "details": {} if board.brief else drilldown.details(board, slug),  # a family may have a hundred members
        "tips": drilldown.tips(board),
        "origin": drilldown.origin(board),
    }


def by_average(table: Table, board: Board) -> Table:
    """The main table with the highest average first, and what has none last."""
    means = {row.marked: row.scores[AVERAGE].mean for row in board.rows}
    order = sorted(table.rows, key=lambda row: -(means[row[0].text] or -1.0))
    return replace(table, rows=order)


def embedded(plates: Sequence[Plate], room: int) -> dict[str, str]:
    """The figures that the page carries as images, by name: the first ones that have ``room``, in bytes."""
    found = {}
    for plate in plates:
        if plate.svg and (size := len(image := data_uri(plate.svg)) + AROUND) <= room:
            found[plate.name], room = image, room - size
    return found


def summary(board: Board) -> str:
    """Who leads, in one sentence, and whether that is more than noise."""
    ranked = sorted(
        (row for row in board.rows if row.scores[AVERAGE].mean is not None),
        key=lambda row: -(row.scores[AVERAGE].mean or 0),
    )
    if len(ranked) < 2:
        return "Fewer than two methods have a complete average: nothing to compare yet."
    best = ranked[0]
    text = f"{best.title} has the best average, {best.scores[AVERAGE].mean:.1f} percent weighted F1."
    tested = [row for row in ranked if AVERAGE in row.from_best]
    if not tested:
        parts = [text, "No test could be applied: differences may be noise.", beaten(board)]
    elif len(board.seeds) < LEAST_SEEDS:
        parts = [
            text,
            f"It takes {LEAST_SEEDS} seeds to say which methods are worse: differences may be noise.",
            beaten(board),
        ]
    else:
        equal = ", ".join(row.title for row in tested if not row.from_best[AVERAGE].significant)
        said = f"Not significantly worse: {equal}." if equal else "Every other method is significantly worse."
        parts = [text, "It is not steady over seeds or epochs." if not best.steady else "", said, beaten(board)]
    return " ".join(part for part in parts if part)


def strips(board: Board) -> dict[str, Strip]:
    """By the row's name in the table: its average and interval on the board's common axis."""
    low, high = _axis(board)
    found = {}
    for row in _with_average(board):
        mean = row.scores[AVERAGE].mean or 0.0
        limits = row.intervals.get(AVERAGE, (mean, mean))
        at, left, right = (round(100 * (value - low) / (high - low), 2) for value in (mean, *limits))
        text = f"{limits[0]:.1f} to {limits[1]:.1f}" if AVERAGE in row.intervals else f"{mean:.1f}"
        found[row.marked] = Strip(at, left, right, text)
    return found


def _axis(board: Board) -> tuple[int, int]:
    """Multiples of ten around all averages and intervals."""
    values = [v for r in _with_average(board) for v in (r.scores[AVERAGE].mean or 0.0, *r.intervals.get(AVERAGE, ()))]
    if not values:
        return 0, 100
    low = int(min(values) // 10 * 10)
    return low, max(low + 10, int(-(-max(values) // 10) * 10))


def _with_average(board: Board) -> list[Row]:
    return [row for row in (*board.rows, *board.references) if row.scores[AVERAGE].mean is not None]


def protocol_in_words(board: Board) -> list[tuple[str, str]]:
    """Every choice behind the numbers: a name and a sentence, in the order of the signature."""
    p = board.protocol
    entry, backbone = DATASETS.entries().get(board.dataset), BACKBONES.entries().get(p.backbone)
    shift = {"paper": "the paper's strengths, as variances", "released": "the same numbers as standard deviations"}
    shift["released-8bit"] = f"{shift['released']}, darkened pictures rounded to whole brightness values"
    changed = f"two of three modalities, in the target alone; {shift.get(p.shift, p.shift)}, times {p.severity:g}"
    if p.shift.startswith(CORRUPT):
        corruptions = p.shift.removeprefix(CORRUPT)
        changed = f"drifting modalities, in the target alone: {corruptions}; the number is the severity of 5"
    words = {
        "Corpus": catalogue.objective(entry) if entry and entry.doc else board.dataset,
        "Split": f"each domain is half of the corpus, drawn with split seed {p.split}, the same for every method",
        "Shift": changed,
        "Backbone": f"{p.backbone}: {catalogue.objective(backbone) if backbone else 'not registered here'}",
        "Heads": {"plain": "linear", "bn": "those of A3D2's released code, with batch normalisation"}.get(
            p.heads, p.heads
        ),
        "Training": f"{p.epochs} epochs, {p.batch} utterances per domain in a step, weight of log|Σ| {p.beta:g}",
        "Model": "that of the last epoch; target labels take no part in choosing it",
        "Seeds": f"{format_seeds(board.seeds)}; the mean over them is scored",
        "Metric": "F1 of the classes, weighted by their frequency in the target test set",
    }
    return [*words.items(), ("Signature", board.signature)]


def _card(entry: Entry) -> dict[str, object]:
    return {
        "name": entry.name,
        "title": entry.title,
        "of_the_paper": entry.name in PAPER_ORDER,
        "origin": entry.origin,
        "reason": entry.reason,
        "paper": entry.facts.get("paper"),
        "doi": entry.doi,
        "adds": catalogue.objective(entry),
        "parameters": catalogue.parameters(entry),
        "components": ", ".join(entry.components),
        "ours": entry.facts.get("ours"),
    }


def coded(text: str) -> Markup:
    """Escaped text with what stands between backticks as code."""
    parts = [str(escape(part)) for part in text.split("`")]
    return Markup("".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)))


def linked(text: str) -> Markup:
    """Escaped text in which the address of a public repository is a link: that of a method's official code."""
    parts = [str(escape(part)) for part in REPOSITORY.split(text)]
    return Markup("".join(f'<a href="https://{part}">{part}</a>' if i % 2 else part for i, part in enumerate(parts)))


def data_uri(svg: bytes) -> str:
    """An SVG as the source of an image: isolated from the page, it can run and load nothing."""
    text = for_both_themes(svg.decode()).replace('"', "'").replace("\n", " ")
    return "data:image/svg+xml," + quote(text[text.index("<svg") :], safe="()*+,-./:;=@_~!")


def doi_link(doi: object) -> str | None:
    """Where a DOI leads; None for anything that does not look like one."""
    return f"https://doi.org/{quote(str(doi), safe='/.;()-_:')}" if doi and DOI.fullmatch(str(doi)) else None
