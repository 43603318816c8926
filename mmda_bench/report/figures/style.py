"""The look that every figure shares, and figures as bytes: the same data give the same SVG and the same PNG.

Colours are told apart by readers with any colour vision, and no figure relies on them alone: a method has a marker, a
term a line style, a component a hatch. Nothing here uses pyplot or changes the caller's matplotlib.
"""

import functools
import io
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from mmda_bench.protocol import REFERENCES
from mmda_bench.published import PAPER_ORDER
from mmda_bench.registry import METHODS

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")
T = TypeVar("T")
Marker = str | tuple[int, int, int]  # as matplotlib has them
Dashes = str | tuple[float, tuple[float, ...]]

INK, MUTED, RULE, PAPER = "#1b1f24", "#5b6470", "#d5d9de", "#fffffe"  # paper is told from white: see for_both_themes
PNG_DPI, RASTER_DPI = 200, 120  # of a PNG; of what is drawn as pixels inside an SVG
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same glyphs on every machine
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "lines.markeredgecolor": PAPER,
    "lines.markeredgewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "mmda-bench",
    "text.parse_math": False,  # titles come from plug-ins: a dollar sign is a dollar sign
}

# By position in the paper's table, the row of no adaptation first and neutral. Colours differ in hue or lightness for
# every kind of colour vision (Okabe and Ito's, extended).
_LOOKS = (
    ("#707780", "s"), ("#0072b2", "o"), ("#4aa8dd", "D"), ("#009e73", "^"), ("#e69f00", "v"), ("#9a6a3c", "P"),
    ("#cc79a7", "X"), ("#7a5bd0", "p"), ("#a8a100", "h"), ("#d55e00", "*"),
)  # fmt: skip
TITLE_PER_INCH = 10.5  # characters
_REFERENCES = "oDs"  # hollow, by place among the references: they are no methods
_PARTS = (("#8c3a00", ">"), ("#f2a36b", "<"))  # of a method without its first or second component
# What tells rows of one method apart beside its colour: signs that no method of the paper has, then any other.
_FURTHER: tuple[Marker, ...] = ("d", (3, 1, 0), (4, 1, 0), "<", ">", (6, 1, 0), (4, 1, 45), (3, 1, 180), *"^svoXPphD*")
_DASHES: tuple[Dashes, ...] = ((0, (4, 1.2)), (0, (1.2, 1)), (0, (5, 1, 1.2, 1)), (0, (3, 1, 1, 1, 1, 1)))


class LackingError(Exception):
    """A figure's inputs are not in the store; the message says which."""


@dataclass(frozen=True)
class Style:
    """How a method is drawn, everywhere. ``marker`` and ``dashes`` of its lines as in matplotlib; ``hollow``: of a
    reference."""

    colour: str
    marker: Marker
    hollow: bool = False
    dashes: Dashes = "-"

    @property
    def size(self) -> float:
        """Of the marker, in points: a star looks smaller than a disc of its width."""
        return {"*": 10.5, "D": 5.8}.get(self.marker, 7.0) if isinstance(self.marker, str) else 9.0

    @property
    def face(self) -> dict[str, Any]:
        """Colours of the marker, as keyword arguments of ``plot``."""
        return {"color": self.colour} | ({"mfc": PAPER, "mec": self.colour, "mew": 1.2} if self.hollow else {})


def look(method: str, off: tuple[str, ...] = ()) -> Style:
    """The style of a row: by its place in the paper's table, of an ablation by the component that is off.

    Other methods get one derived from their name.
    """
    entry = METHODS.entries().get(method)
    if entry is not None and len(off) == 1 and off[0] in entry.components[: len(_PARTS)]:
        return Style(*_PARTS[entry.components.index(off[0])])
    if method in REFERENCES:
        return Style(MUTED, _REFERENCES[REFERENCES.index(method)], hollow=True, dashes="--")
    if method in PAPER_ORDER:
        return Style(*_LOOKS[PAPER_ORDER.index(method)])
    number = sum(method.encode())
    colours = ("#3b6e8f", "#8a4f7d", "#5f7f2e", "#b0566a")
    return Style(colours[number % len(colours)], "d8H<>"[number % 5])


def looks(rows: Iterable[tuple[str, str, tuple[str, ...]]]) -> dict[str, Style]:
    """The style of every row (label, method, what is off) by its label, no two alike.

    Of several rows of a method, the one with the shortest label has the method's own, and the others its colour with
    another sign and line.

    >>> [one.marker for one in looks([("dann[align_on=joint]", "dann", ()), ("dann", "dann", ())]).values()]
    ['o', 'd']
    """
    found: dict[str, Style] = {}
    for label, method, off in sorted(rows, key=lambda row: (len(row[0]), row[0])):
        own = look(method, off)
        if label in found:
            continue
        taken = [one for one in found.values() if one.colour == own.colour]
        if any(one.marker == own.marker for one in taken):
            used, mine = {one.marker for one in found.values()}, {one.marker for one in taken}
            free = [m for m in _FURTHER if m not in used] or [m for m in _FURTHER if m not in mine] or [own.marker]
            own = replace(own, marker=free[0], dashes=_DASHES[(len(taken) - 1) % len(_DASHES)])
        found[label] = own
    return found


def styled(draw: Callable[P, T]) -> Callable[P, T]:
    """``draw`` under :data:`STYLE`, whatever the machine's own settings."""

    @functools.wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> T:
        import matplotlib as mpl

        with mpl.rc_context(mpl.rcParamsDefault), mpl.rc_context(STYLE), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box is drawn: no reason to fail
            return draw(*args, **kwargs)

    return in_style


