"""Which conditions make sense: modalities that are missing, an anchor that is told wrongly or not at all."""

from collections.abc import Sequence

from mmda_bench.dataset import MODALITIES, NAMES, modality
from mmda_bench.errors import UsageError
from mmda_bench.protocol import NATURAL, Protocol

UNTOLD = "none"
MISSING_IN = ("test", "target")
HIGHEST_RATE = 0.7  # where all three may be missing: at least one of them stays


def anchor_named(text: str, *, natural: bool = True) -> str:
    """The anchor that is meant by its letter or its name, in any case. ``natural``: or "none", that of a natural pair.

    Raises :class:`UsageError` for what is no anchor.

    >>> anchor_named("v"), anchor_named("Acoustic"), anchor_named("None")
    ('V', 'A', 'none')
    """
    found = modality(text)
    if found in MODALITIES:
        return found
    if natural and found == NATURAL.upper():
        return NATURAL
    letters = ", ".join(f"{letter} ({NAMES[letter]})" for letter in MODALITIES)
    raise UsageError(f"--anchor {text!r}: expected one of {letters}")


def missing_modalities(text: str, *, where: str, rate: float) -> str:
    """``text`` as a protocol has it: some of A, L and V in this order, or "". Raises :class:`UsageError`.

    >>> missing_modalities("la", where="test", rate=1.0)
    'AL'
    """
    wanted = text.strip().upper().replace(",", "")
    if set(wanted) - set(MODALITIES):
        raise UsageError(f"--missing {text!r}: expected some of {''.join(MODALITIES)}, such as A or LV")
    if where not in MISSING_IN:
        raise UsageError(f"--missing-in {where!r}: expected one of {', '.join(MISSING_IN)}")
    if not 0 < rate <= 1:
        raise UsageError(f"--missing-rate {rate:g}: expected a number above 0, at most 1")
    if not wanted and (where, rate) != (Protocol.missing_in, Protocol.missing_rate):
        raise UsageError("--missing-in and --missing-rate say how --missing is meant; name the modalities with it")
    if len(set(wanted)) == len(MODALITIES) and rate > HIGHEST_RATE:
        raise UsageError(
            f"--missing {text} at a rate of {rate:g}: nothing would be left; name two modalities, or add "
            f"--missing-rate of at most {HIGHEST_RATE:g}, where one of the three always stays"
        )
    return "".join(m for m in MODALITIES if m in wanted)


def told_anchor(text: str) -> str:
    """What the methods are told, as a protocol has it. Raises :class:`UsageError`.

    >>> told_anchor("lexical"), told_anchor("none"), told_anchor("")
    ('L', 'none', '')
    """
    found = modality(text)
    if found in MODALITIES:
        return found
    if found.lower() in ("", UNTOLD):
        return found.lower()
    raise UsageError(f"--told-anchor {text!r}: expected one of {', '.join(MODALITIES)}, or {UNTOLD}")


def check_told(told: str, anchors: Sequence[str]) -> None:
    """Raises :class:`UsageError` where a cell would be told the truth: it has a name already, without the option."""
    if told in anchors:
        others = ",".join(m for m in MODALITIES if m != told)
        raise UsageError(
            f"--told-anchor {told}: with the anchor {told} that is the truth; try --anchors {others}, or leave it out"
        )
