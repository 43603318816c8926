"""What a person sees first: of every verb a line at once, before what takes seconds is imported."""

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

AT_ONCE_S = 0.8  # of a processor
LEAVE_AT_FIRST_WORDS = """
import io, json, os, sys, time

class Screen(io.StringIO):
    def isatty(self):
        return terminal

    def write(self, text):
        if text.strip():
            heavy = {"torch", "ray", "numpy", "pandas", "scipy"} & set(sys.modules)
            os.write(1, json.dumps([text, sorted(heavy), time.process_time()]).encode())
            os._exit(0)
        return len(text)

terminal = sys.argv.pop(1) == "terminal"
sys.stdout = sys.stderr = Screen()
from mmda_bench.cli import main
main()
"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("terminal run --methods dt", "Looking at what dt on avatars needs and at what is stored ..."),
        ("pipe run --methods dt", "Looking at what dt on avatars needs and at what is stored ..."),
        ("terminal run --config mine.yaml", "Looking at what mine.yaml needs and at what is stored ..."),
        ("terminal check dann", "Checking dann ..."),
        ("terminal doctor", "Looking at this machine, which takes some seconds ..."),
        ("terminal leaderboard --results .", "Reading the records in "),
        ("terminal leaderboard --results . --table main", "Reading the records in "),
        ("terminal status --results .", "Reading the records in . ..."),
        ("terminal show dann --results .", "Looking at dann in . ..."),
        ("terminal compare dann dt --results .", "Comparing dann and dt in . ..."),
        ("terminal submit theirs.csv --results .", "Scoring theirs.csv ..."),
        ("terminal new method mine", "Writing the method mine ..."),
        ("terminal new dataset mine --package", "Writing the dataset mine ..."),
        ("terminal data prepare avatars", "Preparing avatars ..."),
        ("terminal data verify avatars", "Looking through avatars ..."),
        ("terminal data export avatars --out out", "Writing avatars as folder ..."),
        ("terminal data export avatars --task out --anchor V", "Writing avatars as a task ..."),
    ],
)
def test_something_is_on_the_screen_before_anything_heavy_is_imported(line, words, tmp_path):
    command = [sys.executable, "-c", LEAVE_AT_FIRST_WORDS, *line.split()]
    said = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=True).stdout
    text, heavy, spent = json.loads(said)
    assert " ".join(text.split()).startswith(words.strip())
    assert heavy == []
    assert spent < AT_ONCE_S
