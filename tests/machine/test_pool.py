"""What a pool leaves when its driver is killed goes with the next one."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from mmda_bench.machine import others, pool

HOLD = """
import os, signal
from mmda_bench.machine.pool import process_pool
with process_pool(1) as there:
    there.submit(os.getpid).result()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_folder_of_a_killed_driver_goes_with_the_next_pool(tmp_path, monkeypatch):
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path(pool.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", HOLD], env=environment, check=False, timeout=120)
    assert len(list(tmp_path.glob(f"pymp-*/{pool.MARK}*"))) == 1
    alive, foreign = tmp_path / "pymp-alive", tmp_path / "pymp-foreign"
    for folder in (alive, foreign):
        folder.mkdir()
    (alive / f"{pool.MARK}{others.own_name()}").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pool.clear_leftovers()
    assert sorted(tmp_path.glob("pymp-*")) == [alive, foreign]


def test_a_program_from_standard_input_has_workers_as_one_from_a_file_has():
    program = """
from mmda_bench.machine.pool import process_pool
with process_pool(1) as pool:
    print(pool.submit(abs, -3).result())
"""
    done = subprocess.run(
        [sys.executable, "-"], input=program, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr
