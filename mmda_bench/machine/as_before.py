"""A part of this process's work that leaves the process as it was: what it changed is named and put back."""

import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from mmda_bench.errors import Remark
from mmda_bench.machine import replaced
from mmda_bench.machine.settings import Setting, settings


class PutBackWarning(Remark):
    """Somebody's code changed this process; that was put back."""


@dataclass
class Changes:
    """What the body changed, by name. ``put_back``: it is as before; ``lasting``: it cannot be made so."""

    put_back: list[str] = field(default_factory=list)
    lasting: list[str] = field(default_factory=list)

    def add(self, other: "Changes") -> None:
        """Count what another body changed as well."""
        self.put_back += other.put_back
        self.lasting += other.lasting

    @property
    def all(self) -> list[str]:
        return [*self.put_back, *self.lasting]


@contextmanager
def as_before(
    made_by: Callable[[str], bool] = lambda module: False, *, libraries: bool | replaced.Names = True
) -> Iterator[Changes]:
    """Run the body; then compare the process with what it was, put back what differs, and name it in the answer.

    Looked at are the settings of :mod:`mmda_bench.machine.settings` and the functions, classes and constants of
    libraries (:mod:`mmda_bench.machine.replaced`). Random states are put back without a word. ``made_by``: whether a
    module, by name, is a stranger's, whose functions have no business in modules that the body imports.
    ``libraries``: False looks at the settings alone, which takes a millisecond in the place of a hundred; names that
    were taken down before are compared with, as if the body had begun then.

    >>> import numpy as np
    >>> with as_before() as changes:
    ...     before = np.seterr(divide="raise")
    >>> changes.put_back, np.geterr()["divide"]
    (['what numpy does on errors (divide)'], 'warn')
    """
    found = Changes()
    before = [(setting, setting.look()) for setting in settings()]
    names = replaced.names() if libraries is True else libraries or None
    try:
        yield found
    finally:
        for setting, value in before:
            _put_back(setting, value, found)
        if names is not None:
            found.lasting += replaced.planted(made_by, names)
            for difference in names.differences():
                done = _succeeds(difference.put_back)
                if not (done and difference.by_import):
                    _note(found, difference.name, done)


@contextmanager
def silent() -> Iterator[None]:
    """No :class:`PutBackWarning` in the body: another process has said it, or an earlier run of the same file."""
    with warnings.catch_warnings(action="ignore", category=PutBackWarning):
        yield


def _put_back(setting: Setting, value: Any, found: Changes) -> None:
    now = setting.look()
    if same(now, value):
        return
    done = setting.put is not None and _succeeds(lambda: setting.put and setting.put(value))
    done = done and same(setting.look(), value)
    if setting.told or not done:
        _note(found, setting.name + _parts(value, now), done)


def _note(found: Changes, name: str, done: bool) -> None:
    (found.put_back if done else found.lasting).append(name)


def _succeeds(action: Callable[[], object]) -> bool:
    try:
        action()
    except Exception:  # a library may refuse with anything; what it refuses lasts
        return False
    return True


def _parts(before: Any, now: Any) -> str:
    """Which entries of a mapping differ."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return ""
    differing = [str(key) for key in {**before, **now} if not same(before.get(key), now.get(key))]
    return f" ({', '.join(sorted(differing))})"


def same(a: Any, b: Any) -> bool:
    """Whether two values of a setting are equal, tensors and arrays in them included."""
    if a is b:
        return True
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    with contextlib.suppress(Exception):
        equal = a == b
        return bool(equal.all()) if hasattr(equal, "all") else bool(equal)
    return False


def imported_first(names: list[str]) -> None:
    """Import modules, so that what they are before anybody changes them is known. What is not there is no matter."""
    for name in names:
        if name not in sys.modules:
            with contextlib.suppress(Exception):
                __import__(name)
