"""What the commands about data exit with: 4 for a corpus that is wrong, 5 for a place that cannot be written."""

import noise
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from mmda_bench.cli.main import app
from mmda_bench.data.export import export
from mmda_bench.datasets.avatars.corpus import Avatars

pytestmark = pytest.mark.slow


@pytest.fixture
def answer(tmp_path):
    """Exit code and everything said by a command on a corpus of noise in which something is wrong."""

    def call(*arguments, **wrong):
        root = noise.lay_out(tmp_path / "root", 40, **wrong)
        options = ["--data-root", str(root), "--plugin", noise.__file__]
        result = CliRunner().invoke(app, ["data", *arguments, *options])
        return result.exit_code, result.output

    return call


@pytest.mark.parametrize("jobs", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_wrong_value_of_a_plug_in_is_4_and_names_its_utterance(answer, tmp_path, jobs):
    prepare = ("prepare", "noise", "--jobs", jobs, "--cache", str(tmp_path / "cache"))
    for command in (prepare, ("verify", "noise", "--jobs", jobs)):
        code, said = answer(*command, stereo=[7])
        assert code == 4
        assert "waveform() of utterance n_7 gives (400, 2) float32; expected (samples,) float32" in said
        assert "internal error" not in said


def test_an_exception_in_one_loader_of_a_plug_in_leaves_its_utterance_out(answer, tmp_path):
    code, said = answer("prepare", "noise", "--jobs", "1", "--cache", str(tmp_path / "cache"), failing=[7])
    assert code == 0
    assert "left out: n_7: KeyError: '7.wav'" in said


def test_a_cache_that_cannot_be_written_is_5(answer, tmp_path):
    (tmp_path / "file").touch()
    code, said = answer("prepare", "noise", "--jobs", "1", "--cache", str(tmp_path / "file"))
    assert code == 5
    assert "cannot write the cache" in said


def test_a_place_for_an_export_that_cannot_be_written_is_5(answer, tmp_path):
    (tmp_path / "file").touch()
    code, said = answer("export", "noise", "--out", str(tmp_path / "file" / "a"), "--limit", "1")
    assert code == 5
    assert "cannot write" in said


def test_a_folder_with_links_that_lead_nowhere_and_a_wav_of_another_rate_is_usable_and_both_are_named(tmp_path):
    out = export(Avatars(), "folder", tmp_path / "corpus", limit=60).out
    picture = out / "avatars_0007" / "00.jpg"
    picture.unlink()
    picture.symlink_to(tmp_path / "annex" / "key")
    soundfile.write(out / "avatars_0011.wav", np.full(4_000, 0.1), 8_000)
    root = ["--data-root", str(out), "--jobs", "1"]
    verified = CliRunner().invoke(app, ["data", "verify", "folder", *root])
    prepared = CliRunner().invoke(app, ["data", "prepare", "folder", *root, "--cache", str(tmp_path / "cache")])
    for result in (verified, prepared):
        assert result.exit_code == 0, result.output
        assert "avatars_0007: " in result.output
        assert "00.jpg is not a readable picture" in result.output
        assert "avatars_0011: acoustic: resampled from 8000 Hz" in result.output
