"""What the Tab key offers: names from the registries, which are read without importing what they name."""

from collections.abc import Callable, Iterable
from itertools import combinations

from mmda_bench.dataset import MODALITIES, NAMES
from mmda_bench.protocol import ANCHORS, CORRUPT, HEADS, SHIFTS
from mmda_bench.published import FAMILIES
from mmda_bench.registry import BACKBONES, DATASETS, METHODS, VALIDATORS
from mmda_bench.sweep.conditions import MISSING_IN, UNTOLD

Completion = Callable[[str], list[str]]


def one_of(known: Callable[[], Iterable[str]]) -> Completion:
    """Completes a word to those that begin with it, in any case."""

    def complete(incomplete: str) -> list[str]:
        fitting = [word for word in known() if word.lower().startswith(incomplete.lower())]
        return [incomplete + word[len(incomplete) :] for word in fitting]  # shells drop what begins otherwise

    return complete


def list_of(known: Callable[[], Iterable[str]]) -> Completion:
    """Completes the last word of a list with commas; what is in the list already is not offered again.

    >>> list_of(lambda: ["dt", "dann", "daln"])("dt,da")
    ['dt,dann', 'dt,daln']
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        minus = "-" if last.startswith("-") else ""
        words = [word for word in known() if word not in before.split(",")]
        return [f"{before}{comma}{minus}{word}" for word in one_of(lambda: words)(last.removeprefix("-"))]

    return complete


def _methods() -> list[str]:
    return [*METHODS.names(), *METHODS.groups(), *(f for f in FAMILIES if f not in METHODS.groups()), "everything"]


def _anchors() -> list[str]:
    return [*MODALITIES, *(NAMES[letter] for letter in MODALITIES)]


def _tables() -> tuple[str, ...]:
    from mmda_bench.report.choice import TABLES  # numpy, which the others do without

    return TABLES


def _columns() -> list[str]:
    from mmda_bench.report.choice import COLUMNS

    return [*_anchors(), *(word for word in COLUMNS["main"] if word not in ANCHORS and " " not in word)]


def _layouts() -> list[str]:
    from mmda_bench.data.export import layouts

    return layouts()


table = one_of(_tables)
columns = list_of(_columns)
layout = one_of(_layouts)
method = one_of(METHODS.names)
methods = list_of(_methods)
anchor = one_of(_anchors)
anchors = list_of(_anchors)
told_anchor = one_of(lambda: [*_anchors(), UNTOLD])
missing = one_of(lambda: [*MODALITIES, *("".join(pair) for pair in combinations(MODALITIES, 2))])
missing_in = one_of(lambda: MISSING_IN)
heads = one_of(lambda: HEADS)
select = one_of(lambda: [name for name in VALIDATORS.names() if not VALIDATORS.entry(name).oracle])
dataset = one_of(DATASETS.names)
backbone = one_of(BACKBONES.names)
shift = one_of(lambda: [*SHIFTS, CORRUPT])
checked = one_of(lambda: [*METHODS.names(), *DATASETS.names(), *BACKBONES.names()])
