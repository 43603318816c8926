"""Damaged inputs of every kind, against the product: ``python -m tests.system.fuzz 1000 [--seed 0] [--kind records]``.

Each input is one that the product takes, with seeded changes. Held means that it was read, or refused in words
(:class:`~mmda_bench.errors.MessageError`). A fault is an error of any other class, a number that changes without a
word, code that an input brought and that ran, or more than :data:`PATIENCE_S` of waiting. The table is that of
docs/reliability.md; the exit status is 1 where anything did not hold, and the inputs are kept.
"""

import argparse
import contextlib
import io
import random
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    ROOT = Path(__file__).resolve().parents[2]
    sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / folder) for folder in ("support", "oracles"))]

from mmda_bench import registry
from mmda_bench.errors import MessageError
from tests.system import inputs

PATIENCE_S = 30


@dataclass
class Tally:
    """Of one kind of input. ``faults``: (seed, what went wrong, where)."""

    tried: int = 0
    refused: int = 0
    faults: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, *kinds: str) -> int:
        return sum(kind in kinds for _, kind, _ in self.faults)


@contextlib.contextmanager
def patience() -> Iterator[None]:
    def tell(*_: object) -> None:
        raise TimeoutError(f"more than {PATIENCE_S} s")

    before = signal.signal(signal.SIGALRM, tell)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def attempt(kind: inputs.Kind, rng: random.Random, tally: Tally, name: str) -> None:
    """One damaged input, and what became of it."""
    tally.tried += 1
    kind.damage(rng)
    try:
        with patience(), registry.isolated(), warnings.catch_warnings(), _silence():
            warnings.simplefilter("ignore")
            wrong = kind.look()
    except MessageError:
        tally.refused += 1
        wrong = ""
    except TimeoutError as error:
        tally.faults.append((name, "hung", str(error)))
        return
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__}: {str(error)[:120]} ({Path(at.filename).name}:{at.lineno})"
        tally.faults.append((name, "internal error", where))
        return
    if kind.canary.exists():
        tally.faults.append((name, "code run", ""))
        kind.canary.unlink()
    elif wrong:
        tally.faults.append((name, "wrong number", wrong))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def run(count: int, *, seed: int, folder: Path, only: str | None = None) -> dict[str, Tally]:
    """``count`` inputs, spread over the kinds by their shares; the same for the same seed."""
    kinds = [make for make in inputs.KINDS if only in (None, make.name)]
    whole = sum(make.share for make in kinds)
    tallies = {}
    for make in kinds:
        kind = make(folder / make.name)
        tally = tallies[make.name] = Tally()
        started = time.process_time()
        for number in range(max(1, round(count * make.share / whole))):
            name = f"{make.name}/{seed}/{number}"
            found = len(tally.faults)
            attempt(kind, random.Random(name), tally, name)
            if len(tally.faults) > found:
                kind.keep(folder / "faults" / name.replace("/", "-"))
        print(f"{make.name}: {tally.tried} in {time.process_time() - started:.1f} s", file=sys.stderr, flush=True)
    return tallies


def table(tallies: dict[str, Tally]) -> str:
    """As Markdown."""
    head = ("input", "tried", "held", "of them refused", "internal errors", "wrong numbers", "code run", "hung")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, one in tallies.items():
        kinds = [one.count(kind) for kind in ("internal error", "wrong number", "code run", "hung")]
        numbers = [one.tried, one.tried - len(one.faults), one.refused, *kinds]
        lines.append(f"| {name} | {' | '.join(map(str, numbers))} |")
    every = list(tallies.values())
    lines.append(
        f"| **all** | {sum(o.tried for o in every)} | {sum(o.tried - len(o.faults) for o in every)} | | | | | |"
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=[kind.name for kind in inputs.KINDS])
    parser.add_argument("--out", type=Path, help="where inputs that did not hold are kept; default: a new folder")
    given = parser.parse_args(arguments)
    folder = given.out or Path(tempfile.mkdtemp(prefix="mmda-bench-fuzz-"))
    tallies = run(given.count, seed=given.seed, folder=folder, only=given.kind)
    print(table(tallies))
    faults = [fault for tally in tallies.values() for fault in tally.faults]
    for name, kind, what in faults:
        print(f"{name}: {kind}: {what}")
    print(f"\nThe inputs that did not hold: {folder / 'faults'}" if faults else "\nEverything held.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
