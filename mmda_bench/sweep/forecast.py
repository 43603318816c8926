"""How much longer: of the cells of a sweep from stored records and from what is under way, of a count from its pace."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from mmda_bench.protocol import Cell
from mmda_bench.units import duration

Kind = tuple[str, str, str]  # method, corpus, backbone


class Forecast:
    """What the cells of a sweep cost, in seconds, and how long those that are left will take.

    A cell is expected to cost what finished cells of its method have cost in this sweep; else what stored ones of its
    method have, as much faster or slower as this machine has been so far; else the mean of what is known. Costs are per
    epoch. ``at_once``: cells that run at the same time; None for the most that have been seen to. All times that are
    handed in are those of one clock.
    """

    def __init__(
        self, cells: Sequence[Cell], records: Iterable[Mapping[str, Any]] = (), *, at_once: int | None = None
    ) -> None:
        self.waiting = {cell.hash: cell for cell in cells}
        self.running: dict[str, tuple[Cell, float]] = {}
        self.at_once, self._most = at_once, 1
        self._stored = _costs(records)
        self._seen: dict[Kind, list[float]] = {}
        self._spent = self._expected = 0.0  # of finished cells with a stored cost

    def started(self, cell: Cell, now: float) -> None:
        """A cell has begun."""
        self.waiting.pop(cell.hash, None)
        self.running[cell.hash] = (cell, now)
        self._most = max(self._most, len(self.running))

    def finished(self, cell: Cell, seconds: float | None) -> None:
        """A cell has ended, after ``seconds``; None where that is not known, as of one that failed."""
        self.waiting.pop(cell.hash, None)
        self.running.pop(cell.hash, None)
        if seconds is None:
            return
        if (stored := self._known(cell, self._stored)) is not None:
            self._spent, self._expected = self._spent + seconds, self._expected + stored
        self._seen.setdefault(_kind(cell), []).append(seconds / cell.protocol.epochs)

    def left(self, now: float) -> float | None:
        """Seconds until the last cell ends; None while nothing is known of any cell."""
        rests = []
        for cell, since in [*self.running.values(), *((cell, now) for cell in self.waiting.values())]:
            cost = self.cost(cell)
            if cost is None:
                return None
            rests.append(max(0.0, cost - (now - since)))
        return max(sum(rests) / (self.at_once or self._most), max(rests, default=0.0))

    def cost(self, cell: Cell) -> float | None:
        """The expected seconds of a cell."""
        if own := self._seen.get(_kind(cell)):
            return fmean(own) * cell.protocol.epochs
        pace = self._spent / self._expected if self._expected else 1.0
        if (stored := self._known(cell, self._stored)) is not None:
            return pace * stored
        return self._known(cell, self._seen)

    @staticmethod
    def _known(cell: Cell, costs: Mapping[Kind, Sequence[float]]) -> float | None:
        """What cells of this method, or else of any on this corpus, are known to cost."""
        _, *where = _kind(cell)
        found = costs.get(_kind(cell)) or [
            cost for (_, *there), some in costs.items() if there == where for cost in some
        ]
        return fmean(found) * cell.protocol.epochs if found else None


def _kind(cell: Cell) -> Kind:
    return cell.method, cell.dataset, cell.protocol.backbone


def _costs(records: Iterable[Mapping[str, Any]]) -> dict[Kind, list[float]]:
    """Seconds an epoch of stored cells, by kind."""
    found: dict[Kind, list[float]] = {}
    for record in records:
        if record["status"] == "ok" and record.get("times"):
            key = record["key"]
            kind = (key["method"], key["dataset"], key["protocol"]["backbone"])
            found.setdefault(kind, []).append(record["times"]["total_s"] / key["protocol"]["epochs"])
    return found


class Pace:
    """How fast something is counted, from its first sight on."""

    def __init__(self, done: int, now: float) -> None:
        self.first, self.start = done, now

    def told(self, done: int, total: int, now: float) -> str:
        """'35 a second, about 31 s left'; "" before anything can be said.

        >>> Pace(100, 0.0).told(450, 800, 10.0), Pace(0, 0.0).told(1, 10, 20.0), Pace(0, 0.0).told(0, 9, 1.0)
        ('35 a second, about 10 s left', '3 a minute, about 3 min left', '')
        """
        counted, spent = done - self.first, now - self.start
        if counted <= 0 or spent <= 0 or done >= total:
            return ""
        rate = counted / spent
        speed = f"{rate:.0f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute"
        return f"{speed}, about {duration((total - done) / rate)} left"
