"""``mmda-bench check`` passes what keeps the contract and says what is wrong with what does not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmda_bench import registry
from mmda_bench.errors import UsageError
from mmda_bench.machine.as_before import PutBackWarning
from mmda_bench.registry import METHODS, load_plugin
from mmda_bench.testing.method_contract import CHECKS, check_method
from mmda_bench.testing.scaffold import new_method

ROOT = Path(__file__).resolve().parents[2]
Planter = Callable[[str], dict[str, str]]


@pytest.fixture
def plant(tmp_path: Path) -> Planter:
    """Register a method whose class body is given; return the titles and details of the checks that it fails."""

    def write(body: str, name: str = "planted") -> dict[str, str]:
        lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        path = tmp_path / "planted.py"
        path.write_text(
            "import numpy as np\nimport torch\nfrom torch import nn\n"
            "from mmda_bench import Choice, LogUniform, Method, Uniform, register_method\n"
            "from mmda_bench.functional import domain_loss, grad_reverse\n"
            "from mmda_bench.modules import Discriminator\n\n\n"
            f'@register_method("{name}", title="Planted", paper="none")\nclass Planted(Method):\n{lines}\n'
        )
        load_plugin(path)
        return {check.title: check.detail for check in check_method(name) if not check.passed}

    return write


HONEST = """
def __init__(self, ctx, *, weight: float = 1.0):
    super().__init__(ctx)
    self.weight = weight
    self.d = Discriminator(ctx.dims["joint"])

def loss(self, source, target, progress):
    {line}
    s, t = (self.d(grad_reverse(x.z["joint"], 1.0)) for x in (source, target))
    return {{"domain": self.weight * domain_loss(s, t)}}
