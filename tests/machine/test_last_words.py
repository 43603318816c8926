"""A process that is ended without a chance to speak: what it left to say is said, and only then."""

import subprocess
import sys

import pytest

PROGRAM = """
import os, signal
from mmda_bench.machine.last_words import LastWords
signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
words = LastWords("mmda-bench: ended; 2 of 3 cells' records, \\"100 %\\" $HOME")
{end}
"""
ENDS = {
    "os.kill(os.getpid(), signal.SIGKILL)": 'mmda-bench: ended; 2 of 3 cells\' records, "100 %" $HOME\n',
    "os._exit(1)": 'mmda-bench: ended; 2 of 3 cells\' records, "100 %" $HOME\n',
    "os.killpg(0, signal.SIGINT)": "Traceback",
    "words.unsay(); words.unsay(); os._exit(1)": "",
}


@pytest.mark.parametrize(("end", "said"), ENDS.items())
def test_last_words_are_said_once_where_a_process_ends_without_having_unsaid_them(end, said):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, start_new_session=True,
    )  # fmt: skip
    assert done.stderr.startswith(said)
    assert done.stderr.count("mmda-bench: ended") == bool(said)


def test_a_machine_without_room_for_another_process_goes_on(monkeypatch):
    from mmda_bench.machine import last_words

    def refused(*arguments, **options):
        raise OSError("no process")

    monkeypatch.setattr(last_words.subprocess, "Popen", refused)
    last_words.LastWords("ended").unsay()
