"""What a run shows: a line per cell in a pipe, a live display on a terminal."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hand_made import make_cell, make_record
from rich.console import Console

from mmda_bench.cli import app, console, terminal
from mmda_bench.cli.boards import show_boards
from mmda_bench.cli.output import counter, tell
from mmda_bench.cli.progress import Progress
from mmda_bench.report.boards import make_boards
from mmda_bench.report.formats.grid import Table, TextCell
from mmda_bench.report.formats.tables import table_1
from mmda_bench.report.rows import AVERAGE
from mmda_bench.store import Store
from mmda_bench.units import duration


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (91, "2 min"), (3600, "60 min"), (7500, "2 h 05 min")]
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text


def test_every_finished_cell_is_a_line_with_score_time_and_what_is_left(capsys):
    cells = [make_cell("a3d2", seed=seed, gamma1=5.0) for seed in range(2)]
    with Progress(cells, done=4, terminal=False) as progress:
        progress.on_result(cells[0], make_record(cells[0], 0.612))
        reason = "RuntimeError: two\nlines"
        progress.on_result(cells[1], make_record(cells[1], status="failed", reason=reason, times=None))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 cells to run, 4 are stored already. Corpus: Avatars, 4 emotions (synthetic)."
    assert lines[1].startswith("[1/2] a3d2[gamma1=5] anchor=A seed=0  target F1 61.2  7.0 s  (about ")
    assert lines[2] == "[2/2] a3d2[gamma1=5] anchor=A seed=1  FAILED: RuntimeError: two lines"
    assert lines[3].endswith("1 failed.")


def test_the_live_display_counts_and_names_what_is_running():
    cells = [make_cell(seed=seed) for seed in range(4)]
    progress = Progress(cells, terminal=True)
    progress.on_start(cells[0])
    screen = Console(file=io.StringIO(), width=100)
    screen.print(progress._render())
    assert "0 ok, 0 failed, 1 running, of 4; time left unknown\n  dt anchor=A seed=0\n" in screen.file.getvalue()


def test_a_sweep_goes_on_when_its_terminal_is_closed(monkeypatch):
    cells = [make_cell(seed=seed) for seed in range(3)]
    screen, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with Progress(cells) as progress:
            assert progress.live is not None
            progress.on_result(cells[0], make_record(cells[0]))
            os.close(screen)
            progress.on_result(cells[1], make_record(cells[1]))
            assert progress.live is None
            progress.on_result(cells[2], make_record(cells[2]))
        assert sys.stdout is stdout, "and not what the display had put in its place"
    assert progress.finished_cells == 3


def test_a_log_whose_disk_is_full_ends_no_sweep(monkeypatch):
    cell = make_cell()
    progress = Progress([cell], terminal=False)
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        progress.on_result(cell, make_record(cell))
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()
    assert progress.finished_cells == 1


@pytest.mark.parametrize(
    ("skipped", "substituted", "line"),
    [
        (1, 0, "1 utterance left out; to see which: mmda-bench data prepare mintrec"),
        (0, 2, "2 utterances used with a part missing or changed; to see which: mmda-bench data prepare mintrec"),
        (2, 1, "2 utterances left out, 1 utterance used with a part missing or changed; to see"),
        (0, 0, None),
    ],
)
def test_what_of_a_corpus_cannot_be_used_is_said_once(capsys, skipped, substituted, line):
    notes = SimpleNamespace(skipped=[["u1", "why"]] * skipped, substituted=[["u2", "why"]] * substituted, lexical=None)
    progress = Progress([replace(make_cell(), dataset="mintrec")], terminal=False)
    progress.on_prepared(notes)
    said = capsys.readouterr().out
    assert said.startswith(line) if line else said == ""


def test_a_counter_tells_every_quarter_on_standard_error(capsys):
    tell = counter("decoded")
    for done in range(1, 41):
        tell(done, 40)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"decoded: {n}/40" for n in (10, 20, 30, 40)]


def test_a_look_at_what_is_stored_imports_no_torch():
    code = "import mmda_bench.cli.console, mmda_bench.report, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_preparation_has_its_own_bar_with_pace_and_time_left(monkeypatch):
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr("mmda_bench.cli.progress.time", SimpleNamespace(monotonic=lambda: next(clock)))
    progress = Progress([make_cell()], terminal=True)
    progress.on_prepare("avatars: acoustic features", 0, 1000)
    progress.on_prepare("avatars: acoustic features", 250, 1000)
    monkeypatch.undo()
    screen = Console(file=io.StringIO(), width=80)
    screen.print(progress._render())
    said, bar = screen.file.getvalue().splitlines()[1:3]
    assert said.strip() == "avatars: acoustic features 250/1000, 25 a second, about 30 s left"
    assert bar.count("━") > 10


def test_a_counter_on_a_terminal_tells_its_pace_on_one_line(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    clock = iter([0.0, 2.0, 4.0])
    monkeypatch.setattr("mmda_bench.cli.output.time", SimpleNamespace(monotonic=lambda: next(clock)))
    tell = counter("decoded")
    tell(20, 40)
    tell(40, 40)
    assert stream.getvalue() == "\rdecoded: 20/40, 10 a second, about 2 s left\rdecoded: 40/40" + " " * 29 + "\n"


def test_after_an_interruption_one_is_told_how_to_see_the_tables_so_far(capsys, tmp_path):
    console.show_interrupted(Store(tmp_path), 2, 5)
    assert f"The tables so far:\n  mmda-bench leaderboard --results {tmp_path}" in capsys.readouterr().err
    console.show_interrupted(Store(tmp_path), 0, 5)
    assert "leaderboard" not in capsys.readouterr().err


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_row_of_a_table_is_wider_than_the_terminal(width):
    cells = [make_cell(method, anchor, seed) for method in ("dt", "dann") for anchor in "ALV" for seed in range(3)]
    board = make_boards([make_record(cell, 0.1 * cell.seed + 0.4) for cell in cells])[0]
    screen = Console(file=io.StringIO(), width=width, highlight=False)
    terminal.show([board], console=screen)
    lines = screen.file.getvalue().splitlines()
    rows = [line for line in lines if line.startswith(("DT", "DANN"))]
    assert max(map(len, (line for line in lines if not line.startswith("mmda-bench:")))) <= width
    assert len(rows) == 3, "two methods and one reference, each on a line of its own"
    assert all(f"{row.scores[AVERAGE].mean:.2f} ± {row.scores[AVERAGE].sd:.2f}" in rows[0] for row in board.rows)
    assert ("No room here for" in screen.file.getvalue()) == (width < 100)
    assert "Avatars" in screen.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 90])
def test_long_names_are_cut_and_no_number_is(width):
    settings = [{}, {"gamma2": 0.0625}]
    cells = [make_cell("a3d2", anchor, seed, **params) for params in settings for anchor in "ALV" for seed in range(2)]
    shown = terminal.fitting(table_1(make_boards([make_record(cell) for cell in cells])[0]), width)
    screen = Console(file=io.StringIO(), width=width)
    screen.print(terminal.grid(shown, width))
    lines = screen.file.getvalue().splitlines()
    assert lines[0].split() == " ".join(shown.header).split()
    assert [line.split()[-1] for line in lines[2:]] == [row[-1].text.split()[-1] for row in shown.rows]
    assert any("…" in line for line in lines)


def test_a_name_in_brackets_stays_in_the_head_of_a_table():
    names = ["a3d2[-add]", "DANN[align_on=drifts]", "[bold]"]
    screen = Console(file=io.StringIO(), width=80)
    screen.print(terminal.grid(Table("pairs", "Pairs", names, [[TextCell("1")] * 3]), 80))
    assert screen.file.getvalue().splitlines()[0].split() == names


def test_a_table_that_is_asked_for_is_drawn_on_a_terminal_unless_a_form_is_named(monkeypatch, tmp_path):
    store = Store(tmp_path)
    for anchor in "ALV":
        cell = make_cell("dt", anchor)
        store.write(cell, make_record(cell), None)
    monkeypatch.setattr(sys, "stdout", Screen())
    for options, sign in ([], "─────"), (["--format", "md"], "|:---"):
        with pytest.raises(SystemExit):
            app(["leaderboard", "--results", str(tmp_path), "--table", "main", *options])
        assert sign in sys.stdout.getvalue()


def test_prose_is_broken_between_words_on_a_terminal_and_nowhere_else(monkeypatch):
    """Names and commands stay whole, as they are there to be copied."""
    text = (
        "  ours: the loss acts on one/long/path/of/more/than/thirty/characters\n  mmda-bench run --methods dt,dann,mine"
    )
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr(sys, "stdout", Screen())
    tell(text, hang=4)
    lines = ["  ours: the loss acts on", "      one/long/path/of/more/than/thirty/characters", text.splitlines()[1]]
    assert sys.stdout.getvalue().splitlines() == lines
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    tell(text)
    assert sys.stdout.getvalue() == f"{text}\n"


@pytest.mark.parametrize("words", [["list", "methods"], ["run", "--methods", "danns,dann,dt", "--epochs", "0"]])
def test_no_line_of_a_verb_is_wider_than_the_terminal(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr(sys, "stdout", Screen())
    monkeypatch.setattr(sys, "stderr", sys.stdout)
    with pytest.raises(SystemExit):
        app(words)
    assert max(map(len, sys.stdout.getvalue().splitlines())) <= 60


def test_elsewhere_the_same_table_is_markdown(capsys):
    board = make_boards([make_record(make_cell("dt", anchor)) for anchor in "ALV"])[0]
    show_boards([board])
    assert "| method   |" in capsys.readouterr().out


def test_an_output_without_room_is_no_internal_error():
    with open("/dev/full", "w") as full:
        listed = [sys.executable, "-m", "mmda_bench", "list", "methods"]
        done = subprocess.run(listed, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 5
    assert done.stderr.startswith("mmda-bench: no room for what is to be written")
    assert len(done.stderr.splitlines()) == 1
