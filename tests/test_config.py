"""Settings and folders from files: what cannot be meant is refused by its name."""

from pathlib import Path

import pytest

from mmda_bench.config import RunConfig, Workspace
from mmda_bench.errors import UsageError


@pytest.mark.parametrize("name", ["results", "data_root", "target_root", "cache", "weights", "plugins"])
@pytest.mark.parametrize("value", [3, True, ["x", 1], {"a": 1}, "a\0b", [[]]])
def test_a_folder_or_file_that_is_none_is_named(name, value):
    with pytest.raises(UsageError, match=name):
        Workspace(**{name: value})


@pytest.mark.parametrize("value", ["here", Path("here"), 7])
def test_plug_ins_are_a_list(value):
    with pytest.raises(UsageError, match="expected a list of files"):
        Workspace(plugins=value)


def test_plug_ins_may_come_one_by_one():
    assert Workspace(plugins=(name for name in ("a.py", "b.py"))).plugins == (Path("a.py"), Path("b.py"))


@pytest.mark.parametrize("name", ["seeds", "splits"])
def test_numbers_that_are_none_are_refused(name):
    with pytest.raises(UsageError, match=name):
        RunConfig(**{name: [[1], 2]})


def test_a_file_may_name_plug_ins_as_the_option_is_called(tmp_path):
    (tmp_path / "a.yaml").write_text("methods: dt\nplugin: mine.py\n")
    assert Workspace.from_file(tmp_path / "a.yaml").plugins == (Path("mine.py"),)
    assert RunConfig.from_file(tmp_path / "a.yaml").methods == "dt"


@pytest.mark.parametrize(
    ("name", "hint"),
    [("results", r"belongs to the workspace: Workspace\(results=...\)"), ("data-rot", "did you mean data_root")],
)
def test_a_setting_of_the_workspace_is_pointed_there(name, hint):
    with pytest.raises(UsageError, match=hint):
        RunConfig.of({name: "x"}, where="here")


def test_a_validator_without_a_choice_is_refused():
    with pytest.raises(UsageError, match="select 'bnm': nothing is chosen"):
        RunConfig(methods="dt", select="bnm").check()
    RunConfig(methods="dt[tuned]", select="bnm").check()


def test_the_name_of_a_file_of_corruptions_keeps_its_capitals():
    assert RunConfig(shift="Rain.YAML").shift == "Rain.YAML"
    assert RunConfig(shift="PAPER").shift == "paper"