"""


@pytest.mark.parametrize("name", METHODS.names())
def test_every_built_in_method_keeps_the_contract(name: str) -> None:
    report = check_method(name)
    assert [check.title for check in report] == list(CHECKS)
    assert [(check.title, check.detail) for check in report if not check.passed] == []


def test_an_honest_plugin_passes(plant: Planter) -> None:
    assert plant(HONEST.format(line="pass")) == {}


def only(failures: dict[str, str], word: str) -> str:
    """The detail of the one failed check whose title has ``word``; others may fail along with it."""
    (detail,) = [detail for title, detail in failures.items() if word in title]
    return detail


def loss(line: str) -> str:
    return f"def loss(self, source, target, progress):\n    z = target.z['joint']\n    return {line}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[z.mean()]", "expected a dict of named terms"),
        ("z.mean()", "loss returned Tensor; expected a dict"),
        ("{1: z.mean()}", "expected a string"),
        ("{'a': z.mean(1)}", "expected a scalar tensor"),
        ("{'a': 1.0}", "'a' is of float; expected a scalar tensor"),
        ("{'a': z.argmax()}", "expected a scalar tensor"),
        ("{'a': z.mean() / progress}", "is inf at progress 0; expected a finite number"),
        ("{'a': z.mean() + self.nothing}", "AttributeError.*planted.py, line"),
    ],
)
def test_terms_must_be_finite_named_scalars(plant: Planter, line: str, words: str) -> None:
    assert re.search(words, only(plant(loss(line)), "finite scalar terms"))


def test_a_method_that_ends_the_program_fails(plant: Planter) -> None:
    failures = plant(HONEST.format(line="raise SystemExit(0)"))
    assert failures
    assert any("SystemExit: 0 (planted.py, line" in detail for detail in failures.values())


def test_a_detached_loss_is_found(plant: Planter) -> None:
    failures = plant(HONEST.format(line="pass").replace('x.z["joint"]', 'x.z["joint"].detach()'))
    assert "detached by mistake" in only(failures, "gradients reach")


def test_a_parameter_that_nothing_trains_is_named(plant: Planter) -> None:
    failures = plant(
        HONEST.format(line="pass").replace("self.weight = weight", "self.idle = nn.Linear(2, 2)\n    self.weight = 1.0")
    )
    assert "idle.weight, idle.bias" in only(failures, "own parameters")


def test_touching_the_logits_against_the_declaration_is_found(plant: Planter) -> None:
    failures = plant("logits_untouched = True\n" + loss("{'a': z.mean() + target.logits['joint'].square().mean()}"))
    assert "detach the predictions" in only(failures, "logits untouched")


@pytest.mark.parametrize("line", ["target.labels", "getattr(target, 'labels', None)", "hasattr(target, 'y')"])
def test_asking_for_target_labels_is_found(plant: Planter, line: str) -> None:
    detail = only(plant(HONEST.format(line=line)), "target label")
    assert "labels" in detail or "for y;" in detail


def test_changing_the_batch_is_found(plant: Planter) -> None:
    failures = plant(HONEST.format(line="source.z['A'].detach().mul_(2.0)"))
    assert "in place" in only(failures, "left as it was")


def test_hidden_randomness_is_found(plant: Planter) -> None:
    failures = plant(loss("{'a': z.mean() * np.random.default_rng().uniform(1, 2)}"))
    assert "ctx.generator" in only(failures, "one seed")


def test_memory_outside_buffers_is_found(plant: Planter) -> None:
    body = HONEST.format(line="self.calls = getattr(self, 'calls', 0) + 1").replace("self.weight * ", "self.calls * ")
    assert "buffers" in only(plant(body), "state_dict")


def test_what_is_kept_on_the_class_is_found(plant: Planter) -> None:
    line = "centre = self.kept.setdefault(source.z['joint'].shape, source.z['joint'].detach())"
    body = HONEST.format(line=line).replace("self.weight * ", "(centre - source.z['joint']).mean() + ")
    assert "keep nothing in class attributes" in only(plant("kept = {}\n" + body), "a used process")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("torch.set_default_dtype(torch.float64)", "the default dtype of torch"),
        ("np.seterr(all='ignore')", "what numpy does on errors"),
        ("torch.nn.functional.gelu = torch.nn.functional.relu", "torch.nn.functional.gelu"),
    ],
)
def test_what_a_method_changes_in_the_process_is_found(plant: Planter, line: str, name: str) -> None:
    assert f"it changes {name}" in only(plant(HONEST.format(line=line)), "leaves the process")


def test_what_a_plug_in_changes_when_it_is_loaded_is_found(plant: Planter) -> None:
    with pytest.warns(PutBackWarning):
        failures = plant("torch.set_default_dtype(torch.float64)\n" + HONEST.format(line="pass"))
    assert "the default dtype" in only(failures, "leaves the process")
    assert len(failures) == 1, "the other checks ran in a process as it should be"


def test_a_fixed_number_of_classes_is_found(plant: Planter) -> None:
    failures = plant(loss("{'a': z.mean() * target.logits['joint'][:, 2].mean()}"))
    assert "with classes 2" in only(failures, "few and many classes")


def test_a_logarithm_of_zero_is_found(plant: Planter) -> None:
    failures = plant(loss("{'a': z.mean() * target.logits['joint'].softmax(1).log().mean()}"))
    assert "with confident predictions" in only(failures, "degenerate")


def test_a_root_at_zero_is_found_in_the_gradient(plant: Planter) -> None:
    failures = plant(loss("{'a': (z[0] - z[1]).square().sum().sqrt()}"))
    assert "guard divisions, roots" in only(failures, "degenerate")


def test_predictions_must_be_probabilities(plant: Planter) -> None:
    failures = plant("def predict(self, logits):\n    return logits['joint']\n" + HONEST.format(line="pass"))
    assert "softmax missing" in only(failures, "predict")


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ("{'other': Uniform(0, 1)}", "'other', which __init__ does not take.*weight"),
        ("{'weight': Uniform(2.0, 3.0)}", "default weight = 1.0 lies outside"),
        ("{'weight': LogUniform(0.0, 3.0)}", "lies outside"),
        ("{'weight': Choice((2.0, 4.0))}", "lies outside"),
        ("{'weight': (0, 2)}", "expected Uniform, LogUniform or Choice"),
        ("{f'p{i}': Uniform(0, 1) for i in range(6)}", "6 ranges; at most 5"),
    ],
)
def test_search_spaces_are_checked(plant: Planter, space: str, words: str) -> None:
    assert re.search(words, only(plant(f"search_space = {space}\n" + HONEST.format(line="pass")), "search space"))


def test_what_cannot_be_built_ends_the_report(plant: Planter) -> None:
    failures = plant(
        "def __init__(self, ctx, *, weight: float = 1.0):\n    super().__init__(ctx)\n    raise KeyError('x')"
    )
    assert list(failures) == ["builds with its defaults"]
    assert "KeyError: 'x' (planted.py, line" in failures["builds with its defaults"]
    assert len(check_method("planted")) == 1


def test_a_component_that_cannot_be_off_is_found(plant: Planter) -> None:
    failures = plant("components = ('part',)\n" + HONEST.format(line="assert 'part' in self.ctx.components"))
    assert "with part off" in only(failures, "components")


def test_unknown_names_are_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean dann"):
        check_method("danns")


def test_checking_leaves_the_random_state_alone() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    check_method("dt")
    assert torch.equal(torch.rand(3), expected)


def test_a_new_method_passes_as_it_is(tmp_path: Path) -> None:
    paths = new_method("my-method", tmp_path / "plugins")
    assert [path.name for path in paths] == ["my_method.py", "test_my_method.py"]
    load_plugin(paths[0])
    assert all(check.passed for check in check_method("my-method"))
    assert METHODS.entry("my-method").search_space == {"weight": registry.LogUniform(0.1, 10.0)}
    assert len(paths[0].read_text().splitlines()) <= 40


def test_a_new_method_overwrites_nothing(tmp_path: Path) -> None:
    new_method("mine", tmp_path)
    (tmp_path / "mine.py").unlink()
    before = (tmp_path / "test_mine.py").read_text()
    with pytest.raises(UsageError, match=r"test_mine.py exists"):
        new_method("mine", tmp_path)
    assert (tmp_path / "test_mine.py").read_text() == before
    assert not (tmp_path / "mine.py").exists()


@pytest.mark.parametrize("name", ["Mine", "my method", "../mine", "", "1st"])
def test_a_new_method_needs_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a method"):
        new_method(name, tmp_path)


def test_a_new_method_cannot_take_a_built_in_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exists already"):
        new_method("dann", tmp_path)
