"""Does A3D2 replicate? Its rows side by side: as printed, as released, detached, tuned, part by part. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median

from mmda_bench.dataset import MODALITIES
from mmda_bench.metrics.term_balance import ratios, strongest, verdict
from mmda_bench.protocol import LAST, TRIAL, Protocol
from mmda_bench.published import PUBLISHED
from mmda_bench.registry.spec import Spec, parse_spec
from mmda_bench.report.formats.captions import p_text, signed
from mmda_bench.report.missing import run_command
from mmda_bench.report.paired_tests import Difference
from mmda_bench.report.rows import AVERAGE, BASELINE, Board, Row

PAPER_METHOD = "a3d2"
PAPER_CORPUS = "iemocap"  # of its Table 2
FILE = "a3d2.md"
PLAIN, RELEASED, TUNED = "plain", "bn", "tuned"  # frames: linear heads, those of the released code, tuned settings


@dataclass(frozen=True)
class Variant:
    """A row of the page. ``typed``: as ``--methods`` takes it; ``frame``: where it runs."""

    title: str
    typed: str
    frame: str = PLAIN


VARIANTS = (
    Variant("DT", "dt"),
    Variant("as printed", "a3d2"),
    Variant("AA alone, as printed", "a3d2[-add]"),
    Variant("ADD alone, as printed: transport on representations", "a3d2[-aa]"),
    Variant("ADD alone, two hundred times as strong", "a3d2[gamma1=2000,-aa]"),
    Variant("predictions detached", "a3d2[detach=yes]"),
    Variant("AA with the weight that DANN has", "a3d2[gamma2=0.5]"),
    Variant("teaching by the anchor's predictions, nothing else", "anchor-teaching"),
    Variant("DT with the heads of the released code", "dt", RELEASED),
    Variant("as released", "a3d2-released", RELEASED),
    Variant("as released, transport on representations alone", "a3d2-released[-aa,-predictions]", RELEASED),
    Variant("as released, transport on predictions alone", "a3d2-released[-aa,-representations]", RELEASED),
    Variant("DT, tuned", "dt", TUNED),
    Variant("tuned", "a3d2", TUNED),
)
CLAIMS = (("AA", "a3d2[-add]"), ("ADD", "a3d2[-aa]"), ("both", "a3d2"))


def replication(boards: Sequence[Board]) -> str:
    """The page as Markdown, a section per corpus; "" where no board has a row of A3D2 as printed."""
    first: dict[str, Board] = {}
    for board in boards:
        if (
            board.anchors == MODALITIES
            and _frame(board.protocol) == PLAIN
            and _row(board, parse_spec(PAPER_METHOD)) is not None
        ):
            first.setdefault(board.dataset, board)
    if not first:
        return ""
    sections = ["# Does A3D2 replicate?", _preface(), *("\n\n".join(_section(b, boards)) for b in first.values())]
    return "\n\n".join(sections) + "\n"


def _preface() -> str:
    table = PUBLISHED[PAPER_CORPUS]
    above = ", ".join(f"{name} {table[typed][3] - table[BASELINE][3]:+.1f}" for name, typed in CLAIMS)
    return (
        f"The paper says of IEMOCAP, in points of weighted F1 above DT (Table 2): {above}. It has two parts: AA aligns "
        "the drifts across domains by adversaries, ADD drags them to the anchor by transport. The rows below take it "
        "apart on one corpus, each beside DT in the same frame: paired by seed and utterance, with 95 % intervals. The "
        "balance says how strong each part's gradient at the representations is beside that of the shared objective "
        "L_IB: at its strongest in a run, the median over runs and modalities."
    )


def _section(board: Board, boards: Sequence[Board]) -> Iterator[str]:
    yield f"## {board.title}"
    yield f"`{board.signature}`"
    head = ["row", *board.columns, "95 % interval", "above DT", "p"]
    lines = [head, ["---"] * len(head)]
    balances, absent = [], []
    for variant in VARIANTS:
        where = _board(variant.frame, board, boards)
        row = None if where is None else _row(where, parse_spec(variant.typed), any_settings=variant.frame == TUNED)
        if where is None or row is None:
            lines.append([variant.title, *["missing"] * len(board.columns), "", "", ""])
            absent.append(f"- {variant.title}: `{_command(variant, board)}`")
            continue
        lines.append([variant.title, *_scores(row, board.columns), *_tested(where, row)])
        if balance := _balance(row):
            balances.append(f"- {variant.title}: {balance}")
    yield "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    yield "\n".join(_claims(board))
    yield "### Balance of the terms"
    yield "\n".join(balances) or "No record of these rows has the gradients of its terms."
    if absent:
        yield "### Missing rows, and the commands that make them\n\n" + "\n".join(absent)


def _frame(protocol: Protocol) -> str | None:
    if protocol.select == TRIAL:
        return None
    if protocol.select != LAST:
        return TUNED
    return protocol.heads


def _board(frame: str, main: Board, boards: Sequence[Board]) -> Board | None:
    """The largest board of the same corpus and version that differs from ``main`` in its frame alone."""
    if frame == PLAIN:
        return main
    wanted = replace(main.protocol, heads=RELEASED if frame == RELEASED else main.protocol.heads)
    for board in boards:
        plain = replace(board.protocol, select=LAST, trials=0, study=0)
        if board.corpus == main.corpus and _frame(board.protocol) == frame and plain == wanted:
            return board
    return None


def _row(board: Board, spec: Spec, *, any_settings: bool = False) -> Row | None:
    """The row of a spec; ``any_settings``: chosen ones differ by anchor, so that the method alone tells it."""
    for row in board.lines:
        key = row.records[0]["key"]
        alike = any_settings or (key["params"] == dict(spec.params) and "rates" not in key)
        if alike and (row.method, row.off) == (spec.method, spec.off):
            return row
    return None


def _scores(row: Row, columns: Sequence[str]) -> list[str]:
    cells = []
    for column in columns:
        score = row.scores[column]
        spread = "" if score.sd is None else f" ± {score.sd:.1f}"
        cells.append("–" if score.mean is None else f"{score.mean:.1f}{spread}")
    return cells


def _tested(board: Board, row: Row) -> list[str]:
    interval, gap = row.intervals.get(AVERAGE), board.gaps.get(row.label)
    limits = "" if interval is None else f"{interval[0]:.1f} … {interval[1]:.1f}"
    return [limits, *(["", ""] if gap is None else [_signed(gap), p_text(gap.p).removeprefix("p ").removeprefix("= ")])]


def _signed(gap: Difference) -> str:
    return f"{signed(gap.mean, 1)} ({signed(gap.low, 1)} … {signed(gap.high, 1)})"


def _claims(board: Board) -> Iterator[str]:
    """What of the paper's gains is seen in this corpus."""
    table = PUBLISHED[PAPER_CORPUS]
    for name, typed in CLAIMS:
        printed = table[typed][3] - table[BASELINE][3]
        row = _row(board, parse_spec(typed))
        gap = None if row is None else board.gaps.get(row.label)
        if gap is None:
            yield f"- {name}: the paper has {printed:+.1f}; not tested here."
            continue
        seen = "a gain is" if gap.low > 0 else "a loss is" if gap.high < 0 else "neither gain nor loss is"
        yield f"- {name}: the paper has {printed:+.1f}, here it is {_signed(gap)}: {seen} seen."


def _balance(row: Row) -> str:
    """'AA: its gradient at Z is …', by kind of term, of the runs that recorded it."""
    peaks: dict[str, list[float]] = {}
    for record in row.records:
        gradients = (record.get("curves") or {}).get("gradients") or {}
        for term, values in ratios(gradients).items():
            if (peak := strongest(values)) is not None:
                peaks.setdefault(term.rpartition("_")[0] if term[-1] in MODALITIES else term, []).append(peak)
    return "; ".join(f"{kind}: {verdict(median(found))}" for kind, found in peaks.items())


def _command(variant: Variant, board: Board) -> str:
    protocol = replace(board.protocol, heads=RELEASED) if variant.frame == RELEASED else board.protocol
    key = {"dataset": board.dataset, "protocol": asdict(protocol)}
    command = run_command(key, [variant.typed], board.anchors, board.seeds, rerun=False, bounds=False)
    return f"{command} --protocol tuned" if variant.frame == TUNED else command
