"""``new method`` where it cannot write: a message with the folder and what to do."""

import sys
import tomllib
from dataclasses import replace
from itertools import islice

import pytest

from mmda_bench import Dataset, Method, register_backbone, register_dataset, register_method
from mmda_bench.errors import ContractError, UsageError
from mmda_bench.registry import BACKBONES, DATASETS, isolated
from mmda_bench.testing import (
    assert_loss_equals,
    backbone_contract,
    check_backbone,
    check_dataset,
    check_method,
    method_contract,
)
from mmda_bench.testing.scaffold import new_backbone, new_dataset, new_method

pytestmark = pytest.mark.slow


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


class Outcomes:
    """What a run of pytest in this process reports: how every test ended, and why it failed."""

    def __init__(self, file, *options):
        self.passed, self.failed = [], {}
        alone = ["-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={file.parent}"]
        with isolated():
            self.code = pytest.main([*alone, *options, str(file)], plugins=[self])
        sys.modules.pop(file.stem, None)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.failed[report.nodeid] = report.longreprtext
        elif report.when == "call":
            self.passed.append(report.nodeid)


@pytest.mark.parametrize(
    ("new", "tests"),
    [
        pytest.param(new_method, len(method_contract.CHECKS) + 1, marks=pytest.mark.deep),
        (new_dataset, 1),
        pytest.param(new_backbone, len(backbone_contract.CHECKS), marks=pytest.mark.deep),
    ],
)
def test_what_is_written_passes_its_own_test(tmp_path, new, tests):
    done = Outcomes(new("freshly-made", tmp_path)[1])
    assert (done.code, done.failed) == (0, {})
    assert len(done.passed) == tests


def test_the_checks_of_a_new_method_run_with_its_test_and_not_when_it_is_collected(tmp_path, monkeypatch):
    file, test = new_method("freshly-made", tmp_path)
    file.write_text(file.read_text().replace("return {", "return {'label': target.labels.float().mean(), ", 1))
    assert Outcomes(test, "--collect-only").code == 0
    asked = Outcomes(test, "-k", "label and asked")
    assert asked.code == 1
    assert "a target batch has no 'labels'" in "".join(asked.failed.values())


@pytest.mark.parametrize(
    ("new", "kind"), [(new_method, "method"), (new_dataset, "dataset"), (new_backbone, "backbone")]
)
def test_a_package_has_an_entry_point_for_its_class(tmp_path, kind, new):
    paths = new("in-a-box", tmp_path, package=True)
    facts = tomllib.loads(paths[0].read_text())
    assert facts["project"]["entry-points"][f"mmda_bench.{kind}s"] == {"in-a-box": "in_a_box:InABox"}
    assert [path.relative_to(tmp_path / "mmda-bench-in-a-box").as_posix() for path in paths[1:]] == [
        "in_a_box.py",
        "tests/test_in_a_box.py",
    ]
    assert "load_plugin" not in paths[2].read_text()


def test_the_checks_of_a_dataset_and_a_backbone_find_what_is_planted():
    """A reader that changes its order, and a backbone whose prefix is left in train mode."""
    whole, tiny = DATASETS.get("avatars"), BACKBONES.get("tiny")

    @register_dataset("shuffled-here", title="Shuffled")
    class Shuffled(Dataset):
        card = replace(whole.card, name="shuffled-here")
        turn = 0

        def utterances(self, root):
            Shuffled.turn += 1
            return list(islice(whole().utterances(root), 120))[:: 1 if Shuffled.turn % 2 else -1]

    @register_backbone("training-here", title="Training")
    class Training(tiny):
        def encoder(self, modality):
            return super().encoder(modality).train()

    faults = {c.title: c.detail for c in [*check_dataset(Shuffled), *check_backbone(Training)] if not c.passed}
    assert "another order" in faults["a second reading gives the same"]
    assert "train mode" in faults["its three encoders load, in eval mode"]


def test_a_loss_is_held_against_an_oracle():
    class Gap(Method):
        def __init__(self, ctx, *, weight: float = 2.0):
            super().__init__(ctx)
            self.weight = weight

        def loss(self, source, target, progress):
            return {"gap": self.weight * progress * (source.z["V"].mean() - target.z["V"].mean()).abs()}

    register_method("gap-here", title="Gap", paper="nobody")(Gap)

    def oracle(factor):
        def mean(batch):
            rows = batch.z["V"].tolist()
            return sum(map(sum, rows)) / len(rows) / len(rows[0])

        return lambda source, target, progress: {"gap": factor * progress * abs(mean(source) - mean(target))}

    assert_loss_equals(Gap, oracle(3.0), weight=3.0, progress=0.25)
    with pytest.raises(AssertionError, match=r"term gap: .* the oracle says"):
        assert_loss_equals(Gap, oracle(3.0))
    with pytest.raises(ContractError, match=r"has no parameter wieght; it has weight"):
        assert_loss_equals(Gap, oracle(3.0), wieght=3.0)
    assert [check for check in check_method(Gap) if not check.passed] == []
