"""``new method`` where it cannot write: a message with the folder and what to do."""

import pytest

from mmda_bench.errors import UsageError
from mmda_bench.testing.scaffold import new_method


@pytest.mark.parametrize("below", ["", "x", "x/y"])
def test_a_file_in_the_way_of_the_folder_is_named(tmp_path, below):
    (tmp_path / "afile").write_text("kept")
    with pytest.raises(UsageError, match=r"cannot write to .*afile.*; choose another folder with --out DIR"):
        new_method("mine", tmp_path / "afile" / below)
    assert (tmp_path / "afile").read_text() == "kept"


@pytest.mark.parametrize("name", ["all", "ablation", "target-supervised", "a--b", "a-"])
def test_what_could_not_be_registered_is_not_written(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a method"):
        new_method(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_name_with_a_plus_is_a_file_and_a_class_without_one(tmp_path):
    paths = new_method("mine+e", tmp_path)
    assert [path.name for path in paths] == ["mine_e.py", "test_mine_e.py"]
    assert "class MineE(Method)" in paths[0].read_text()
