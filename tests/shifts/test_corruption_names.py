"""The names of corruptions: in a shift, in a file, and of a plug-in, where they hold the digest of its file."""

import re

import numpy as np
import pytest

from mmda_bench.errors import UsageError
from mmda_bench.registry import isolated, load_plugin
from mmda_bench.shifts.corruptions import parse_corruptions, settled


def test_a_shift_names_a_corruption_and_its_severity():
    ((found, severity, digest),) = parse_corruptions("corrupt:white-noise@3")
    assert (found.name, found.levels[severity - 1], digest) == ("white-noise", 10, "")
    assert parse_corruptions("paper") == ()
    with pytest.raises(UsageError, match="unknown corruption 'white-noize': did you mean white-noise"):
        parse_corruptions("corrupt:white-noize@3")
    for wrong in ("corrupt:white-noise", "corrupt:white-noise@6", "corrupt:@1", "corrupt:jpeg@0", "corrupt:jpeg@1.5"):
        with pytest.raises(UsageError, match="expected corrupt:NAME@SEVERITY with a severity from 1 to 5"):
            parse_corruptions(wrong)


def test_several_corruptions_come_from_a_name_or_a_file_and_have_one_form(tmp_path):
    file = tmp_path / "street.yaml"
    file.write_text("V: dark@3\nA: [babble@2, reverb@1]\n")
    assert settled(str(file)) == "corrupt:babble@2+reverb@1+dark@3"
    assert settled("corrupt:dark@3 + jpeg@1") == "corrupt:dark@3+jpeg@1"
    (tmp_path / "street.toml").write_text('A = "babble@2"\n')
    assert settled(str(tmp_path / "street.toml")) == "corrupt:babble@2"
    for wrong, message in (
        ("A: dark@3", "dark@3 stands below A and changes V"),
        ("- dark@3", "expected corruptions by modality"),
        ("X: dark@3", "expected corruptions by modality"),
        ("V: dark@9", "severity from 1 to 5"),
    ):
        file.write_text(wrong)
        with pytest.raises(UsageError, match=message):
            settled(str(file))
    with pytest.raises(UsageError, match="cannot be read"):
        settled("nowhere.yaml")


HUM = """
from mmda_bench.shifts.corruptions import corruption
import numpy as np

@corruption("hum", "A", 0.01, 0.02, 0.04, 0.08, 0.16, unit="amplitude", origin="ours")
def hum(waveform, level, rng, around):
    return (waveform + level * np.sin(np.arange(len(waveform)) / 50)).clip(-1, 1).astype(np.float32)
"""


def test_a_corruption_of_a_plug_in_is_named_with_the_digest_of_its_file(tmp_path):
    file = tmp_path / "humming.py"
    file.write_text(HUM)
    with pytest.raises(UsageError, match="unknown corruption 'hum'"):
        settled("corrupt:hum@2")
    load_plugin(file)
    name = settled("corrupt:hum@2")
    assert re.fullmatch("corrupt:hum#[0-9a-f]{8}@2", name)
    assert settled(name) == name, "as it stands in a signature it can be typed again"
    (step,) = parse_corruptions(name)
    assert np.abs(step.corruption(np.zeros(400, np.float32), severity=2, rng=None)).max() == pytest.approx(
        0.02, abs=1e-4
    )
    file.write_text(HUM.replace("/ 50", "/ 60"))
    load_plugin(file)
    assert settled("corrupt:hum@2") != name
    with pytest.raises(UsageError, match="its plug-in file has changed"):
        settled(name)


@pytest.mark.slow
def test_a_plug_in_may_not_take_the_name_of_another(tmp_path):
    with isolated():
        (tmp_path / "dusk.py").write_text(HUM.replace('"hum"', '"dark"'))
        with pytest.raises(UsageError, match="there is a corruption 'dark' already"):
            load_plugin(tmp_path / "dusk.py")
    for file in ("one.py", "two.py"):
        (tmp_path / file).write_text(HUM)
        load_plugin(tmp_path / file)
    with pytest.raises(UsageError, match=r"two\.py: there is a corruption 'hum' already"):
        settled("corrupt:hum@1")
