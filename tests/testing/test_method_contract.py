"""``mmda-bench check`` passes what keeps the contract and says what is wrong with what does not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmda_bench import registry
from mmda_bench.errors import UsageError
from mmda_bench.machine.as_before import PutBackWarning
from mmda_bench.machine.pool import process_pool
from mmda_bench.registry import METHODS, load_plugin
from mmda_bench.testing.checks import run_check
from mmda_bench.testing.method_contract import CHECKS, check_method, rehearsed
from mmda_bench.testing.process_contract import LEFT, USED, check_left, one_thread
from mmda_bench.testing.scaffold import new_method

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
Planter = Callable[[str], str]
Finder = Callable[[str, str], str]


@pytest.fixture
def plant(tmp_path: Path) -> Planter:
    """Register a method whose class body is given; return its name."""

    def write(body: str) -> str:
        lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        path = tmp_path / "planted.py"
        path.write_text(
            "import numpy as np\nimport torch\nfrom torch import nn\n"
            "from mmda_bench import Choice, LogUniform, Method, Uniform, register_method\n"
            "from mmda_bench.functional import domain_loss, grad_reverse\n"
            "from mmda_bench.modules import Discriminator\n\n\n"
            f'@register_method("planted", title="Planted", paper="none")\nclass Planted(Method):\n{lines}\n'
        )
        load_plugin(path)
        return "planted"

    return write


@pytest.fixture
def fault(plant: Planter) -> Finder:
    """What the one check whose title has a word finds wrong with a planted method; no other check is run."""

    def find(body: str, word: str) -> str:
        ((title, check),) = [(title, check) for title, check in CHECKS.items() if word in title]
        found = run_check(title, check, METHODS.entry(plant(body)))
        assert not found.passed
        return found.detail

    return find


def failures(name: str) -> dict[str, str]:
    """Titles and details of the checks that a method fails."""
    return {check.title: check.detail for check in check_method(name) if not check.passed}


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


@pytest.mark.deep
@pytest.mark.parametrize("name", METHODS.names())
def test_every_built_in_method_keeps_the_contract(name: str) -> None:
    report = check_method(name)
    assert [check.title for check in report] == list(CHECKS)
    assert [(check.title, check.detail) for check in report if not check.passed] == []


@pytest.mark.parametrize("name", METHODS.names())
def test_every_built_in_method_keeps_what_is_checked_in_one_process(name: str) -> None:
    entry, others = (
        METHODS.entry(name),
        {LEFT, USED, next(title for title in CHECKS if title.startswith("terms beside"))},
    )
    report = [run_check(title, check, entry) for title, check in CHECKS.items() if title not in others]
    assert [(check.title, check.detail) for check in report if not check.passed] == []


def test_built_in_methods_leave_the_process_as_it_was_and_keep_nothing_in_it() -> None:
    """As the two checks of this do, here for all methods in one used process and one fresh one."""
    check_left(METHODS.entry("dt"), lambda: [rehearsed(name, 1) for name in METHODS.names()])
    with process_pool(1) as pool:
        fresh = [pool.submit(one_thread, rehearsed, name, 2) for name in METHODS.names()]
        for name, there in zip(METHODS.names(), fresh, strict=True):
            assert one_thread(rehearsed, name, 2) == there.result(), name


def test_an_honest_plugin_passes_and_the_random_state_is_left_alone(plant: Planter) -> None:
    name = plant(HONEST.format(line="pass"))
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    report = check_method(name)
    assert torch.equal(torch.rand(3), expected)
    assert [check.title for check in report] == list(CHECKS)
    assert [(check.title, check.detail) for check in report if not check.passed] == []


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
def test_terms_must_be_finite_named_scalars(fault: Finder, line: str, words: str) -> None:
    assert re.search(words, fault(loss(line), "finite scalar terms"))


def test_a_method_that_ends_the_program_fails(fault: Finder) -> None:
    assert "SystemExit: 0 (planted.py, line" in fault(HONEST.format(line="raise SystemExit(0)"), "finite scalar terms")


def test_a_detached_loss_is_found(fault: Finder) -> None:
    body = HONEST.format(line="pass").replace('x.z["joint"]', 'x.z["joint"].detach()')
    assert "detached by mistake" in fault(body, "gradients reach")


def test_a_parameter_that_nothing_trains_is_named(fault: Finder) -> None:
    idle = "self.idle = nn.Linear(2, 2)\n    self.weight = 1.0"
    body = HONEST.format(line="pass").replace("self.weight = weight", idle)
    assert "idle.weight, idle.bias" in fault(body, "own parameters are trained")


def test_touching_the_logits_against_the_declaration_is_found(fault: Finder) -> None:
    body = "logits_untouched = True\n" + loss("{'a': z.mean() + target.logits['joint'].square().mean()}")
    assert "detach the predictions" in fault(body, "logits untouched")


@pytest.mark.parametrize("line", ["target.labels", "getattr(target, 'labels', None)", "hasattr(target, 'y')"])
def test_asking_for_target_labels_is_found(fault: Finder, line: str) -> None:
    detail = fault(HONEST.format(line=line), "target label")
    assert "labels" in detail or "for y;" in detail


def test_changing_the_batch_is_found(fault: Finder) -> None:
    assert "in place" in fault(HONEST.format(line="source.z['A'].detach().mul_(2.0)"), "batch is left as it was")


def test_hidden_randomness_is_found(fault: Finder) -> None:
    assert "ctx.generator" in fault(loss("{'a': z.mean() * np.random.default_rng().uniform(1, 2)}"), "one seed")


def test_memory_outside_buffers_is_found(fault: Finder) -> None:
    body = HONEST.format(line="self.calls = getattr(self, 'calls', 0) + 1").replace("self.weight * ", "self.calls * ")
    assert "buffers" in fault(body, "state_dict")


def test_what_is_kept_on_the_class_is_found(fault: Finder) -> None:
    line = "centre = self.kept.setdefault(source.z['joint'].shape, source.z['joint'].detach())"
    body = HONEST.format(line=line).replace("self.weight * ", "(centre - source.z['joint']).mean() + ")
    assert "keep nothing in class attributes" in fault("kept = {}\n" + body, "a used process")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("torch.set_default_dtype(torch.float64)", "the default dtype of torch"),
        ("np.seterr(all='ignore')", "what numpy does on errors"),
        ("torch.nn.functional.gelu = torch.nn.functional.relu", "torch.nn.functional.gelu"),
    ],
)
def test_what_a_method_changes_in_the_process_is_found(fault: Finder, line: str, name: str) -> None:
    assert f"it changes {name}" in fault(HONEST.format(line=line), "leaves the process")


def test_what_a_plug_in_changes_when_it_is_loaded_is_found(plant: Planter) -> None:
    with pytest.warns(PutBackWarning):
        name = plant("torch.set_default_dtype(torch.float64)\n" + HONEST.format(line="pass"))
    found = failures(name)
    assert list(found) == [LEFT], "the other checks ran in a process as it should be"
    assert "the default dtype" in found[LEFT]


def test_a_fixed_number_of_classes_is_found(fault: Finder) -> None:
    body = loss("{'a': z.mean() * target.logits['joint'][:, 2].mean()}")
    assert "with classes 2" in fault(body, "few and many classes")


def test_a_logarithm_of_zero_is_found(fault: Finder) -> None:
    body = loss("{'a': z.mean() * target.logits['joint'].softmax(1).log().mean()}")
    assert "with confident predictions" in fault(body, "degenerate")


def test_a_root_at_zero_is_found_in_the_gradient(fault: Finder) -> None:
    assert "guard divisions, roots" in fault(loss("{'a': (z[0] - z[1]).square().sum().sqrt()}"), "degenerate")


def test_predictions_must_be_probabilities(fault: Finder) -> None:
    body = "def predict(self, logits):\n    return logits['joint']\n" + HONEST.format(line="pass")
    assert "softmax missing" in fault(body, "predict gives")


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
def test_search_spaces_are_checked(fault: Finder, space: str, words: str) -> None:
    assert re.search(words, fault(f"search_space = {space}\n" + HONEST.format(line="pass"), "search space"))


def test_what_cannot_be_built_ends_the_report(plant: Planter) -> None:
    init = "def __init__(self, ctx, *, weight: float = 1.0):\n    super().__init__(ctx)\n    raise KeyError('x')"
    (report,) = check_method(plant(init))
    assert (report.title, report.passed) == ("builds with its defaults", False)
    assert "KeyError: 'x' (planted.py, line" in report.detail


def test_a_component_that_cannot_be_off_is_found(fault: Finder) -> None:
    body = "components = ('part',)\n" + HONEST.format(line="assert 'part' in self.ctx.components")
    assert "with part off" in fault(body, "components")


def test_unknown_names_are_refused_with_a_suggestion() -> None:
    with pytest.raises(UsageError, match="did you mean dann"):
        check_method("danns")


def test_a_new_method_has_a_range_and_is_short(tmp_path: Path) -> None:
    paths = new_method("my-method", tmp_path / "plugins")
    assert [path.name for path in paths] == ["my_method.py", "test_my_method.py"]
    load_plugin(paths[0])
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
