"""Somebody who has the corpora: verify, prepare, run and leaderboard from the command line, on files of the real kind.

The files are avatars written in the layouts of MIntRec and IEMOCAP, the checkpoints small random ones of the true
architectures in the true file formats.
"""

import json
from pathlib import Path

import pytest
from few import first_of_each_class
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.data.export import export
from mmda_bench.registry import DATASETS
from mmda_bench.store import Store
from tests.support import checkpoints

PLUGIN = """
from mmda_bench.backbone.paper import Paper
from mmda_bench.registry import register_backbone

@register_backbone("small-paper", title="The paper's architectures, small")
class SmallPaper(Paper):
    apvit_size = {size!r}
    frames = 3
"""


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output[-3000:] + str(done.exception)
    return done


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return checkpoints.save_all(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def backbone(tmp_path, weights):
    """Options that choose the paper's architectures at a small size."""
    plugin = tmp_path / "small_paper.py"
    plugin.write_text(PLUGIN.format(size=checkpoints.APVIT_SIZE))
    return ["--plugin", plugin, "--backbone", "small-paper"] + [
        word for name, place in weights.items() for word in ("--weights", f"{name}={place}")
    ]


def balanced(name, each):
    """The corpus ``name``, of every class the first ``each`` utterances."""

    class Balanced(DATASETS.get(name)):
        def utterances(self, root):
            return first_of_each_class(super().utterances(root), each)

    return Balanced()


@pytest.mark.deep
@pytest.mark.usefixtures("figureless")
@pytest.mark.parametrize(("layout", "source", "each"), [("mintrec", "avatars-intent", 8), ("iemocap", "avatars", 8)])
def test_from_files_to_a_leaderboard(tmp_path, backbone, layout, source, each):
    corpus, results, cache = tmp_path / "corpus", tmp_path / "results", tmp_path / "cache"
    export(balanced(source, each), layout, corpus)
    lost = damage(layout, corpus)
    here = ["--data-root", corpus]
    report = json.loads(call("data", "verify", layout, *here, "--json").stdout)
    assert report["usable"]
    kept = [*here, "--cache", cache]
    call("data", "prepare", layout, *kept, "--jobs", 1, *backbone)
    sweep = ["run", "--dataset", layout, *kept, "--results", results, "--no-bounds"]
    sweep += ["--anchors", "A", "--seeds", 1, "--epochs", 1, "--jobs", 0]
    call(*sweep, "--methods", "dt,a3d2", *backbone)
    call(*sweep, "--methods", "dt", "--backbone", "tiny")
    records, damaged = Store(results).records()
    assert not damaged
    assert [r["status"] for r in records] == ["ok"] * 3
    for record in records:
        assert {name for name, _ in record["dataset"]["skipped"]} == lost
    digests = {r["key"]["protocol"]["backbone"]: r["key"]["protocol"].get("weights", "") for r in records}
    assert len(digests["small-paper"]) == 8
    assert digests["tiny"] == ""
    tables = call("leaderboard", "--results", results).stdout
    assert f"backbone:small-paper#{digests['small-paper']}" in tables
    assert "backbone:tiny|" in tables


def damage(layout: str, corpus: Path) -> set[str]:
    """Cut a clip off; the ids of the utterances that are then lost."""
    if layout == "mintrec":
        clip = sorted(corpus.glob("raw_data/*/*/*.mp4"))[3]
        clip.write_bytes(clip.read_bytes()[:4000])
        return {"_".join([*clip.parent.parts[-2:], clip.stem])}
    sound = sorted(corpus.glob("Session1/sentences/wav/*/[!.]*.wav"))[0]
    sound.write_bytes(b"RIFF")
    return {sound.stem}
