"""Friedman's test and Nemenyi's critical difference, for those who ask: mean ranks over scenarios, in text."""

from collections import defaultdict
from collections.abc import Sequence

from mmda_bench.protocol import Protocol
from mmda_bench.report.paired_tests import ALPHA, Ranking, friedman
from mmda_bench.report.rows import Board

NOTE = (
    "A block is a scenario (corpus and anchor), its seeds averaged: seeds are not independent and are no blocks.\n"
    "Three to six blocks have almost no power, and scenarios of one corpus share utterances: no difference found here\n"
    "means little."
)


def text(boards: Sequence[Board]) -> str:
    """A ranking for every protocol, over the scenarios of all its corpora; of the rows that are complete in all."""
    families: dict[Protocol, list[Board]] = defaultdict(list)
    for board in boards:
        families[board.protocol].append(board)
    return "\n\n".join(_family(members) for members in families.values()) or "No record yet."


def _family(boards: Sequence[Board]) -> str:
    names = ", ".join(f"`{board.signature}`" for board in boards)
    rows = [{row.label: row for row in board.rows} for board in boards]
    common = [
        label
        for label in rows[0]
        if all(label in mine and all(mine[label].scores[m].complete for m in mine[label].anchors) for mine in rows)
    ]
    if len(common) < 3:
        return f"Mean ranks need three complete methods: {names} has {len(common)}."
    scores = {name: [mine[name].scores[m].mean or 0.0 for mine in rows for m in mine[name].anchors] for name in common}
    return f"Mean ranks on {names}\n\n{diagram(friedman(scores))}\n\n{NOTE}"


def diagram(ranking: Ranking) -> str:
    """A line per method, best first; bars join the methods that Nemenyi's test does not tell apart."""
    order = sorted(ranking.ranks, key=lambda name: ranking.ranks[name])
    ranks = [ranking.ranks[name] for name in order]
    groups: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(i for i, other in enumerate(ranks) if other - rank < ranking.critical)
        if last > first and (not groups or last > groups[-1][1]):
            groups.append((first, last))
    width = max(map(len, order))
    lines = [
        f"  {name:{width}}  {rank:5.2f}  " + "".join(" |" if a <= i <= b else "  " for a, b in groups)
        for i, (name, rank) in enumerate(zip(order, ranks, strict=True))
    ]
    head = (
        f"  Friedman p = {ranking.p:.3f} over {ranking.blocks} blocks; critical difference {ranking.critical:.2f} at "
    )
    return "\n".join([f"{head}{ALPHA:.0%} (Nemenyi)", *(line.rstrip() for line in lines)])
