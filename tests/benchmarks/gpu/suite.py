"""The suite's own tests on the machine with the card, as far as its libraries reach: what is missing is named."""

import re
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

from tests.benchmarks.gpu.sections import Clock, Result

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (
    "-m",
    "pytest",
    "-q",
    "-m",
    "not slow and not system and not deep",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:randomly",
)
OPTIONS = ("--continue-on-collection-errors", "--ignore=tests/system", "--ignore=tests/benchmarks", "tests")
GRACE = 15.0  # seconds in which pytest, interrupted, writes what it has


def hear_interruptions() -> None:
    """A shell starts what runs in the background of a script with SIGINT ignored, and so would be what it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def fill(result: Result, clock: Clock) -> None:
    """The section: runs until all is done or the time is nearly over, and says which it was."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, *COMMAND, f"--junitxml={report}", *OPTIONS]
        result["command"] = " ".join(["python", *(f"'{part}'" if " " in part else part for part in command[1:])])
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=hear_interruptions
        )
        try:
            process.wait(max(1.0, clock.left - 2 * GRACE))
        except subprocess.TimeoutExpired:
            result["stopped"] = "the minutes were nearly over"
            process.send_signal(signal.SIGINT)
            process.wait(GRACE)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if report.is_file():
            result |= outcomes(report)


def outcomes(report: Path) -> Result:
    """What a JUnit report says: how many passed, failed and were skipped and why; files that lack a library."""
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    failed, missing = [], Counter[str]()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        kinds = {child.tag: child for child in case}
        if "error" in kinds and (lack := re.search(r"No module named '([\w.]+)'", kinds["error"].text or "")):
            missing[lack[1]] += 1
        elif "error" in kinds or "failure" in kinds:
            counts["failed"] += 1
            failed.append(name)
        elif "skipped" in kinds:
            counts["skipped"] += 1
            reasons[kinds["skipped"].get("message", "")] += 1
        else:
            counts["passed"] += 1
    found: Result = {name: counts[name] for name in ("passed", "failed", "skipped")}
    return found | {
        "which_failed": failed[:40],
        "why_skipped": dict(reasons),
        "without_library": dict(missing),
    }
