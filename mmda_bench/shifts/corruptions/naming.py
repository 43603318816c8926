"""How a shift names corruptions: ``corrupt:NAME@SEVERITY``, several joined by ``+``, in a file, or of a plug-in."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from mmda_bench.dataset import MODALITIES
from mmda_bench.errors import UsageError, suggest
from mmda_bench.machine.hand_written import is_hand_written, read_hand_written
from mmda_bench.protocol import CORRUPT
from mmda_bench.shifts.corruptions import acoustic, lexical, visual
from mmda_bench.shifts.corruptions.base import SEVERITIES, Corruption

CORRUPTIONS: Mapping[str, Corruption] = {
    found.name: found
    for module in (acoustic, lexical, visual)
    for found in vars(module).values()
    if isinstance(found, Corruption)
}
PLUGIN_MODULE = "mmda_bench_plugin_"  # how plug-in files are called once they are imported
FORM = re.compile(rf"([\w-]+)(?:#([0-9a-f]{{8}}))?@([1-{SEVERITIES}])")


class Step(NamedTuple):
    """One corruption of a shift. ``digest``: of the plug-in file that defines it, "" of ours."""

    corruption: Corruption
    severity: int
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.corruption.name}{'#' * bool(self.digest)}{self.digest}@{self.severity}"


def of_plugins() -> dict[str, tuple[Corruption, str]]:
    """The corruptions that loaded plug-in files define, each with the digest of its file.

    Raises :class:`UsageError` for one that has the name of another.
    """
    found: dict[str, tuple[Corruption, str]] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(PLUGIN_MODULE) and hasattr(module, "__mmda_plugin__"):
            digest = module.__mmda_plugin__.digest[:8]
            for one in (value for value in vars(module).values() if isinstance(value, Corruption)):
                before = CORRUPTIONS.get(one.name) or found.setdefault(one.name, (one, digest))[0]
                if before is not one:
                    raise UsageError(
                        f"{name.removeprefix(PLUGIN_MODULE)}.py: there is a corruption {one.name!r} already"
                    )
    return found


def parse_corruptions(shift: str) -> tuple[Step, ...]:
    """What ``corrupt:NAME@S+NAME@S`` does, in this order; nothing for a shift of another kind.

    Raises :class:`UsageError` for a name or severity that there is not, and for a plug-in that has changed since.

    >>> (step,) = parse_corruptions("corrupt:jpeg@2")
    >>> step.corruption.name, step.corruption.modality, step.corruption.levels[step.severity - 1]
    ('jpeg', 'V', 18)
    >>> [step.corruption.modality for step in parse_corruptions("corrupt:dark@3+babble@1")]
    ['V', 'A']
    """
    if not shift.startswith(CORRUPT):
        return ()
    return tuple(_step(part, shift) for part in shift.removeprefix(CORRUPT).split("+"))


def _step(part: str, shift: str) -> Step:
    match = FORM.fullmatch(part.strip())
    if match is None:
        raise UsageError(
            f"--shift {shift!r}: expected {CORRUPT}NAME@SEVERITY with a severity from 1 to {SEVERITIES}, such as "
            f"{CORRUPT}white-noise@3, or several joined by +"
        )
    name, asked, severity = match[1], match[2] or "", int(match[3])
    if name in CORRUPTIONS and not asked:
        return Step(CORRUPTIONS[name], severity)
    plugged = of_plugins()
    if name not in plugged:
        known = [*CORRUPTIONS, *plugged]
        hint = suggest(name, known) or f"; known: {', '.join(known)}, and what a --plugin defines"
        raise UsageError(f"unknown corruption {name!r}{hint}")
    corruption, digest = plugged[name]
    if asked not in ("", digest):
        raise UsageError(f"the corruption {name} was #{asked} and is now #{digest}: its plug-in file has changed")
    return Step(corruption, severity, digest)


def settled(shift: str) -> str:
    """``shift`` as a protocol has it: a file's content, and plug-ins' corruptions with the digest of their file.

    A file names corruptions by modality: ``A: [babble@2, reverb@1]`` and ``V: dark@3``. Raises :class:`UsageError`.

    >>> settled("corrupt: dark@3 + babble@1"), settled("paper")
    ('corrupt:dark@3+babble@1', 'paper')
    """
    text = _from_file(Path(shift)) if is_hand_written(shift) else shift
    steps = parse_corruptions(text)
    return CORRUPT + "+".join(map(str, steps)) if steps else text


def _from_file(path: Path) -> str:
    found = read_hand_written(path, option="--shift")
    if not isinstance(found, dict) or not found or set(found) - set(MODALITIES):
        raise UsageError(f"--shift {path}: expected corruptions by modality, such as A: [babble@2, reverb@1]")
    parts = []
    for modality in (m for m in MODALITIES if m in found):
        names = found[modality] if isinstance(found[modality], list) else [found[modality]]
        for step in parse_corruptions(CORRUPT + "+".join(map(str, names))):
            if step.corruption.modality != modality:
                raise UsageError(
                    f"--shift {path}: {step} stands below {modality} and changes {step.corruption.modality}"
                )
            parts.append(str(step))
    return CORRUPT + "+".join(parts)
