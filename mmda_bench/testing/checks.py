"""One line of a report, and the loop that runs a list of checks on one subject; for every kind of contract."""

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmda_bench.errors import ContractError, told
from mmda_bench.machine.as_before import as_before
from mmda_bench.registry import Entry, Registry, register

OURS = Path(__file__).parent
Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check:
    """One line of the report. ``detail``: what was wrong and what to do, or a remark on what was seen.

    >>> Check("its name is short", False, "it has 40 letters").passed
    False
    """

    title: str
    passed: bool
    detail: str = ""


def run_checks(checks: Mapping[str, Callable[[Subject], str]], subject: Subject, *, first: str = "") -> list[Check]:
    """Run every check; what a check returns is a remark. ``first``: the check without which no other makes sense.

    >>> run_checks({"its name is short": lambda name: f"{len(name)} letters"}, "dt")
    [Check(title='its name is short', passed=True, detail='2 letters')]
    """
    report: list[Check] = []
    with as_before():
        for title, check in checks.items():
            report.append(run_check(title, check, subject, libraries=title == first))
            if title == first and not report[-1].passed:
                break
    return report


def run_check(title: str, check: Callable[[Subject], str], subject: Subject, *, libraries: bool = False) -> Check:
    """One check: whatever goes wrong in the author's code is its detail, with the place.

    The settings of the process that it changes are no matter of the next check, nor, if asked, are ``libraries``.

    >>> def short(name):
    ...     raise ContractError("it has 40 letters")
    >>> run_check("its name is short", short, "a3d2")
    Check(title='its name is short', passed=False, detail='it has 40 letters')
    """
    try:
        with as_before(libraries=libraries):
            return Check(title, True, check(subject) or "")
    except ContractError as broken:
        return Check(title, False, str(broken))
    except (Exception, SystemExit) as error:
        return Check(title, False, f"{told(error)}{place(error)}")


def place(error: BaseException) -> str:
    """The last line outside this library that the error passed through: in the author's own file, if anywhere.

    >>> try:
    ...     1 / 0
    ... except ZeroDivisionError as error:
    ...     place(error).strip()
    '(<doctest ..., line 2: 1 / 0)'
    """
    engine = OURS.parent
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and engine not in Path(frame.filename).parents
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno}: {frames[-1].line})" if frames else ""


def entry_of(subject: str | type, registry: Registry) -> Entry:
    """The entry of a name, or of a decorated class, which is registered by this. Raises :class:`UsageError`.

    >>> from mmda_bench.registry import METHODS
    >>> entry_of("dann", METHODS).title
    'DANN'
    """
    if isinstance(subject, str):
        return registry.entry(subject)
    return registry.entry(next(iter(register(subject).__dict__["__mmda_registered__"])))
