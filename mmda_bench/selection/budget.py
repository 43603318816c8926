"""Which settings are tried: the same number for every method, the published one first."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import qmc

from mmda_bench.protocol import TRIALS, name_hash
from mmda_bench.registry import Choice, Entry, LogUniform, Uniform, UsageError

RATES = LogUniform(0.3, 3.0)  # of the factors on the two learning rates
DIGITS = 4  # significant ones of a drawn value


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What one trial runs. ``params``: the hyper-parameters, as a cell has them. ``rate``, ``pretrained_rate``: factors
    on the backbone's learning rates, of new modules and of the trained pretrained layers."""

    params: Mapping[str, Any] = field(default_factory=dict)
    rate: float = 1.0
    pretrained_rate: float = 1.0


def trials(entry: Entry, count: int = TRIALS, *, study: int = 0) -> list[Setting]:
    """The ``count`` settings of a method that are tried: the published one, then points of its search space.

    Every method gets the same number, one without hyper-parameters too: the two learning rates are searched for all.
    What a variant fixes (``overrides``) is not searched [ours]. ``study``: another number draws other points. More
    trials begin with the same settings as fewer; a parameter that is added to the space moves the draws of no other.

    Raises :class:`UsageError` for a count below 1, and for a range of what is no hyper-parameter.

    >>> from mmda_bench.registry import METHODS
    >>> first, second = trials(METHODS.entry("a3d2"), 2)
    >>> first.params["gamma1"], first.rate
    (10.0, 1.0)
    >>> 10 <= second.params["gamma1"] <= 10_000, 0.3 <= second.rate <= 3
    (True, True)
    """
    if count < 1:
        raise UsageError(f"{count} trials: expected at least 1, the published setting")
    fixed = entry.facts.get("overrides") or {}
    space = {name: space for name, space in entry.search_space.items() if name not in fixed}
    if unknown := [name for name in space if name not in entry.parameters]:
        reason = f"a range for {unknown[0]!r}, which is none of its hyper-parameters"
        raise UsageError(f"method {entry.name} has {reason}; for all of its faults: mmda-bench check {entry.name}")
    own = {name: draws("own", entry.name, name, count=count - 1, study=study) for name in space}
    common = {
        name: draws("common", entry.name, name, count=count - 1, study=study) for name in ("rate", "pretrained_rate")
    }
    settings = [Setting(params=entry.settings())]
    for i in range(count - 1):
        drawn = {name: at(space[name], points[i], entry.parameters[name]) for name, points in own.items()}
        rates = {name: at(RATES, points[i], 1.0) for name, points in common.items()}
        settings.append(Setting(params=entry.settings(drawn), **rates))
    return settings


def draws(*names: object, count: int, study: int = 0) -> np.ndarray:
    """(count,) scrambled Sobol points in [0, 1) of the stream with these names.

    A stream has one dimension, so that it depends on no other. Two such streams run through the halves of [0, 1) in the
    same order: of any two parameters, two of the four combinations of high and low would never be tried. Therefore each
    block of points 2^j to 2^{j+1} − 1, which fills [0, 1) evenly, is put into an order of its own [ours].

    >>> points = draws("a3d2", "gamma1", count=16)
    >>> sorted((16 * points).astype(int).tolist()) == list(range(16))
    True
    """
    rng = np.random.default_rng(name_hash("trials", study, *names))
    size = 1 << max(count - 1, 0).bit_length()
    points = qmc.Sobol(1, scramble=True, seed=rng).random(size)[:, 0]
    blocks = [rng.permutation(points[start : 2 * start]) for start in (1 << j for j in range(size.bit_length() - 1))]
    return np.concatenate([points[:1], *blocks])[:count]


def at(space: Any, point: float, default: Any) -> Any:
    """The value of a range at ``point`` in [0, 1): a whole number where ``default`` is one, else of four digits.

    Raises :class:`UsageError` for what is no range.

    >>> at(LogUniform(1, 100), 0.5, 10.0), at(Uniform(1, 4), 0.5, 2), at(Choice(("a", "b")), 0.5, "a")
    (10.0, 2, 'b')
    """
    if isinstance(space, Choice):
        return space.values[int(point * len(space.values))]
    if isinstance(space, LogUniform):
        value = space.low * (space.high / space.low) ** float(point)
    elif isinstance(space, Uniform):
        value = space.low + (space.high - space.low) * float(point)
    else:
        raise UsageError(f"{space!r} is no range; expected Uniform, LogUniform or Choice")
    whole = isinstance(default, int) and not isinstance(default, bool)
    rounded = round(value) if whole else float(f"{value:.{DIGITS}g}")
    return type(rounded)(min(max(rounded, space.low), space.high))