def panels(rows: int, columns: int, *, width: float, height: float, **options: Any) -> "tuple[Figure, list[Axes]]":
    """A figure of ``width`` × ``height`` inches and its axes, row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.flat)


@styled
def settle(figure: "Figure") -> "Figure":
    """The figure with its layout computed once and for all, which is most of the work of saving it."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


@styled
def svg(figure: "Figure") -> bytes:
    """The figure as SVG with its text as shapes; no date, no version, no random identifier."""
    file = io.BytesIO()
    figure.savefig(file, format="svg", dpi=RASTER_DPI, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    text = re.sub(r"<!--.*?-->", "", file.getvalue().decode(), flags=re.DOTALL)
    text = re.sub(r'\b(d|x|y|points)="([^"]*)"', lambda found: f'{found[1]}="{_compact(found[2])}"', text)
    text = re.sub(r"translate\(([^)]*)\)", lambda found: f"translate({_compact(found[1])})", text)
    text = re.sub(r'(<g) id="[^"]*"', r"\1", text).replace("DejaVuSans-", "g")  # names that nothing refers to
    return re.sub(r"\s*\n\s*", "\n", text).encode()


def _compact(coordinates: str) -> str:
    """Coordinates to hundredths of a point, which nobody can see, in half the bytes."""
    rounded = re.sub(r"\d+\.\d+", lambda number: f"{float(number[0]):.2f}".rstrip("0").rstrip("."), coordinates)
    return re.sub(r",?([A-Za-z]),?", r"\1", ",".join(rounded.split()))


@styled
def png(figure: "Figure") -> bytes:
    """The figure as PNG, 200 dots per inch."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return file.getvalue()


def head(figure: "Figure", title: str) -> None:
    """The title of a whole figure, on as many lines as its width asks for."""
    lines = wrapped(short(title, 110), int(TITLE_PER_INCH * figure.get_figwidth()))
    figure.suptitle(lines, fontsize=11, fontweight="bold", x=0.01, ha="left")


def short(text: str, limit: int = 32) -> str:
    """A name that leaves room for the data; names come from users and plug-ins and may have any length."""
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def wrapped(text: str, limit: int = 18, lines: int = 3) -> str:
    """A name on several lines, broken at spaces and in its settings, for where a long one would meet its neighbour.

    >>> wrapped("DANN[align_on=drifts]"), wrapped("A3D2[gamma1=2000,-aa]"), wrapped("A3D2")
    ('DANN\\n[align_on=drifts]', 'A3D2[gamma1=2000,\\n-aa]', 'A3D2')
    """
    rows = [""]
    for piece in re.split(r"(?<=[,\s])|(?=\[)", " ".join(text.split())):
        if rows[-1] and len((rows[-1] + piece).rstrip()) > limit:
            rows.append("")
        rows[-1] += piece
    rows[lines - 1 :] = ["".join(rows[lines - 1 :])] if len(rows) >= lines else []
    return "\n".join(short(row, limit) for row in rows)


def legend_entries(axes: "Sequence[Axes]") -> "dict[str, Artist]":
    """What several axes label, each label once."""
    return {label: handle for ax in axes for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}


def frame_line(axes: "Sequence[Axes]", method: str) -> None:
    """A line of panels about one method: its name at the left, what the panels label at the right."""
    name = wrapped(method)
    axes[0].set_ylabel(name, fontweight="bold", fontsize=7 if "\n" in name or len(name) > 12 else 8.5)
    handles = legend_entries(axes)
    axes[-1].legend(handles.values(), handles.keys(), loc="center left", bbox_to_anchor=(1.02, 0.5), fontsize=7)


def for_both_themes(svg_text: str) -> str:
    """An SVG of :func:`svg` whose ink and paper follow the reader's light or dark theme when it stands in a page.

    White and black stay: numbers in a coloured square stand on that colour in both themes.
    """
    swaps = {PAPER: "#14171b", INK: "#e8eaed", MUTED: "#aab2bd", RULE: "#3a414a"}
    rules = "".join(
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in swaps.items()
        for kind in ("fill", "stroke")
    )
    style = f"<style>@media (prefers-color-scheme: dark){{{rules}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda match: match[0] + style, svg_text, count=1)


def spread(positions: list[float], gap: float, *, within: tuple[float, float] = (-math.inf, math.inf)) -> list[float]:
    """Positions moved until neighbours are at least ``gap`` apart: order is kept, and what touches stays centred,
    unless it would leave ``within``, which has room for all."""
    order = sorted(range(len(positions)), key=lambda i: (positions[i], i))
    blocks: list[list[float]] = []  # centre and number of labels of each block that touches
    for i in order:
        blocks.append([positions[i], 1])
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (blocks[-1][1] + blocks[-2][1]) / 2:
            centre, count = blocks.pop()
            below = blocks[-1]
            below[0] = (below[0] * below[1] + centre * count) / (below[1] + count)
            below[1] += count
    placed = [centre + gap * (k - (count - 1) / 2) for centre, count in blocks for k in range(int(count))]
    low, high = within
    last = len(placed) - 1
    placed = [max(min(place, high - gap * (last - k)), low + gap * k) for k, place in enumerate(placed)]
    result = [0.0] * len(positions)
    for i, place in zip(order, placed, strict=True):
        result[i] = place
    return result
