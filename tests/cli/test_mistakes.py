"""Plausible mistakes at the command line: what each is told, and with which exit code. None shows a traceback."""

import json
import os
import subprocess
import sys

import pytest
from hand_made import make_cell, make_record
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.store import Store

USAGE, DATA, ENVIRONMENT = 2, 4, 5
AT_ONCE_S = 1.0  # of a processor that others use as well; 0.4 of one that is free, and 2 with torch

NAMES = [  # wrong names: told before torch is imported
    ("run --methods danns", USAGE, "unknown method 'danns': did you mean dann?"),
    ("run --methods dt,-dann", USAGE, "-dann removes nothing; write it after what it is removed from"),
    ("run --methods a3d2[gama1=5]", USAGE, "method a3d2 has no parameter 'gama1': did you mean gamma1?"),
    ("run --methods a3d2[gamma1=ten]", USAGE, "a3d2[gamma1]: expected a number (default 10.0), found 'ten'"),
    ("run --methods a3d2[gamma1=5", USAGE, "a bracket is not closed; write for example a3d2[gamma1=5,-add]"),
    ("run --methods a3d2[-ad]", USAGE, "method a3d2 has no component 'ad': did you mean add?"),
    ("run --dataset avatar", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("run --backbone tinny", USAGE, "unknown backbone 'tinny': did you mean tiny?"),
    ("run --anchors text", USAGE, "expected some of A (acoustic), L (lexical), V (visual), found text"),
    ("run --seeds three", USAGE, "--seeds 'three': expected a count (3), a range (0-2) or a list (0,5)"),
    ("run --shift papr", USAGE, "unknown shift 'papr': did you mean paper?"),
    ("run --severity=-1", USAGE, "expected a number from 0 (no shift) upwards; 1 is the corpus's own"),
    ("run --epochs 0", USAGE, "--epochs 0: expected at least 1; the paper's is 8"),
    ("run --gpus-per-cell 1.5", USAGE, "--gpus-per-cell 1.5: expected a fraction up to 1, or a whole number"),
    ("run --plugin nowhere.py", USAGE, "plug-in nowhere.py is not a file"),
    ("run --config nowhere.yaml", USAGE, "--config nowhere.yaml cannot be read: No such file or directory"),
    ("run --methods", USAGE, "--methods"),
    ("run --jobs many", USAGE, "Invalid value for '--jobs'"),
    ("run --rerun everything", USAGE, "'everything' is not one of 'failed', 'all'"),
    ("run --method dt", USAGE, "No such option: --method"),
    ("runn", USAGE, "Did you mean 'run'?"),
    ("check danns", USAGE, "unknown method 'danns': did you mean dann?"),
    ("check avatarss", USAGE, "unknown dataset 'avatarss': did you mean avatars?"),
    ("show dt --anchor smell --results STORE", USAGE, "--anchor 'smell': expected one of A (acoustic), L (lexical)"),
    ("list method", USAGE, "'method' is not one of 'methods', 'datasets', 'backbones', 'validators'"),
    ("data verify avatar", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("data prepare avatars --backbone tinny", USAGE, "unknown backbone 'tinny': did you mean tiny?"),
    ("data export avatar --out OUT", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("doctor --dataset avatar", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("doctor --weights sound=DIR", USAGE, "expected acoustic=, lexical= or visual= and a name, folder or file"),
    ("compare danns dt --results STORE", USAGE, "no row 'danns' in the store: did you mean dann?"),
    ("status --results NOWHERE", USAGE, "there is no folder NOWHERE"),
    ("leaderboard --results NOWHERE", USAGE, "there is no folder NOWHERE"),
    ("leaderboard --columns Q --results STORE", USAGE, "--columns 'Q': the table main has A, L, V, ave., rank, train"),
    ("leaderboard --dataset avatar --results STORE", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("submit theirs.csv --dataset avatars --anchor V --results STORE", DATA, "theirs.csv: there is no such file"),
    ("submit FILE --dataset avatr --anchor V --results STORE", USAGE, "unknown dataset 'avatr': did you mean avatars?"),
    ("submit FILE --dataset avatars --anchor smell --results STORE", USAGE, "--anchor 'smell': expected one of A (aco"),
    ("data export avatars --task OUT --anchor X", USAGE, "--anchor 'X': expected one of A (acoustic), L (lexical), V"),
    ("data export avatar --task OUT --anchor V", USAGE, "unknown dataset 'avatar': did you mean avatars?"),
    ("data export avatars --task OUT --anchor V --shift papr", USAGE, "unknown shift 'papr': did you mean paper?"),
    ("new method dann", USAGE, "a method dann exists already (built-in); choose another name"),
    ("new method Mine!", USAGE, "'Mine!' cannot name a method; use lower-case letters and digits"),
    ("new dataset my.corpus", USAGE, "'my.corpus' cannot name a dataset; use lower-case letters and digits"),
]
OTHERS = [
    ("compare dt dt --results STORE", USAGE, "dt and dt are the same method; name two"),
    ("compare dt luhp --results STORE", USAGE, "no row 'luhp' in the store"),
    ("submit FILE --dataset avatars --anchor V --results NOWHERE", USAGE, "there is no folder NOWHERE"),
    ("data prepare mintrec", DATA, "the dataset mintrec needs --data-root DIR"),
    ("data export avatars --layout wav --out OUT", USAGE, "folder"),
    ("run --dataset mintrec --results FILE", DATA, "the dataset mintrec needs --data-root DIR"),
    ("run --methods dt --jobs 0 --results FILE", ENVIRONMENT, "cannot write results to"),
    ("doctor --dataset mintrec", ENVIRONMENT, "MISSING corpus mintrec"),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The words in capitals of the table: a store, a file, folders that are not there."""
    folder = tmp_path_factory.mktemp("mistakes")
    store = Store(folder / "store")
    for method in ("dt", "dann"):
        store.write(make_cell(method, "V", 0), make_record(make_cell(method, "V", 0)), None)
    (folder / "file.csv").write_text("id,a\n")
    return {"STORE": store.results, "FILE": folder / "file.csv", "NOWHERE": folder / "nowhere", "OUT": folder / "out"}


def words(line, places):
    return [str(places.get(word, word)) for word in line.split()]


@pytest.mark.parametrize(("line", "code", "message"), [*NAMES, *OTHERS], ids=lambda value: str(value)[:40])
def test_a_mistake_is_told_with_what_was_expected(line, code, message, places, tmp_path, monkeypatch):
    monkeypatch.setenv("MMDA_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(app, words(line, places))
    told = " ".join(answer.output.split())
    assert answer.exit_code == code, told
    for word, place in places.items():
        message = message.replace(word, str(place))
    assert message in told
    assert "Traceback" not in told
    assert "internal error" not in told


@pytest.mark.slow
def test_wrong_names_are_told_at_once_and_without_torch(places):
    script = (
        "import json, sys, time\n"
        "from mmda_bench.cli.main import app\n"
        "spent = {}\n"
        "for words in json.loads(sys.argv[1]):\n"
        "    began = time.process_time()\n"
        "    try: app(words, prog_name='mmda-bench')\n"
        "    except SystemExit: pass\n"
        "    spent[' '.join(words)] = time.process_time() - began\n"
        "print(json.dumps([spent, sorted({'torch', 'ray', 'pandas'} & set(sys.modules))]))"
    )
    command = [sys.executable, "-c", script, json.dumps([words(line, places) for line, _, _ in NAMES])]
    before = os.times()
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    after = os.times()
    spent, heavy = json.loads(answer.stdout.splitlines()[-1])
    assert heavy == []
    whole = after.children_user + after.children_system - before.children_user - before.children_system
    dearest = whole - sum(spent.values()) + max(spent.values())
    assert dearest < AT_ONCE_S, "processor seconds of the start of the program and its slowest answer"
