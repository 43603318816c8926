"""From the command line to a leaderboard, on real files, with nothing replaced."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmda_bench.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = """
from mmda_bench import Method, register_method
from mmda_bench.functional import domain_loss, grad_reverse, warmup
from mmda_bench.modules import Discriminator


@register_method("outside", title="Outside", paper="a test")
class Outside(Method):
    def __init__(self, ctx, *, weight: float = 1.0):
        super().__init__(ctx)
        self.weight = weight
        self.discriminator = Discriminator(ctx.dims["joint"])

    def loss(self, source, target, progress):
        z = [grad_reverse(batch.z["joint"], warmup(progress)) for batch in (source, target)]
        return {"domain": self.weight * domain_loss(self.discriminator(z[0]), self.discriminator(z[1]))}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """80 avatars as wav, jpg and csv, two clips of them damaged."""
    out = tmp_path_factory.mktemp("files") / "corpus"
    done = CliRunner().invoke(app, ["data", "export", "avatars", "--out", str(out), "--limit", "80"])
    assert done.exit_code == 0, done.output
    wav = sorted(out.glob("*.wav"))[3]
    wav.write_bytes(b"")
    jpg = sorted(sorted(p for p in out.iterdir() if p.is_dir())[7].glob("*.jpg"))[0]
    jpg.write_bytes(jpg.read_bytes()[:200])
    return out, {wav.stem, jpg.parent.name}


@pytest.fixture
def call(tmp_path, monkeypatch):
    monkeypatch.setenv("MMDA_BENCH_CACHE", str(tmp_path / "cache"))

    def invoke(*arguments):
        return CliRunner().invoke(app, [*arguments, "--results", str(tmp_path / "results")])

    return invoke


@pytest.mark.system
def test_a_corpus_of_real_files_and_a_method_from_outside_reach_the_leaderboard(files, call, tmp_path):
    root, damaged = files
    plugin = tmp_path / "outside.py"
    plugin.write_text(PLUGIN)
    arguments = ["run", "--dataset", "folder", "--data-root", str(root), "--methods", "dt,outside", "--anchors", "L"]
    arguments += ["--seeds", "1", "--epochs", "1", "--jobs", "0", "--no-bounds", "--plugin", str(plugin)]
    done = call(*arguments)
    assert done.exit_code == 0, done.output
    assert "Outside" in done.output
    board = (tmp_path / "results" / "leaderboard.md").read_text()
    assert "| Outside" in board
    assert "| DT" in board
    records = [json.loads(p.read_text()) for p in (tmp_path / "results").rglob("record.json")]
    assert len(records) == 2
    for record in records:
        assert record["status"] == "ok", record["reason"]
        assert len(record["dataset"]["skipped"]) == 2
        named = " ".join(f"{name} {reason}" for name, reason in record["dataset"]["skipped"])
        assert all(stem in named for stem in damaged)
    again = call(*arguments)
    assert again.exit_code == 0
    assert "outside anchor" not in again.output, "a second run computes nothing"


ON_RAY = """
from mmda_bench.cli import main
from mmda_bench.report.figures import gallery
gallery.draw = lambda boards, *_: {slug: [] for slug in gallery.slugs(boards)}
main()
"""


@pytest.mark.system
def test_ray_and_this_process_give_the_same_numbers(files, call, figureless, tmp_path):
    """The sweep on Ray has a process of its own, as on a command line. Neither draws anything."""
    arguments = ["run", "--dataset", "folder", "--data-root", str(files[0]), "--methods", "dt,a3d2", "--anchors", "V"]
    arguments += ["--seeds", "1", "--epochs", "1", "--no-bounds"]
    here = call(*arguments, "--jobs", "0")
    assert here.exit_code == 0, here.output
    there = [sys.executable, "-c", ON_RAY, *arguments, "--jobs", "1", "--results", str(tmp_path / "on-ray")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(there, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = (scores(tmp_path / folder) for folder in ("results", "on-ray"))
    assert len(first) == 2
    assert first == second


def scores(results):
    records = [json.loads(path.read_text()) for path in sorted(results.rglob("record.json"))]
    return [(record["key"], record["metrics"], record["curves"]) for record in records]


def test_a_missing_column_is_exit_4_and_names_it(files, call, tmp_path):
    root = tmp_path / "broken"
    root.mkdir()
    (root / "labels.csv").write_text("video_id,clip_id,text,mode\na,1,hello,train\n")
    done = call("run", "--dataset", "folder", "--data-root", str(root), "--jobs", "0")
    assert done.exit_code == 4
    assert "emotion" in done.output
    assert "Traceback" not in done.output
