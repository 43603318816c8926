"""The benchmark of a GPU runs from end to end in its small form on a CPU, without what such a machine may lack."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks.gpu import packed, suite, table_one
from tests.benchmarks.gpu.crew import Crew, FailedError
from tests.benchmarks.gpu.sections import Clock, OutOfTimeError, Sections
from tests.benchmarks.gpu.summary import table

ROOT = Path(__file__).resolve().parents[2]
LACKING = ("ray", "ot", "av", "soundfile", "timm", "matplotlib", "tabulate", "typer", "rich", "jinja2")
WITHOUT = f"""
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, path=None, target=None: (
    None if name.partition(".")[0] in {LACKING} else find(name, path, target)
)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the small form wrote and printed, on a machine without the libraries that are not needed."""
    folder = tmp_path_factory.mktemp("gpu")
    (folder / "sitecustomize.py").write_text(WITHOUT)
    path = os.pathsep.join([str(folder), str(ROOT), os.environ.get("PYTHONPATH", "")])
    file = folder / "out" / "cpu.json"
    command = [sys.executable, "-m", "tests.benchmarks.gpu", "--device", "cpu", "--small", "--out", str(file)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(file.read_text()), done.stdout


@pytest.mark.deep
def test_every_section_runs_to_its_end(found):
    everything, _ = found
    assert everything["schema"] == 1
    assert everything["asked"] == {"device": "cpu", "small": True, "minutes": 8.0}
    assert everything["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert list(everything["sections"]) == ["kernels", "fast", "correct", "packed", "table 1"]
    for name, section in everything["sections"].items():
        assert not {"skipped", "stopped", "failed"} & set(section), (name, section)


@pytest.mark.deep
def test_what_it_measures_is_there_and_right_where_the_processor_can_tell(found):
    sections = found[0]["sections"]
    for name in ("acoustic", "lexical", "visual"):
        assert sections["kernels"][name]["float32"] < 1e-5
        assert 1e-4 < sections["kernels"][name]["bf16"] < 0.1
    methods = sections["correct"]["methods"]
    assert len(methods) == 10
    assert all(one["ok"] for one in methods.values())
    assert [one["curves_apart_again"] for one in methods.values() if "curves_apart_again" in one] == [0.0, 0.0]
    for blocks in (1, 3):
        part = sections["fast"][f"blocks_{blocks}"]
        assert part["waits"]["most"] == 1
        assert part["step_ms"] > 0
        assert {"acoustic", "lexical", "visual", "losses with transport", "transport", "loader", "optimiser"} <= set(
            part["parts_ms"]
        )
        assert part["step_tflops"] == pytest.approx(part["trained_gflop"] / part["step_ms"])
    for kind in ("tiny", "full_size"):
        assert set(sections["packed"][kind]) == {"1", "2"}
        assert all(one["cells_an_hour"] > 0 for one in sections["packed"][kind].values())


@pytest.mark.deep
def test_the_last_lines_are_a_table_that_warns_of_the_small_form(found):
    _, printed = found
    shown = printed.partition("THE SMALL FORM")[2].splitlines()
    assert len(shown) > 20
    assert any(line.startswith("methods with status ok") and "10 of 10" in line for line in shown)


# --- It stops by itself


def test_what_is_started_hears_an_interruption_even_in_the_background_of_a_script():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=suite.hear_interruptions
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.stdout == "True\n"


def for_ever(result):
    result["begun"] = True
    while True:
        pass


def test_a_section_that_never_ends_is_stopped_and_the_rest_is_skipped_with_the_reason():
    with Clock(minutes=0.3 / 60) as clock:
        sections = Sections(clock, say=lambda line: None)
        sections.run("spins", for_ever)
        sections.run("next", for_ever)
    assert sections.found["spins"]["stopped"] == "the minutes were over"
    assert sections.found["spins"]["begun"]
    assert "0 s were left" in sections.found["next"]["skipped"]
    assert "begun" not in sections.found["next"]
    assert clock.left == 0


def test_a_section_that_needs_more_than_is_left_does_not_begin_and_one_that_fails_says_why():
    def fails(result):
        result["half"] = 1
        raise ValueError("no such kernel")

    with Clock(minutes=1) as clock:
        sections = Sections(clock, say=lambda line: None)
        sections.run("long", for_ever, needs=120)
        sections.run("fails", fails)
    assert "needs about 120 s" in sections.found["long"]["skipped"]
    assert sections.found["fails"]["failed"] == "ValueError: no such kernel"
    assert sections.found["fails"]["half"] == 1


def test_running_out_of_time_is_no_failure_of_a_cell():
    assert not issubclass(OutOfTimeError, Exception), "run_cell turns every Exception into a record"


# --- What is worked out


def test_hours_of_table_1_add_up():
    found = table_one.hours(step_ms=100.0, speedup=2.0, prefix_per_second=10.0)
    steps = packed.steps_of_a_cell("MIntRec")
    assert steps == 8 * 13
    # 9 cells of each row; DT trains on one batch of 48, PCL on three, eight methods and the reference on two
    batches = 9 * steps * (1 + 3 + 9 * 2)
    assert found["MIntRec"]["training"] == pytest.approx(batches * 0.1 / 2 / 2 / 3600)
    assert found["MIntRec"]["prefix"] == pytest.approx(1.5 * 2224 / 10 / 3600)
    assert found["MIntRec"]["total"] == pytest.approx(sum(list(found["MIntRec"].values())[:-1]))
    assert found["IEMOCAP"]["total"] > found["MIntRec"]["total"]


def test_the_best_packing_is_the_one_with_the_most_cells_whatever_failed_after_it():
    rates = {"1": {"cells_an_hour": 10.0}, "2": {"cells_an_hour": 15.0}, "4": {"failed": "out of memory"}}
    assert packed.best(rates) == (2, 15.0)
    assert packed.best({"1": {"skipped": "no time"}}) is None


def test_what_was_skipped_is_in_the_table():
    machine = {"card": "X", "driver": None, "versions": {"torch": "2"}, "device": "cuda"}
    lines = table(machine, {"fast": {"skipped": "needs about 60 s"}, "tests": {"passed": 3, "failed": 1, "skipped": 2}})
    assert "needs about 60 s" in lines
    assert "1 failed, 2 skipped" in lines


REPORT = """<testsuites><testsuite>
<testcase classname="" name="tests.test_a">
<error message="collection failure">E   ModuleNotFoundError: No module named 'ray'</error></testcase>
<testcase classname="tests.test_b" name="test_one"/>
<testcase classname="tests.test_b" name="test_two"><failure message="assert 1 == 2">assert</failure></testcase>
<testcase classname="tests.test_b" name="test_three"><skipped message="no LaTeX"/></testcase>
</testsuite></testsuites>"""


def test_a_report_of_tests_names_what_failed_and_what_a_library_was_missing_for(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    found = suite.outcomes(tmp_path / "report.xml")
    assert (found["passed"], found["failed"], found["skipped"]) == (1, 1, 1)
    assert found["which_failed"] == ["tests.test_b::test_two"]
    assert found["why_skipped"] == {"no LaTeX": 1}
    assert found["without_library"] == {"ray": 1}


@pytest.mark.deep
def test_a_crew_works_together_or_apart_and_says_what_failed():
    with Crew(2) as crew:
        seconds, results = crew.together(2, divmod, 7, 2)
        assert results == [(3, 1), (3, 1)]
        assert seconds > 0
        assert dict(crew.each([(pow, (2, n)) for n in range(5)])) == {n: 2**n for n in range(5)}
        with pytest.raises(FailedError, match="ZeroDivisionError"):
            crew.together(1, divmod, 1, 0)
        with pytest.raises(FailedError, match="killed"):
            crew.together(1, os._exit, 1)
